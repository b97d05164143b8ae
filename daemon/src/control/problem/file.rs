//! Why files are not sent.

use martlet_protocol::control::ErrorCode;
use martlet_protocol::limits::FILE_INLINE_BYTES_MAX;
use martlet_protocol::message::FileError;

use super::Refusal;

impl Refusal {
    /// A file of so many bytes, as far as it is known, is too large.
    pub(in crate::control) fn file_too_large(found: Option<usize>) -> Self {
        let found = found.map_or_else(|| "more".to_owned(), |found| format!("{found} bytes"));
        let most = FILE_INLINE_BYTES_MAX;
        Self::new(
            ErrorCode::FileTooLarge,
            format!(
                "the file has {found}: so far files of at most {most} bytes (24 KiB) can be sent"
            ),
        )
    }
}

/// What is wrong with a file.
pub(super) fn refused(error: FileError) -> Refusal {
    match error {
        FileError::TooLarge { found } => Refusal::file_too_large(Some(found)),
        FileError::Text { .. } => Refusal::new(ErrorCode::TextTooLong, error.to_string()),
        FileError::Contradiction | FileError::Duration { .. } | FileError::Holders => {
            Refusal::bad_request(error.to_string())
        }
    }
}
