//! What an author asks before they sign, and how an operation is made.

use std::cmp::Reverse;

use super::Room;
use super::action::{Action, Create};
use super::bits::Bits;
use super::operation::{Draft, OpError, Operation};
use super::setting::{AddBy, Setting};
use super::state::{Person, Presence};
use crate::identity::DeviceKeys;
use crate::ids::{IdentityId, OpId, RoomId};
use crate::limits::{ROOM_HEIGHT_MAX, ROOM_MODERATORS_MAX, ROOM_OP_PREVIOUS_MAX};
use crate::time::UnixMillis;

/// Why someone may not do something.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// They are not in the room.
    #[error("you are not in this room")]
    NotMember,
    /// Only moderators do that.
    #[error("only a moderator of this room may do that")]
    NotModerator,
    /// It is about someone who outranks them, or is their equal.
    #[error("they outrank you in this room: ask its creator, or who made them a moderator")]
    Senior,
    /// As many people are in the room as it may have.
    #[error("the room has {max} people, as many as it may have")]
    RoomFull {
        /// How many it may have.
        max: u16,
    },
    /// There are as many moderators as there may be.
    #[error("the room has {ROOM_MODERATORS_MAX} moderators, as many as it may have")]
    ModeratorsFull,
    /// The room has ended.
    #[error("the room is closed: it can be read only")]
    RoomClosed,
    /// The room has as many operations as it may have.
    #[error(
        "the room has had as many changes as it can have: make a new one, and invite its members to it"
    )]
    OpLimit,
    /// They are what they would be made.
    #[error("nothing would change")]
    NoChange,
    /// They were never in the room, or what is to be taken back is no grant.
    #[error("they are not in this room")]
    NotThere,
    /// Someone would put themselves out.
    #[error("nobody can remove themselves: leave the room instead")]
    Oneself,
    /// What is to be undone is not theirs, or came before the author could decide.
    #[error("that is nothing of theirs that you can undo")]
    NotTheirs,
    /// A name or a number that no room can have; or an action that nobody makes so.
    #[error("no room can have that setting")]
    Value,
    /// It can't be written down.
    #[error("{0}")]
    Op(#[from] OpError),
}

impl Room {
    /// Creates a room.
    ///
    /// # Errors
    /// [`Denied::Value`], if the settings are none that a room can be created with.
    pub fn create(keys: &DeviceKeys, create: Create, now: UnixMillis) -> Result<Self, Denied> {
        if !create.settings.is_in_bounds() {
            return Err(Denied::Value);
        }
        let (room, by, action) = (RoomId::NONE, OpId::NONE, Action::Create(create));
        let draft = Draft { room, previous: Vec::new(), height: 0, by, n: 0, at: now, action };
        Self::new(Operation::sign(keys, draft)?).ok_or(Denied::Value)
    }

    /// Whether someone may do that, by what is known now.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn may(&self, author: &IdentityId, action: &Action) -> Result<(), Denied> {
        let past = self.past(&self.ends(author, &Bits::default()));
        self.right(author, action, &past).map(drop)
    }

    /// Signs that a device's owner does that.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn sign(
        &self,
        keys: &DeviceKeys,
        action: Action,
        now: UnixMillis,
    ) -> Result<Operation, Denied> {
        let author = keys.certificate().identity();
        self.sign_after(self.ends(&author, &Bits::default()), keys, action, now)
    }

    /// Signs that someone is removed, and that nothing counts that they did since the author became what they are; or only
    /// nothing from one of their operations on: it, and what they did that is not in its past.
    ///
    /// # Errors
    /// [`Denied`]; [`Denied::NotTheirs`], if that operation is not theirs, or was before the author became what they are.
    pub fn sign_removal_of_all(
        &self,
        keys: &DeviceKeys,
        who: IdentityId,
        from: Option<&OpId>,
        now: UnixMillis,
    ) -> Result<Operation, Denied> {
        let (action, author) = (Action::Remove(who), keys.certificate().identity());
        let by = self.right(&author, &action, &self.past(&self.ends(&author, &Bits::default())))?;
        let entries = &self.set.entries;
        let is_kept = |place: usize| place == by || entries[by].past.contains(place);
        let from = match from {
            Some(id) => {
                let place = self.set.place(id).filter(|place| !is_kept(*place));
                let place = place.filter(|place| entries[*place].op.author() == who);
                Some(&entries[place.ok_or(Denied::NotTheirs)?].past)
            }
            None => None,
        };
        let mut without = Bits::default();
        for (place, entry) in entries.iter().enumerate() {
            let is_base = is_kept(place) || from.is_some_and(|before| before.contains(place));
            if !is_base && (entry.op.author() == who || entry.past.meets(&without)) {
                without.insert(place);
            }
        }
        self.sign_after(self.ends(&author, &without), keys, action, now)
    }

    fn sign_after(
        &self,
        previous: Vec<usize>,
        keys: &DeviceKeys,
        action: Action,
        now: UnixMillis,
    ) -> Result<Operation, Denied> {
        let past = self.past(&previous);
        let by = self.right(&keys.certificate().identity(), &action, &past)?;
        let (_, height) = self.set.past_of(previous.iter().copied());
        let is_full = self.set.len() >= self.set.len_max(by);
        if height > ROOM_HEIGHT_MAX || is_full {
            return Err(Denied::OpLimit);
        }
        let id_of = |place: usize| self.set.entries[place].op.id();
        let draft = Draft {
            room: self.set.room(),
            previous: previous.iter().map(|place| id_of(*place)).collect(),
            height,
            by: id_of(by),
            n: self.set.number(by, keys.device(), &past),
            at: now,
            action,
        };
        Ok(Operation::sign(keys, draft)?)
    }

    /// By what someone may do that with that past.
    fn right(&self, author: &IdentityId, action: &Action, past: &Bits) -> Result<usize, Denied> {
        let state = self.state();
        let person = state.person(author).filter(|person| person.presence == Presence::In);
        let person = person.ok_or(Denied::NotMember)?;
        let admitted_by = self.set.place(&person.admitted_by).ok_or(Denied::NotMember)?;
        if matches!(action, Action::Leave) {
            return Ok(admitted_by);
        }
        // Who writes on in a room that has ended can be put out, or made a member again.
        if state.is_closed() && !matches!(action, Action::Remove(_) | Action::Revoke(_)) {
            return Err(Denied::RoomClosed);
        }
        let grant = person.grant.and_then(|grant| self.set.place(&grant));
        if let Action::Add(who) = action {
            let by = match grant {
                Some(grant) => grant,
                None => self.members_right(who, admitted_by, past)?,
            };
            self.has_space_for(who)?;
            let is_in = |person: &Person| person.presence == Presence::In;
            return if state.person(who).is_some_and(is_in) {
                Err(Denied::NoChange)
            } else {
                Ok(by)
            };
        }
        let grant = grant.ok_or(Denied::NotModerator)?;
        let rank = self.set.entries[grant].rank().ok_or(Denied::NotModerator)?;
        match action {
            Action::Remove(who) if who == author => return Err(Denied::Oneself),
            Action::Remove(who) => {
                state.person(who).ok_or(Denied::NotThere)?;
                if self.judged().shields(&self.set, who, rank, past, None) {
                    return Err(Denied::Senior);
                }
            }
            Action::Grant(who) => {
                if state.person(who).is_some_and(|person| person.grant.is_some()) {
                    return Err(Denied::NoChange);
                }
                if state.moderators().count() >= ROOM_MODERATORS_MAX {
                    return Err(Denied::ModeratorsFull);
                }
                self.has_space_for(who)?;
            }
            Action::Revoke(target) => {
                let target = self.set.place(target).ok_or(Denied::NotThere)?;
                let other = self.set.entries[target].rank().ok_or(Denied::NotThere)?;
                // Whose it is may give it up, but for the creator.
                if other <= rank && (target != grant || grant == 0) {
                    return Err(Denied::Senior);
                }
                if !self.judged().counts(target) || !self.judged().endings[target].is_empty() {
                    return Err(Denied::NoChange);
                }
            }
            Action::Set(setting) if !setting.is_in_bounds() => return Err(Denied::Value),
            Action::Set(setting) => {
                let mut settings = state.settings().clone();
                settings.apply(setting);
                let is_known = !matches!(setting, Setting::Unknown { .. });
                if is_known && settings == *state.settings() {
                    return Err(Denied::NoChange);
                }
            }
            Action::Close if self.has_closed(author) => return Err(Denied::NoChange),
            Action::Close => {}
            Action::Create(_) | Action::Unknown { .. } => return Err(Denied::Value),
            // Seen to above.
            Action::Add(_) | Action::Leave => {}
        }
        Ok(grant)
    }

    /// Whether someone said already that the room is to end, and that counts.
    fn has_closed(&self, author: &IdentityId) -> bool {
        let entries = self.set.entries.iter().enumerate();
        let mut closes = entries.filter(|(_, entry)| matches!(entry.op.action(), Action::Close));
        closes.any(|(place, entry)| entry.op.author() == *author && self.judged().counts(place))
    }

    /// By what a member adds someone.
    fn members_right(
        &self,
        who: &IdentityId,
        admitted_by: usize,
        past: &Bits,
    ) -> Result<usize, Denied> {
        // Who was a moderator is let add again once they are added as a member.
        let is_added = matches!(self.set.entries[admitted_by].op.action(), Action::Add(_));
        let is_let = self.state().settings().add_by == AddBy::Members
            && is_added
            && self.judged().may_member_add(&self.set, who, past);
        if is_let { Ok(admitted_by) } else { Err(Denied::NotModerator) }
    }

    fn has_space_for(&self, who: &IdentityId) -> Result<(), Denied> {
        let state = self.state();
        let max = state.settings().members_max;
        let is_in = state.person(who).is_some_and(|person| person.presence == Presence::In);
        if !is_in && state.members().count() >= usize::from(max) {
            return Err(Denied::RoomFull { max });
        }
        Ok(())
    }

    /// What a new operation of an author names as those before it: of what counts, those in whose past no other lies. What does
    /// not count is left out, so that who floods a room does not use up the heights of others; but for the author's own, to
    /// which its number fits.
    fn ends(&self, author: &IdentityId, without: &Bits) -> Vec<usize> {
        let (judged, entries) = (self.judged(), &self.set.entries);
        let is_own = |place: &usize| {
            let entry = &entries[*place];
            entry.op.author() == *author || entry.admitted() == Some(*author)
        };
        let is_of =
            |place: &usize| !without.contains(*place) && (judged.counts(*place) || is_own(place));
        let places: Vec<_> = (0..entries.len()).filter(is_of).collect();
        let (mut covered, mut own) = (Bits::default(), Bits::default());
        for place in &places {
            covered.extend(&entries[*place].past);
            if is_own(place) {
                own.insert(*place);
            }
        }
        let mut ends: Vec<_> = places.into_iter().filter(|it| !covered.contains(*it)).collect();
        // What finds no place joins by the next operation. The author's right and own operations must find one.
        ends.sort_by_key(|end| {
            let has_own = own.contains(*end) || entries[*end].past.meets(&own);
            (!has_own, Reverse(judged.order_of(*end)))
        });
        ends.truncate(ROOM_OP_PREVIOUS_MAX);
        ends
    }

    fn past(&self, previous: &[usize]) -> Bits {
        self.set.past_of(previous.iter().copied()).0
    }
}
