//! Operations on rooms: as they come, are asked for, and are given to who lacks them.
//!
//! Devices tell each other what they have of a room: with each session's key, with each message, and by a hello, once a day. Who
//! has more sends it, who has less says so. So all who hear of each other come to have the same, whatever was lost.

use martlet_protocol::message::{
    DeviceMessage, Heads, RoomHello, RoomOps, RoomPerson, room_op::RoomOp,
};
use martlet_protocol::room::{Action, Inserted, Operation, Presence, Room, Unverified};
use martlet_protocol::{DeviceId, IdentityId, OpId, RoomId, UnixMillis};
use martlet_store::StoreError;
use martlet_store::records::{Happened, SealedTo};

use super::User;
use super::rooms::Was;
use super::unfinished::Greeting;
use crate::conversation::Author;
use crate::directory::{Bundles, KnownRoom, room_line};
use crate::keyring::olm::With;
use crate::limits::{ROOM_GREETED, ROOMS_GREETED_PER_TICK_MAX};
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
    fn may_bring_rooms(&self, who: &IdentityId) -> bool {
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
        let was = Was::of(&known.room);
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
            self.follow_room(turn, id, was, &new)?;
            self.look_at_recalls(turn, id)?;
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

    /// A device of someone's has come, or has new keys: it is told what it may lack, and what waited for it is sent.
    pub(super) fn take_keys_in_rooms(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        device: DeviceId,
    ) -> Result<(), StoreError> {
        let rooms: Vec<_> = self.directory.rooms().shared_with(&identity).collect();
        for id in rooms {
            let line = room_line(&id);
            self.renew_sessions(turn, Some(line))?;
            self.reach(turn, &id, &identity)?;
            if identity == self.identity {
                self.greet_device(turn, &id, Author { identity, device })?;
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
    fn with_people(&self, ops: Vec<&Operation>) -> Vec<(Vec<u8>, Option<RoomPerson>)> {
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

    fn send_about_room(
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

    /// Tells a device what is known of a room.
    fn greet_device(
        &mut self,
        turn: &mut Turn<'_>,
        id: &RoomId,
        Author { identity, device }: Author,
    ) -> Result<(), StoreError> {
        let heads = self.directory.rooms().get(id).map(KnownRoom::heads).unwrap_or_default();
        let hello = DeviceMessage::RoomHello(RoomHello::new(*id, heads));
        self.send_about_room(turn, (identity, Some(device)), &hello)
    }

    /// Asks a device for what it knows of a room and is not known here, if that was not done just now.
    pub(super) fn ask_of_room(
        &mut self,
        turn: &mut Turn<'_>,
        id: &RoomId,
        author: Author,
    ) -> Result<(), StoreError> {
        let steady = turn.steady;
        if !self.directory.rooms_mut().may_ask(*id, author.device, steady) {
            return Ok(());
        }
        self.greet_device(turn, id, author)
    }

    /// A device tells what it knows of a room: it is given what it lacks, and asked for what is lacking here.
    pub(super) fn take_hello(
        &mut self,
        turn: &mut Turn<'_>,
        author: Author,
        hello: &RoomHello,
    ) -> Result<bool, StoreError> {
        let (id, theirs, steady) = (hello.room, hello.knows(), turn.steady);
        let Some(known) = self.directory.rooms().get(&id) else {
            let is_wanted = self.may_bring_rooms(&author.identity) && !theirs.ops.is_empty();
            if is_wanted {
                self.ask_of_room(turn, &id, author)?;
            }
            return Ok(is_wanted);
        };
        let presence = match known.person(&author.identity) {
            Some(person) => person.presence,
            // What brought them in is undone: they may not know.
            None if known.concerns(&author.identity) => Presence::Removed,
            None => {
                self.leave_out_of_rooms();
                return Ok(false);
            }
        };
        if presence == Presence::In && !theirs.ops.is_empty() {
            self.hear_in_room(turn, &id, author.identity)?;
        }
        let Some(known) = self.directory.rooms().get(&id) else { return Ok(true) };
        if theirs.digest == known.heads().digest {
            return Ok(true);
        }
        let set = known.room.set();
        let missing = match presence {
            Presence::In => set.missing_to(&theirs.ops),
            // What shows that they are out, and nothing that came after it.
            Presence::Removed | Presence::Left => {
                set.missing_up_to(&theirs.ops, &known.room.endings_of(&author.identity))
            }
        };
        let lacks = self.lacks(known, &theirs);
        let mut ops = self.with_people(missing);
        if presence != Presence::In {
            // How members are found now is not for who is out.
            ops.iter_mut().for_each(|(_, person)| *person = None);
        }
        if !ops.is_empty() && self.directory.rooms_mut().may_answer(id, author.device, steady) {
            self.send_ops(turn, &id, (author.identity, Some(author.device)), ops)?;
        }
        if lacks {
            self.ask_of_room(turn, &id, author)?;
        }
        Ok(true)
    }

    /// Whether someone knows an operation that is not here.
    pub(super) fn lacks(&self, known: &KnownRoom, theirs: &Heads) -> bool {
        theirs.ops.iter().any(|op: &OpId| known.room.set().get(op).is_none())
    }

    /// Something came from someone in a room.
    pub(super) fn hear_in_room(
        &mut self,
        turn: &mut Turn<'_>,
        id: &RoomId,
        who: IdentityId,
    ) -> Result<(), StoreError> {
        // Not of who leaves by what just came: if they come again they have to be told all of it.
        let is_in = self.directory.rooms().get(id).is_some_and(|known| known.has(&who));
        if who != self.identity && is_in {
            self.directory.rooms_mut().hear(turn.vault()?, id, who)?;
        }
        Ok(())
    }

    /// With the day's chores: of each room some members are to be told what is known here, moderators first. Who was away hears
    /// from them what it missed. [`Self::greet_some`] does it.
    pub(super) fn greet_rooms(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let now = turn.now;
        self.directory.rooms_mut().forget_waiting(now);
        self.forget_old_rooms(turn)?;
        self.end_old_deeds_in_rooms(turn)?;
        let mut greetings = Vec::new();
        for known in self.directory.rooms().iter().filter(|known| known.has(&self.identity)) {
            let state = known.room.state();
            let reachable = |who: &&IdentityId| {
                **who != self.identity
                    && known.has(who)
                    && self
                        .directory
                        .bundles_of(who)
                        .is_some_and(|it| it.usable(now).next().is_some())
            };
            let mut to: Vec<IdentityId> = Vec::new();
            for who in state.moderators().chain(state.members()).filter(reachable) {
                if to.len() < ROOM_GREETED && !to.contains(who) {
                    to.push(*who);
                }
            }
            let room = known.room.id();
            let not_heard = state.members().filter(|who| !known.has_heard(who));
            greetings.extend(not_heard.map(|who| Greeting::All { room, who: *who }));
            greetings.extend(to.into_iter().map(|who| Greeting::Heads { room, who }));
        }
        self.unfinished.greet(greetings);
        Ok(())
    }

    /// Tells as many of those as may be told in one tick.
    pub(super) fn greet_some(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        for _ in 0..ROOMS_GREETED_PER_TICK_MAX {
            let Some(greeting) = self.unfinished.next_greeting() else { break };
            match greeting {
                Greeting::All { room, who } => self.give_room(turn, &room, (who, None))?,
                Greeting::Heads { room, who } => {
                    // Much may have happened since it was planned.
                    let Some(known) = self.directory.rooms().get(&room) else { continue };
                    if known.has(&self.identity) && known.has(&who) {
                        let hello = DeviceMessage::RoomHello(RoomHello::new(room, known.heads()));
                        self.send_about_room(turn, (who, None), &hello)?;
                    }
                }
            }
        }
        Ok(())
    }
}
