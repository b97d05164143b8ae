//! A backup put back: `martletd --restore DIR`.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use martlet_engine::backup::{self, BackupError};
use martlet_store::vault::keyfile::KeyFileError;

use crate::config::Config;
use crate::lock::{DataDirLock, LockError};

/// Why a backup was not put back, or not all of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestoreError {
    /// A daemon runs.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The vault.
    #[error("nothing was put back: {0}")]
    Backup(#[from] BackupError),
    /// The network's descriptor.
    #[error("the vault was put back, the network's descriptor was not: {path}: {error}")]
    Network {
        /// The file.
        path: String,
        /// What the system said.
        error: io::Error,
    },
}

impl RestoreError {
    /// Whether a file of the backup is damaged, missing or another's.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Backup(
                BackupError::Store(error) | BackupError::KeyFile(KeyFileError::Store(error)),
            ) => error.is_damage(),
            Self::Backup(BackupError::NoVault { .. }) => true,
            Self::Backup(_) | Self::Lock(_) | Self::Network { .. } => false,
        }
    }

    /// Whether a daemon is in the way.
    pub(crate) fn is_in_use(&self) -> bool {
        matches!(self, Self::Lock(LockError::AlreadyRunning { .. }))
    }
}

/// Puts a backup back; what was done, in words.
///
/// # Errors
/// [`RestoreError`].
pub(crate) fn restore(config: &Config, from: &Path) -> Result<String, RestoreError> {
    let _lock = DataDirLock::acquire(&config.data_dir)?;
    backup::restore(from, &config.data_dir)?;
    let network = match &config.network_file_next {
        Some(to) => restore_network(&from.join("network.toml"), to)?,
        None => "the network's descriptor has no place to be put",
    };
    let (from, data_dir) = (from.display(), config.data_dir.display());
    Ok(format!("The vault of {from} is in {data_dir}, verified; {network}. Start martletd."))
}

fn restore_network(from: &Path, to: &Path) -> Result<&'static str, RestoreError> {
    let failed = |error| RestoreError::Network { path: to.display().to_string(), error };
    let descriptor = match fs::read(from) {
        Ok(descriptor) => descriptor,
        // Of a copy made by hand.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok("it has no network's descriptor");
        }
        Err(error) => return Err(failed(error)),
    };
    to.parent().map_or(Ok(()), fs::create_dir_all).map_err(failed)?;
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(to) {
        Ok(mut file) => {
            file.write_all(&descriptor).and_then(|()| file.sync_all()).map_err(failed)?;
            Ok("the network's descriptor is where it is read")
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Ok("a network's descriptor was there already and was left as it is")
        }
        Err(error) => Err(failed(error)),
    }
}
