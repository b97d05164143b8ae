//! Why the directory refuses.

use martlet_protocol::control::InviteState;
use martlet_protocol::ids::IdError;

use super::NameError;

/// Why something about a contact or a request can't be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// Nobody has that name.
    #[error("there is no contact called {name:?}")]
    UnknownContact {
        /// The name.
        name: String,
        /// The contact's that is most like it.
        nearest: Option<String>,
    },
    /// No conversation has that name.
    #[error("there is no contact or room called {name:?}")]
    UnknownConversation {
        /// The name.
        name: String,
        /// The contact's or room's that is most like it.
        nearest: Option<String>,
    },
    /// The user's own ID.
    #[error("this is the user's own ID")]
    OwnId,
    /// A contact already.
    #[error("this ID is the contact {name:?} already")]
    AlreadyContact {
        /// Under that name.
        name: String,
    },
    /// As many contacts as there can be.
    #[error("there are {max} contacts, the most there can be")]
    TooManyContacts {
        /// The bound.
        max: usize,
    },
    /// Someone else has that name.
    #[error("there is a contact called {name:?} already")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// Not a name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Not an ID.
    #[error(transparent)]
    Id(#[from] IdError),
    /// To them the user is away.
    #[error("{who} is blocked")]
    Blocked {
        /// The contact's name, or the ID.
        who: String,
    },
    /// Nobody who is blocked.
    #[error("they are not blocked")]
    NotBlocked,
    /// As many as there can be.
    #[error("{max} people are blocked, the most there can be")]
    TooManyBlocked {
        /// The bound.
        max: usize,
    },
    /// Their identity ended: they can't be written to any more.
    #[error("the identity of {who} was terminated")]
    ContactTerminated {
        /// The contact's name.
        who: String,
    },
    /// The user's identity ended.
    #[error("this identity was terminated")]
    Terminated,
    /// The user's identity goes on without this device.
    #[error("this device was revoked")]
    Revoked,
    /// No invite of that number.
    #[error("there is no invite {number}")]
    UnknownInvite {
        /// The number.
        number: u64,
    },
    /// It is no longer good.
    #[error("invite {number} was {}", ended(*.state))]
    InviteEnded {
        /// Its number.
        number: u64,
        /// What became of it.
        state: InviteState,
    },
    /// The user's own.
    #[error("this is the user's own invite")]
    OwnInvite,
    /// As many as there can be.
    #[error("there are {max} invites that are still good, the most there can be")]
    TooManyInvites {
        /// The bound.
        max: usize,
    },
    /// The user claims one already.
    #[error("the user claims the handle {name:?} already")]
    HandleHeld {
        /// That one.
        name: String,
    },
    /// The user claims none.
    #[error("the user claims no handle")]
    NoHandle,
    /// No request from that ID.
    #[error("there is no request from this ID")]
    UnknownRequest,
}

fn ended(state: InviteState) -> &'static str {
    match state {
        InviteState::Open => "made",
        InviteState::Used => "used",
        InviteState::Expired => "good until it expired",
        InviteState::Revoked => "revoked",
    }
}
