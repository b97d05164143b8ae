//! Hellos: devices tell each other what they know of a room, and give what the other lacks.

use martlet_protocol::message::{Heads, RoomHello};
use martlet_protocol::room::Presence;
use martlet_protocol::{IdentityId, OpId, RoomId};
use martlet_store::StoreError;

use super::User;
use super::unfinished::Greeting;
use crate::conversation::Author;
use crate::directory::KnownRoom;
use crate::limits::{ROOM_GREETED, ROOMS_GREETED_PER_TICK_MAX};
use crate::turn::Turn;

impl User {
    /// Tells a device what is known of a room.
    pub(super) fn greet_device(
        &mut self,
        turn: &mut Turn<'_>,
        id: &RoomId,
        Author { identity, device }: Author,
    ) -> Result<(), StoreError> {
        let asks = self.directory.rooms().get(id).is_some_and(|known| known.asked().is_some());
        let hello = self.hello_of(id, asks);
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
        let (id, theirs) = (hello.room, hello.knows());
        let Some(known) = self.directory.rooms().get(&id) else {
            // Who invites anew tells what does so, unasked.
            let is_forgotten = self.directory.rooms().is_forgotten(&id);
            if theirs.ops.is_empty() || is_forgotten {
                return Ok(false);
            }
            if !self.may_bring_rooms(&author.identity) {
                // They may be a contact later.
                self.leave_out_of_rooms();
                return Ok(false);
            }
            self.ask_of_room(turn, &id, author)?;
            return Ok(true);
        };
        if !known.concerns(&author.identity) {
            self.leave_out_of_rooms();
            return Ok(false);
        }
        self.answer_hello(turn, &id, (author, &theirs), hello.asks)?;
        Ok(true)
    }

    /// A device knows that of a room: it is given what it lacks, and asked for what is lacking here. If it asks it is told what is
    /// known here in any case, after that.
    pub(super) fn answer_hello(
        &mut self,
        turn: &mut Turn<'_>,
        id: &RoomId,
        (author, theirs): (Author, &Heads),
        asks: bool,
    ) -> Result<(), StoreError> {
        let steady = turn.steady;
        let person = self.directory.rooms().get(id).and_then(|it| it.person(&author.identity));
        // What brought them in may be undone: they may not know.
        let presence = person.map_or(Presence::Removed, |person| person.presence);
        if presence == Presence::In && !theirs.ops.is_empty() {
            self.hear_in_room(turn, id, author.identity)?;
            self.hear_state(turn, id, theirs)?;
        }
        let Some(known) = self.directory.rooms().get(id) else { return Ok(()) };
        let is_same = theirs.digest == known.heads().digest;
        let set = known.room.set();
        let missing = match presence {
            _ if is_same => Vec::new(),
            Presence::In => set.missing_to(&theirs.ops),
            // What shows that they are out, and nothing that came after it.
            Presence::Removed | Presence::Left => {
                set.missing_up_to(&theirs.ops, &known.room.endings_of(&author.identity))
            }
        };
        let lacks = !is_same && self.lacks(known, theirs);
        let mut ops = self.with_people(missing);
        if presence != Presence::In {
            // How members are found now is not for who is out.
            ops.iter_mut().for_each(|(_, person)| *person = None);
        }
        let answers = !ops.is_empty() || asks && presence == Presence::In;
        if answers && self.directory.rooms_mut().may_answer(*id, author.device, steady) {
            self.send_ops(turn, id, (author.identity, Some(author.device)), ops)?;
            if asks && presence == Presence::In {
                self.greet_device(turn, id, author)?;
            }
        }
        if lacks {
            self.ask_of_room(turn, id, author)?;
        }
        Ok(())
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
            let is_first = self.directory.rooms_mut().hear(turn.vault()?, id, who)?;
            if is_first {
                self.give_history(turn, id, who)?;
            }
        }
        Ok(())
    }

    /// With the day's chores: of each room some members are to be told what is known here, moderators first. Who was away hears
    /// from them what it missed. [`Self::greet_some`] does it.
    pub(super) fn greet_rooms(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let now = turn.now;
        self.directory.rooms_mut().forget_waiting(now);
        self.forget_waiting_recalls(turn)?;
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
            if !known.untold().is_empty() {
                greetings.push(Greeting::Key { room });
            }
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
                        let hello = self.hello_of(&room, known.asked().is_some());
                        self.send_about_room(turn, (who, None), &hello)?;
                    }
                }
                Greeting::Key { room } => self.tell_untold_in_room(turn, &room)?,
            }
        }
        Ok(())
    }
}
