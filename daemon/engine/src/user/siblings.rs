//! The user's other devices: found, written to, and told what the user does here.
//!
//! They are written to in a session of their own, in the own shard: its messages are those of the conversation of the user
//! with themselves. A copy of what was sent has a number there, and a place in the outbox among what is for the user's own
//! identity. While there is no other device nothing of this happens.

use martlet_protocol::bundle::Bundle;
use martlet_protocol::crypto::session::InboundSession;
use martlet_protocol::identity::IdentityState;
use martlet_protocol::message::{Content, Message, Payload, ReadUpTo, Sent, sent};
use martlet_protocol::time::Day;
use martlet_protocol::{
    DeviceId, Envelope, Header, IdentityId, MessageId, Rendezvous, SessionId, UnixMillis,
};
use martlet_store::StoreError;
use martlet_store::mailbox::Arrived;
use martlet_store::records::{Happened, MessageRecord, State};

use super::User;
use super::bundles::days_around;
use super::resent::Loss;
use crate::conversation::{Author, ConversationRef, Place};
use crate::keyring::SessionName;
use crate::kinds::{self, Does};
use crate::limits::{NEW_SIBLING_AWAITED, NEW_SIBLING_WAITING_MAX};
use crate::observer::Dropped;
use crate::outbox;
use crate::turn::Turn;

impl User {
    /// Whether another device of the user's can be written to, now or as soon as its keys have come.
    pub(super) fn has_siblings(&self, now: UnixMillis) -> bool {
        self.is_active() && (self.directory.siblings().has_usable(now) || self.awaits_sibling(now))
    }

    /// Whether a device was linked just now, and its keys are still to come: until then what is for the user's other devices
    /// waits, so that none of it is lost on the new one.
    pub(super) fn awaits_sibling(&self, now: UnixMillis) -> bool {
        let this = self.keyring.device().device();
        let known = self.directory.siblings().bundles().all();
        let is_known = |device: &DeviceId| {
            *device == this || known.iter().any(|it| it.certificate().device() == *device)
        };
        let mut valid = self.keyring.identities.own().into_iter().flat_map(IdentityState::valid);
        valid.any(|it| now.since(it.created_at()) < NEW_SIBLING_AWAITED && !is_known(&it.device()))
    }

    /// The keys of a new device did not come in time: nothing waits for them any more.
    pub(super) fn end_sibling_waits(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let own = self.identity;
        if self.outbox.first_waiting(&own).is_none() || self.awaits_sibling(turn.now) {
            return Ok(());
        }
        if self.directory.siblings().has_usable(turn.now) {
            return self.send_waiting(turn, own);
        }
        while let Some(position) = self.outbox.first_waiting(&own) {
            let place = Place { conversation: ConversationRef::direct(&own), position };
            self.timeline.end_deed(turn.vault()?, &place)?;
            self.outbox.end_wait(turn.vault()?, outbox::Place { identity: own, position })?;
        }
        Ok(())
    }

    /// Recognizes the bundles of the user's other devices, and takes those already here.
    pub(super) fn watch_sibling_bundles(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        for id in self.keyring.ids() {
            for day in days_around(turn.now.day()) {
                let tag = self.keyring.watch_bundle(&id, day);
                turn.awaited.push(tag);
                for Arrived { envelope, .. } in turn.mailbox().by_tag(&tag)? {
                    if let Ok(header) = Header::parse(&envelope.content) {
                        self.take_sibling_bundle(turn, day, &header, &envelope)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes a bundle of another device of the user's; whether the envelope is a bundle of the user's.
    pub(super) fn take_sibling_bundle(
        &mut self,
        turn: &mut Turn<'_>,
        day: Day,
        header: &Header,
        envelope: &Envelope,
    ) -> Result<bool, StoreError> {
        let now = turn.now;
        let ids = self.keyring.ids();
        let mut opened =
            ids.iter().filter_map(|id| Bundle::open(id, day, header, &envelope.content).ok());
        // Whoever knows the ID can publish under its tag; only the signature counts.
        let Some(bundle) = opened.next() else { return Ok(false) };
        let (own, device) = (self.identity, bundle.certificate().device());
        if device == self.keyring.device().device() || !bundle.is_usable(now) {
            return Ok(true);
        }
        let (certificate, said) = (bundle.certificate().clone(), bundle.state().to_vec());
        let learned = self.learn(turn, own, (Some(&certificate), &said))?;
        if !self.keyring.identities.is_valid(&own, &device) {
            return Ok(true);
        }
        if !self.directory.siblings_mut().take_bundle(turn.vault()?, bundle, now)? {
            return Ok(true);
        }
        if learned.lacks {
            self.tell_state(turn, (own, Some(device)), own)?;
        }
        self.renew_sessions(turn, Some(own))?;
        self.send_waiting(turn, own)?;
        self.take_keys_in_rooms(turn, own, (device, true))?;
        Ok(true)
    }

    /// Keeps the key of a session of another device of the user's.
    pub(super) fn take_sibling_session(
        &mut self,
        turn: &mut Turn<'_>,
        (device, id): (DeviceId, SessionId),
        session: InboundSession,
        (rendezvous, lost_since): (Rendezvous, Option<UnixMillis>),
    ) -> Result<bool, StoreError> {
        let own = self.identity;
        if device == self.keyring.device().device() {
            return Ok(false);
        }
        let name = SessionName { identity: own, device, id };
        let tags = match self.keyring.inbound.tags(&name) {
            Some(tags) => tags,
            None => {
                self.keyring.inbound.make_room(turn.vault()?, &own, &device)?;
                let tags = self.keyring.inbound.add(name, session, turn.now, None);
                turn.awaited.extend(&tags);
                if let Some(since) = lost_since {
                    let author = Author { identity: own, device };
                    self.note_loss(turn, author, own, (Loss::Said(since), since))?;
                }
                tags
            }
        };
        self.take_own_rendezvous(turn, &rendezvous)?;
        self.open_with_tags(turn, &tags)?;
        Ok(true)
    }

    /// Another device of the user's says by what their bundles are found. Contacts are told, as of a reset here.
    fn take_own_rendezvous(
        &mut self,
        turn: &mut Turn<'_>,
        theirs: &Rendezvous,
    ) -> Result<(), StoreError> {
        let Some(better) = self.keyring.better_rendezvous(theirs) else { return Ok(()) };
        let is_other = better.secret != self.keyring.rendezvous().secret;
        // It stands beside the root.
        turn.effects.wipes = true;
        self.keyring.set_rendezvous(turn.vault()?, better)?;
        if !is_other {
            return Ok(());
        }
        self.tell_rendezvous(turn)?;
        self.keyring.forget_bundles(&self.identity);
        self.watch_sibling_bundles(turn)
    }

    /// A device of the user's does not count any more. What is on its way to none is forgotten.
    pub(super) fn lose_sibling(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let own = self.identity;
        self.keyring.outbound.end(turn.vault()?, &own)?;
        if self.has_siblings(turn.now) {
            // Those that are left get it once more, under the same ids; but for what is for one of them alone.
            self.take_back(turn, self.outbox.of_session_with(&own, &own), false)?;
            return self.send_waiting(turn, own);
        }
        for (id, _) in self.outbox.matching(|it| *it.recipient() == own && !it.is_control()) {
            self.outbox.let_go(turn.vault()?, &id)?;
        }
        self.outbox.end_waits(turn.vault()?, own, u64::MAX, usize::MAX)?;
        self.timeline.forget_deeds(turn.vault()?, ConversationRef::direct(&own))
    }

    /// Tells the user's other devices something, if there is one that can be written to. With `about` it is of no more use
    /// than that message is.
    pub(super) fn tell_siblings(
        &mut self,
        turn: &mut Turn<'_>,
        content: Content,
        about: Option<&Message>,
    ) -> Result<(), StoreError> {
        if !self.has_siblings(turn.now) {
            return Ok(());
        }
        let own = self.identity;
        if self.awaits_sibling(turn.now) && self.outbox.messages_to(&own) >= NEW_SIBLING_WAITING_MAX
        {
            tracing::warn!("too much waits for the keys of a new device: it is not told the rest");
            return Ok(());
        }
        let mut deed = self.write(turn, &own, kinds::body_of(content), State::Queued);
        if let Some(message) = about {
            (deed.id, deed.sent_at) = (message.id, message.sent_at);
            deed.timers.expire_s = message.timers.expire_s;
        }
        self.send_deed(turn, own, &deed)
    }

    /// What the user says or does in a conversation appears on their other devices.
    pub(super) fn copy_sent(
        &mut self,
        turn: &mut Turn<'_>,
        conversation: IdentityId,
        message: &Message,
    ) -> Result<(), StoreError> {
        if !kinds::is_for_siblings_too(&message.content) {
            return Ok(());
        }
        if !self.has_siblings(turn.now) {
            return Ok(());
        }
        let bytes = Payload(message.encode());
        if bytes.0.len() > sent::MESSAGE_BYTES_MAX {
            tracing::warn!("a message is too long to be copied to the user's other devices");
            return Ok(());
        }
        self.tell_siblings(
            turn,
            Content::Sent(Sent { conversation, message: bytes }),
            Some(message),
        )
    }

    /// What the user has read here is read on their other devices.
    pub(super) fn copy_read(
        &mut self,
        turn: &mut Turn<'_>,
        conversation: IdentityId,
    ) -> Result<(), StoreError> {
        if !self.has_siblings(turn.now) {
            return Ok(());
        }
        let direct = ConversationRef::direct(&conversation);
        match self.timeline.last_read(turn.vault()?, &direct)? {
            Some(message) => {
                let read = Content::ReadUpTo(ReadUpTo { conversation, message });
                self.tell_siblings(turn, read, None)
            }
            None => Ok(()),
        }
    }

    /// Takes what the user wrote or did on another device. If it is with who is no contact here it waits for that.
    pub(super) fn take_sent(
        &mut self,
        turn: &mut Turn<'_>,
        author: Author,
        sent: &Sent,
    ) -> Result<(), StoreError> {
        let identity = sent.conversation;
        if !self.waits_for_contact(&identity) {
            return self.show_sent(turn, author, sent);
        }
        let at = Message::decode(&sent.message.0).map_or(turn.now, |message| message.sent_at);
        self.keep_early_copy(turn, author, identity, Content::Sent(sent.clone()), at)
    }

    /// Shows what the user wrote on another device, or does what they did there.
    pub(super) fn show_sent(
        &mut self,
        turn: &mut Turn<'_>,
        author: Author,
        Sent { conversation: identity, message }: &Sent,
    ) -> Result<(), StoreError> {
        let identity = *identity;
        let is_note = identity == self.identity;
        let message = match Message::decode(&message.0) {
            Ok(message) => message,
            Err(error) => {
                tracing::debug!(%error, "a malformed copy of what was sent");
                return Ok(());
            }
        };
        // How far it got is told apart from it (`progress.rs`).
        let state = if is_note { State::Delivered } else { State::Queued };
        let record = kinds::sent_elsewhere(message, author, turn.now, state);
        match kinds::Content::of(&record) {
            kinds::Content::Says(_) | kinds::Content::Unknown { .. } => {
                self.show_sent_row(turn, identity, record)
            }
            kinds::Content::Does(does) => self.do_sent(turn, identity, &record, does),
        }
    }

    fn show_sent_row(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        mut record: MessageRecord,
    ) -> Result<(), StoreError> {
        let conversation = ConversationRef::direct(&identity);
        if self.timeline.has_own(turn.vault()?, &record.id)?
            || self.timeline.was_recalled(&conversation, &record)
        {
            return Ok(());
        }
        self.timeline.burn_sent(&mut record);
        if self.timeline.has_ended(&record).is_some() {
            return Ok(());
        }
        let position = self.append(turn, identity, &record)?;
        let place = Place { conversation, position };
        self.do_early(turn, &place)?;
        self.offer_file(turn, &place)
    }

    /// Does what the user did on another device, with a message that is here; else it waits for that.
    pub(super) fn do_sent(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        record: &MessageRecord,
        does: Does,
    ) -> Result<(), StoreError> {
        let conversation = ConversationRef::direct(&identity);
        let own = self.identity;
        match does {
            Does::Edit(when, edit) => {
                let place = self.timeline.find_of(turn.vault()?, &edit.target, None)?;
                match place.filter(|place| place.conversation == conversation) {
                    None => self.wait_for_own(turn, conversation, edit.target, record),
                    Some(place) => {
                        if self.timeline.edit(turn.vault()?, &place, when, edit.text.as_str())? {
                            self.emit(turn, Happened::MessageEdited(place))?;
                        }
                        Ok(())
                    }
                }
            }
            Does::React(when, reaction) => {
                let place = self.timeline.find(turn.vault()?, &reaction.target, [&identity])?;
                match place.filter(|place| place.conversation == conversation) {
                    None => self.wait_for_own(turn, conversation, reaction.target, record),
                    Some(place) => {
                        let emoji = reaction.emoji.as_ref().map(|emoji| emoji.as_str());
                        if self.timeline.react(turn.vault()?, &place, own, when, emoji)? {
                            self.emit(turn, Happened::MessageReaction(place, own))?;
                        }
                        Ok(())
                    }
                }
            }
            Does::Recall(recall) => self.take_own_recall(turn, identity, recall.message),
            Does::FileHolders(told) => self.learn_holders(turn, (conversation, None), &told),
            Does::ReadUpTo(read) => {
                let writers = self.writers_in(&identity);
                let (records, message) = (turn.vault()?, &read.message);
                match self.timeline.find_in(records, &conversation, message, &writers)? {
                    None => self.wait_for_own(turn, conversation, read.message, record),
                    Some(place) => self.note_read(turn, &place),
                }
            }
            Does::GrantSession(_)
            | Does::GrantRoomKey(_)
            | Does::RoomHello(_)
            | Does::RoomOps(_)
            | Does::RoomHistory(_)
            | Does::GivePast(_)
            | Does::TakePast(_)
            | Does::RoomOp(_)
            | Does::RecallOther(_)
            | Does::LearnIdentity(_)
            | Does::Ping(_)
            | Does::Pong(_)
            | Does::RenewOlm(_)
            | Does::Read(_)
            | Does::FileReceived(_)
            | Does::Typing(_)
            | Does::Profile(..)
            | Does::ShowSent(_)
            | Does::Settle(_)
            | Does::Progress(_)
            | Does::Nothing => Ok(()),
        }
    }

    /// The user has read a conversation on another device.
    pub(super) fn show_read_up_to(
        &mut self,
        turn: &mut Turn<'_>,
        author: Author,
        read: ReadUpTo,
    ) -> Result<(), StoreError> {
        let body = kinds::body_of(Content::ReadUpTo(read));
        let (id, at) = (MessageId::random(turn.rng), turn.now);
        let deed = self.compose(turn, 1, body, State::Delivered);
        let deed = MessageRecord { id, sent_at: at, author: Some(author), ..deed };
        self.do_sent(turn, read.conversation, &deed, Does::ReadUpTo(read))
    }

    fn note_read(&mut self, turn: &mut Turn<'_>, place: &Place) -> Result<(), StoreError> {
        let marked = self.timeline.read_up_to(turn.vault()?, place)?;
        self.light_some(turn)?;
        if marked > 0 {
            self.emit(turn, Happened::ConversationRead(place.conversation, marked))?;
        }
        Ok(())
    }

    fn wait_for_own(
        &mut self,
        turn: &mut Turn<'_>,
        conversation: ConversationRef,
        target: MessageId,
        record: &MessageRecord,
    ) -> Result<(), StoreError> {
        let dropped =
            self.timeline.wait_for_target(turn.vault()?, conversation, target, record.clone())?;
        (0..dropped).for_each(|_| turn.observer.deed_dropped(Dropped::Waited));
        Ok(())
    }

    /// The user took an own message back on another device. If it is on its way from here, it is taken out of all mailboxes,
    /// and its number is used for the recall.
    pub(super) fn take_own_recall(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        id: MessageId,
    ) -> Result<(), StoreError> {
        let conversation = ConversationRef::direct(&identity);
        self.timeline.take_early(turn.vault()?, &conversation, &id)?;
        let place = self.timeline.find_of(turn.vault()?, &id, None)?;
        let Some(place) = place.filter(|place| place.conversation == conversation) else {
            let own = self.identity;
            return self.timeline.await_recalled(turn.vault()?, &own, conversation, own, id);
        };
        let Some(message) = self.timeline.message(turn.vault()?, &place)? else { return Ok(()) };
        if message.body.is_recalled() {
            return Ok(());
        }
        if self.outbox.has(&outbox::Place { identity, position: place.position }) {
            return self.recall_at(turn, &place, &message, None);
        }
        if self.timeline.recall_own(turn.vault()?, &place, None)? {
            self.tell_recalled(turn, &place, (id, None))?;
        }
        Ok(())
    }
}
