//! The vault's two files, `vault.redb` and `vault.key`, which are of no use without each other.
//!
//! One without the other, or two of different vaults, are what a backup leaves that was put back by halves. Then
//! nothing is made, opened for writing or removed, and which file is missing is said.
//!
//! **Making them.** The vault is filled under another name; the key file is written, and with it the identity
//! exists; then the vault gets its own name. A crash before the key file leaves a file that nobody needs, one
//! after it a vault that [`find`] gives its name. So no vault without a key file is ever of an `init` that was
//! cut short.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use martlet_store::vault::keyfile::{KeyFile, KeyFileError, MasterKey};
use martlet_store::{StoreError, Vault};

/// Where the vault of a data directory is.
pub(super) fn vault_path(data_dir: &Path) -> PathBuf {
    data_dir.join("vault.redb")
}

/// Where the key file of a data directory is.
#[must_use]
pub fn key_file_path(data_dir: &Path) -> PathBuf {
    data_dir.join("vault.key")
}

/// Where a vault is until its key file is written.
fn unfinished_path(data_dir: &Path) -> PathBuf {
    data_dir.join("vault.redb.new")
}

/// The key file, if there is an identity.
///
/// # Errors
/// [`StoreError::Missing`] if one of the two files is there alone; as [`KeyFile::read`].
pub(super) fn find(data_dir: &Path, cache_bytes: usize) -> Result<Option<KeyFile>, KeyFileError> {
    let (vault, key) = (vault_path(data_dir), key_file_path(data_dir));
    match (KeyFile::read(&key)?, exists(&vault)?) {
        (Some(file), true) => Ok(Some(file)),
        (None, false) => Ok(None),
        (None, true) => Err(StoreError::Missing { path: key, beside: vault }.into()),
        (Some(file), false) => {
            let unfinished = unfinished_path(data_dir);
            // One without an id is of before vaults were made this way.
            if file.vault_id().is_none() || !exists(&unfinished)? {
                return Err(StoreError::Missing { path: vault, beside: key }.into());
            }
            Vault::check(&unfinished, file.vault_id(), cache_bytes)?;
            place(data_dir)?;
            Ok(Some(file))
        }
    }
}

/// Makes the vault, under another name, in the place of what a crash left there.
///
/// # Errors
/// [`StoreError::Missing`] if there is one under its own name already; [`StoreError::Failed`].
pub(super) fn create(
    data_dir: &Path,
    key: &MasterKey,
    cache_bytes: usize,
) -> Result<Vault, StoreError> {
    let vault = vault_path(data_dir);
    if exists(&vault)? {
        return Err(StoreError::Missing { path: key_file_path(data_dir), beside: vault });
    }
    let unfinished = unfinished_path(data_dir);
    remove(&unfinished)?;
    Vault::create(&unfinished, key, cache_bytes)
}

/// Gives a vault just made its own name, which nothing may have.
///
/// # Errors
/// [`StoreError::Failed`].
pub(super) fn place(data_dir: &Path) -> Result<(), StoreError> {
    let (unfinished, vault) = (unfinished_path(data_dir), vault_path(data_dir));
    // A link is not made over a file, as a name would be.
    fs::hard_link(&unfinished, &vault).map_err(|error| failed(&vault, &error))?;
    remove(&unfinished)?;
    fs::File::open(data_dir)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| failed(data_dir, &error))
}

/// Opens the vault.
///
/// # Errors
/// [`StoreError::Missing`]; as [`Vault::open`].
pub(super) fn open(
    data_dir: &Path,
    key: &MasterKey,
    cache_bytes: usize,
) -> Result<Vault, StoreError> {
    let path = vault_path(data_dir);
    if !exists(&path)? {
        return Err(StoreError::Missing { path, beside: key_file_path(data_dir) });
    }
    Vault::open(&path, key, cache_bytes)
}

/// Looks whether a vault that stays locked is whole, and its key file's.
///
/// # Errors
/// As [`Vault::check`].
pub(super) fn check(
    data_dir: &Path,
    key_file: &KeyFile,
    cache_bytes: usize,
) -> Result<(), StoreError> {
    Vault::check(&vault_path(data_dir), key_file.vault_id(), cache_bytes)
}

fn exists(path: &Path) -> Result<bool, StoreError> {
    fs::exists(path).map_err(|error| failed(path, &error))
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(path, &error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn failed(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Failed { reason: format!("{}: {error}", path.display()) }
}
