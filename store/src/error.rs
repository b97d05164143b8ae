//! What can go wrong with a database.

use std::path::{Path, PathBuf};

/// Why a database could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file is cut short, or its checksums do not match. It was not written to.
    #[error("{path} is damaged ({reason}); it was left as it is. {way_out}", path = path.display(), way_out = way_out(path))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// One of two files that belong together is not there. Nothing was written.
    #[error("{path} is missing, though {beside} is there; nothing was changed. {way_out}", path = path.display(), beside = beside.display(), way_out = way_out(path))]
    Missing {
        /// The file that is missing.
        path: PathBuf,
        /// The file that is there.
        beside: PathBuf,
    },
    /// The vault at `path`, or its file of keys, is of another vault than the key is. Neither file was written to.
    #[error("{path} and the key file beside it are of two different vaults; both were left as they are. {way_out}", path = path.display(), way_out = way_out(path))]
    OtherKey {
        /// The vault, or its file of keys.
        path: PathBuf,
    },
    /// Another process has it open.
    #[error("{path} is in use by another process: stop that martletd first", path = path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// Written by a newer version.
    #[error("{path} has schema version {found}, this build knows up to {known}; install a newer martletd", path = path.display())]
    TooNew {
        /// The file.
        path: PathBuf,
        /// The version found.
        found: u32,
        /// The newest version known.
        known: u32,
    },
    /// The disk is full or failing; the transaction had no effect.
    #[error(
        "storage failed, nothing was changed: {reason}; free some disk space, or check the disk"
    )]
    Failed {
        /// What the system said.
        reason: String,
    },
    /// A record that does not decrypt or decode, in a file whose checksums match.
    #[error("a record of table {table} is unreadable: put the file back from a backup")]
    Record {
        /// The table.
        table: &'static str,
    },
}

/// The one thing to do about a damaged, missing or foreign file, by its name: a vault and its keys are of no
/// use without each other.
fn way_out(path: &Path) -> &'static str {
    if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"vault.")) {
        "Stop martletd, and put vault.redb, vault.key and vault.keys back from one backup; or, if there is none, move \
         all of them away to begin with a new identity"
    } else {
        "Stop martletd, and put it back from a backup, or move it away to start empty"
    }
}

impl StoreError {
    /// Whether a file is damaged, missing or another's: nothing gets better by trying again.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Damaged { .. }
            | Self::Missing { .. }
            | Self::OtherKey { .. }
            | Self::Record { .. } => true,
            Self::InUse { .. } | Self::TooNew { .. } | Self::Failed { .. } => false,
        }
    }

    /// The system, or redb, could not do it.
    pub(crate) fn failed(reason: impl std::fmt::Display) -> Self {
        Self::Failed { reason: reason.to_string() }
    }
}
