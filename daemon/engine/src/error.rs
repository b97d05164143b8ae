//! Why commands are refused. What is wrong is said here; what to do about it, by who shows it.

use martlet_protocol::message::TextError;
use martlet_store::StoreError;

use crate::directory::DirectoryError;

/// Why a command was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// About a contact or a request.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A text that can't be sent.
    #[error(transparent)]
    Text(#[from] TextError),
    /// No message has this id.
    #[error("there is no message with this id")]
    UnknownMessage,
    /// No keys of the contact's devices are known.
    #[error("no keys of the contact's devices are known")]
    KeysUnknown,
    /// A page of so many messages can't be had.
    #[error("a page of {limit} messages: must be 1 to {max}")]
    PageSize {
        /// Messages asked for.
        limit: u32,
        /// The most there can be.
        max: u32,
    },
    /// There is an identity already.
    #[error("there is an identity already")]
    IdentityExists,
    /// There is none yet.
    #[error("there is no identity yet")]
    NoIdentity,
    /// The vault is locked.
    #[error("the vault is locked")]
    Locked,
    /// The vault can't be locked: it has no passphrase.
    #[error("the vault has no passphrase")]
    NoPassphrase,
    /// A database failed; nothing was changed.
    #[error("{reason}")]
    StorageFailed {
        /// What the database said.
        reason: String,
    },
}

impl From<&StoreError> for CommandError {
    fn from(error: &StoreError) -> Self {
        Self::StorageFailed { reason: error.to_string() }
    }
}

/// Why a command did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// What was asked can't be done; nothing was changed.
    #[error(transparent)]
    Refused(#[from] CommandError),
    /// The database failed: the whole batch is undone.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<DirectoryError> for Fault {
    fn from(error: DirectoryError) -> Self {
        Self::Refused(error.into())
    }
}
