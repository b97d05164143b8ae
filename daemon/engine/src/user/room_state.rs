//! What became of a room while this device was away, or was put back from a copy: members are asked, and until one has said what they
//! know, what the user writes there waits for some minutes. Else it would go to who was removed meanwhile.
//!
//! A device that was put back may have changed the room, and not know it any more: if it changed it again, others would see two
//! operations with one number. So the user changes nothing before a member has said what they know, or for a day.

use martlet_protocol::limits::{CLOCK_SKEW_MAX, ENVELOPE_LIFETIME_MAX};
use martlet_protocol::message::{DeviceMessage, Heads, RoomHello};
use martlet_protocol::time::Day;
use martlet_protocol::{IdentityId, RoomId, UnixMillis};
use martlet_store::StoreError;
use martlet_store::records::{AskedRecord, State};

use super::User;
use super::bundles::DAY;
use super::put_back::millis;
use super::unfinished::Greeting;
use crate::conversation::ConversationRef;
use crate::directory::{KnownRoom, RoomError, room_line};
use crate::limits::{RESENT_MAX, ROOM_ABSENCE_DAYS, ROOM_STATE_AWAITED_FOR};
use crate::outbox;
use crate::timeline::OwnMessage;
use crate::turn::Turn;

impl User {
    /// Whether what the user writes in the room that stands there waits for a member to say what became of it.
    pub(super) fn awaits_state(&self, line: &IdentityId) -> bool {
        let known = self.directory.rooms().of_line(line);
        known.and_then(KnownRoom::asked).is_some_and(|asked| asked.holds_messages)
    }

    /// That the user may change a room now.
    pub(super) fn check_state(&self, known: &KnownRoom) -> Result<(), RoomError> {
        match known.asked() {
            Some(asked) if asked.holds_operations => Err(RoomError::NeedsState),
            Some(_) | None => Ok(()),
        }
    }

    /// With the chores, before the bundle of the day: whoever published none for as long as anything lives was away.
    pub(super) fn note_absence(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let (last, today) = (Day(self.counters.published_day), turn.now.day());
        if last.0 == 0 || today.0.saturating_sub(last.0) < ROOM_ABSENCE_DAYS {
            return Ok(());
        }
        self.ask_state(turn, false)
    }

    /// Members of all rooms are asked what became of them.
    pub(super) fn ask_state(
        &mut self,
        turn: &mut Turn<'_>,
        was_put_back: bool,
    ) -> Result<(), StoreError> {
        let rooms = self.directory.rooms().iter().filter(|known| known.has(&self.identity));
        let rooms: Vec<_> = rooms.map(|known| (known.room.id(), known.asked())).collect();
        for (room, asked) in rooms {
            let holds_operations = was_put_back || asked.is_some_and(|it| it.holds_operations);
            if !self.has_others(&room) {
                continue;
            }
            let asked = AskedRecord { since: turn.now, holds_messages: true, holds_operations };
            self.directory.rooms_mut().set_asked(turn.vault()?, &room, Some(asked))?;
        }
        Ok(())
    }

    /// A member said what they know of a room. If all of that is known here nothing waits any more.
    pub(super) fn hear_state(
        &mut self,
        turn: &mut Turn<'_>,
        id: &RoomId,
        said: &Heads,
    ) -> Result<(), StoreError> {
        let Some(known) = self.directory.rooms().get(id) else { return Ok(()) };
        if known.asked().is_none() || said.ops.is_empty() {
            return Ok(());
        }
        if self.lacks(known, said) {
            self.directory.rooms_mut().note_said(*id, Some(said.clone()));
            return Ok(());
        }
        self.end_asking(turn, id)
    }

    /// More of a room is known.
    pub(super) fn look_at_state(
        &mut self,
        turn: &mut Turn<'_>,
        id: &RoomId,
    ) -> Result<(), StoreError> {
        match self.directory.rooms().said(id).cloned() {
            Some(said) => self.hear_state(turn, id, &said),
            None => Ok(()),
        }
    }

    fn end_asking(&mut self, turn: &mut Turn<'_>, id: &RoomId) -> Result<(), StoreError> {
        self.directory.rooms_mut().note_said(*id, None);
        self.directory.rooms_mut().set_asked(turn.vault()?, id, None)?;
        self.unfinished.send_later(room_line(id));
        Ok(())
    }

    /// With a tick: nothing waits for longer than it may.
    pub(super) fn end_long_asking(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let now = turn.now;
        let is_over = |asked: &AskedRecord, after| {
            now.since(asked.since) >= after || asked.since > now.plus(CLOCK_SKEW_MAX)
        };
        let asked = self.directory.rooms().iter();
        let asked = asked.filter_map(|known| Some((known.room.id(), known.asked()?)));
        let over = asked.filter(|(_, it)| is_over(it, ROOM_STATE_AWAITED_FOR));
        for (room, asked) in over.collect::<Vec<_>>() {
            if !asked.holds_operations || is_over(&asked, DAY) {
                self.end_asking(turn, &room)?;
            } else if asked.holds_messages {
                let asked = AskedRecord { holds_messages: false, ..asked };
                self.directory.rooms_mut().set_asked(turn.vault()?, &room, Some(asked))?;
                self.unfinished.send_later(room_line(&room));
            }
        }
        Ok(())
    }

    /// What a device is told of a room of which it is greeted.
    pub(super) fn hello_of(&self, id: &RoomId, asks: bool) -> DeviceMessage {
        let known = self.directory.rooms().get(id);
        let hello = RoomHello::new(*id, known.map(KnownRoom::heads).unwrap_or_default());
        DeviceMessage::RoomHello(if asks { hello.asking() } else { hello })
    }

    /// Of how the user is found another is true than before, or the vault was put back from a copy: members of all rooms are to be
    /// told. Contacts are told of the former otherwise.
    pub(super) fn untell_rooms(
        &mut self,
        turn: &mut Turn<'_>,
        lost_since: Option<UnixMillis>,
    ) -> Result<(), StoreError> {
        let own = self.identity;
        let rooms = self.directory.rooms().iter().filter(|known| known.has(&own));
        for room in rooms.map(|known| known.room.id()).collect::<Vec<_>>() {
            self.untell_room(turn, &room, lost_since)?;
        }
        Ok(())
    }

    /// The same of one room.
    pub(super) fn untell_room(
        &mut self,
        turn: &mut Turn<'_>,
        room: &RoomId,
        lost_since: Option<UnixMillis>,
    ) -> Result<(), StoreError> {
        let own = self.identity;
        let Some(known) = self.directory.rooms().get(room) else { return Ok(()) };
        let members = known.members().filter(|who| {
            **who != own && (lost_since.is_some() || !self.directory.is_contact(who))
        });
        let members: Vec<_> = members.copied().collect();
        if members.is_empty() {
            return Ok(());
        }
        self.directory.rooms_mut().untell(turn.vault()?, room, (members, lost_since))?;
        // Its key told what was. It may be on its way still, and whoever proves that they have it was told nothing of this.
        self.keyring.outbound.end(turn.vault()?, &room_line(room))?;
        self.unfinished.greet_also(Greeting::Key { room: *room });
        Ok(())
    }

    /// Tells members of a room how the user is found, if any is untold to whom no key that tells it is on its way.
    pub(super) fn tell_untold_in_room(
        &mut self,
        turn: &mut Turn<'_>,
        id: &RoomId,
    ) -> Result<(), StoreError> {
        let (now, line) = (turn.now, room_line(id));
        let Some(known) = self.directory.rooms().get(id) else { return Ok(()) };
        let here: Vec<_> = known.members().copied().collect();
        let is_in = known.has(&self.identity);
        self.directory.rooms_mut().told(turn.vault()?, id, |who| !is_in || !here.contains(who))?;
        let Some(known) = self.directory.rooms().get(id) else { return Ok(()) };
        let keys = self.keyring.outbound.keys(&line);
        let tomorrow = now.plus(DAY);
        let is_on_its_way = |who: &IdentityId| {
            keys.iter().any(|key| {
                self.outbox.sealed_to(key).and_then(|it| it.of) == Some(*who)
                    && self.outbox.end_of(key).is_some_and(|end| !end.is_past(tomorrow))
            })
        };
        let is_lacking = |who: &IdentityId| {
            let bundles = self.directory.bundles_of(who);
            let mut usable = bundles.into_iter().flat_map(|bundles| bundles.usable(now));
            !self.directory.is_blocked(who)
                && usable.any(|bundle| self.may_be_written_to(who, bundle))
                && !is_on_its_way(who)
        };
        if !known.untold().iter().any(|it| is_lacking(&it.who)) {
            return Ok(());
        }
        self.keyring.outbound.end(turn.vault()?, &line)?;
        self.ensure_room_session(turn, (line, u64::MAX)).map(|_| ())
    }

    /// Someone in a room lost what came since then: it is sent again in a new session. How many bytes that are.
    pub(super) fn send_again_in_room(
        &mut self,
        turn: &mut Turn<'_>,
        id: &RoomId,
        (identity, since): (IdentityId, UnixMillis),
    ) -> Result<usize, StoreError> {
        let line = room_line(id);
        let Some(known) = self.directory.rooms().get(id) else { return Ok(0) };
        if !known.has(&identity) {
            return Ok(0);
        }
        let after = known.came_after(&identity);
        let since = UnixMillis(since.0.saturating_sub(millis(CLOCK_SKEW_MAX)));
        let conversation = ConversationRef::room(id);
        // Other devices of the user's send theirs again.
        let from = (RESENT_MAX, &[self.keyring.device().device()][..]);
        let sent = self.timeline.own_since(turn.vault()?, conversation, since, from)?;
        self.keyring.outbound.end(turn.vault()?, &line)?;
        // What is queued may be on its way, in a session that they lost.
        let is_theirs = |it: &&OwnMessage| {
            let is_of_use = matches!(it.state, State::Queued | State::Sent | State::Delivered);
            it.position > after && is_of_use
        };
        let mut bytes = 0;
        for OwnMessage { position, sent_at, bytes: of_this, .. } in sent.iter().filter(is_theirs) {
            bytes += of_this;
            if turn.now.since(*sent_at) < ENVELOPE_LIFETIME_MAX {
                let rooms = self.directory.rooms_mut();
                rooms.note_lost(turn.vault()?, id, (*position, identity))?;
                continue;
            }
            // Nothing of it is on its way any more.
            let at = outbox::Place { identity: line, position: *position };
            self.outbox.wait(turn.vault()?, at)?;
        }
        self.reach(turn, id, &identity)?;
        self.unfinished.send_later(line);
        Ok(bytes)
    }
}
