//! What moderators do to others in a room.

use martlet_protocol::room::{Action, Operation};
use martlet_protocol::{OpId, RoomId};

use super::User;
use crate::directory::{DirectoryError, KnownRoom, RoomError};
use crate::error::Fault;
use crate::limits::ID_DIGITS_MIN;
use crate::turn::Turn;

/// What of someone's deeds their removal from a room undoes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Undo {
    /// Nothing.
    Nothing,
    /// All that they did since the user became a moderator.
    All,
    /// Of that what is not in the past of the operation with this id.
    From(String),
}

impl User {
    /// Adds a contact to a room, or makes them a moderator.
    pub(crate) fn bring_in(
        &mut self,
        turn: &mut Turn<'_>,
        room: &RoomId,
        who: &str,
        as_moderator: bool,
    ) -> Result<(), Fault> {
        let Some(identity) = self.person_in(room, who)? else {
            return Err(self.unknown_contact(who).into());
        };
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

    /// Puts someone out of a room, and perhaps undoes what they did there.
    pub(crate) fn put_out(
        &mut self,
        turn: &mut Turn<'_>,
        room: &RoomId,
        (who, undo): (&str, Undo),
    ) -> Result<(), Fault> {
        let Some(identity) = self.person_in(room, who)? else {
            return Err(RoomError::UnknownPerson { who: who.to_owned() }.into());
        };
        let known = self.known_room(room)?;
        if known.person(&identity).is_some() && !known.has(&identity) {
            return Err(RoomError::NoChange.into());
        }
        let from = match &undo {
            Undo::Nothing => return self.act(turn, room, Action::Remove(identity), who),
            Undo::All => None,
            Undo::From(text) => Some(operation_called(known, text)?),
        };
        self.check_active()?;
        self.check_state(known)?;
        let (keys, now) = (self.keyring.device(), turn.now);
        let signed = known.room.sign_removal_of_all(keys, identity, from.as_ref(), now);
        let op = signed.map_err(|denied| RoomError::of(&denied, who))?;
        self.put_op(turn, room, op)
    }

    /// Makes a moderator a member again: takes back all that made them one. The user may be that moderator, but not the creator.
    pub(crate) fn demote(
        &mut self,
        turn: &mut Turn<'_>,
        room: &RoomId,
        who: &str,
    ) -> Result<(), Fault> {
        let Some(identity) = self.person_in(room, who)? else {
            return Err(RoomError::UnknownPerson { who: who.to_owned() }.into());
        };
        let creator = self.known_room(room)?.room.state().creator();
        if identity == self.identity && identity == creator {
            return Err(RoomError::OwnRight.into());
        }
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
}

/// The operation with this id, or whose id begins so.
fn operation_called(known: &KnownRoom, text: &str) -> Result<OpId, RoomError> {
    let (digits, set) = (text.trim().to_ascii_lowercase(), known.room.set());
    let is_meant = |op: &&Operation| op.id().to_string().starts_with(&digits);
    let mut meant = set.iter().filter(is_meant).map(Operation::id);
    match (meant.next(), meant.next()) {
        (Some(op), None) if digits.len() >= ID_DIGITS_MIN => Ok(op),
        (Some(_) | None, _) => Err(RoomError::UnknownOperation { text: text.to_owned() }),
    }
}
