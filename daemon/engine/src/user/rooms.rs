//! Rooms as the user sees and changes them.

use std::collections::BTreeSet;

use martlet_protocol::message::{Content, RoomOp, Timers};
use martlet_protocol::room::{Action, Create, Room, Settings, Void};
use martlet_protocol::{IdentityId, OpId, RoomId};
use martlet_store::StoreError;
use martlet_store::records::{Happened, State};
use rand_core::Rng;

use super::User;
use crate::conversation::{ConversationRef, Place};
use crate::directory::{DirectoryError, KnownRoom, RoomError, room_line};
use crate::error::Fault;
use crate::kinds;
use crate::limits::ROOMS_MAX;
use crate::turn::Turn;

/// What a room was before something changed it.
pub(super) struct Was {
    members: BTreeSet<IdentityId>,
    void: BTreeSet<OpId>,
}

impl Was {
    pub(super) fn of(room: &Room) -> Self {
        let state = room.state();
        let members = state.members().copied().collect();
        Self { members, void: state.all_void().map(|(op, _)| *op).collect() }
    }

    /// A room that nobody was in.
    pub(super) fn nothing() -> Self {
        Self { members: BTreeSet::new(), void: BTreeSet::new() }
    }
}

impl User {
    /// Makes a room, with the user alone in it.
    pub(crate) fn create_room(&mut self, turn: &mut Turn<'_>, name: &str) -> Result<RoomId, Fault> {
        self.check_active()?;
        if self.network.shard_bits > 0 {
            return Err(RoomError::Shards.into());
        }
        self.check_rooms()?;
        let mut salt = [0; 16];
        turn.rng.fill_bytes(&mut salt);
        let settings = Settings { name: name.trim().to_owned(), ..Settings::default() };
        let room = Room::create(self.keyring.device(), Create { salt, settings }, turn.now);
        let room = room.map_err(|denied| RoomError::of(&denied, ""))?;
        let now = turn.now;
        let id = self.directory.rooms_mut().add(turn.vault()?, room, now)?;
        self.emit(turn, Happened::RoomJoined(id))?;
        Ok(id)
    }

    /// That there may be one room more.
    pub(super) fn check_rooms(&self) -> Result<(), RoomError> {
        if self.directory.rooms().shown().count() >= ROOMS_MAX {
            return Err(RoomError::TooMany { max: ROOMS_MAX });
        }
        Ok(())
    }

    /// Adds a contact to a room, or makes them a moderator.
    pub(crate) fn bring_in(
        &mut self,
        turn: &mut Turn<'_>,
        room: &RoomId,
        who: &str,
        as_moderator: bool,
    ) -> Result<(), Fault> {
        let identity = self.person_in(room, who)?;
        if identity == self.identity {
            return Err(RoomError::Oneself.into());
        }
        if self.keyring.identities.is_terminated(&identity) {
            return Err(DirectoryError::ContactTerminated { who: who.to_owned() }.into());
        }
        if self.directory.is_blocked(&identity) {
            return Err(DirectoryError::Blocked { who: who.to_owned() }.into());
        }
        let action = if as_moderator { Action::Grant(identity) } else { Action::Add(identity) };
        self.act(turn, room, action, who)
    }

    /// Puts someone out of a room.
    pub(crate) fn put_out(
        &mut self,
        turn: &mut Turn<'_>,
        room: &RoomId,
        who: &str,
    ) -> Result<(), Fault> {
        let identity = self.person_in(room, who)?;
        let known = self.directory.rooms().get(room);
        if known.is_some_and(|known| known.person(&identity).is_some() && !known.has(&identity)) {
            return Err(RoomError::NoChange.into());
        }
        self.act(turn, room, Action::Remove(identity), who)
    }

    /// Makes a moderator a member again: takes back all that made them one.
    pub(crate) fn demote(
        &mut self,
        turn: &mut Turn<'_>,
        room: &RoomId,
        who: &str,
    ) -> Result<(), Fault> {
        let identity = self.person_in(room, who)?;
        let grant = |user: &Self| {
            user.directory.rooms().get(room)?.person(&identity).and_then(|person| person.grant)
        };
        let Some(first) = grant(self) else { return Err(RoomError::NoChange.into()) };
        self.act(turn, room, Action::Revoke(first), who)?;
        // Two may have granted it beside each other. What the user can't take back is told.
        while let Some(next) = grant(self) {
            self.act(turn, room, Action::Revoke(next), who)?;
        }
        Ok(())
    }

    /// Does something in a room, and tells who is in it.
    pub(crate) fn act(
        &mut self,
        turn: &mut Turn<'_>,
        id: &RoomId,
        action: Action,
        who: &str,
    ) -> Result<(), Fault> {
        self.check_active()?;
        let known = self.known_room(id)?;
        let signed = known.room.sign(self.keyring.device(), action, turn.now);
        let op = signed.map_err(|denied| RoomError::of(&denied, who))?;
        let was = Was::of(&known.room);
        let bytes = op.as_bytes().to_vec();
        // Who is put out is told, too: by then their keys may be forgotten. So are the user's other devices, once they leave.
        let out = match op.action() {
            Action::Remove(identity) => Some(*identity),
            Action::Leave => Some(self.identity),
            Action::Create(_)
            | Action::Add(_)
            | Action::Grant(_)
            | Action::Revoke(_)
            | Action::Set(_)
            | Action::Close
            | Action::Unknown { .. } => None,
        };
        let (brought_in, op_id, now) = (admitted(op.action()), op.id(), turn.now);
        let inserted = self.directory.rooms_mut().insert(turn.vault()?, id, op, now)?;
        if let Err(misfit) = inserted {
            return Err(StoreError::Failed { reason: misfit.to_string() }.into());
        }
        if let Some(out) = out {
            self.tell_put_out(turn, id, (out, bytes.clone()))?;
        }
        let people = brought_in.and_then(|identity| self.found_by(&identity));
        let people = people.into_iter().collect();
        // Before the keys of those are forgotten with whom the user is in no room any more.
        self.tell_room(turn, id, Content::RoomOp(RoomOp { op: bytes, people }))?;
        Ok(self.follow_room(turn, id, was, &[op_id])?)
    }

    /// Says something in the room's conversation that is no row of it, if anyone else is in it.
    fn tell_room(
        &mut self,
        turn: &mut Turn<'_>,
        id: &RoomId,
        content: Content,
    ) -> Result<(), StoreError> {
        if !self.has_others(id) {
            return Ok(());
        }
        let line = room_line(id);
        let deed = self.write(turn, &line, kinds::body_of(content), State::Queued);
        self.send_deed(turn, line, &deed)
    }

    /// The contact with this name, or how the room stands that has it: that the user may write there.
    pub(crate) fn written_to(&self, name: &str) -> Result<IdentityId, Fault> {
        let line = self.conversation_called(name)?;
        let Some(id) = self.room_at(&ConversationRef::direct(&line)) else {
            return Ok(self.reachable_identity_of(name)?);
        };
        self.check_room(&id)?;
        if !self.has_others(&id) {
            return Err(RoomError::Alone.into());
        }
        Ok(line)
    }

    /// That the user may write in a room.
    pub(crate) fn check_room(&self, id: &RoomId) -> Result<(), Fault> {
        self.check_active()?;
        let known = self.known_room(id)?;
        if !known.has(&self.identity) {
            return Err(RoomError::NotMember.into());
        }
        if known.room.state().is_closed() {
            return Err(RoomError::Closed.into());
        }
        Ok(())
    }

    /// That the user may write there: to the contact, or in the room.
    pub(super) fn check_writable(&self, conversation: &ConversationRef) -> Result<(), Fault> {
        match self.room_at(conversation) {
            Some(id) => self.check_room(&id),
            None => Ok(self.check_reachable(&IdentityId(conversation.0))?),
        }
    }

    /// Whether anyone is in a room but this device.
    fn has_others(&self, id: &RoomId) -> bool {
        let Some(known) = self.directory.rooms().get(id) else { return false };
        let mut members = known.room.state().members();
        members.any(|member| *member != self.identity)
            || !self.directory.siblings().bundles().all().is_empty()
    }

    pub(super) fn known_room(&self, id: &RoomId) -> Result<&KnownRoom, RoomError> {
        let unknown = || RoomError::Unknown { name: id.to_string(), nearest: None };
        self.directory.rooms().get(id).ok_or_else(unknown)
    }

    /// The contact with this name, or who is or was in the room and has this ID or calls themselves so.
    fn person_in(&self, room: &RoomId, who: &str) -> Result<IdentityId, Fault> {
        if let Ok(identity) = self.identity_of(who) {
            return Ok(identity);
        }
        let known = self.known_room(room)?;
        let view = self.view();
        let is_meant = |identity: &&IdentityId| {
            let person = view.room_person(identity);
            person.id == who
                || person.name.is_none() && person.calls_themselves.as_deref() == Some(who)
                || who.parse().is_ok_and(|id: martlet_protocol::Id| id.identity == **identity)
        };
        let mut meant = known.room.state().people().map(|(identity, _)| identity).filter(is_meant);
        match (meant.next(), meant.next()) {
            (Some(identity), None) => Ok(*identity),
            (Some(_), Some(_)) => Err(RoomError::AmbiguousPerson { who: who.to_owned() }.into()),
            (None, _)
                if who
                    .parse()
                    .is_ok_and(|id: martlet_protocol::Id| id.identity == self.identity) =>
            {
                Ok(self.identity)
            }
            (None, _) => Err(self.unknown_contact(who).into()),
        }
    }

    /// The room of a conversation, if it is one's.
    pub(super) fn room_at(&self, conversation: &ConversationRef) -> Option<RoomId> {
        let id = RoomId(conversation.0);
        self.directory.rooms().get(&id).map(|_| id)
    }

    pub(super) fn is_room(&self, conversation: &ConversationRef) -> bool {
        self.room_at(conversation).is_some()
    }

    /// The id of the room that stands there, in words.
    pub(super) fn room_id_of(&self, line: &IdentityId) -> Option<String> {
        self.directory.rooms().of_line(line).map(|known| known.room.id().to_string())
    }

    /// The contact of this name, or how the room stands that has it.
    pub(crate) fn conversation_called(&self, name: &str) -> Result<IdentityId, Fault> {
        if let Ok(identity) = self.identity_of(name) {
            return Ok(identity);
        }
        match self.directory.room_of(name) {
            Ok(room) => Ok(room_line(&room)),
            Err(RoomError::Unknown { .. }) => Err(self.unknown_contact(name).into()),
            Err(error) => Err(error.into()),
        }
    }

    /// All conversations with contacts and in rooms, as they are called.
    pub(super) fn all_conversations(&self) -> Vec<(String, IdentityId)> {
        let contacts =
            self.directory.by_name().map(|(name, identity)| (name.to_owned(), *identity));
        let rooms = self.shown_rooms();
        let rooms = rooms.map(|it| (self.directory.room_name(it), room_line(&it.room.id())));
        contacts.chain(rooms).collect()
    }

    /// Who else may have written there.
    pub(super) fn writers_in(&self, line: &IdentityId) -> Vec<IdentityId> {
        match self.directory.rooms().of_line(line) {
            Some(known) => known.room.state().people().map(|(who, _)| *who).collect(),
            None => vec![*line],
        }
    }

    /// Who may have written anywhere.
    pub(super) fn all_writers(&self) -> BTreeSet<IdentityId> {
        let rooms = self.directory.rooms().iter();
        let people = rooms.flat_map(|known| known.room.state().people().map(|(who, _)| *who));
        self.directory.identities().copied().chain(people).collect()
    }
}

/// Whom an action brings in.
pub(super) fn admitted(action: &Action) -> Option<IdentityId> {
    match action {
        Action::Add(who) | Action::Grant(who) => Some(*who),
        Action::Create(_)
        | Action::Remove(_)
        | Action::Revoke(_)
        | Action::Set(_)
        | Action::Leave
        | Action::Close
        | Action::Unknown { .. } => None,
    }
}

impl User {
    /// A room changed by these operations: what follows from it is done.
    pub(super) fn follow_room(
        &mut self,
        turn: &mut Turn<'_>,
        id: &RoomId,
        was: Was,
        ops: &[OpId],
    ) -> Result<(), StoreError> {
        let Some(known) = self.directory.rooms().get(id) else { return Ok(()) };
        let (own, this) = (self.identity, self.keyring.device().device());
        let state = known.room.state();
        let members: BTreeSet<_> = state.members().copied().collect();
        let came: Vec<_> = members.difference(&was.members).copied().collect();
        let went: Vec<_> = was.members.difference(&members).copied().collect();
        let is_own = |op: &&OpId| {
            known.room.set().get(op).is_some_and(|op| op.author() == own && op.device() == this)
        };
        let void =
            state.all_void().filter(|(op, _)| !was.void.contains(op)).filter(|(op, _)| is_own(op));
        let undone: Vec<_> = void
            .filter_map(|(op, why)| match why {
                Void::Undone { by } => Some(Happened::RoomUndone(*id, *op, *by)),
                Void::NoRight => None,
            })
            .collect();
        // What was before the user came is no news.
        let changes = if was.members.contains(&own) { ops.to_vec() } else { Vec::new() };
        if came.contains(&own) {
            self.timeline.join_midway(ConversationRef::room(id));
            self.emit(turn, Happened::RoomJoined(*id))?;
        }
        for op in changes {
            self.emit(turn, Happened::RoomChanged(*id, op))?;
        }
        for happened in undone {
            self.emit(turn, happened)?;
        }
        for who in &went {
            self.directory.rooms_mut().forget_heard(turn.vault()?, id, who)?;
            self.part(turn, *who)?;
        }
        if went.contains(&own) {
            self.keyring.outbound.end(turn.vault()?, &room_line(id))?;
            self.emit(turn, Happened::RoomLeft(*id))?;
        }
        for who in &came {
            self.meet(turn, *who, None)?;
            self.give_room(turn, id, (*who, None))?;
        }
        if !came.is_empty() && self.directory.rooms_mut().take_left_out() {
            // Keys of theirs may have come before it was known that they are in the room.
            self.look_again(turn)?;
        }
        Ok(())
    }

    /// What of a room's message is not proved received when its life is over may all the same be received by many.
    pub(super) fn end_in_room(
        &mut self,
        turn: &mut Turn<'_>,
        line: IdentityId,
        position: u64,
    ) -> Result<(), StoreError> {
        let place = Place { conversation: ConversationRef::direct(&line), position };
        let message = self.timeline.message(turn.vault()?, &place)?;
        match message.map(|message| message.state) {
            Some(State::Sent) => self.timeline.end_as_sent(turn.vault()?, &place),
            Some(State::Queued | State::Delivered | State::Expired | State::Recalled) | None => {
                self.advance(turn, line, position, State::Expired)
            }
        }
    }

    /// Whether someone is in a room with the user.
    pub(super) fn is_in_any_room(&self, who: &IdentityId) -> bool {
        self.directory.rooms().shared_with(who).next().is_some()
    }

    /// A text that the user writes in a room has these timers where nothing else is said.
    pub(crate) fn timers_in(&self, line: &IdentityId) -> Timers {
        match self.directory.rooms().of_line(line) {
            Some(known) => known.room.state().settings().timers,
            None => self.timeline.timers(&ConversationRef::direct(line)),
        }
    }
}
