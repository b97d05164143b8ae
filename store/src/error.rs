//! What can go wrong with a database.

use std::path::PathBuf;

/// Why a database could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file is cut short, or its checksums do not match. It was not written to.
    #[error("{path} is damaged ({reason}); it was left as it is. Restore it from a backup, or move it away to start empty", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
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
    /// A record that does not decrypt or decode: damage, or another vault's key.
    #[error(
        "a record of table {table} is unreadable: the database is damaged, or its key file is another vault's"
    )]
    Record {
        /// The table.
        table: &'static str,
    },
}

impl StoreError {
    /// The system, or redb, could not do it.
    pub(crate) fn failed(reason: impl std::fmt::Display) -> Self {
        Self::Failed { reason: reason.to_string() }
    }
}
