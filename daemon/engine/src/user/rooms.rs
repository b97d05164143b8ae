//! Rooms as the user sees and changes them.

use std::collections::{BTreeMap, BTreeSet};

use martlet_protocol::message::{Content, RoomOp, Timers};
use martlet_protocol::nearest::nearest;
use martlet_protocol::room::{Action, Create, Operation, Room, Settings, Void};
use martlet_protocol::{IdentityId, OpId, RoomId};
use martlet_store::StoreError;
use martlet_store::records::{Happened, State};
use rand_core::Rng;

use super::User;
use crate::conversation::{ConversationRef, Place};
use crate::directory::{DirectoryError, KnownRoom, RoomError, clean_name, room_line};
use crate::error::Fault;
use crate::kinds;
use crate::turn::Turn;

/// What a room was before something changed it.
pub(super) struct Was {
    /// Who was in it, and what had brought them in.
    members: BTreeMap<IdentityId, OpId>,
    void: BTreeSet<OpId>,
}

impl Was {
    pub(super) fn of(known: &KnownRoom) -> Self {
        let brought_in = |who: &IdentityId| Some((*who, known.person(who)?.admitted_by));
        let members = known.members().filter_map(brought_in).collect();
        Self { members, void: known.room.state().all_void().map(|(op, _)| *op).collect() }
    }

    /// A room that nobody was in.
    pub(super) fn nothing() -> Self {
        Self { members: BTreeMap::new(), void: BTreeSet::new() }
    }
}

impl User {
    /// Makes a room, with the user alone in it.
    pub(crate) fn create_room(&mut self, turn: &mut Turn<'_>, name: &str) -> Result<RoomId, Fault> {
        self.check_active()?;
        if self.network.shard_bits > 0 {
            return Err(RoomError::Shards.into());
        }
        self.check_rooms(None)?;
        let name = clean_name(name).map_err(DirectoryError::from)?;
        let mut salt = [0; 16];
        turn.rng.fill_bytes(&mut salt);
        let settings = Settings { name, ..Settings::default() };
        let room = Room::create(self.keyring.device(), Create { salt, settings }, turn.now);
        let room = room.map_err(|denied| RoomError::of(&denied, ""))?;
        let now = turn.now;
        let id = self.directory.rooms_mut().add(turn.vault()?, room, (now, None))?;
        self.directory.rooms_mut().join(turn.vault()?, &id)?;
        self.emit(turn, Happened::RoomJoined(id))?;
        Ok(id)
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
        self.check_state(known)?;
        let signed = known.room.sign(self.keyring.device(), action, turn.now);
        let op = signed.map_err(|denied| RoomError::of(&denied, who))?;
        self.put_op(turn, id, op)
    }

    /// Puts an operation into a room, and tells who is in it.
    pub(super) fn put_op(
        &mut self,
        turn: &mut Turn<'_>,
        id: &RoomId,
        op: Operation,
    ) -> Result<(), Fault> {
        let was = Was::of(self.known_room(id)?);
        let bytes = op.as_bytes().to_vec();
        let (brought_in, op_id, now) = (admitted(op.action()), op.id(), turn.now);
        let inserted = self.directory.rooms_mut().insert(turn.vault()?, id, op, now)?;
        if let Err(misfit) = inserted {
            return Err(StoreError::Failed { reason: misfit.to_string() }.into());
        }
        // Who is out by that is told, too, those included whose being in is undone: later their keys may be forgotten. So are the
        // user's other devices, once the user leaves.
        for out in self.gone_since(id, &was) {
            self.tell_put_out(turn, id, (out, bytes.clone()))?;
        }
        // Before anything is sent: what waits is not for who just came.
        self.note_who_came(turn, id, &was)?;
        self.end_session_left(turn, id, &was)?;
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

    /// That the user is in a room.
    pub(super) fn check_member(&self, id: &RoomId) -> Result<(), Fault> {
        self.check_active()?;
        match self.known_room(id)?.has(&self.identity) {
            true => Ok(()),
            false => Err(RoomError::NotMember.into()),
        }
    }

    /// That the user may write in a room.
    pub(crate) fn check_room(&self, id: &RoomId) -> Result<(), Fault> {
        self.check_member(id)?;
        let known = self.known_room(id)?;
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
    pub(super) fn has_others(&self, id: &RoomId) -> bool {
        let Some(known) = self.directory.rooms().get(id) else { return false };
        let mut members = known.members();
        members.any(|member| *member != self.identity)
            || !self.directory.siblings().bundles().all().is_empty()
    }

    pub(super) fn known_room(&self, id: &RoomId) -> Result<&KnownRoom, RoomError> {
        let unknown = || RoomError::Unknown { name: id.to_string(), nearest: None };
        self.directory.rooms().get(id).ok_or_else(unknown)
    }

    /// The room of a conversation, if it is one's.
    pub(crate) fn room_at(&self, conversation: &ConversationRef) -> Option<RoomId> {
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
            Err(RoomError::Unknown { .. }) => {
                let all = self.all_conversations();
                let nearest = nearest(name, all.iter().map(|(known, _)| known.as_str()));
                let (name, nearest) = (name.to_owned(), nearest.map(str::to_owned));
                Err(DirectoryError::UnknownConversation { name, nearest }.into())
            }
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

/// Who is in a room who was not when it was like this.
fn come_since(known: &KnownRoom, was: &Was) -> Vec<IdentityId> {
    known.members().filter(|who| !was.members.contains_key(who)).copied().collect()
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
        let (came, went) = (come_since(known, &was), self.gone_since(id, &was));
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
        let changes = if was.members.contains_key(&own) { ops.to_vec() } else { Vec::new() };
        self.note_who_came(turn, id, &was)?;
        if came.contains(&own) {
            self.directory.rooms_mut().join(turn.vault()?, id)?;
            self.follow_manner_in(turn, id)?;
            self.timeline.join_midway(ConversationRef::room(id));
            self.emit(turn, Happened::RoomJoined(*id))?;
            if let Some(put_back) = self.recent_put_back(turn.now) {
                // The user may have been in it since the copy was made.
                self.untell_room(turn, id, Some(put_back.lost_since))?;
            }
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
        // Whoever comes (again) meets all who are there: their keys were forgotten.
        let met = if came.contains(&own) { self.members_of(id) } else { came.clone() };
        for who in met {
            self.meet(turn, who, None)?;
        }
        for who in &came {
            self.give_room(turn, id, (*who, None))?;
        }
        if !came.is_empty() && self.directory.rooms_mut().take_left_out() {
            // Keys of theirs may have come before it was known that they are in the room.
            self.look_again(turn)?;
        }
        Ok(())
    }

    fn members_of(&self, id: &RoomId) -> Vec<IdentityId> {
        let known = self.directory.rooms().get(id);
        known.map(|known| known.members().copied().collect()).unwrap_or_default()
    }

    /// Who is in a room no more that was like this.
    fn gone_since(&self, id: &RoomId, was: &Was) -> Vec<IdentityId> {
        let Some(known) = self.directory.rooms().get(id) else { return Vec::new() };
        was.members.keys().filter(|who| !known.has(who)).copied().collect()
    }

    /// Whoever was out of a room may have forgotten it there, with the keys of all who write in it. If they are in it again, then
    /// they get a new one with the next message: by who reads in it nothing may have changed since this device wrote there.
    pub(super) fn end_session_left(
        &mut self,
        turn: &mut Turn<'_>,
        id: &RoomId,
        was: &Was,
    ) -> Result<(), StoreError> {
        let Some(known) = self.directory.rooms().get(id) else { return Ok(()) };
        let is_in_since = |(who, by): (&IdentityId, &OpId)| {
            known.has(who) && known.person(who).is_some_and(|person| person.admitted_by == *by)
        };
        if was.members.iter().all(is_in_since) {
            return Ok(());
        }
        self.keyring.outbound.end(turn.vault()?, &room_line(id))
    }

    /// What waits in a room is not for those who came since it was like this.
    fn note_who_came(
        &mut self,
        turn: &mut Turn<'_>,
        id: &RoomId,
        was: &Was,
    ) -> Result<(), StoreError> {
        let Some(known) = self.directory.rooms().get(id) else { return Ok(()) };
        let mut came = come_since(known, was);
        came.retain(|who| *who != self.identity);
        let after = self.timeline.end_of(&ConversationRef::room(id));
        self.directory.rooms_mut().come(turn.vault()?, id, (&came, after))
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
