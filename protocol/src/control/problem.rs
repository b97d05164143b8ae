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
    /// The message is someone else's, or has no text.
    NotEditable,
    /// No reaction: empty, over 64 bytes, or with control characters.
    InvalidReaction,
    /// Not a picture that a profile may have.
    InvalidPicture,
    /// The file is larger than can be sent.
    FileTooLarge,
    /// What was to be a voice memo is none: not one stream of Opus in Ogg, or damaged.
    InvalidVoice,
    /// The message is no file, or is one no more.
    NoFile,
    /// The file is not here, or not yet: it is to be accepted, fetched, or is gone.
    FileNotHere,
    /// A file that is larger than a message holds has to say how large it is (`content-length`).
    LengthRequired,
    /// The file has not as many bytes as was said.
    FileChanged,
    /// The node tells nobody where it is, so that nobody could fetch a file from it: only what fits a message can be sent.
    FileNeedsDirect,
    /// The files that are kept here take all the room that they may.
    OverQuota,
    /// The disk has too little free space.
    DiskLow,
    /// The file has none of the bytes that were asked for.
    NoSuchRange,
    /// This message can't be taken back: it is someone else's, or a note, or no text.
    NotRecallable,
    /// An own message that is not delivered yet can't be deleted: it is recalled.
    OnItsWay,
    /// A timer that is not 1 s to six days.
    InvalidTimer,
    /// The text is empty, or nothing of it can be seen.
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
    /// Not the vault's passphrase, or not any more.
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
    /// No backup was made: the directory can't be written to, or is not empty.
    BackupFailed,
    /// They are blocked, by the user.
    Blocked,
    /// They are not blocked.
    NotBlocked,
    /// A verified contact has a device that the user has not confirmed, and nothing is sent until they do.
    NeedsConfirmation,
    /// Not an invite, or damaged, or without a name for the inviter.
    InvalidInvite,
    /// The user's own invite.
    OwnInvite,
    /// The invite was used or revoked, or its time is over.
    InviteEnded,
    /// The invite is to another network than this node's.
    OtherNetwork,
    /// No invite of that number.
    UnknownInvite,
    /// Not a handle: too short, too long, or with something that is neither letter nor digit.
    InvalidHandle,
    /// The user claims another handle already.
    HandleHeld,
    /// The user claims none.
    NoHandle,
    /// Not a recovery phrase.
    InvalidPhrase,
    /// Not the form of a safety number.
    InvalidSafetyNumber,
    /// Another safety number than that of the user and the contact.
    SafetyNumberDiffers,
    /// The user's identity was terminated: nothing can be sent.
    Terminated,
    /// The contact's identity was terminated.
    ContactTerminated,
    /// The user's identity goes on without this device: nothing can be sent.
    DeviceRevoked,
    /// No device of that id or name, or several.
    UnknownDevice,
    /// A device is named on itself only.
    OtherDevice,
    /// Not the identity's kill phrase, or none at all.
    WrongKillPhrase,
    /// Not a code by which a device is linked, or damaged.
    InvalidLinkCode,
    /// This device does not have the root of the user's identity.
    NoRoot,
    /// Not the last words of the identity's recovery phrase.
    WrongWords,
    /// A recovery phrase, of another identity.
    OtherPhrase,
    /// The identity has as many devices as it may have, or had in its life.
    LinkLimit,
    /// Three codes died within an hour: none is made for an hour.
    LinkLocked,
    /// No device is being linked.
    NoLink,
    /// There are no numbers to compare now.
    NothingToCompare,
    /// No room of that name or id, or several.
    UnknownRoom,
    /// The user is not in the room.
    NotMember,
    /// Only moderators of the room may do that.
    NotModerator,
    /// It is about someone who outranks the user in the room.
    Senior,
    /// The room has as many members or moderators as it may have.
    RoomFull,
    /// The room has ended.
    RoomClosed,
    /// Nobody else is in the room.
    RoomAlone,
    /// The room has had as many operations as it may have.
    OpLimit,
    /// They are that already, or were never in the room.
    NoChange,
    /// What became of the room is not known yet: the vault was put back from a copy, and members are asked.
    NeedsState,
    /// The user is in the room that is to be forgotten.
    StillIn,
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
            | Self::InvalidReaction
            | Self::InvalidPicture
            | Self::InvalidVoice
            | Self::InvalidTimer
            | Self::InvalidAddress
            | Self::InvalidPeerId
            | Self::InvalidPassphrase
            | Self::InvalidPhrase
            | Self::InvalidInvite
            | Self::InvalidLinkCode
            | Self::InvalidHandle
            | Self::OwnInvite
            | Self::InvalidSafetyNumber => 400,
            Self::Forbidden
            | Self::WrongPassphrase
            | Self::WrongKillPhrase
            | Self::WrongWords
            | Self::NotMember
            | Self::NotModerator
            | Self::Senior => 403,
            Self::UnknownContact
            | Self::UnknownRequest
            | Self::UnknownMessage
            | Self::UnknownPeer
            | Self::UnknownDevice
            | Self::UnknownInvite
            | Self::NoFile
            | Self::UnknownRoom
            | Self::NoLink
            | Self::NoHandle
            | Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::RequestTimeout => 408,
            Self::NameTaken
            | Self::AlreadyContact
            | Self::NoIdentity
            | Self::IdentityExists
            | Self::KeysUnknown
            | Self::NotEditable
            | Self::NotRecallable
            | Self::OnItsWay
            | Self::BackupFailed
            | Self::Blocked
            | Self::NotBlocked
            | Self::NeedsConfirmation
            | Self::InviteEnded
            | Self::OtherNetwork
            | Self::SafetyNumberDiffers
            | Self::Terminated
            | Self::ContactTerminated
            | Self::DeviceRevoked
            | Self::NoRoot
            | Self::OtherPhrase
            | Self::NothingToCompare
            | Self::HandleHeld
            | Self::RoomFull
            | Self::RoomClosed
            | Self::RoomAlone
            | Self::NoChange
            | Self::StillIn
            | Self::NeedsState
            | Self::FileNotHere
            | Self::FileChanged
            | Self::FileNeedsDirect
            | Self::OtherDevice => 409,
            Self::LengthRequired => 411,
            Self::TextTooLong | Self::BodyTooLarge | Self::FileTooLarge => 413,
            Self::NoSuchRange => 416,
            Self::Locked => 423,
            Self::LimitReached | Self::OpLimit | Self::LinkLimit | Self::LinkLocked => 429,
            Self::HeadTooLarge => 431,
            Self::Internal => 500,
            Self::Stopping => 503,
            Self::NoAnswer => 504,
            Self::StorageFailed | Self::OverQuota | Self::DiskLow => 507,
        }
    }
}

impl Problem {
    /// A problem with `code`, explained by `detail`.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self { status: code.status(), code, detail: detail.into() }
    }
}
