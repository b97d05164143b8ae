//! The passphrase from a file, for a daemon that opens its vault by itself when it starts.

use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use martlet_protocol::limits::PASSPHRASE_BYTES_MAX;
use zeroize::{Zeroize, Zeroizing};

/// What a passphrase file has.
pub(crate) struct PassphraseFile {
    /// Its first line, without the line's end.
    pub(crate) passphrase: Zeroizing<String>,
    /// Whether its mode lets others than its owner at it.
    pub(crate) is_open_to_others: bool,
}

/// Why there is no passphrase in a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PassphraseFileError {
    /// The system can't read it.
    #[error("it can't be read: {0}")]
    Unreadable(#[from] io::Error),
    /// Its first line has no end within the bound.
    #[error("its first line is longer than a passphrase, {PASSPHRASE_BYTES_MAX} bytes")]
    TooLong,
    /// Not text.
    #[error("its first line is not UTF-8")]
    NotUtf8,
}

/// Reads the first line of a file.
pub(crate) fn read(path: &Path) -> Result<PassphraseFile, PassphraseFileError> {
    let file = martlet_input::open(path)?;
    let metadata = file.metadata()?;
    let is_open_to_others = metadata.is_file() && metadata.permissions().mode() & 0o077 != 0;
    // With a line's end of two bytes. Never grown, which would leave copies.
    let bytes_max = PASSPHRASE_BYTES_MAX + 2;
    let mut line = Zeroizing::new(Vec::with_capacity(bytes_max + 1));
    file.take(u64::try_from(bytes_max).unwrap_or(u64::MAX)).read_to_end(&mut line)?;
    let end = line.iter().position(|&byte| byte == b'\n').unwrap_or(line.len());
    line[end..].zeroize();
    line.truncate(end);
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    if line.len() > PASSPHRASE_BYTES_MAX {
        return Err(PassphraseFileError::TooLong);
    }
    match String::from_utf8(std::mem::take(&mut *line)) {
        Ok(passphrase) => {
            Ok(PassphraseFile { passphrase: Zeroizing::new(passphrase), is_open_to_others })
        }
        Err(error) => {
            error.into_bytes().zeroize();
            Err(PassphraseFileError::NotUtf8)
        }
    }
}

/// Hand-written: the passphrase is not shown.
impl std::fmt::Debug for PassphraseFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PassphraseFile(…)")
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_first_line_is_the_passphrase_and_its_bounds_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("passphrase");
        let read_of = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            read(&path).map(|file| file.passphrase.to_string())
        };
        assert_eq!(read_of(b"correct horse \r\nmore\n").unwrap(), "correct horse ");
        assert_eq!(read_of(b"").unwrap(), "");
        let longest = "x".repeat(PASSPHRASE_BYTES_MAX);
        assert_eq!(read_of(longest.as_bytes()).unwrap(), longest);
        assert_eq!(read_of(format!("{longest}\r\n").as_bytes()).unwrap(), longest);
        let error = read_of(format!("{longest}x\n").as_bytes()).unwrap_err();
        assert!(matches!(error, PassphraseFileError::TooLong));
        assert!(matches!(read_of(b"\xff\n").unwrap_err(), PassphraseFileError::NotUtf8));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(read(&path).unwrap_err(), PassphraseFileError::Unreadable(_)));
    }

    #[test]
    fn who_else_may_read_it_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("passphrase");
        std::fs::write(&path, "correct horse").unwrap();
        for (mode, is_open) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read(&path).unwrap().is_open_to_others, is_open, "{mode:o}");
        }
    }
}
