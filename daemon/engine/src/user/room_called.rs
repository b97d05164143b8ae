//! People in rooms, as they are shown to the user who may not have them as contacts: `carol (q5saee)`, `(q5saee)`, or with more of
//! their ID.

use martlet_protocol::{Id, IdentityId, RoomId};

use super::User;
use crate::directory::{RoomError, is_same_name};
use crate::error::Fault;
use crate::limits::ID_DIGITS_MIN;

/// What an ID starts with.
const ID_PREFIX: &str = "martlet1";
/// Characters after that which are whole by the identity alone. What follows is of its secret, or a checksum: an ID that has more is
/// given whole.
const ID_DIGITS_MAX: usize = 51;
/// People who are listed where several are meant: enough to see that the name is no use.
const AMONG_MAX: usize = 8;

impl User {
    /// The contact with this name, or who is or was in the room and has this ID or one that begins so, or is shown or calls themselves
    /// so; `None` if nobody is.
    pub(super) fn person_in(&self, room: &RoomId, who: &str) -> Result<Option<IdentityId>, Fault> {
        if let Ok(identity) = self.identity_of(who) {
            return Ok(Some(identity));
        }
        let known = self.known_room(room)?;
        let id = who.parse::<Id>().ok();
        if self.name().is_some_and(|name| name == who)
            || id.as_ref().is_some_and(|id| id.identity == self.identity)
        {
            return Ok(Some(self.identity));
        }
        let view = self.view();
        let is_meant = |identity: &&IdentityId| {
            let person = view.room_person(identity);
            person.id == who
                || person.name.is_none() && person.calls_themselves.as_deref() == Some(who)
                || id.as_ref().is_some_and(|id| id.identity == **identity)
        };
        let people = || known.room.state().people().map(|(identity, _)| identity);
        // What can be of an ID is none of a name: nobody stands for another by calling themselves so.
        match self.shown_as(people(), who)? {
            Some(identity) => Ok(Some(identity)),
            None => the_one(people().filter(is_meant), who),
        }
    }

    /// Who of all that are or were in the user's rooms, or are blocked, is shown so, calls themselves so or has an ID that begins so.
    pub(super) fn person_anywhere(&self, who: &str) -> Result<Option<IdentityId>, Fault> {
        let rooms = self.directory.rooms().shown();
        let people = rooms.flat_map(|known| known.room.state().people().map(|(who, _)| who));
        let blocked = self.directory.blocked().iter().map(|record| &record.identity);
        let mut all: Vec<_> = people.chain(blocked).filter(|it| **it != self.identity).collect();
        all.sort_unstable();
        all.dedup();
        let view = self.view();
        let is_called = |identity: &&IdentityId| {
            let person = view.room_person(identity);
            person.name.is_none() && person.calls_themselves.as_deref() == Some(who)
        };
        match self.shown_as(all.iter().copied(), who)? {
            Some(identity) => Ok(Some(identity)),
            None => the_one(all.iter().copied().filter(is_called), who),
        }
    }

    /// Who of these is shown so, or has an ID that begins so.
    fn shown_as<'a>(
        &self,
        people: impl Iterator<Item = &'a IdentityId>,
        who: &str,
    ) -> Result<Option<IdentityId>, Fault> {
        let Some((name, digits)) = name_and_digits(who) else { return Ok(None) };
        let view = self.view();
        let is_meant = |identity: &&IdentityId| {
            let id = Id::without_secret(**identity).to_string();
            let person = view.room_person(identity);
            let names = [person.name.as_deref(), person.calls_themselves.as_deref()];
            let is_called = |name| names.iter().flatten().any(|it| is_same_name(it, name));
            id.strip_prefix(ID_PREFIX).is_some_and(|id| id.starts_with(&digits))
                && name.is_none_or(is_called)
        };
        the_one(people.filter(is_meant), who)
    }
}

/// The one that is meant; `None` if there is none.
fn the_one<'a>(
    meant: impl Iterator<Item = &'a IdentityId>,
    who: &str,
) -> Result<Option<IdentityId>, Fault> {
    let mut meant = meant.peekable();
    let Some(first) = meant.next() else { return Ok(None) };
    if meant.peek().is_none() {
        return Ok(Some(*first));
    }
    let among = [first].into_iter().chain(meant).take(AMONG_MAX);
    let among = among.map(|it| Id::without_secret(*it).to_string()).collect();
    Err(RoomError::AmbiguousPerson { who: who.to_owned(), among }.into())
}

/// The name, if any, and the beginning of an ID, in `carol (q5saee)`, `(q5saee)`, `q5saee` or `martlet1q5saee`.
fn name_and_digits(text: &str) -> Option<(Option<&str>, String)> {
    let text = text.trim();
    let in_brackets = text.strip_suffix(')').and_then(|text| text.rsplit_once('('));
    let (name, digits) = in_brackets.unwrap_or(("", text));
    let digits = digits.to_ascii_lowercase();
    let digits = digits.strip_prefix(ID_PREFIX).unwrap_or(&digits);
    let is_some_of_id = (ID_DIGITS_MIN..=ID_DIGITS_MAX).contains(&digits.len());
    let name = Some(name.trim()).filter(|name| !name.is_empty());
    is_some_of_id.then(|| (name, digits.to_owned()))
}
