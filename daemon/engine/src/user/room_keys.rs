//! Sessions in rooms: to whom their keys go, from whom keys are taken, and what is read in them.
//!
//! A room has one session of each device that writes in it. Before each message those are found to whom it may go, by what is
//! known of the room then: if they are others than those who have the session's key, a new one begins. So who was removed reads
//! nothing that is written by who knows of it, whatever was killed in between.

use martlet_protocol::bundle::Bundle;
use martlet_protocol::crypto::session::{OutboundSession, SessionContext};
use martlet_protocol::limits::{ENVELOPE_LIFETIME_MAX, SESSION_RECIPIENTS_MAX};
use martlet_protocol::message::in_room::{self, HEAD_BYTES};
use martlet_protocol::message::{DeviceMessage, InRoom, Message, RoomKey};
use martlet_protocol::room::{Operation, Person, Presence};
use martlet_protocol::{DeviceId, Envelope, EnvelopeId, Header, IdentityId, RoomId, UnixMillis};
use martlet_store::StoreError;
use martlet_store::records::{SealedTo, State};

use super::User;
use super::inbox::opened_grant;
use super::outbox::defect;
use super::resent::Loss;
use crate::conversation::{Author, ConversationRef};
use crate::directory::room_line;
use crate::keyring::olm::With;
use crate::keyring::{SessionHandle, SessionName};
use crate::kinds::{self, Content, Does};
use crate::limits::RESENT_MAX;
use crate::timeline::Line;
use crate::turn::Turn;

impl User {
    /// The devices to which something goes that is in this position of a room's conversation: those of its members who were in it
    /// when it was written, the user's own others included. Not those of who is blocked, nor such that the user is to confirm
    /// first. Of more than a session can have, moderators' and those of who came first: parts of a network that add people beside
    /// each other may add more than the room takes.
    pub(super) fn readers(
        &self,
        now: UnixMillis,
        id: &RoomId,
        position: u64,
    ) -> Vec<(IdentityId, Bundle)> {
        let Some(known) = self.directory.rooms().get(id) else { return Vec::new() };
        let (state, set) = (known.room.state(), known.room.set());
        let is_member = |person: &Person| person.presence == Presence::In;
        let members = state.people().filter(|(_, person)| is_member(person));
        let mut members: Vec<_> = members
            .filter(|(who, _)| !self.directory.is_blocked(who) && known.came_after(who) < position)
            .map(|(who, person)| {
                let came = set.get(&person.admitted_by).map(Operation::height);
                (*who != self.identity, person.grant.is_none(), came, who)
            })
            .collect();
        members.sort_unstable();
        let mut readers = Vec::new();
        for (.., who) in members {
            let Some(bundles) = self.directory.bundles_of(who) else { continue };
            let usable = bundles.usable(now).filter(|it| self.may_be_written_to(who, it));
            readers.extend(usable.map(|it| (*who, it.clone())));
        }
        readers.truncate(SESSION_RECIPIENTS_MAX);
        readers.sort_by_key(|(who, bundle)| (*who, bundle.certificate().device()));
        readers
    }

    /// The first of what waits in a conversation that can be sent now. In a room there may be nobody for what was written first,
    /// as those who were in it then are not to be found: it is not for those who came later, and does not keep them waiting.
    pub(super) fn first_to_send(&self, line: &IdentityId, now: UnixMillis) -> Option<u64> {
        let first = self.outbox.first_waiting(line)?;
        let Some(known) = self.directory.rooms().of_line(line) else { return Some(first) };
        let readers = self.readers(now, &known.room.id(), u64::MAX);
        let after = readers.iter().map(|(who, _)| known.came_after(who)).min()?;
        self.outbox.first_waiting_after(line, after)
    }

    /// Makes sure that there is a session for exactly those who may read what is in this position of a room's conversation. `false`
    /// if there is nobody.
    pub(super) fn ensure_room_session(
        &mut self,
        turn: &mut Turn<'_>,
        (line, position): (IdentityId, u64),
    ) -> Result<bool, StoreError> {
        let (now, id) = (turn.now, RoomId(line.0));
        let readers = self.readers(now, &id, position);
        let Some(known) = self.directory.rooms().get(&id).filter(|_| self.is_active()) else {
            return Ok(false);
        };
        if readers.is_empty() {
            return Ok(false);
        }
        let devices: Vec<_> = readers.iter().map(|(_, it)| it.certificate().device()).collect();
        let outdated = self.with_outdated_key(&line, now);
        if self.keyring.outbound.is_current(&line, &devices, now) && outdated.is_empty() {
            return Ok(true);
        }
        let context = SessionContext {
            sender: self.identity,
            device: self.keyring.device().device(),
            conversation: id.conversation(),
        };
        let knows = known.heads();
        let session =
            OutboundSession::new(turn.rng, context, &devices).map_err(|error| defect(&error))?;
        let mut contents = Vec::new();
        for (who, bundle) in &readers {
            let device = bundle.certificate().device();
            let Some(grant) = session.grant(&device) else { continue };
            let message = DeviceMessage::RoomKey(Box::new(RoomKey {
                grant,
                suggested_name: self.name().cloned(),
                rendezvous: self.keyring.rendezvous().clone(),
                knows: knows.clone(),
                lost_since: known
                    .untold()
                    .iter()
                    .find(|it| it.who == *who)
                    .and_then(|it| it.lost_since),
                skips: known.skips(who),
            }));
            // What was not acknowledged may not have opened.
            let with = if outdated.contains(&device) { With::Anew } else { With::TheLast };
            let content = self.seal_to(turn, who, bundle, &message, with)?;
            let sealed_to = SealedTo { device, made_at: bundle.created_at(), of: Some(*who) };
            contents.push((content, sealed_to));
        }
        self.keyring.outbound.begin(line, session, now);
        for (content, sealed_to) in contents {
            let key = self.post_sealed(turn, line, content, sealed_to)?;
            self.keyring.outbound.add_key(&line, key);
        }
        Ok(true)
    }

    /// Someone lost what they had: with the next message in each room they get a key again.
    pub(super) fn begin_room_sessions_anew(
        &mut self,
        turn: &mut Turn<'_>,
        identity: &IdentityId,
    ) -> Result<(), StoreError> {
        for room in self.directory.rooms().shared_with(identity).collect::<Vec<_>>() {
            self.keyring.outbound.end(turn.vault()?, &room_line(&room))?;
        }
        Ok(())
    }

    /// Keeps the key of a session in a room; `false` if that is not wanted, or not yet, so that it is not acknowledged.
    pub(super) fn take_room_key(
        &mut self,
        turn: &mut Turn<'_>,
        author: Author,
        key: RoomKey,
    ) -> Result<bool, StoreError> {
        let Author { identity, device } = author;
        let RoomKey { grant, suggested_name, rendezvous, knows, lost_since, skips } = key;
        let (room, own) = (RoomId(grant.conversation().0), self.identity);
        if device == self.keyring.device().device() {
            return Ok(false);
        }
        let known = self.directory.rooms().get(&room);
        let is_known = known.is_some();
        let lacks = known.is_none_or(|known| self.lacks(known, &knows));
        let heads: Vec<_> = knows.ops.iter().map(in_room::beginning).collect();
        // Of a room that the user forgot, or is not in yet, nothing is read.
        let is_shown = known.is_some_and(|known| {
            known.is_shown(&own) && (lacks || known.has_heard_of_return(&own, &heads))
        });
        let standing = self.standing_in(turn, &room, &identity, &heads).filter(|_| is_shown);
        let Some(standing) = standing else {
            // It may be known later that they are.
            self.leave_out_of_rooms();
            let is_believed = identity == own || self.directory.is_contact(&identity);
            let is_forgotten = self.directory.rooms().is_forgotten(&room);
            if lacks && !is_forgotten && (is_believed || is_known) {
                // Not now: what is written in the Olm session can't be undone, and the key could not be opened again.
                self.directory.rooms_mut().ask_later(room, author);
            }
            return Ok(false);
        };
        let context =
            SessionContext { sender: identity, device, conversation: room.conversation() };
        let (session_id, session) = match opened_grant(&grant, context) {
            Ok(opened) => opened,
            Err(error) => {
                tracing::debug!(%error, "a malformed session key");
                return Ok(false);
            }
        };
        let name = SessionName { identity, device, id: session_id };
        let tags = match self.keyring.inbound.tags(&name) {
            Some(tags) => tags,
            None => {
                self.keyring.inbound.make_room(turn.vault()?, &identity, &device)?;
                let tags = self.keyring.inbound.add(name, session, turn.now, Some(room));
                turn.awaited.extend(&tags);
                if let (Some(since), Standing::In) = (lost_since, standing) {
                    self.keyring.outbound.end(turn.vault()?, &room_line(&room))?;
                    // What they lack of the room itself.
                    self.answer_hello(turn, &room, (author, &knows), true)?;
                    self.note_loss(turn, author, room_line(&room), (Loss::Said(since), since))?;
                }
                tags
            }
        };
        if let Some(skips) = skips {
            let line = Line { conversation: ConversationRef::room(&room), device };
            self.timeline.miss_up_to(&line, skips);
        }
        if standing == Standing::Late {
            // How they are found is not asked any more.
            self.open_with_tags(turn, &tags)?;
            return Ok(true);
        }
        self.hear_in_room(turn, &room, identity)?;
        self.hear_state(turn, &room, &knows)?;
        if self.directory.is_contact(&identity) {
            self.take_rendezvous(turn, identity, &rendezvous)?;
        } else if identity != own {
            let people = self.directory.people_mut();
            if people.say(turn.vault()?, &identity, &rendezvous, suggested_name)? {
                self.keyring.forget_bundles(&identity);
                self.watch_bundle(turn, identity)?;
            }
        }
        if lacks {
            self.ask_of_room(turn, &room, author)?;
        }
        self.open_with_tags(turn, &tags)?;
        Ok(true)
    }

    /// Takes what was written in a room if its session opens it; whether it does.
    pub(super) fn take_in_room(
        &mut self,
        turn: &mut Turn<'_>,
        (room, identity, device): (RoomId, IdentityId, DeviceId),
        at: (SessionHandle, u32),
        (id, envelope, header): (&EnvelopeId, &Envelope, &Header),
    ) -> Result<bool, StoreError> {
        let own = self.identity;
        let is_wanted = self.directory.rooms().get(&room).is_some_and(|it| it.is_shown(&own))
            && !self.directory.is_blocked(&identity)
            && self.keyring.identities.is_valid(&identity, &device);
        if !is_wanted {
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
        let author = Author { identity, device };
        match InRoom::decode(&decrypted.data) {
            Ok(InRoom { heads, message }) => match Message::decode(&message.0) {
                Ok(message) => {
                    self.note_parts(turn, identity, &message, at.0);
                    if !self.read_in_room(turn, &room, (author, &heads), (message, at.1))? {
                        // Nobody is told that it is here.
                        return Ok(true);
                    }
                }
                Err(error) => tracing::debug!(%error, "a malformed message"),
            },
            Err(error) => tracing::debug!(%error, "a malformed message of a room"),
        }
        self.acknowledge(turn, decrypted.acks)?;
        Ok(true)
    }

    /// Reads what someone wrote in a room who knew of it what these are the last of, after so many others in its session;
    /// whether it was taken.
    fn read_in_room(
        &mut self,
        turn: &mut Turn<'_>,
        id: &RoomId,
        (author, heads): (Author, &[[u8; HEAD_BYTES]]),
        (message, before): (Message, u32),
    ) -> Result<bool, StoreError> {
        let Some(known) = self.directory.rooms().get(id) else { return Ok(false) };
        let lacks = heads.iter().any(|head| !known.room.set().has_beginning(head));
        let knew_the_end = known.is_closed_to(heads);
        let standing = self.standing_in(turn, id, &author.identity, heads);
        if lacks {
            self.ask_of_room(turn, id, author)?;
        }
        let mut record = kinds::received(message, author, turn.now);
        let mut is_op = false;
        if let Content::Does(Does::RoomOp(op)) = Content::of(&record) {
            is_op = true;
            // Whoever is removed should be as soon as can be; and what counts of them is the room's to judge.
            self.take_room_op(turn, id, author, &op)?;
        } else if knew_the_end && !kinds::takes_back(&record) {
            tracing::debug!("a message of who knew that its room is closed");
            return Ok(false);
        }
        match standing {
            Some(Standing::In) => self.hear_in_room(turn, id, author.identity)?,
            Some(Standing::Late) => record.is_late = true,
            None => {
                tracing::debug!("a message of who is not in its room any more");
                // What they did to the room was taken.
                return Ok(is_op);
            }
        }
        if let Content::Does(Does::RecallOther(recall)) = Content::of(&record) {
            let told = (&author.identity, heads);
            match self.may_recall(turn.now, id, told) {
                Some(true) => {}
                Some(false) => record = kinds::nothing(record),
                None => {
                    self.keep_room_recall(turn, id, (author.identity, heads), recall)?;
                    record = kinds::nothing(record);
                }
            }
        }
        let conversation = ConversationRef::room(id);
        let mut record = kinds::admit_in_room(record);
        let is_own = author.identity == self.identity;
        record.mentions_user = !is_own && record.mentions.contains(&self.identity);
        if author.identity == self.identity {
            // It came here by another node, or straight from the device.
            (record.own, record.state) = (true, State::Sent);
            let in_turn = self.timeline.in_turn(turn.vault()?, &conversation, record)?;
            let Some(in_turn) = in_turn else { return Ok(true) };
            record = in_turn;
            self.timeline.burn_sent(&mut record);
        }
        let (line, now) = (Line { conversation, device: author.device }, turn.now);
        // A session begins with each who comes. So the first for this device is the first in it, also where a later one came sooner.
        // (A recall may have the number of what it takes back.)
        let before = if kinds::takes_back(&record) { 0 } else { before };
        self.timeline.begin_line(&line, record.seq.saturating_sub(before.into()).max(1));
        let (number, mut used) = (record.seq, None);
        if self.timeline.is_again(turn.vault()?, &line, &record)? {
            let found = self.timeline.used_since(turn.vault()?, &line, number, RESENT_MAX)?;
            // Here a number may be less than any that came, too: of what did not go to this device first.
            used = found.1.then_some(found.0);
        }
        let appeared = self.timeline.receive(turn.vault()?, conversation, author, record, now)?;
        if let Some(since) = used {
            self.note_loss(turn, author, room_line(id), (Loss::Used(number), since))?;
        }
        self.plan_held(line, now);
        self.tell_appeared(turn, appeared)?;
        Ok(true)
    }

    /// As what someone wrote in a room who knew these operations last; `None` if it is not to be shown.
    fn standing_in(
        &self,
        turn: &Turn<'_>,
        id: &RoomId,
        who: &IdentityId,
        heads: &[[u8; HEAD_BYTES]],
    ) -> Option<Standing> {
        let known = self.directory.rooms().get(id)?;
        if known.has(who) {
            return Some(Standing::In);
        }
        let state = known.room.state();
        state.person(who)?;
        let set = known.room.set();
        let endings = known.room.endings_of(who);
        let has_heard = endings.iter().any(|end| set.is_in_past_of(end, heads));
        // What they wrote then has ended in all mailboxes.
        let is_long_ago = endings
            .iter()
            .filter_map(|end| set.get(end))
            .any(|end| turn.now.since(end.at()) > ENVELOPE_LIFETIME_MAX);
        (!has_heard && !is_long_ago && !state.settings().strict).then_some(Standing::Late)
    }
}

/// As what someone writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// A member.
    In,
    /// Who had been removed, and had not heard of it.
    Late,
}
