//! The vault's three files, `vault.redb`, `vault.key` and `vault.keys`, which are of no use without each other. (Vaults of
//! before erasable keys have two, until something is written to them.)
//!
//! Some of them without the others, or files of different vaults or times, are what a backup leaves that was put back by
//! halves. Then nothing is made, opened for writing or removed, and which file is missing is said.
//!
//! **Making them.** The vault is filled under another name, and its erasable keys with it; the key file is written, and
//! with it the identity exists; then the erasable keys get their own name, and then the vault. A crash before the key
//! file leaves files that nobody needs, one after it a vault that [`find`] gives its name. So no vault without
//! a key file is ever of an `init` that was cut short.

pub(super) mod erase;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use martlet_store::vault::keyfile::{KeyFile, KeyFileError, MasterKey};
use martlet_store::vault::keys_path;
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

/// Where the erasable keys of a data directory are.
pub(super) fn erasable_keys_path(data_dir: &Path) -> PathBuf {
    keys_path(&vault_path(data_dir))
}

/// Where a vault is until its key file is written; its erasable keys are in `vault.redb.keys` then.
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
        (Some(file), true) => {
            // Before anything is made. One of before erasable keys has none, and is looked at each time until it has.
            if !exists(&erasable_keys_path(data_dir))? {
                Vault::check(&vault, file.vault_id(), cache_bytes)?;
            }
            Ok(Some(file))
        }
        (None, false) => {
            let keys = erasable_keys_path(data_dir);
            if exists(&keys)? {
                // What is left of a vault, or was put back first.
                return Err(StoreError::Missing { path: vault, beside: keys }.into());
            }
            Ok(None)
        }
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
    let keys = erasable_keys_path(data_dir);
    if exists(&keys)? {
        return Err(StoreError::Missing { path: vault, beside: keys });
    }
    let unfinished = unfinished_path(data_dir);
    remove(&unfinished)?;
    remove(&keys_path(&unfinished))?;
    Vault::create(&unfinished, key, cache_bytes)
}

/// Gives a vault just made its own name, which nothing may have.
///
/// # Errors
/// [`StoreError::Failed`].
pub(super) fn place(data_dir: &Path) -> Result<(), StoreError> {
    let (unfinished, vault) = (unfinished_path(data_dir), vault_path(data_dir));
    let sync = || {
        fs::File::open(data_dir)
            .and_then(|directory| directory.sync_all())
            .map_err(|error| failed(data_dir, &error))
    };
    let keys = erasable_keys_path(data_dir);
    match fs::hard_link(keys_path(&unfinished), &keys) {
        // An earlier try, or a vault of before there were any.
        Err(error)
            if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) => {}
        linked => linked.map_err(|error| failed(&keys, &error))?,
    }
    // With the vault in its place the keys must be in theirs.
    sync()?;
    // A link is not made over a file, as a name would be.
    fs::hard_link(&unfinished, &vault).map_err(|error| failed(&vault, &error))?;
    remove(&unfinished)?;
    remove(&keys_path(&unfinished))?;
    sync()
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
