//! The vault: the user's own records, encrypted at rest.
//!
//! Records are in [collections](Collection), each a table of its own, under a [`Key`]. How they are
//! encrypted is in `vault/seal.rs`; the key file is in [`keyfile`].
//!
//! Writes of a transaction stay in memory until it commits, then each record changed is encrypted
//! and written once, however often it was put. Reads find what was put.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use martlet_protocol::codec;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use redb::{ReadTransaction, StorageBackend, WriteTransaction};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::database::{Contents, Database, LastCommit, Meta, Source, Transaction};
use crate::error::StoreError;
use crate::layer::{Definition, Held, Layer, Value};
use crate::schema::Schema;
use seal::{Keys, StoredKey};

pub mod keyfile;
mod seal;

/// The vault database with its keys.
#[derive(Debug)]
pub struct Vault {
    database: Database,
    keys: Arc<Keys>,
}

/// A write transaction: one at a time, atomic, on disk once committed. Reads see its own writes.
/// Dropped without a commit it leaves nothing behind.
pub struct VaultTxn {
    transaction: Transaction,
    snapshot: ReadTransaction,
    keys: Arc<Keys>,
    rng: ChaCha20Rng,
    /// Tables used so far. Few enough that a search in order is the fastest.
    tables: RefCell<Vec<Table>>,
}

type Table = Layer<32, Plaintext>;

/// An encoded value, before it is sealed at the commit.
#[derive(Zeroize, ZeroizeOnDrop)]
struct Plaintext(Vec<u8>);

impl Held for Plaintext {
    type Stored = &'static [u8];
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

/// Holds the schema version, the check value and the number of commits.
const META: &str = ".vault";
const CHECK_KEY: &[u8] = b"check";
const CHECK_VALUE: &[u8] = b"martlet vault";

static SCHEMA: Schema = Schema { meta: META, steps: &[] };

impl Vault {
    /// Opens (or creates) the database at `path` with the vault's master key.
    ///
    /// # Errors
    /// [`StoreError::Record`] if the key is another vault's; [`StoreError::Damaged`] and
    /// [`StoreError::TooNew`], with the file left as it was; [`StoreError::Failed`].
    pub fn open(
        path: &Path,
        key: &keyfile::MasterKey,
        cache_bytes: usize,
    ) -> Result<Self, StoreError> {
        Self::from_source(Source::File(path.to_path_buf()), key, cache_bytes)
    }

    /// Opens the vault in `backend`: in memory for simulations, one that fails for tests.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn with_backend(
        backend: impl StorageBackend,
        key: &keyfile::MasterKey,
        cache_bytes: usize,
    ) -> Result<Self, StoreError> {
        Self::from_source(Source::backend(backend), key, cache_bytes)
    }

    fn from_source(
        source: Source,
        key: &keyfile::MasterKey,
        cache_bytes: usize,
    ) -> Result<Self, StoreError> {
        let keys = Keys::new(key);
        let database = Database::open(source, &SCHEMA, &keys, cache_bytes)?;
        Ok(Self { database, keys: Arc::new(keys) })
    }

    /// Begins a write transaction; waits until there is no other. `nonce_seed` seeds the nonces of
    /// this transaction's records: fresh randomness each time.
    ///
    /// # Errors
    /// [`StoreError::Failed`], always after a failed commit until [`Self::reopen`].
    pub fn begin(&self, nonce_seed: [u8; 32]) -> Result<VaultTxn, StoreError> {
        let transaction = self.database.write()?;
        Ok(VaultTxn {
            transaction,
            snapshot: self.database.read()?,
            keys: Arc::clone(&self.keys),
            rng: ChaCha20Rng::from_seed(nonce_seed),
            tables: RefCell::new(Vec::new()),
        })
    }

    /// Opens the database again after a commit failed (a full disk, say): until then every
    /// transaction is refused. Tells what became of that commit. Whatever is in memory of what
    /// [`LastCommit::Lost`] undid is to be read again.
    ///
    /// # Errors
    /// As [`Self::open`]. The vault stays closed, and this can be tried again.
    pub fn reopen(&self) -> Result<LastCommit, StoreError> {
        self.database.reopen()
    }
}

impl VaultTxn {
    /// The record under `key`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn get<V: DeserializeOwned>(
        &self,
        collection: &Collection<V>,
        key: Key<'_>,
    ) -> Result<Option<V>, StoreError> {
        let key = self.stored_key(collection.name, key);
        self.with_table(collection.name, |table| match table.get(&key)? {
            None => Ok(None),
            Some(value) => self.decode(collection, &key, &value).map(Some),
        })
    }

    /// Writes the record under `key`, over the one there is if any.
    ///
    /// # Errors
    /// [`StoreError`]; the transaction is of no use then.
    pub fn put<V: Serialize>(
        &mut self,
        collection: &Collection<V>,
        key: Key<'_>,
        value: &V,
    ) -> Result<(), StoreError> {
        let key = self.stored_key(collection.name, key);
        let value = Plaintext(codec::encode(value));
        self.table(collection.name)?.put(key, value);
        Ok(())
    }

    /// Deletes the record under `key`; whether there was one.
    ///
    /// # Errors
    /// [`StoreError`]; the transaction is of no use then.
    pub fn delete<V>(
        &mut self,
        collection: &Collection<V>,
        key: Key<'_>,
    ) -> Result<bool, StoreError> {
        let key = self.stored_key(collection.name, key);
        self.table(collection.name)?.remove(&key)
    }

    /// Every record of a collection, in key order (of named ones: an arbitrary order).
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn scan<V: DeserializeOwned>(
        &self,
        collection: &Collection<V>,
    ) -> Result<Vec<V>, StoreError> {
        let mut records = Vec::new();
        self.visit(collection, [0; 32]..=[u8::MAX; 32], false, |_, value| {
            records.push(value);
            true
        })?;
        Ok(records)
    }

    /// Records of a scope (`None` for `Key::Ordinal` collections) with numbers in `numbers`,
    /// ascending, at most `max`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn range<V: DeserializeOwned>(
        &self,
        collection: &Collection<V>,
        scope: Option<&[u8]>,
        numbers: RangeInclusive<u64>,
        max: usize,
    ) -> Result<Vec<(u64, V)>, StoreError> {
        self.numbered(collection, scope, &numbers, max, false)
    }

    /// The same from the end, descending.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn range_rev<V: DeserializeOwned>(
        &self,
        collection: &Collection<V>,
        scope: Option<&[u8]>,
        numbers: RangeInclusive<u64>,
        max: usize,
    ) -> Result<Vec<(u64, V)>, StoreError> {
        self.numbered(collection, scope, &numbers, max, true)
    }

    /// Deletes the same range; returns how many went. Works without decrypting.
    ///
    /// # Errors
    /// [`StoreError`]; the transaction is of no use then.
    pub fn delete_range<V>(
        &mut self,
        collection: &Collection<V>,
        scope: Option<&[u8]>,
        numbers: RangeInclusive<u64>,
    ) -> Result<u64, StoreError> {
        let keys = self.stored_keys(collection.name, scope, &numbers);
        let table = self.table(collection.name)?;
        let mut found = Vec::new();
        let mut rows = table.range(keys, false)?;
        while let Some((key, _)) = rows.next()? {
            found.push(key);
        }
        drop(rows);
        let mut deleted = 0;
        for key in &found {
            deleted += u64::from(table.remove(key)?);
        }
        Ok(deleted)
    }

    /// The number of records of a collection; costs nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn count<V>(&self, collection: &Collection<V>) -> Result<u64, StoreError> {
        self.with_table(collection.name, |table| table.len())
    }

    /// Writes everything to disk, and returns once it is there. Free of charge if nothing changed.
    ///
    /// # Errors
    /// [`StoreError::Failed`]: continue with [`Vault::reopen`].
    pub fn commit(self) -> Result<(), StoreError> {
        let Self { transaction, snapshot, keys, mut rng, tables } = self;
        drop(snapshot);
        let tables = tables.into_inner();
        if !tables.iter().any(Layer::is_dirty) {
            return transaction.abort();
        }
        for table in tables {
            write_records(table, &keys, &mut rng, &transaction.redb)?;
        }
        transaction.commit()
    }

    fn numbered<V: DeserializeOwned>(
        &self,
        collection: &Collection<V>,
        scope: Option<&[u8]>,
        numbers: &RangeInclusive<u64>,
        max: usize,
        backwards: bool,
    ) -> Result<Vec<(u64, V)>, StoreError> {
        let mut records = Vec::new();
        if max == 0 {
            return Ok(records);
        }
        let keys = self.stored_keys(collection.name, scope, numbers);
        self.visit(collection, keys, backwards, |key, value| {
            records.push((seal::number_of(*key), value));
            records.len() < max
        })?;
        Ok(records)
    }

    /// Shows the records under `keys` to `visit` until it returns false.
    fn visit<V: DeserializeOwned>(
        &self,
        collection: &Collection<V>,
        keys: RangeInclusive<StoredKey>,
        backwards: bool,
        mut visit: impl FnMut(&StoredKey, V) -> bool,
    ) -> Result<(), StoreError> {
        self.with_table(collection.name, |table| {
            let mut rows = table.range(keys, backwards)?;
            while let Some((key, value)) = rows.next()? {
                if !visit(&key, self.decode(collection, &key, &value)?) {
                    break;
                }
            }
            Ok(())
        })
    }

    fn decode<V: DeserializeOwned>(
        &self,
        collection: &Collection<V>,
        key: &StoredKey,
        value: &Value<'_, Plaintext>,
    ) -> Result<V, StoreError> {
        let table = collection.name;
        let opened;
        let bytes = match value {
            Value::Written(plaintext) => &plaintext.0,
            Value::Stored(sealed) => {
                opened = self.keys.open(table, key, sealed.value())?;
                &opened
            }
        };
        codec::decode(bytes, bytes.len()).map_err(|_| StoreError::Record { table })
    }

    fn stored_key(&self, table: &str, key: Key<'_>) -> StoredKey {
        match key {
            Key::Named(name) => self.keys.named(table, name),
            Key::Ordinal(number) => self.keys.numbered(table, None, number),
            Key::Scoped(scope, number) => self.keys.numbered(table, Some(scope), number),
        }
    }

    fn stored_keys(
        &self,
        table: &str,
        scope: Option<&[u8]>,
        numbers: &RangeInclusive<u64>,
    ) -> RangeInclusive<StoredKey> {
        let scope = self.keys.scope(table, scope);
        scope.key(*numbers.start())..=scope.key(*numbers.end())
    }

    fn with_table<T>(
        &self,
        name: &'static str,
        act: impl FnOnce(&mut Table) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut tables = self.tables.borrow_mut();
        let index = open_table(&mut tables, &self.snapshot, name)?;
        act(&mut tables[index])
    }

    fn table(&mut self, name: &'static str) -> Result<&mut Table, StoreError> {
        let tables = self.tables.get_mut();
        let index = open_table(tables, &self.snapshot, name)?;
        Ok(&mut tables[index])
    }
}

impl std::fmt::Debug for VaultTxn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VaultTxn").finish_non_exhaustive()
    }
}

/// Where in `tables` the table is, opened if need be.
fn open_table(
    tables: &mut Vec<Table>,
    snapshot: &ReadTransaction,
    name: &'static str,
) -> Result<usize, StoreError> {
    if let Some(index) = tables.iter().position(|table| table.table() == name) {
        return Ok(index);
    }
    tables.push(Layer::new(snapshot, name)?);
    Ok(tables.len() - 1)
}

/// Seals the records of one table straight into the database's pages.
fn write_records(
    records: Table,
    keys: &Keys,
    rng: &mut ChaCha20Rng,
    transaction: &WriteTransaction,
) -> Result<(), StoreError> {
    if !records.is_dirty() {
        return Ok(());
    }
    let name = records.table();
    let mut table = transaction
        .open_table(Definition::<32, Plaintext>::new(name))
        .map_err(StoreError::failed)?;
    for (key, value) in records.into_written() {
        match value {
            None => drop(table.remove(&key[..]).map_err(StoreError::failed)?),
            Some(value) => {
                let mut row = table
                    .insert_reserve(&key[..], Keys::sealed_len(value.0.len()))
                    .map_err(StoreError::failed)?;
                keys.seal(name, &key, &value.0, rng, row.as_mut())?;
            }
        }
    }
    Ok(())
}

/// The check value, which tells at every opening whether the key is the right one.
impl Contents for Keys {
    fn fill(&self, transaction: &WriteTransaction) -> Result<(), StoreError> {
        let mut sealed = vec![0; Self::sealed_len(CHECK_VALUE.len())];
        // No other record under this key can have the same nonce but by a collision of 24 bytes,
        // and a vault made again with the same key seals the same value.
        let mut rng = ChaCha20Rng::from_seed([0; 32]);
        self.seal(META, &check_key(), CHECK_VALUE, &mut rng, &mut sealed)?;
        transaction
            .open_table(Meta::new(META))
            .map_err(StoreError::failed)?
            .insert(CHECK_KEY, sealed.as_slice())
            .map_err(StoreError::failed)?;
        Ok(())
    }

    fn inspect(&self, snapshot: &ReadTransaction) -> Result<(), StoreError> {
        let meta = snapshot.open_table(Meta::new(META)).map_err(StoreError::failed)?;
        let sealed = meta
            .get(CHECK_KEY)
            .map_err(StoreError::failed)?
            .ok_or(StoreError::Record { table: META })?;
        let value = self.open(META, &check_key(), sealed.value())?;
        if value.as_slice() == CHECK_VALUE {
            Ok(())
        } else {
            Err(StoreError::Record { table: META })
        }
    }
}

/// The check value's place, as far as its associated data goes.
fn check_key() -> StoredKey {
    *blake3::hash(CHECK_KEY).as_bytes()
}
