//! Why files are not sent, and not given.

use martlet_engine::{CommandError, largest_in_parts};
use martlet_protocol::control::{ErrorCode, FileState};
use martlet_protocol::file::sealed::SealedError;
use martlet_protocol::limits::{FILE_BYTES_MAX, FILE_INLINE_BYTES_MAX, FILE_NAME_GIVEN_BYTES_MAX};
use martlet_protocol::message::FileError;
use martlet_protocol::network::NetworkDescriptor;
use martlet_store::blobs::BlobDirError;

use super::Refusal;
use crate::blobs::TooSlow;
use crate::control::places::NoPlace;
use crate::limits::{BLOB_RATE_MIN, FILE_PIECE_MAX};

impl From<NoPlace> for Refusal {
    fn from(error: NoPlace) -> Self {
        Self::new(ErrorCode::LimitReached, error.to_string())
    }
}

impl Refusal {
    /// A file of so many bytes is too large.
    pub(in crate::control) fn file_too_large(found: u64) -> Self {
        let most = FILE_BYTES_MAX;
        Self::new(
            ErrorCode::FileTooLarge,
            format!(
                "the file has {found} bytes: files of at most {most} bytes (5 GiB) can be sent"
            ),
        )
    }

    /// A file's name of so many bytes is too long.
    pub(in crate::control) fn file_name_too_long(found: usize) -> Self {
        let most = FILE_NAME_GIVEN_BYTES_MAX;
        Self::new(
            ErrorCode::InvalidName,
            format!("the file's name has {found} bytes, and at most {most} are taken"),
        )
    }

    /// A file of which nobody said how large it is is too large for that.
    pub(in crate::control) fn length_required() -> Self {
        let most = FILE_INLINE_BYTES_MAX;
        Self::new(
            ErrorCode::LengthRequired,
            format!(
                "a file of more than {most} bytes (24 KiB) has to say how large it is: send `content-length`"
            ),
        )
    }

    /// This node tells nobody where it is, and the file is too large for mailboxes.
    pub(in crate::control) fn file_needs_direct(network: &NetworkDescriptor) -> Self {
        let most = largest_in_parts(network).max(FILE_INLINE_BYTES_MAX as u64);
        Self::new(
            ErrorCode::FileNeedsDirect,
            format!(
                "this network carries files of at most {most} bytes; larger ones are fetched from the node that sent them, and \
                 this one tells nobody where it is: set direct_files = true in martletd.toml, and start it anew; or \
                 depot_files = true, where there are depots"
            ),
        )
    }

    /// No such bytes.
    pub(in crate::control) fn no_such_range(bytes: u64) -> Self {
        Self::new(
            ErrorCode::NoSuchRange,
            format!("the file has {bytes} bytes, and none of those that were asked for"),
        )
    }

    /// A blob could not be written, or not be read.
    pub(in crate::control) fn of_blob(error: &BlobDirError) -> Self {
        match error {
            BlobDirError::Sealed(SealedError::Changed) => Self::new(
                ErrorCode::FileChanged,
                "the file changed while it was read, or did not come whole: send it again",
            ),
            BlobDirError::DiskLow { .. } => Self::new(
                ErrorCode::DiskLow,
                "the disk has too little free space for the file: free some, 512 MiB more than the file has",
            ),
            BlobDirError::Ended => Self::from(CommandError::Locked),
            BlobDirError::Sealed(_) | BlobDirError::Damaged | BlobDirError::NotHere => Self::new(
                ErrorCode::FileNotHere,
                "the file is damaged or gone on this disk; if someone sent it to you: martletctl file accept ID fetches it again",
            ),
            BlobDirError::Io(error) if TooSlow::is(error) => Self::new(
                ErrorCode::RequestTimeout,
                format!(
                    "the file came too slowly: at most {} s pass between two pieces, and {} KiB a second come at the least; send it \
                     again, from a faster disk",
                    FILE_PIECE_MAX.as_secs(),
                    BLOB_RATE_MIN / 1024
                ),
            ),
            BlobDirError::Io(error) => Self::new(
                ErrorCode::StorageFailed,
                format!("the file can't be read or written: {error}; check the disk"),
            ),
        }
    }
}

/// What is wrong with a file.
pub(super) fn refused(error: FileError) -> Refusal {
    match error {
        FileError::TooLarge { found } => {
            Refusal::file_too_large(u64::try_from(found).unwrap_or(u64::MAX))
        }
        FileError::Text { .. } => Refusal::new(ErrorCode::TextTooLong, error.to_string()),
        FileError::Voice(_) => Refusal::new(ErrorCode::InvalidVoice, error.to_string()),
        FileError::Contradiction
        | FileError::Duration { .. }
        | FileError::Thumbnail(_)
        | FileError::Holders => Refusal::bad_request(error.to_string()),
    }
}

/// A message is no file.
pub(super) fn none() -> Refusal {
    Refusal::new(
        ErrorCode::NoFile,
        "this message is no file, or it is one no more; martletctl file list shows those that there are",
    )
}

/// A file is somewhere else.
pub(super) fn not_here(state: FileState) -> Refusal {
    let why = match state {
        FileState::Complete | FileState::Fetching => {
            "the file is on its way: martletctl file list shows how far it is"
        }
        FileState::Offered => "the file was not fetched yet: martletctl file accept ID fetches it",
        FileState::Waiting => "the file is fetched as soon as someone who has it is on",
        FileState::Failed => {
            "the file could not be fetched: martletctl file list says why, file accept ID tries again"
        }
        FileState::Refused => "you refused the file: martletctl file accept ID fetches it",
        FileState::Gone => "the file is not here any more; if you have it: send it again",
    };
    Refusal::new(ErrorCode::FileNotHere, why)
}

/// A file ends only with its message.
pub(super) fn in_message() -> Refusal {
    Refusal::bad_request(
        "a file of at most 24 KiB is in its message, and ends with it: martletctl delete ID",
    )
}

/// No more files are kept.
pub(super) fn full(error: &CommandError) -> Refusal {
    Refusal::new(
        ErrorCode::OverQuota,
        format!("{error}: martletctl file list shows them, file forget ID removes one"),
    )
}
