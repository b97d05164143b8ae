//! Why commands are refused. What is wrong is said here; what to do about it, by who shows it.

use martlet_protocol::control::FileState;
use martlet_protocol::identity::PhraseError;
use martlet_protocol::invite::InviteError;
use martlet_protocol::message::{EmojiError, FileError, ProfileError, TextError, TimerError};
use martlet_protocol::safety::SafetyCodeError;
use martlet_store::StoreError;

use crate::directory::{DirectoryError, NameError, RoomError};
use crate::limits::{BLOBS_BYTES_MAX, BLOBS_MAX};
use crate::search::QueryError;

/// Why a command was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// About a contact or a request.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// About a room.
    #[error(transparent)]
    Room(#[from] RoomError),
    /// A text that can't be sent.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A text of which nothing can be seen.
    #[error("nothing of the text can be seen")]
    InvisibleText,
    /// What is no reaction.
    #[error(transparent)]
    Emoji(#[from] EmojiError),
    /// A reaction of which nothing can be seen.
    #[error("nothing of the reaction can be seen")]
    InvisibleReaction,
    /// What is no picture for a profile.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// A file that can't be sent.
    #[error(transparent)]
    File(#[from] FileError),
    /// The message is no file, or not any more.
    #[error("this message is no file")]
    NoFile,
    /// A file that is not here, or not whole.
    #[error("the file is not here")]
    FileNotHere {
        /// Where it is.
        state: FileState,
    },
    /// A file that ends only with its message.
    #[error("the file is in its message, and ends with it")]
    FileInMessage,
    /// No more files are kept.
    #[error(
        "the files kept here would take {bytes} bytes, sealed, at most {BLOBS_BYTES_MAX}, of {BLOBS_MAX} files, are allowed"
    )]
    FilesFull {
        /// Bytes of those that there are and this one.
        bytes: u64,
    },
    /// No message has this id.
    #[error("there is no message with this id")]
    UnknownMessage,
    /// The ids of several messages begin so.
    #[error("the ids of several messages begin so")]
    AmbiguousMessage,
    /// It is someone else's, or has no text.
    #[error("the message is someone else's, or has no text to be edited")]
    NotEditable,
    /// Its writer took it back.
    #[error("the message was recalled, and has no text any more")]
    Recalled,
    /// A note about a contact that is too long.
    #[error("the note has {found} bytes, at most {max} are allowed")]
    NoteTooLong {
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// Not a message of the user's.
    #[error("someone else wrote this message")]
    NotYours,
    /// A note: it is nowhere else.
    #[error("a note was not sent to anyone")]
    NotSent,
    /// Nothing that can be taken back.
    #[error("what this message says can't be taken back")]
    NotRecallable,
    /// An own message that is not delivered yet.
    #[error("the message is still on its way")]
    OnItsWay,
    /// A timer that no message can have.
    #[error(transparent)]
    Timer(#[from] TimerError),
    /// The contact has a device that the user has not confirmed, and is strict about that.
    #[error("{name:?} has a new device, which is to be confirmed first")]
    NeedsConfirmation {
        /// The contact's name.
        name: String,
    },
    /// What fits no link.
    #[error(transparent)]
    Invite(#[from] InviteError),
    /// An invite whose life is too short or too long.
    #[error("an invite is good for a minute to 30 days")]
    InviteLife,
    /// Neither the invite nor the user names the inviter.
    #[error("the invite has no name of the inviter")]
    InviteWithoutName,
    /// Its time is over.
    #[error("the invite has expired")]
    InviteExpired,
    /// An invite to another network.
    #[error("the invite is to the network {network:?}")]
    OtherNetwork {
        /// Its name.
        network: String,
    },
    /// What is no safety number.
    #[error(transparent)]
    SafetyCode(#[from] SafetyCodeError),
    /// Another safety number than that of the user and the contact.
    #[error("this is not the safety number of you and {name:?}")]
    SafetyNumberDiffers {
        /// The contact's name.
        name: String,
        /// The groups of digits that differ, from 1.
        groups: Vec<usize>,
    },
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
    /// Nothing that can be looked for.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// Pages before a message and around one exclude each other.
    #[error("a page before a message can't be around one, too")]
    TwoPages,
    /// There is an identity already.
    #[error("there is an identity already")]
    IdentityExists,
    /// There is none yet.
    #[error("there is no identity yet")]
    NoIdentity,
    /// No device of the user's has this id or name.
    #[error("there is no device with this id or name")]
    UnknownDevice,
    /// Several have.
    #[error("several devices have this name, or an id that begins so")]
    AmbiguousDevice,
    /// A device says itself what it is called.
    #[error("a device is named on itself only")]
    OtherDevice,
    /// No name that a device can have.
    #[error("{reason} can't be a device's")]
    DeviceName {
        /// What is wrong with it.
        reason: NameError,
    },
    /// Another device of the user's has it.
    #[error(
        "another device of yours is called {name:?}; choose another name, or rename that one there first"
    )]
    DeviceNameTaken {
        /// The name.
        name: String,
    },
    /// To end another's identity needs its kill phrase.
    #[error("this is not the ID of this node's user")]
    NotOwnId,
    /// The kill phrase is not that identity's.
    #[error("the kill phrase is another identity's")]
    WrongKillPhrase,
    /// This device does not have the root.
    #[error("this device does not have the root of your identity")]
    NoRoot {
        /// Who has it.
        place: RootPlace,
    },
    /// Not the end of the identity's recovery phrase.
    #[error("these are not the last words of the recovery phrase")]
    WrongWords,
    /// Not a recovery phrase.
    #[error(transparent)]
    InvalidPhrase(PhraseError),
    /// A recovery phrase of another identity.
    #[error("the recovery phrase is another identity's")]
    OtherPhrase,
    /// The identity has as many devices as it may have, or had in its life.
    #[error("there can be no more devices")]
    LinkLimit,
    /// Several codes died of late.
    #[error("several codes for linking died within an hour")]
    LinkLocked {
        /// How long no code is made.
        left: std::time::Duration,
    },
    /// No code is good by which a device is linked, or was given.
    #[error("no device is being linked")]
    NoLink,
    /// The numbers aren't there yet, or are not asked for any more.
    #[error("there is nothing to compare")]
    NothingToCompare,
    /// A code of another network.
    #[error("the code is of another network")]
    OtherNetworkCode,
    /// A node without a user makes no stamp as dear as that.
    #[error("this network asks for stamps of {bits} bits")]
    StampTooDear {
        /// The bits.
        bits: u8,
    },
    /// The vault is locked.
    #[error("the vault is locked")]
    Locked,
    /// The vault can't be locked: it has no passphrase.
    #[error("the vault has no passphrase")]
    NoPassphrase,
    /// It has another passphrase than when the change of it began.
    #[error("the vault's passphrase was changed meanwhile")]
    PassphraseChanged,
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

/// Where the root is, of a device that does not have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootPlace {
    /// This device was linked, by one that had it.
    Linker {
        /// What that device is called, or the beginning of its id.
        device: String,
    },
    /// It was locked: it is in the recovery phrase alone.
    Phrase,
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

impl From<RoomError> for Fault {
    fn from(error: RoomError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<DirectoryError> for Fault {
    fn from(error: DirectoryError) -> Self {
        Self::Refused(error.into())
    }
}
