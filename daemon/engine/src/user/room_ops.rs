//! Operations on rooms: as they come, are asked for, and are given to who lacks them.
//!
//! Devices tell each other what they have of a room: with each session's key, with each message, and by a hello, once a day. Who
//! has more sends it, who has less says so. So all who hear of each other come to have the same, whatever was lost.

use martlet_protocol::message::{DeviceMessage, RoomOps, RoomPerson, room_op::RoomOp};
use martlet_protocol::room::{Action, Inserted, Operation, Presence, Room, Unverified};
use martlet_protocol::{DeviceId, IdentityId, OpId, RoomId, UnixMillis};
use martlet_store::StoreError;
use martlet_store::records::{Happened, SealedTo};

use super::User;
use super::rooms::Was;
use crate::conversation::Author;
use crate::directory::{Bundles, KnownRoom, room_line};
use crate::keyring::olm::With;
use crate::turn::Turn;

impl User {
    /// A device tells operations on a room. A room that is not known is taken of contacts, and of the user's own devices.
    pub(super) fn take_room_ops(
        &mut self,
        turn: &mut Turn<'_>,
        author: Author,
        RoomOps { room: id, ops, people }: &RoomOps,
    ) -> Result<bool, StoreError> {
        let is_known = self.directory.rooms().get(id).is_some();
        if is_known && !self.may_tell(id, &author.identity) {
            // It may be known later that they are in it.
            self.leave_out_of_rooms();
            return Ok(false);
        }
        if is_known {
            self.take_ops(turn, id, (ops, people), author)?;
            return Ok(true);
        }
        if !self.may_bring_rooms(&author.identity) {
            self.leave_out_of_rooms();
            return Ok(false);
        }
        let read = ops.first().and_then(|op| Unverified::read(op).ok());
        let creation = read.filter(|read| read.room() == *id).and_then(|read| read.verify().ok());
        let Some(room) = creation.and_then(Room::new) else {
            // A later part that came first. The first one comes, or is asked for.
            self.ask_of_room(turn, id, author)?;
            return Ok(true);
        };
        if let Err(error) = self.check_rooms(Some(&author.identity)) {
            tracing::warn!(%error, "a room that someone was added to is not taken");
            // Once the user forgets one there is room again.
            self.leave_out_of_rooms();
            return Ok(false);
        }
        self.forget_rooms(turn, UnixMillis(0))?;
        let known = (turn.now, Some(author.identity));
        self.directory.rooms_mut().add(turn.vault()?, room, known)?;
        self.follow_room(turn, id, Was::nothing(), &[])?;
        self.take_ops(turn, id, (ops, people), author)?;
        // Who brought the user in sees by that that they know.
        self.greet_device(turn, id, author)?;
        Ok(true)
    }

    /// Whether someone may tell of a room that is known: who is in it, or was.
    fn may_tell(&self, id: &RoomId, who: &IdentityId) -> bool {
        let known = self.directory.rooms().get(id);
        *who == self.identity
            || known.is_some_and(|known| known.concerns(who))
            || self.may_bring_rooms(who)
    }

    /// Whether what someone tells of a room that is not known is believed.
    pub(super) fn may_bring_rooms(&self, who: &IdentityId) -> bool {
        *who == self.identity || self.directory.is_contact(who) && !self.directory.is_blocked(who)
    }

    /// Something of a room came that is not wanted now, and may be later: it stays in the mailbox.
    pub(super) fn leave_out_of_rooms(&mut self) {
        self.directory.rooms_mut().leave_out();
        self.directory.requests_mut().leave_out();
    }

    /// An operation came in the conversation of its room.
    pub(super) fn take_room_op(
        &mut self,
        turn: &mut Turn<'_>,
        id: &RoomId,
        author: Author,
        RoomOp { op, people }: &RoomOp,
    ) -> Result<(), StoreError> {
        self.take_ops(turn, id, (std::slice::from_ref(op), people), author)
    }

    /// Takes operations on a room that is known, and what is said of people in it.
    fn take_ops(
        &mut self,
        turn: &mut Turn<'_>,
        id: &RoomId,
        (ops, people): (&[Vec<u8>], &[RoomPerson]),
        author: Author,
    ) -> Result<(), StoreError> {
        let Some(known) = self.directory.rooms().get(id) else { return Ok(()) };
        let was = Was::of(known);
        let mut new = Vec::new();
        let mut twins = Vec::new();
        for bytes in ops {
            let Some(op) = self.read_op(id, bytes) else { continue };
            let now = turn.now;
            match self.directory.rooms_mut().insert(turn.vault()?, id, op, now)? {
                Ok(Inserted::New(news)) => {
                    new.extend(news.ops);
                    twins.extend(news.equivocations);
                }
                Ok(Inserted::Known | Inserted::Waits) => {}
                Err(error) => tracing::debug!(%error, "an operation on a room does not fit"),
            }
        }
        for person in people {
            self.take_room_person(turn, id, person)?;
        }
        if !new.is_empty() {
            self.end_session_left(turn, id, &was)?;
            self.follow_room(turn, id, was, &new)?;
            self.look_at_recalls(turn, id)?;
            self.look_at_state(turn, id)?;
            self.pass_on(turn, id, &new)?;
        }
        for twin in twins {
            self.emit(turn, Happened::RoomEquivocation(*id, twin.ops.0, twin.ops.1))?;
        }
        let lacks = |known: &KnownRoom| known.room.set().awaited().next().is_some();
        if self.directory.rooms().get(id).is_some_and(lacks) {
            self.ask_of_room(turn, id, author)?;
        }
        Ok(())
    }

    /// Passes operations on to whom this device brought in, if their author had not heard of that: they were not written to.
    fn pass_on(
        &mut self,
        turn: &mut Turn<'_>,
        id: &RoomId,
        ops: &[OpId],
    ) -> Result<(), StoreError> {
        let Some(known) = self.directory.rooms().get(id) else { return Ok(()) };
        let (own, this, set) = (self.identity, self.keyring.device().device(), known.room.set());
        let mut lacking = Vec::new();
        for (who, person) in known.room.state().people() {
            let is_mine = set.get(&person.admitted_by).is_some_and(|op| op.device() == this);
            if person.presence != Presence::In || !is_mine || *who == own {
                continue;
            }
            let lacks = |op: &&OpId| {
                !set.is_before(&person.admitted_by, op)
                    && set.get(op).is_some_and(|op| op.author() != *who && op.device() != this)
            };
            let ops: Vec<_> = ops.iter().filter(lacks).filter_map(|op| set.get(op)).collect();
            if !ops.is_empty() {
                lacking.push((*who, self.with_people(ops)));
            }
        }
        for (who, ops) in lacking {
            self.send_ops(turn, id, (who, None), ops)?;
        }
        Ok(())
    }

    /// An operation on this room that is new and that its author signed.
    fn read_op(&self, id: &RoomId, bytes: &[u8]) -> Option<Operation> {
        let read = Unverified::read(bytes).inspect_err(|error| {
            tracing::debug!(%error, "what is no operation on a room");
        });
        let known = self.directory.rooms().get(id)?;
        let is_new = |read: &Unverified| read.room() == *id && !known.room.set().has(&read.id());
        let verified = read.ok().filter(is_new)?.verify();
        verified.inspect_err(|error| tracing::debug!(%error, "what is no operation on a room")).ok()
    }

    /// A device of someone's has come, or has new keys: it is told what it may lack, and what waited for it is sent. One that is new,
    /// and knows nothing of the others, was recovered from the phrase: it is told that there is the room.
    pub(super) fn take_keys_in_rooms(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        (device, is_new): (DeviceId, bool),
    ) -> Result<(), StoreError> {
        let rooms: Vec<_> = self.directory.rooms().shared_with(&identity).collect();
        for id in rooms {
            let line = room_line(&id);
            self.renew_sessions(turn, Some(line))?;
            self.reach(turn, &id, &identity)?;
            if identity == self.identity || is_new {
                self.greet_device(turn, &id, Author { identity, device })?;
            } else if self.awaits_state(&line) {
                self.ask_of_room(turn, &id, Author { identity, device })?;
                self.give_room(turn, &id, (identity, Some(device)))?;
            } else {
                self.give_room(turn, &id, (identity, Some(device)))?;
            }
            self.send_waiting(turn, line)?;
        }
        Ok(())
    }

    /// Gives all of a room to devices of someone whom the user brought in, and who was not heard of since.
    pub(super) fn give_room(
        &mut self,
        turn: &mut Turn<'_>,
        id: &RoomId,
        (who, only): (IdentityId, Option<DeviceId>),
    ) -> Result<(), StoreError> {
        let Some(known) = self.directory.rooms().get(id) else { return Ok(()) };
        let brought_in_by = known.person(&who).and_then(|it| known.room.set().get(&it.admitted_by));
        let this = self.keyring.device().device();
        let is_mine = brought_in_by.is_some_and(|op| op.device() == this);
        if who == self.identity || !is_mine || known.has_heard(&who) {
            return Ok(());
        }
        let ops = self.with_people(known.room.set().missing_to(&[]));
        self.send_ops(turn, id, (who, only), ops)
    }

    /// Operations, each with how those are found whom it brings in.
    pub(super) fn with_people(&self, ops: Vec<&Operation>) -> Vec<(Vec<u8>, Option<RoomPerson>)> {
        let person = |op: &Operation| match op.action() {
            Action::Create(_) => self.found_by(&op.author()),
            Action::Add(who) | Action::Grant(who) => self.found_by(who),
            Action::Remove(_)
            | Action::Revoke(_)
            | Action::Set(_)
            | Action::Leave
            | Action::Close
            | Action::Unknown { .. } => None,
        };
        ops.into_iter().map(|op| (op.as_bytes().to_vec(), person(op))).collect()
    }

    /// Sends operations to devices of someone.
    pub(super) fn send_ops(
        &mut self,
        turn: &mut Turn<'_>,
        id: &RoomId,
        to: (IdentityId, Option<DeviceId>),
        ops: Vec<(Vec<u8>, Option<RoomPerson>)>,
    ) -> Result<(), StoreError> {
        for part in RoomOps::parts(*id, ops) {
            self.send_about_room(turn, to, &DeviceMessage::RoomOps(part))?;
        }
        Ok(())
    }

    /// Tells who was put out that they are. It stays in the outbox until they have it: nobody else tells them.
    pub(super) fn tell_put_out(
        &mut self,
        turn: &mut Turn<'_>,
        id: &RoomId,
        (who, op): (IdentityId, Vec<u8>),
    ) -> Result<(), StoreError> {
        if self.directory.is_blocked(&who) {
            return Ok(());
        }
        let (now, line) = (turn.now, room_line(id));
        let bundles = self.directory.bundles_of(&who).map(Bundles::all).unwrap_or_default();
        let bundles: Vec<_> = bundles.iter().filter(|it| it.is_usable(now)).cloned().collect();
        let ops = RoomOps { room: *id, ops: vec![op], people: Vec::new() };
        let message = DeviceMessage::RoomOps(ops);
        for bundle in bundles {
            let content = self.seal_to(turn, &who, &bundle, &message, With::TheLast)?;
            let (device, made_at) = (bundle.certificate().device(), bundle.created_at());
            let sealed_to = SealedTo { device, made_at, of: Some(who) };
            self.post_sealed(turn, line, content, sealed_to)?;
        }
        Ok(())
    }

    pub(super) fn send_about_room(
        &mut self,
        turn: &mut Turn<'_>,
        (identity, only): (IdentityId, Option<DeviceId>),
        message: &DeviceMessage,
    ) -> Result<(), StoreError> {
        if self.directory.is_blocked(&identity) || !self.is_active() {
            return Ok(());
        }
        for content in self.seal_to_devices(turn, &identity, only, message)? {
            self.post_control(turn, identity, content)?;
        }
        Ok(())
    }
}
