//! Where an engine's databases are: in files, or in memory.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use martlet_protocol::network::NetworkDescriptor;
use martlet_store::mailbox::{Mailbox, MailboxOptions};
use martlet_store::memory::MemoryFile;
use martlet_store::vault::keyfile::{KeyFile, KeyFileError, MasterKey};
use martlet_store::{StoreError, Vault};

use crate::{mailbox_file, vault_files};

/// Memory redb may use for a database's pages, bytes: a few thousand pages, what is in use.
pub(crate) const CACHE_BYTES: usize = 8 << 20;
/// The same where the file is in memory itself.
const MEMORY_CACHE_BYTES: usize = 64 << 10;

/// Where an engine's databases are. A clone is the same place.
#[derive(Debug, Clone)]
pub enum Storage {
    /// A directory: `mailbox.redb`, `vault.redb` and `vault.key`.
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

    /// From now on nothing is written, or is again.
    pub fn set_read_only(&self, is_read_only: bool) {
        self.mailbox.set_read_only(is_read_only);
        self.vault.set_read_only(is_read_only);
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

    /// Makes the vault. It is found once [`Self::write_key_file`] and [`Self::place_vault`] are done, and is
    /// to be closed before.
    pub(super) fn create_vault(&self, key: &MasterKey) -> Result<Vault, StoreError> {
        match self {
            Self::Directory(directory) => vault_files::create(directory, key, self.cache_bytes()),
            Self::Memory(disk) => {
                // What an `init` cut short left behind.
                disk.vault.erase();
                Vault::with_backend(disk.vault.clone(), key, self.cache_bytes())
            }
        }
    }

    /// Puts a vault just made where it is looked for.
    pub(super) fn place_vault(&self) -> Result<(), StoreError> {
        match self {
            Self::Directory(directory) => vault_files::place(directory),
            Self::Memory(_) => Ok(()),
        }
    }

    /// Looks whether a vault that stays locked is whole, and its key file's.
    pub(super) fn check_vault(&self, key_file: &KeyFile) -> Result<(), StoreError> {
        match self {
            Self::Directory(directory) => {
                vault_files::check(directory, key_file, self.cache_bytes())
            }
            // It fails only where a test makes it fail.
            Self::Memory(_) => Ok(()),
        }
    }

    /// Opens the vault.
    pub(super) fn open_vault(&self, key: &MasterKey) -> Result<Vault, StoreError> {
        match self {
            Self::Directory(directory) => vault_files::open(directory, key, self.cache_bytes()),
            Self::Memory(disk) => Vault::with_backend(disk.vault.clone(), key, self.cache_bytes()),
        }
    }

    /// Opens the vault for reading, where the disk takes no writes.
    pub(super) fn open_vault_for_reading(&self, key: &MasterKey) -> Result<Vault, StoreError> {
        match self {
            Self::Directory(directory) => {
                Vault::open_for_reading(&vault_files::vault_path(directory), key, CACHE_BYTES)
            }
            Self::Memory(disk) => {
                Vault::backend_for_reading(disk.vault.clone(), key, MEMORY_CACHE_BYTES)
            }
        }
    }

    fn cache_bytes(&self) -> usize {
        match self {
            Self::Directory(_) => CACHE_BYTES,
            Self::Memory(_) => MEMORY_CACHE_BYTES,
        }
    }

    /// The key file; `None` before there is an identity.
    ///
    /// # Errors
    /// [`KeyFileError`], also where a vault is there without a key file, or the other way round.
    pub fn read_key_file(&self) -> Result<Option<KeyFile>, KeyFileError> {
        match self {
            Self::Directory(directory) => vault_files::find(directory, self.cache_bytes()),
            Self::Memory(disk) => Ok(disk.lock_key_file().clone()),
        }
    }

    /// The path under which to make a key file.
    #[must_use]
    pub fn key_file_path(&self) -> PathBuf {
        match self {
            Self::Directory(directory) => vault_files::key_file_path(directory),
            Self::Memory(_) => PathBuf::from("(memory)"),
        }
    }

    /// The vault's name in messages.
    pub(super) fn vault_path(&self) -> PathBuf {
        match self {
            Self::Directory(directory) => vault_files::vault_path(directory),
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
