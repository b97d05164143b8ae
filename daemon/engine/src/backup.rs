//! Backups: the vault's files, copied while they are in use, and put back.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use martlet_store::vault::VaultSnapshot;
use martlet_store::vault::keyfile::{KEY_FILE_BYTES, KeyFile, KeyFileError};
use martlet_store::{StoreError, Vault};

use crate::storage::{CACHE_BYTES, Storage};
use crate::vault_files::{erasable_keys_path, erase, key_file_path, vault_path};

/// Why there is no backup, or none was put back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key file.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// Something is in the way, and was left as it is.
    #[error("{path} is there already, and was left as it is; {advice}")]
    InTheWay {
        /// The file.
        path: String,
        /// What to do.
        advice: &'static str,
    },
    /// A directory for a backup has something in it already.
    #[error("{directory} is not empty, and was left as it is; name another directory")]
    NotEmpty {
        /// The directory.
        directory: String,
    },
    /// There is no vault where one is looked for.
    #[error("there is no vault in {directory}")]
    NoVault {
        /// The directory.
        directory: String,
    },
    /// The system could not do it.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: String,
        /// What the system said.
        error: io::Error,
    },
}

impl Storage {
    /// Writes the vault of `snapshot`, its erasable keys and its key file into a directory, made if there is none, else empty;
    /// verified. `more` writes there what else belongs to it. Bytes written.
    ///
    /// # Errors
    /// [`BackupError`]; what was written is removed.
    pub fn back_up(
        &self,
        snapshot: &VaultSnapshot,
        directory: &Path,
        more: impl FnOnce(&Path) -> Result<u64, BackupError>,
    ) -> Result<u64, BackupError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|error| failed(directory, error))?;
        let (vault, key) = (vault_path(directory), key_file_path(directory));
        let keys = erasable_keys_path(directory);
        let mut there = fs::read_dir(directory).map_err(|error| failed(directory, error))?;
        if there.next().is_some() {
            return Err(BackupError::NotEmpty { directory: directory.display().to_string() });
        }
        let no_vault =
            || BackupError::NoVault { directory: self.key_file_path().display().to_string() };
        let key_file = KeyFile::read(&self.key_file_path())?.ok_or_else(no_vault)?;
        let bytes = snapshot.copy_to(&vault, CACHE_BYTES)?;
        let written = write_new(&key, key_file.as_bytes())
            .and_then(|()| verify(directory))
            .and_then(|()| more(directory));
        // What is half done is no backup.
        let more = written.inspect_err(|_| {
            let _ = [&vault, &key, &keys].map(fs::remove_file);
        })?;
        let key_bytes = u64::try_from(KEY_FILE_BYTES).unwrap_or_default();
        Ok(bytes.saturating_add(key_bytes).saturating_add(more))
    }
}

/// Puts a backup's vault into a data directory that has none, which nobody may have open. Nothing is there unless all of it
/// is, and both are whole.
///
/// # Errors
/// [`BackupError`]; the backup is left as it is.
pub fn restore(backup: &Path, data_dir: &Path) -> Result<(), BackupError> {
    verify(backup)?;
    // Of a vault that was being erased nothing is in the way.
    erase::finish(data_dir)?;
    let (vault, key) = (vault_path(data_dir), key_file_path(data_dir));
    let keys = erasable_keys_path(data_dir);
    let advice = "move vault.redb, vault.key and vault.keys away first, all of them";
    are_free(&[&vault, &key, &keys], advice)?;
    let unfinished = data_dir.join("vault.redb.restored");
    let copied = copy_new(&vault_path(backup), &unfinished).and_then(|()| {
        // The vault first: alone it is refused, and nothing is made over it.
        fs::rename(&unfinished, &vault).map_err(|error| failed(&vault, error))?;
        let from = erasable_keys_path(backup);
        // One of before there were erasable keys has none.
        if fs::exists(&from).map_err(|error| failed(&from, error))? {
            copy_new(&from, &keys)?;
        }
        copy_new(&key_file_path(backup), &key)
    });
    if let Err(error) = copied.and_then(|()| verify(data_dir)) {
        let _ = [&unfinished, &vault, &key, &keys].map(fs::remove_file);
        return Err(error);
    }
    Ok(())
}

/// Whether a directory has a whole vault and the key file of this very one. No passphrase is needed.
fn verify(directory: &Path) -> Result<(), BackupError> {
    let no_vault = || BackupError::NoVault { directory: directory.display().to_string() };
    for path in [key_file_path(directory), vault_path(directory), erasable_keys_path(directory)] {
        // A pipe would be waited for.
        if fs::metadata(&path).is_ok_and(|found| !found.is_file()) {
            return Err(failed(
                &path,
                io::Error::new(io::ErrorKind::InvalidInput, "it is no file"),
            ));
        }
    }
    let key_file = KeyFile::read(&key_file_path(directory))?.ok_or_else(no_vault)?;
    Vault::check(&vault_path(directory), key_file.vault_id(), CACHE_BYTES)?;
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(|error| failed(directory, error))
}

fn are_free(paths: &[&Path], advice: &'static str) -> Result<(), BackupError> {
    for path in paths {
        if fs::exists(path).map_err(|error| failed(path, error))? {
            return Err(BackupError::InTheWay { path: path.display().to_string(), advice });
        }
    }
    Ok(())
}

fn create_new(path: &Path) -> Result<File, BackupError> {
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    created.map_err(|error| failed(path, error))
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<(), BackupError> {
    let mut file = create_new(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.map_err(|error| failed(path, error))
}

fn copy_new(from: &Path, to: &Path) -> Result<(), BackupError> {
    let mut source = File::open(from).map_err(|error| failed(from, error))?;
    let mut file = create_new(to)?;
    let copied = io::copy(&mut source, &mut file).and_then(|_| file.sync_all());
    copied.map_err(|error| failed(to, error))
}

fn failed(path: &Path, error: io::Error) -> BackupError {
    BackupError::Io { path: path.display().to_string(), error }
}
