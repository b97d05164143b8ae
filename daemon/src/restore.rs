//! A backup put back: `martletd --restore DIR`.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, lchown};
use std::path::Path;

use martlet_engine::backup::{self, BackupError};
use martlet_store::vault::keyfile::KeyFileError;

use crate::config::Places;
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
    /// What root put back is not the daemon's user's.
    #[error(
        "the backup was put back, but {path} can't be given to the data directory's owner: {error}"
    )]
    Owner {
        /// The file.
        path: String,
        /// What the system said.
        error: io::Error,
    },
    /// The network's descriptor.
    #[error(
        "the vault was put back, the network's descriptor was not: {path}: {error}; copy the backup's network.toml there, \
         so that the daemon's user alone can read it"
    )]
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
            Self::Backup(_) | Self::Lock(_) | Self::Owner { .. } | Self::Network { .. } => false,
        }
    }

    /// Whether a daemon is in the way.
    pub(crate) fn is_in_use(&self) -> bool {
        matches!(self, Self::Lock(LockError::AlreadyRunning { .. }))
    }
}

/// Puts a backup back; what was done and what to do next, in words.
///
/// # Errors
/// [`RestoreError`].
pub(crate) fn restore(places: &Places, from: &Path) -> Result<String, RestoreError> {
    let _lock = DataDirLock::acquire(&places.data_dir)?;
    backup::restore(from, &places.data_dir)?;
    let network = restore_network(&from.join("network.toml"), places.network_file.as_deref());
    give_to_owner(places, network.is_ok())?;
    let network = network?;
    let (from, data_dir) = (from.display(), places.data_dir.display());
    Ok(format!("The vault of {from} is in {data_dir}, verified; {network}. Start martletd."))
}

/// What root made becomes the data directory's owner's, as whom the daemon runs.
fn give_to_owner(places: &Places, has_network: bool) -> Result<(), RestoreError> {
    let failed =
        |path: &Path, error| RestoreError::Owner { path: path.display().to_string(), error };
    let data_dir = &places.data_dir;
    let owner = fs::metadata(data_dir).map_err(|error| failed(data_dir, error))?;
    if !rustix::process::geteuid().is_root() || owner.uid() == 0 {
        return Ok(());
    }
    // All of root's that is there now was made here: the daemon makes none.
    let mut made = Vec::new();
    for entry in fs::read_dir(data_dir).map_err(|error| failed(data_dir, error))? {
        let path = entry.map_err(|error| failed(data_dir, error))?.path();
        if path.symlink_metadata().is_ok_and(|found| found.is_file() && found.uid() == 0) {
            made.push(path);
        }
    }
    // One that was there already may have been root's: then the daemon could not read it.
    let network = places.network_file.iter().filter(|path| has_network && path.exists());
    for path in made.iter().chain(network) {
        // Not what a link leads to: the directory is another user's.
        lchown(path, Some(owner.uid()), Some(owner.gid())).map_err(|error| failed(path, error))?;
    }
    Ok(())
}

fn restore_network(from: &Path, to: Option<&Path>) -> Result<String, RestoreError> {
    let Some(to) = to else {
        return Ok("the network's descriptor has no place to be put".to_owned());
    };
    let shown = to.display();
    let failed = |error| RestoreError::Network { path: shown.to_string(), error };
    let is_there = fs::exists(to).map_err(failed)?;
    let mut descriptor = Vec::new();
    let read = martlet_input::open(from).and_then(|mut file| file.read_to_end(&mut descriptor));
    match read {
        Ok(_) => {}
        // Of a copy made by hand.
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_there => {
            return Ok(format!("it has no network's descriptor; {shown} was left as it is"));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(format!("it has no network's descriptor, and there is none in {shown}"));
        }
        Err(error) => return Err(failed(error)),
    }
    if is_there {
        let mut there = Vec::new();
        let read = martlet_input::open(to).and_then(|mut file| file.read_to_end(&mut there));
        read.map_err(failed)?;
        let is_same = there == descriptor;
        return Ok(if is_same {
            format!("the same network's descriptor is in {shown} already")
        } else {
            format!(
                "another network's descriptor was in {shown} already and was left as it is: to use the backup's, put its \
                 network.toml there"
            )
        });
    }
    to.parent().map_or(Ok(()), fs::create_dir_all).map_err(failed)?;
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(failed)?;
    file.write_all(&descriptor).and_then(|()| file.sync_all()).map_err(failed)?;
    Ok(format!("the network's descriptor is in {shown}"))
}
