//! Errors on the control socket (RFC 9457).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The body of every error response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, thiserror::Error)]
#[error("{detail}")]
pub struct Problem {
    /// The HTTP status, repeated.
    pub status: u16,
    /// Stable, for programs.
    pub code: ErrorCode,
    /// What is wrong and what to do, for people.
    pub detail: String,
}

/// Stable error codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// The request is not well-formed.
    BadRequest,
    /// The ID is malformed.
    InvalidId,
    /// The user's own ID as a contact.
    OwnId,
    /// A name that is empty, `.`, `..` or too long, has a slash or control characters, or nothing that can be seen.
    InvalidName,
    /// A name already in use.
    NameTaken,
    /// The ID is already a contact.
    AlreadyContact,
    /// No contact of that name.
    UnknownContact,
    /// No keys of the contact's devices were found yet, so that nothing can be sent now.
    KeysUnknown,
    /// No device of the contact's answered in time.
    NoAnswer,
    /// No request of that ID.
    UnknownRequest,
    /// No message of that id.
    UnknownMessage,
    /// The text is empty.
    EmptyText,
    /// The text is over 16,384 bytes.
    TextTooLong,
    /// The multiaddress is malformed or has no transport known here.
    InvalidAddress,
    /// Not a peer id, or this node's own.
    InvalidPeerId,
    /// No peer known by that end of an id, or several; or no such ban.
    UnknownPeer,
    /// There is no identity yet.
    NoIdentity,
    /// There is an identity already.
    IdentityExists,
    /// The vault is locked.
    Locked,
    /// Not the vault's passphrase.
    WrongPassphrase,
    /// Empty, or over 1,024 bytes.
    InvalidPassphrase,
    /// The socket's client is another user.
    Forbidden,
    /// No such path.
    NotFound,
    /// Not for this path.
    MethodNotAllowed,
    /// The request's body did not come in time.
    RequestTimeout,
    /// The body is over its bound.
    BodyTooLarge,
    /// The request line and the headers are over their bound.
    HeadTooLarge,
    /// A bound of the vault is reached.
    LimitReached,
    /// The disk is full or failing; nothing was changed.
    StorageFailed,
    /// No backup was made: the directory can't be written to, or there is one in it already.
    BackupFailed,
    /// The daemon is stopping.
    Stopping,
    /// A defect of the daemon.
    Internal,
}

impl ErrorCode {
    /// The HTTP status it goes with.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::BadRequest
            | Self::InvalidId
            | Self::OwnId
            | Self::InvalidName
            | Self::EmptyText
            | Self::InvalidAddress
            | Self::InvalidPeerId
            | Self::InvalidPassphrase => 400,
            Self::Forbidden | Self::WrongPassphrase => 403,
            Self::UnknownContact
            | Self::UnknownRequest
            | Self::UnknownMessage
            | Self::UnknownPeer
            | Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::RequestTimeout => 408,
            Self::NameTaken
            | Self::AlreadyContact
            | Self::NoIdentity
            | Self::IdentityExists
            | Self::KeysUnknown
            | Self::BackupFailed => 409,
            Self::TextTooLong | Self::BodyTooLarge => 413,
            Self::Locked => 423,
            Self::LimitReached => 429,
            Self::HeadTooLarge => 431,
            Self::Internal => 500,
            Self::Stopping => 503,
            Self::NoAnswer => 504,
            Self::StorageFailed => 507,
        }
    }
}

impl Problem {
    /// A problem with `code`, explained by `detail`.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self { status: code.status(), code, detail: detail.into() }
    }
}
