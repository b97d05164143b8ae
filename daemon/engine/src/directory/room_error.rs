//! Why something in a room can't be done.

use martlet_protocol::limits::ROOM_MODERATORS_MAX;
use martlet_protocol::room::Denied;

/// Why something in a room can't be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoomError {
    /// No room is called so, or has an id that begins so.
    #[error("there is no room called {name:?}")]
    Unknown {
        /// What was given.
        name: String,
        /// The room's that is most like it.
        nearest: Option<String>,
    },
    /// Several are.
    #[error("several rooms are called {name:?}, or have ids that begin so")]
    Ambiguous {
        /// What was given.
        name: String,
    },
    /// Several people are called so, or have IDs that begin so.
    #[error("several people are meant by {who:?}: {}", .among.join(", "))]
    AmbiguousPerson {
        /// What was given.
        who: String,
        /// Their IDs, or those of some of them.
        among: Vec<String>,
    },
    /// Nobody who is or was in it is shown so, and no contact is called so.
    #[error("nobody in this room is {who:?}")]
    UnknownPerson {
        /// What was given.
        who: String,
    },
    /// The user is not in it.
    #[error("you are not in this room")]
    NotMember,
    /// Only moderators do that.
    #[error("only a moderator of this room may do that")]
    NotModerator,
    /// It is about someone who outranks the user, or is their equal.
    #[error("they outrank you in this room")]
    Senior,
    /// As many people are in it as it may have.
    #[error("the room has {max} people, as many as it may have")]
    Full {
        /// How many it may have.
        max: u16,
    },
    /// It has as many moderators as it may have.
    #[error("the room has {ROOM_MODERATORS_MAX} moderators, as many as it may have")]
    ModeratorsFull,
    /// It has ended.
    #[error("the room is closed")]
    Closed,
    /// It has had as many changes as it can have.
    #[error("the room has had as many changes as it can have")]
    OpLimit,
    /// They are what they would be made.
    #[error("nothing would change")]
    NoChange,
    /// No operation of it has an id that begins so, or several do.
    #[error("no operation of this room, or several, have an id that begins with {text:?}")]
    UnknownOperation {
        /// What was given.
        text: String,
    },
    /// What is to be undone is not theirs.
    #[error("that operation is not theirs, or was there before you could undo it")]
    NotTheirs,
    /// The creator would give up their right.
    #[error("you created this room, and can't give up the right to moderate it")]
    OwnRight,
    /// What is to be forgotten goes on.
    #[error("you are in this room")]
    StillIn,
    /// It is not known yet what this device did there before its vault was put back.
    #[error("the room's members are asked what became of it: your vault was put back from a copy")]
    NeedsState,
    /// They were never in it.
    #[error("{who} is not in this room")]
    NotThere {
        /// Who.
        who: String,
    },
    /// Someone would add or remove themselves.
    #[error("you can't add or remove yourself")]
    Oneself,
    /// What no room can have.
    #[error("no room can have that name or setting")]
    Value,
    /// Nobody else is in it.
    #[error("nobody else is in this room")]
    Alone,
    /// Nobody in a room is told what others read, or that they are writing.
    #[error("rooms have no read receipts, and nobody sees there that someone is writing")]
    OfTwo,
    /// The network has several shards.
    #[error("rooms need a network of one shard")]
    Shards,
    /// As many as there can be.
    #[error("there are {max} rooms, the most there can be")]
    TooMany {
        /// The bound.
        max: usize,
    },
}

impl RoomError {
    /// Why the rules of the room deny something that is about `who`.
    pub(crate) fn of(denied: &Denied, who: &str) -> Self {
        match denied {
            Denied::NotMember => Self::NotMember,
            Denied::NotModerator => Self::NotModerator,
            Denied::Senior => Self::Senior,
            Denied::RoomFull { max } => Self::Full { max: *max },
            Denied::ModeratorsFull => Self::ModeratorsFull,
            Denied::RoomClosed => Self::Closed,
            Denied::OpLimit => Self::OpLimit,
            Denied::NoChange => Self::NoChange,
            Denied::NotThere => Self::NotThere { who: who.to_owned() },
            Denied::Oneself => Self::Oneself,
            Denied::NotTheirs => Self::NotTheirs,
            // An operation of this build's that is none has what no room can have.
            Denied::Value | Denied::Op(_) => Self::Value,
        }
    }
}
