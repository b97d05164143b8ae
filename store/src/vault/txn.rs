//! The vault's write transaction.

mod ranges;

use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::sync::Arc;

use martlet_protocol::codec;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use redb::{ReadTransaction, ReadableTable, WriteTransaction};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::erasable::BucketKeys;
use super::ledger::Ledger;
use super::seal::{Header, Keys, StoredKey};
use super::{Collection, Key};
use crate::database::{Database, Transaction};
use crate::error::StoreError;
use crate::layer::{Definition, Held, Layer, Value};

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

impl VaultTxn {
    /// Begins on `database`.
    pub(super) fn begin(
        database: &Database,
        keys: Arc<Keys>,
        nonce_seed: [u8; 32],
    ) -> Result<Self, StoreError> {
        Ok(Self {
            // First, so that no other commit comes between the two.
            transaction: database.write()?,
            snapshot: database.read()?,
            keys,
            rng: ChaCha20Rng::from_seed(nonce_seed),
            tables: RefCell::new(Vec::new()),
        })
    }

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
            records.push(value?);
            Ok(true)
        })?;
        Ok(records)
    }

    /// Shows every record of a collection to `visit`, in key order, one at a time.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn for_each<V: DeserializeOwned>(
        &self,
        collection: &Collection<V>,
        mut visit: impl FnMut(V),
    ) -> Result<(), StoreError> {
        self.visit(collection, [0; 32]..=[u8::MAX; 32], false, |_, value| {
            visit(value?);
            Ok(true)
        })
    }

    /// The number of records of a collection; costs nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn count<V>(&self, collection: &Collection<V>) -> Result<u64, StoreError> {
        self.count_in(collection.name)
    }

    /// The same of the collection with this name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn count_in(&self, table: &'static str) -> Result<u64, StoreError> {
        self.with_table(table, |table| table.len())
    }

    /// Whether it changed anything.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        self.tables.borrow().iter().any(Layer::is_dirty)
    }

    /// Writes everything to disk, and returns once it is there. Free of charge if nothing changed.
    ///
    /// # Errors
    /// [`StoreError::Failed`]: continue with [`Vault::reopen`](super::Vault::reopen).
    pub fn commit(self) -> Result<(), StoreError> {
        let Self { transaction, snapshot, keys, mut rng, tables } = self;
        drop(snapshot);
        let tables = tables.into_inner();
        if !tables.iter().any(Layer::is_dirty) {
            return transaction.abort();
        }
        let mut erasable = keys.erasable_mut();
        let mut ledger = erasable.ledger.clone();
        if erasable.buckets.is_none() {
            erasable.make_keys(&mut ledger, &mut rng)?;
        }
        // Also where a commit failed after they were made.
        ledger.epoch = ledger.epoch.max(1);
        let Some(buckets) = &erasable.buckets else {
            return Err(StoreError::failed("keys just made are there"));
        };
        for table in tables {
            write_records(table, buckets, &mut ledger, &mut rng, &transaction.redb)?;
        }
        erasable.commit(ledger, transaction)
    }

    /// Shows the records under `keys` to `visit` until it returns false.
    fn visit<V: DeserializeOwned>(
        &self,
        collection: &Collection<V>,
        keys: RangeInclusive<StoredKey>,
        backwards: bool,
        mut visit: impl FnMut(&StoredKey, Result<V, StoreError>) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        self.with_table(collection.name, |table| {
            let mut rows = table.range(keys, backwards)?;
            while let Some((key, value)) = rows.next()? {
                if !visit(&key, self.decode(collection, &key, &value))? {
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
        codec::decode_lenient(bytes, bytes.len()).map_err(|_| StoreError::Record { table })
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
    buckets: &BucketKeys,
    ledger: &mut Ledger,
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
            None => {
                let removed = table.remove(&key[..]).map_err(StoreError::failed)?;
                note_ended(buckets, ledger, removed.as_ref().map(|row| row.value()));
            }
            Some(value) => {
                let was = table.get(&key[..]).map_err(StoreError::failed)?;
                note_ended(buckets, ledger, was.as_ref().map(|row| row.value()));
                drop(was);
                let mut row = table
                    .insert_reserve(&key[..], Keys::sealed_len(value.0.len()))
                    .map_err(StoreError::failed)?;
                buckets
                    .seal(name, &key, &value.0, rng, row.as_mut())
                    .ok_or(StoreError::Record { table: name })?;
            }
        }
    }
    Ok(())
}

/// Notes that a record ends, unless the shred under way changes its key anyway. One of before erasable keys has none
/// to change, or begins like one that has: then a key is changed for nothing.
fn note_ended(buckets: &BucketKeys, ledger: &mut Ledger, sealed: Option<&[u8]>) {
    if let Some(header) = sealed.and_then(Header::of)
        && buckets.newest(header.bucket).0 == header.generation
    {
        ledger.note_ended(header.bucket);
    }
}
