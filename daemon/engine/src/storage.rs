//! Where an engine's databases are: in files, or in memory.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use martlet_protocol::network::NetworkDescriptor;
use martlet_store::mailbox::{Mailbox, MailboxOptions, SharedContents};
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
    /// A directory: `mailbox.redb`, `vault.redb`, `vault.key` and `vault.keys`.
    Directory(PathBuf),
    /// Memory: of simulated nodes.
    Memory(Arc<MemoryDisk>),
}

/// A simulated node's disk. It outlives the node's engine, and is of one network.
#[derive(Debug, Default)]
pub struct MemoryDisk {
    mailbox: MemoryFile,
    /// Where the contents of the mailbox's envelopes are, if not in it.
    shared: Option<SharedContents>,
    vault: MemoryFile,
    keys: MemoryFile,
    key_file: Mutex<Option<KeyFile>>,
}

impl MemoryDisk {
    /// An empty one, whose mailbox has the contents of its envelopes in common with those of other nodes.
    #[must_use]
    pub fn sharing(contents: SharedContents) -> Self {
        Self { shared: Some(contents), ..Self::default() }
    }

    /// From now on each write fails, or succeeds again.
    pub fn set_full(&self, is_full: bool) {
        self.mailbox.set_full(is_full);
        self.vault.set_full(is_full);
        self.keys.set_full(is_full);
    }

    /// From now on nothing is written, or is again.
    pub fn set_read_only(&self, is_read_only: bool) {
        self.mailbox.set_read_only(is_read_only);
        self.vault.set_read_only(is_read_only);
        self.keys.set_read_only(is_read_only);
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
            Self::Memory(disk) => {
                let mailbox = disk.mailbox.clone();
                match disk.shared.clone() {
                    None => Mailbox::with_backend(mailbox, options),
                    Some(shared) => Mailbox::with_shared_contents(mailbox, options, shared),
                }
            }
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
                disk.keys.erase();
                disk.open(key)
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
            Self::Memory(disk) => disk.open(key),
        }
    }

    /// Opens the vault for reading, where the disk takes no writes.
    pub(super) fn open_vault_for_reading(&self, key: &MasterKey) -> Result<Vault, StoreError> {
        match self {
            Self::Directory(directory) => {
                Vault::open_for_reading(&vault_files::vault_path(directory), key, CACHE_BYTES)
            }
            Self::Memory(disk) => {
                let (vault, keys) = (disk.vault.clone(), disk.keys.clone());
                Vault::backend_for_reading(vault, keys, key, MEMORY_CACHE_BYTES)
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

    /// Puts a key file of the same vault in the place of `old`, which must be what is there.
    pub(super) fn replace_key_file(
        &self,
        old: &KeyFile,
        new: &KeyFile,
    ) -> Result<(), KeyFileError> {
        match self {
            Self::Directory(_) => new.replace(old),
            Self::Memory(disk) => {
                let mut there = disk.lock_key_file();
                if there.as_ref().is_none_or(|there| there.as_bytes() != old.as_bytes()) {
                    return Err(KeyFileError::Changed { path: self.key_file_path() });
                }
                *there = Some(new.clone());
                Ok(())
            }
        }
    }

    /// Notes that the vault is going to end: from then on nothing keeps it.
    ///
    /// # Errors
    /// [`StoreError::Failed`]: nothing was changed.
    pub(super) fn begin_erasure(&self) -> Result<(), StoreError> {
        match self {
            Self::Directory(directory) => vault_files::erase::begin(directory),
            Self::Memory(_) => Ok(()),
        }
    }

    /// Ends the vault, which must be closed: its keys are overwritten, its files removed.
    ///
    /// # Errors
    /// [`StoreError::Failed`]: some of it may be there still; [`Self::settle_erasure`] goes on.
    pub(super) fn finish_erasure(&self) -> Result<(), StoreError> {
        match self {
            Self::Directory(directory) => vault_files::erase::finish(directory).map(|_| ()),
            Self::Memory(disk) => {
                disk.vault.erase();
                disk.keys.erase();
                *disk.lock_key_file() = None;
                Ok(())
            }
        }
    }

    /// Finishes what a crash left of that, if it left something. Whether it did.
    ///
    /// # Errors
    /// [`StoreError::Failed`].
    pub fn settle_erasure(&self) -> Result<bool, StoreError> {
        match self {
            Self::Directory(directory) => vault_files::erase::finish(directory),
            Self::Memory(_) => Ok(false),
        }
    }

    /// Files beside the databases that look like copies of the vault's, which are nobody's business here.
    pub(super) fn copies(&self) -> Vec<String> {
        match self {
            Self::Directory(directory) => vault_files::erase::copies(directory),
            Self::Memory(_) => Vec::new(),
        }
    }

    /// Finishes what a crash left of a change of the key file.
    pub(super) fn settle_key_file(&self) -> Result<(), KeyFileError> {
        match self {
            Self::Directory(_) => KeyFile::settle(&self.key_file_path()),
            Self::Memory(_) => Ok(()),
        }
    }
}

impl MemoryDisk {
    fn open(&self, key: &MasterKey) -> Result<Vault, StoreError> {
        Vault::with_backend(self.vault.clone(), self.keys.clone(), key, MEMORY_CACHE_BYTES)
    }

    fn lock_key_file(&self) -> std::sync::MutexGuard<'_, Option<KeyFile>> {
        self.key_file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
