//! Why the directory refuses.

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
    /// No request from that ID.
    #[error("there is no request from this ID")]
    UnknownRequest,
}
