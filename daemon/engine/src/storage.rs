//! Where an engine's databases are: in files, or in memory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use martlet_protocol::network::NetworkDescriptor;
use martlet_store::mailbox::{Mailbox, MailboxOptions};
use martlet_store::memory::MemoryFile;
use martlet_store::vault::keyfile::{KeyFile, KeyFileError, MasterKey};
use martlet_store::{StoreError, Vault};

use crate::mailbox_file;

/// Memory redb may use for a database's pages, bytes: a few thousand pages, what is in use.
const CACHE_BYTES: usize = 8 << 20;
/// The same where the file is in memory itself.
const MEMORY_CACHE_BYTES: usize = 64 << 10;

/// Where an engine's databases are. A clone is the same place.
#[derive(Debug, Clone)]
pub enum Storage {
    /// A directory: `mailbox.redb`, `mailbox.network`, `vault.redb` and `vault.key`.
    Directory(PathBuf),
    /// Memory: of simulated nodes.
    Memory(Arc<MemoryDisk>),
}

/// A simulated node's disk. It outlives the node's engine, and is of one network.
#[derive(Debug, Default)]
pub struct MemoryDisk {
    mailbox: MemoryFile,
    vault: MemoryFile,
    key_file: Mutex<Option<KeyFile>>,
}

impl MemoryDisk {
    /// From now on each write fails, or succeeds again.
    pub fn set_full(&self, is_full: bool) {
        self.mailbox.set_full(is_full);
        self.vault.set_full(is_full);
    }
}

impl Storage {
    pub(super) fn open_mailbox(
        &self,
        network: &NetworkDescriptor,
        bytes_max: u64,
        bytes_per_source_max: u64,
    ) -> Result<Mailbox, StoreError> {
        let options =
            MailboxOptions { bytes_max, bytes_per_source_max, cache_bytes: self.cache_bytes() };
        match self {
            Self::Directory(directory) => mailbox_file::open(directory, network, options),
            Self::Memory(disk) => Mailbox::with_backend(disk.mailbox.clone(), options),
        }
    }

    /// Opens the vault, made if there is none.
    pub(super) fn open_vault(&self, key: &MasterKey) -> Result<Vault, StoreError> {
        match self {
            Self::Directory(directory) => {
                Vault::open(&directory.join("vault.redb"), key, self.cache_bytes())
            }
            Self::Memory(disk) => Vault::with_backend(disk.vault.clone(), key, self.cache_bytes()),
        }
    }

    fn cache_bytes(&self) -> usize {
        match self {
            Self::Directory(_) => CACHE_BYTES,
            Self::Memory(_) => MEMORY_CACHE_BYTES,
        }
    }

    /// Removes the vault that an `init` cut short left behind: no key file was written for it.
    pub(super) fn remove_vault(&self) -> Result<(), StoreError> {
        let path = match self {
            Self::Directory(directory) => directory.join("vault.redb"),
            Self::Memory(disk) => {
                disk.vault.erase();
                return Ok(());
            }
        };
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::Failed { reason: format!("{}: {error}", path.display()) })
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// The key file; `None` before there is an identity.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn read_key_file(&self) -> Result<Option<KeyFile>, KeyFileError> {
        match self {
            Self::Directory(directory) => KeyFile::read(&key_file_path(directory)),
            Self::Memory(disk) => Ok(disk.lock_key_file().clone()),
        }
    }

    /// The path under which to make a key file.
    #[must_use]
    pub fn key_file_path(&self) -> PathBuf {
        match self {
            Self::Directory(directory) => key_file_path(directory),
            Self::Memory(_) => PathBuf::from("(memory)"),
        }
    }

    /// Writes a key file just made.
    pub(super) fn write_key_file(&self, key_file: &KeyFile) -> Result<(), KeyFileError> {
        match self {
            Self::Directory(_) => key_file.write(),
            Self::Memory(disk) => {
                *disk.lock_key_file() = Some(key_file.clone());
                Ok(())
            }
        }
    }
}

impl MemoryDisk {
    fn lock_key_file(&self) -> std::sync::MutexGuard<'_, Option<KeyFile>> {
        self.key_file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the key file of a data directory is.
#[must_use]
pub fn key_file_path(data_dir: &Path) -> PathBuf {
    data_dir.join("vault.key")
}
