//! What arrives: recognized, opened, kept, acknowledged.

use crate::limits::REQUEST_SESSIONS_MAX;
use martlet_protocol::crypto::seal::Opened;
use martlet_protocol::crypto::session::{InboundSession, SessionContext, SessionGrant};
use martlet_protocol::message::{Message, SessionKeyMessage};
use martlet_protocol::{
    DeviceId, Envelope, EnvelopeId, Header, IdentityId, Kind, Rendezvous, SessionId, Tag,
    UnixMillis,
};
use martlet_store::StoreError;
use martlet_store::mailbox::{Arrived, SourceId};

use super::User;
use super::olm::Heard;
use super::openings::Bringer;
use super::resent::Loss;
use crate::conversation::{Author, ConversationRef};
use crate::keyring::{SessionHandle, SessionName};
use crate::kinds::{self, Content, Does};
use crate::observer::Opening;
use crate::turn::Turn;

/// Envelopes looked at in one batch when there is much to catch up with: bounds the commit.
const LOOK_BATCH_MAX: usize = 512;

/// When and where a message came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Came {
    pub(super) at: UnixMillis,
    /// How many its session had before it.
    pub(super) after: u32,
    /// In which session; `None` where that is not known any more.
    pub(super) session: Option<SessionHandle>,
}

impl User {
    /// Looks at an envelope that a peer brought and that has just been put into the mailbox.
    pub(crate) fn look_at(
        &mut self,
        turn: &mut Turn<'_>,
        (arrival, source): (u64, SourceId),
        id: &EnvelopeId,
        envelope: &Envelope,
        header: &Header,
    ) -> Result<(), StoreError> {
        self.replay_acks_of(turn, id)?;
        // Before it, others wait: it is looked at in its turn.
        if self.arrivals.looked_at + 1 != arrival {
            return Ok(());
        }
        self.arrivals.looked_at = arrival;
        self.open(turn, (arrival, Some(source)), id, envelope, header)
    }

    /// Whether an envelope with this tag is one that the user can open.
    pub(crate) fn awaits_tag(&self, tag: &Tag) -> bool {
        self.keyring.awaits(tag)
            || self.keyring.identities.notice_of(tag).is_some()
            || self.timeline.parts.incoming.awaits(tag)
    }

    /// Whether a slot of a to-device envelope is this device's.
    pub(crate) fn is_addressee(&self, header: &Header, content: &[u8]) -> bool {
        self.keyring.is_addressee(header, content)
    }

    /// Looks at what arrived while there was no user, or before a crash.
    pub(crate) fn look_at_mailbox(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        self.release_more(turn)?;
        self.open_waiting(turn)?;
        self.reveal_late_acks(turn)?;
        self.go_on(turn)?;
        self.trim_events(turn)?;
        let last = turn.mailbox().stats()?.last_arrival;
        if self.arrivals.looked_at >= last {
            return Ok(());
        }
        let arrived = turn.mailbox().arrived_after(self.arrivals.looked_at, LOOK_BATCH_MAX)?;
        if arrived.len() < LOOK_BATCH_MAX {
            self.arrivals.looked_at = last;
        }
        for Arrived { arrival, id, envelope } in arrived {
            self.arrivals.looked_at = self.arrivals.looked_at.max(arrival);
            if let Ok(header) = Header::parse(&envelope.content) {
                let source = turn.mailbox().source(&id, arrival);
                self.open(turn, (arrival, source), &id, &envelope, &header)?;
            }
            if self.arrivals.looked_at < arrival {
                // Someone became a contact by it: all is looked at again.
                break;
            }
        }
        // So that the next start does not look at it all again.
        self.counters.is_dirty = true;
        Ok(())
    }

    /// Opens what had to wait because too much had failed to open.
    fn open_waiting(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        for _ in 0..LOOK_BATCH_MAX {
            let Some((bringer, arrival)) = self.openings.next(turn.steady) else { break };
            self.counters.is_dirty = true;
            let found = turn.mailbox().arrived_after(arrival.saturating_sub(1), 1)?.pop();
            // It may have ended meanwhile.
            let Some(Arrived { id, envelope, .. }) = found.filter(|it| it.arrival == arrival)
            else {
                continue;
            };
            if let Ok(header) = Header::parse(&envelope.content) {
                self.open(turn, (arrival, bringer), &id, &envelope, &header)?;
            }
        }
        if let Some(arrival) = self.openings.take_passed_over() {
            self.arrivals.looked_at = self.arrivals.looked_at.min(arrival.saturating_sub(1));
        }
        Ok(())
    }

    fn open(
        &mut self,
        turn: &mut Turn<'_>,
        brought: (u64, Bringer),
        id: &EnvelopeId,
        envelope: &Envelope,
        header: &Header,
    ) -> Result<(), StoreError> {
        // What came to a device that has ended is neither shown nor acknowledged.
        if !self.is_active() {
            return Ok(());
        }
        match header.kind {
            Kind::ToDevice => self.open_to_device(turn, brought, id, envelope, header),
            Kind::Conversation => self.open_conversation(turn, brought.0, id, envelope, header),
        }
    }

    fn open_to_device(
        &mut self,
        turn: &mut Turn<'_>,
        brought: (u64, Bringer),
        id: &EnvelopeId,
        envelope: &Envelope,
        header: &Header,
    ) -> Result<(), StoreError> {
        let Some(opened) = self.unseal(turn, brought, id, envelope, header) else { return Ok(()) };
        let (sender, device) = (opened.certificate.identity(), opened.certificate.device());
        let is_blocked = self.directory.is_blocked(&sender);
        if is_blocked || !self.is_known(&sender) {
            self.count_unwanted(brought.1, turn.steady);
        }
        if is_blocked {
            return Ok(());
        }
        if !self.is_of_valid_device(turn, &opened.certificate)? {
            tracing::debug!("an envelope is of a device that does not count any more");
            turn.observer.opening(Opening::Refused);
            return Ok(());
        }
        let author = Author { identity: sender, device };
        if opened.conversation != self.direct(&sender) {
            tracing::debug!("a device message in a conversation that is not with its sender");
            return Ok(());
        }
        let (message, state) = match self.hear(turn, author, id, &opened.payload)? {
            Heard::Message(message, state) => (message, state),
            Heard::Again => return self.acknowledge_to(turn, &sender, opened.acks),
            Heard::Nothing => return Ok(()),
        };
        let mut is_of_room = false;
        let kept = match Content::of_device(message) {
            // Of what came while they were blocked, the keys alone: what comes now needs them.
            Content::Does(does)
                if self.directory.blocked().is_deaf_to(&sender, brought.0)
                    && !matches!(does, Does::GrantSession(_) | Does::GrantRoomKey(_)) =>
            {
                false
            }
            Content::Does(does) => {
                is_of_room = does.is_of_room();
                self.apply(turn, ConversationRef::direct(&sender), author, does)?
            }
            // There is nowhere to show it.
            Content::Says(_) => false,
            Content::Unknown { kind } => {
                tracing::debug!(kind, "a device message of a kind not known here");
                false
            }
        };
        self.have_heard(turn, state, (author, id), kept)?;
        for (room, author) in self.directory.rooms_mut().take_to_ask() {
            self.ask_of_room(turn, &room, author)?;
        }
        match (kept, is_of_room) {
            (false, _) => Ok(()),
            (true, true) => self.acknowledge(turn, opened.acks),
            (true, false) => self.acknowledge_to(turn, &sender, opened.acks),
        }
    }

    /// Opens a to-device envelope if it is for this device, and if not too many of them were garbage just
    /// now: then it waits.
    fn unseal(
        &mut self,
        turn: &Turn<'_>,
        (arrival, bringer): (u64, Bringer),
        id: &EnvelopeId,
        envelope: &Envelope,
        header: &Header,
    ) -> Option<Opened> {
        let addressed = match self.keyring.recognize(header, envelope) {
            Ok(addressed) => addressed?,
            Err(error) => {
                tracing::debug!(%error, "an envelope for this device can't be opened");
                return None;
            }
        };
        if !self.openings.may_open(bringer, turn.steady) {
            turn.observer.opening(Opening::Waits);
            self.openings.wait(bringer, arrival);
            self.plan_debts(turn.steady);
            return None;
        }
        match addressed.open(id) {
            Ok(opened) => {
                turn.observer.opening(Opening::Opened);
                Some(opened)
            }
            Err(error) => {
                tracing::debug!(%error, "an envelope for this device does not open");
                turn.observer.opening(Opening::Failed);
                self.count_unwanted(bringer, turn.steady);
                None
            }
        }
    }

    /// Keeps a session's key; `false` if it isn't wanted or there is no room for it, so that it isn't
    /// acknowledged.
    pub(super) fn take_session(
        &mut self,
        turn: &mut Turn<'_>,
        context: SessionContext,
        message: SessionKeyMessage,
    ) -> Result<bool, StoreError> {
        let SessionContext { sender: identity, device, .. } = context;
        let SessionKeyMessage { grant, suggested_name, rendezvous, lost_since, invite } = message;
        let (id, session) = match opened_grant(&grant, context) {
            Ok(opened) => opened,
            Err(error) => {
                tracing::debug!(%error, "a malformed session key");
                return Ok(false);
            }
        };
        if identity == self.identity {
            return self.take_sibling_session(
                turn,
                (device, id),
                session,
                (rendezvous, lost_since),
            );
        }
        if let Some(secret) = invite.filter(|_| !self.directory.is_contact(&identity)) {
            let introduction = (suggested_name.as_deref(), &rendezvous);
            self.redeem_invite(turn, identity, &secret, introduction)?;
        }
        let name = SessionName { identity, device, id };
        let tags = match self.keyring.inbound.tags(&name) {
            Some(tags) => tags,
            None => {
                let introduction = (suggested_name, rendezvous.clone());
                if !self.make_room_for_session(turn, (identity, device), introduction)? {
                    return Ok(false);
                }
                let tags = self.keyring.inbound.add(name, session, turn.now, None);
                turn.awaited.extend(&tags);
                if let Some(since) = lost_since {
                    let author = Author { identity, device };
                    self.note_loss(turn, author, identity, (Loss::Said(since), since))?;
                    self.begin_room_sessions_anew(turn, &identity)?;
                }
                tags
            }
        };
        self.take_rendezvous(turn, identity, &rendezvous)?;
        // What is in the mailbox already is looked at now: of unknown people too many others may follow
        // before its turn comes.
        self.open_with_tags(turn, &tags)?;
        Ok(true)
    }

    /// Someone is a contact again: what they sent meanwhile, in the sessions they had, waits in the mailbox.
    pub(super) fn resume_sessions(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
    ) -> Result<(), StoreError> {
        let tags = self.keyring.inbound.unpark(&identity);
        turn.awaited.extend(&tags);
        self.open_with_tags(turn, &tags)
    }

    pub(super) fn open_with_tags(
        &mut self,
        turn: &mut Turn<'_>,
        tags: &[Tag],
    ) -> Result<(), StoreError> {
        for tag in tags {
            for Arrived { arrival, id, envelope } in turn.mailbox().by_tag(tag)? {
                if let Ok(header) = Header::parse(&envelope.content) {
                    self.open_conversation(turn, arrival, &id, &envelope, &header)?;
                }
            }
        }
        Ok(())
    }

    /// Makes room for another session of `identity`; `false` if there is none.
    fn make_room_for_session(
        &mut self,
        turn: &mut Turn<'_>,
        (identity, device): (IdentityId, DeviceId),
        introduction: (Option<String>, Rendezvous),
    ) -> Result<bool, StoreError> {
        if self.directory.is_contact(&identity) {
            self.keyring.inbound.make_room(turn.vault()?, &identity, &device)?;
            return Ok(true);
        }
        if !self.greet_stranger(turn, identity, introduction)? {
            return Ok(false);
        }
        // The key is not acknowledged, and opened again once its sender is a contact. (An older session's key may have
        // been acknowledged by then, and what is left in it could never be read: it doesn't go.)
        if self.keyring.inbound.count_of(&identity) >= REQUEST_SESSIONS_MAX {
            self.directory.requests_mut().leave_out();
            return Ok(false);
        }
        Ok(true)
    }

    fn open_conversation(
        &mut self,
        turn: &mut Turn<'_>,
        arrival: u64,
        id: &EnvelopeId,
        envelope: &Envelope,
        header: &Header,
    ) -> Result<(), StoreError> {
        let Some(tag) = header.tag(&envelope.content) else { return Ok(()) };
        if let Some(identity) = self.keyring.identities.notice_of(&tag) {
            self.take_notice(turn, identity, header, envelope)?;
        }
        if let Some(step) = self.keyring.linking.step_of(&tag)
            && self.take_link_step(turn, step, header, envelope)?
        {
            return Ok(());
        }
        if let Some((identity, day)) = self.keyring.bundle_of(&tag)
            && self.take_bundle(turn, identity, day, header, envelope)?
        {
            return Ok(());
        }
        for at in self.keyring.inbound.with_tag(&tag).collect::<Vec<_>>() {
            let from = self.keyring.inbound.name(at.0).map(|name| name.identity);
            if from.is_some_and(|from| self.directory.blocked().is_deaf_to(&from, arrival)) {
                continue;
            }
            if self.take_message(turn, at, id, envelope, header)? {
                break;
            }
        }
        self.take_part(turn, &tag, id, (envelope, header)).map(|_| ())
    }

    /// Takes a message if the session opens it; whether it does.
    fn take_message(
        &mut self,
        turn: &mut Turn<'_>,
        at: (SessionHandle, u32),
        id: &EnvelopeId,
        envelope: &Envelope,
        header: &Header,
    ) -> Result<bool, StoreError> {
        let Some(SessionName { identity, device, .. }) = self.keyring.inbound.name(at.0) else {
            return Ok(false);
        };
        if let Some(room) = self.keyring.inbound.room(at.0) {
            return self.take_in_room(turn, (room, identity, device), at, (id, envelope, header));
        }
        let is_contact = self.directory.is_contact(&identity);
        let is_known = is_contact || identity == self.identity;
        if is_known && !self.keyring.identities.is_valid(&identity, &device) {
            return Ok(false);
        }
        if !is_known && !self.directory.requests_mut().has_room_for(&identity) {
            return Ok(false);
        }
        let decrypted = match self.keyring.inbound.open(at, id, header, &envelope.content) {
            Ok(Some(decrypted)) => decrypted,
            Ok(None) => return Ok(false),
            Err(error) => {
                // Anyone who saw the tag can copy it; the true envelope may still come.
                tracing::debug!(%error, "an envelope with a known tag does not open");
                return Ok(false);
            }
        };
        if is_known {
            let came = Came { at: turn.now, after: at.1, session: Some(at.0) };
            self.take_content(turn, (identity, device), &decrypted.data, came)?;
            self.acknowledge(turn, decrypted.acks)?;
        } else {
            self.keep_for_request(turn, identity, device, &decrypted.data, decrypted.acks)?;
        }
        Ok(true)
    }

    /// Takes what a device of a contact, or another of the user's own, wrote.
    pub(super) fn take_content(
        &mut self,
        turn: &mut Turn<'_>,
        (identity, device): (IdentityId, DeviceId),
        message: &[u8],
        came: Came,
    ) -> Result<(), StoreError> {
        match Message::decode(message) {
            Ok(message) => {
                let author = Author { identity, device };
                if let Some(session) = came.session {
                    self.note_parts(turn, identity, &message, session);
                }
                let message = kinds::received(message, author, came.at);
                self.receive(turn, author, message, came.after)
            }
            // Signed by its sender and still malformed: there is nothing to show.
            Err(error) => {
                tracing::debug!(%error, "a malformed message");
                Ok(())
            }
        }
    }
}

pub(super) fn opened_grant(
    grant: &SessionGrant,
    context: SessionContext,
) -> Result<(SessionId, InboundSession), martlet_protocol::crypto::session::SessionError> {
    Ok((grant.id()?, InboundSession::new(grant, context)?))
}
