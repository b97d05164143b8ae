//! The vault: the user's own records, encrypted at rest.
//!
//! Records are in [collections](Collection), each a table of its own, under a [`Key`]. How they are
//! encrypted is in `vault/seal.rs`; the key file is in [`keyfile`], the erasable keys in `vault/erasable.rs`. What was
//! deleted or overwritten ends for good by a shred (`vault/shred.rs`).
//!
//! Writes of a transaction stay in memory until it commits, then each record changed is encrypted
//! and written once, however often it was put. Reads find what was put.

use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use redb::{ReadTransaction, StorageBackend, WriteTransaction};

use crate::database::{Database, LastCommit, Source};
use crate::error::StoreError;
use crate::schema::{Contents, Meta, Schema};
use erasable::{KeysFile, KeysPlace};
use keyfile::VaultId;
use ledger::Ledger;
use seal::{Keys, StoredKey};

mod buckets;
mod copy;
mod erasable;
pub mod keyfile;
mod ledger;
mod seal;
mod shred;
mod txn;
mod version_2;
mod version_3;

pub use buckets::BUCKETS;
pub use copy::VaultSnapshot;
pub use erasable::keys_path;
pub use shred::{ShredSlice, ShredState};
pub use txn::VaultTxn;

/// The vault database with its keys.
#[derive(Debug)]
pub struct Vault {
    database: Database,
    keys: Arc<Keys>,
}

/// A vault as it was at some time: what is kept elsewhere, by which an older copy of it is told from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VaultSeen {
    /// Which.
    pub vault: VaultId,
    /// How many commits it had.
    pub commits: u64,
}

/// A table of records of type `V`. The name is part of each record's associated data. All keys of
/// one collection are of the same sort, [`Key::Named`], [`Key::Ordinal`] or [`Key::Scoped`].
#[derive(Debug)]
pub struct Collection<V> {
    name: &'static str,
    record: PhantomData<fn() -> V>,
}

impl<V> Collection<V> {
    /// The collection called `name`.
    ///
    /// # Panics
    /// If the name is empty, longer than 64 bytes, or begins with a dot: in a constant, the
    /// compiler says so.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        assert!(seal::is_table_name(name), "1 to 64 bytes, not beginning with a dot");
        Self { name, record: PhantomData }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

/// Where a record stands in its collection.
#[derive(Debug, Clone, Copy)]
pub enum Key<'a> {
    /// Looked up by a name, which is hashed with the vault's key.
    Named(&'a [u8]),
    /// In order; the number is stored in clear.
    Ordinal(u64),
    /// In order within a scope; the scope is hashed with the vault's key, the number in clear.
    Scoped(&'a [u8], u64),
}

/// Holds the schema version, the vault's id, the check value and the number of commits.
const META: &str = ".vault";
const CHECK_KEY: &[u8] = b"check";
const CHECK_VALUE: &[u8] = b"martlet vault";
/// Which vault it is, as its key file says too. Vaults of before there were ids have none.
const ID_KEY: &[u8] = b"id";

static SCHEMA: Schema = Schema {
    meta: META,
    steps: &[version_2::migrate, version_3::migrate],
    checked_bytes_max: u64::MAX,
};

impl Vault {
    /// Makes the database at `path`, where there must be none, with the vault's master key. Its erasable keys are
    /// made by the first commit, at [`keys_path`].
    ///
    /// # Errors
    /// [`StoreError::Failed`], also if there is one: it is left as it is.
    pub fn create(
        path: &Path,
        key: &keyfile::MasterKey,
        cache_bytes: usize,
    ) -> Result<Self, StoreError> {
        if std::fs::exists(path).unwrap_or(true) {
            return Err(StoreError::failed(format!("{}: it is there already", path.display())));
        }
        let keys = Keys::new(key, KeysPlace::beside(path));
        let source = Source::File(path.to_path_buf());
        Self::new(Database::make(source, &SCHEMA, &keys, cache_bytes)?, keys)
    }

    /// Opens the database at `path`, with the erasable keys beside it, with the vault's master key. If the last shred found
    /// that worth it, it is written anew.
    ///
    /// # Errors
    /// [`StoreError::OtherKey`] if the key is another vault's; [`StoreError::Missing`], [`StoreError::Damaged`] and
    /// [`StoreError::TooNew`], with the files left as they were; [`StoreError::Failed`], also if there is none.
    pub fn open(
        path: &Path,
        key: &keyfile::MasterKey,
        cache_bytes: usize,
    ) -> Result<Self, StoreError> {
        let keys = Keys::new(key, KeysPlace::beside(path));
        let source = Source::File(path.to_path_buf());
        let vault = Self::new(Database::open(source, &SCHEMA, &keys, cache_bytes)?, keys)?;
        match vault.rewrite() {
            // For want of space, say: another time.
            Err(_) if vault.database.is_open() => {}
            done => drop(done?),
        }
        Ok(vault)
    }

    /// Opens the database at `path` for reading: nothing is written to it, and each commit that would fails.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_for_reading(
        path: &Path,
        key: &keyfile::MasterKey,
        cache_bytes: usize,
    ) -> Result<Self, StoreError> {
        let keys = Keys::new(key, KeysPlace::beside(path));
        Self::of_source_for_reading(Source::File(path.to_path_buf()), keys, cache_bytes)
    }

    /// The same of the vault in `backend`, whose erasable keys are in `keys`.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn backend_for_reading(
        backend: impl StorageBackend,
        keys: impl StorageBackend,
        key: &keyfile::MasterKey,
        cache_bytes: usize,
    ) -> Result<Self, StoreError> {
        let keys = Keys::new(key, KeysPlace::backend(keys));
        Self::of_source_for_reading(Source::backend(backend), keys, cache_bytes)
    }

    fn of_source_for_reading(
        source: Source,
        keys: Keys,
        cache_bytes: usize,
    ) -> Result<Self, StoreError> {
        Self::new(Database::open_for_reading(source, &SCHEMA, &keys, cache_bytes)?, keys)
    }

    /// Looks without the key, and without writing, whether the database at `path` is whole, its erasable keys
    /// are there and its own, and, where both know it, it is the vault called `id`.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn check(path: &Path, id: Option<VaultId>, cache_bytes: usize) -> Result<(), StoreError> {
        Source::File(path.to_path_buf())
            .verify(&SCHEMA, cache_bytes, &|snapshot| {
                inspect_id(snapshot, path, id)?;
                erasable_keys(snapshot, path, &KeysPlace::beside(path), id).map(|_| ())
            })
            .map(|_| ())
    }

    /// Opens the vault in `backend`, made if that is empty, with its erasable keys in `keys`: in memory for
    /// simulations, in one that fails for tests.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn with_backend(
        backend: impl StorageBackend,
        keys: impl StorageBackend,
        key: &keyfile::MasterKey,
        cache_bytes: usize,
    ) -> Result<Self, StoreError> {
        let keys = Keys::new(key, KeysPlace::backend(keys));
        let source = Source::backend(backend);
        Self::new(Database::make(source, &SCHEMA, &keys, cache_bytes)?, keys)
    }

    fn new(database: Database, keys: Keys) -> Result<Self, StoreError> {
        let vault = Self { database, keys: Arc::new(keys) };
        vault.load_keys()?;
        Ok(vault)
    }

    /// Reads the erasable keys, and makes both copies in their file the same.
    fn load_keys(&self) -> Result<(), StoreError> {
        let snapshot = self.database.read()?;
        let mut erasable = self.keys.erasable_mut();
        let path = self.database.path();
        let id = Some(self.keys.id());
        let found = erasable_keys(&snapshot, path, &erasable.place, id)?;
        erasable.ledger = found.ledger;
        erasable.buckets = None;
        let Some(file) = found.file else { return Ok(()) };
        let (head, buckets) = erasable.file_key.open(&file)?;
        if !file.has_twins() && self.database.commits().is_some() {
            erasable.place.write(&erasable.file_key.seal(&buckets, head.epoch)?)?;
        }
        // A shred that was begun no further than in this file was not begun.
        let is_ahead = head.epoch > erasable.ledger.epoch;
        erasable.buckets = Some(if is_ahead { buckets.without_next() } else { buckets });
        Ok(())
    }

    /// Begins a write transaction; waits until there is no other. `nonce_seed` seeds the nonces of
    /// this transaction's records: fresh randomness each time.
    ///
    /// # Errors
    /// [`StoreError::Failed`], always after a failed commit until [`Self::reopen`].
    pub fn begin(&self, nonce_seed: [u8; 32]) -> Result<VaultTxn, StoreError> {
        VaultTxn::begin(&self.database, Arc::clone(&self.keys), nonce_seed)
    }

    /// Which vault this is, and how many commits it has; `None` where it is open for reading.
    #[must_use]
    pub fn seen(&self) -> Option<VaultSeen> {
        Some(VaultSeen { vault: self.keys.id(), commits: self.database.commits()? })
    }

    /// Opens the database again after a commit failed (a full disk, say): until then every
    /// transaction is refused. Tells what became of that commit. Whatever is in memory of what
    /// [`LastCommit::Lost`] undid is to be read again.
    ///
    /// # Errors
    /// As [`Self::open`]. The vault can be read, if the disk can, and this can be tried again.
    pub fn reopen(&self) -> Result<LastCommit, StoreError> {
        let last = self.database.reopen()?;
        self.load_keys()?;
        Ok(last)
    }
}

/// What is in a vault's database, without a look at the file of erasable keys.
struct Bare<'a>(&'a Keys);

/// Which keys a vault has.
struct Found {
    ledger: Ledger,
    /// `None` if it has none yet.
    file: Option<KeysFile>,
}

impl Contents for Keys {
    fn fill(&self, transaction: &WriteTransaction) -> Result<(), StoreError> {
        Bare(self).fill(transaction)
    }

    fn inspect(&self, snapshot: &ReadTransaction, path: &Path) -> Result<(), StoreError> {
        Bare(self).inspect(snapshot, path)?;
        let erasable = self.erasable();
        let found = erasable_keys(snapshot, path, &erasable.place, Some(self.id()))?;
        found.file.map_or(Ok(()), |file| erasable.file_key.open(&file).map(|_| ()))
    }
}

/// The check value, which tells at every opening whether the key is the right one.
impl Contents for Bare<'_> {
    fn fill(&self, transaction: &WriteTransaction) -> Result<(), StoreError> {
        // No other record under this key can have the same nonce but by a collision of 24 bytes,
        // and a vault made again with the same key seals the same value.
        let mut rng = ChaCha20Rng::from_seed([0; 32]);
        let sealed = self.0.seal_check(META, &check_key(), CHECK_VALUE, &mut rng);
        let sealed = sealed.ok_or(StoreError::Record { table: META })?;
        let mut meta = transaction.open_table(Meta::new(META)).map_err(StoreError::failed)?;
        meta.insert(CHECK_KEY, sealed.as_slice()).map_err(StoreError::failed)?;
        meta.insert(ID_KEY, self.0.id().as_bytes().as_slice()).map_err(StoreError::failed)?;
        Ok(())
    }

    fn inspect(&self, snapshot: &ReadTransaction, path: &Path) -> Result<(), StoreError> {
        inspect_id(snapshot, path, Some(self.0.id()))?;
        let meta = snapshot.open_table(Meta::new(META)).map_err(StoreError::failed)?;
        let sealed = meta
            .get(CHECK_KEY)
            .map_err(StoreError::failed)?
            .ok_or(StoreError::Record { table: META })?;
        match self.0.open_check(META, &check_key(), sealed.value()) {
            Some(value) if value.as_slice() == CHECK_VALUE => Ok(()),
            // The file's checksums match: it is the key that doesn't.
            Some(_) | None => Err(StoreError::OtherKey { path: path.to_path_buf() }),
        }
    }
}

/// Refuses the vault at `path` if it says that it is another one than `id`.
fn inspect_id(
    snapshot: &ReadTransaction,
    path: &Path,
    id: Option<VaultId>,
) -> Result<(), StoreError> {
    let meta = snapshot.open_table(Meta::new(META)).map_err(StoreError::failed)?;
    let found = meta.get(ID_KEY).map_err(StoreError::failed)?;
    match (found, id) {
        (Some(found), Some(id)) if found.value() != id.as_bytes() => {
            Err(StoreError::OtherKey { path: path.to_path_buf() })
        }
        (Some(_) | None, _) => Ok(()),
    }
}

/// The erasable keys that a vault at `path` has and needs. Nothing is opened or written.
fn erasable_keys(
    snapshot: &ReadTransaction,
    path: &Path,
    place: &KeysPlace,
    id: Option<VaultId>,
) -> Result<Found, StoreError> {
    let ledger = Ledger::read(snapshot, SCHEMA.version(snapshot)?)?;
    let file = place.read()?;
    let Some(file) = file else {
        if ledger.epoch == 0 {
            return Ok(Found { ledger, file: None });
        }
        let (path, beside) = (place.path().to_path_buf(), path.to_path_buf());
        return Err(StoreError::Missing { path, beside });
    };
    let head = match (file.check(id), ledger.epoch) {
        // Cut short while the first keys were made, of which nothing is needed.
        (Err(StoreError::Damaged { .. }), 0) => return Ok(Found { ledger, file: None }),
        (head, _) => head?,
    };
    if !ledger.fits(&head) {
        return Err(file.damaged(&format!("it is of another time than {}", path.display())));
    }
    let is_needed = ledger.epoch > 0;
    Ok(Found { ledger, file: is_needed.then_some(file) })
}

/// The check value's place, as far as its associated data goes.
fn check_key() -> StoredKey {
    *blake3::hash(CHECK_KEY).as_bytes()
}
