//! The vault: the user's own records, encrypted at rest.

use std::marker::PhantomData;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::StoreError;

pub mod keyfile;

/// The vault database with its keys.
#[derive(Debug)]
pub struct Vault {}

/// A write transaction: one at a time, atomic, on disk once committed. Reads see its own writes.
#[derive(Debug)]
pub struct VaultTxn {}

/// A table of records of type `V`. The name is part of each record's associated data.
#[derive(Debug)]
pub struct Collection<V> {
    name: &'static str,
    record: PhantomData<fn() -> V>,
}

impl<V> Collection<V> {
    /// The collection called `name`.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
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

#[expect(
    unused_variables,
    clippy::todo,
    missing_docs,
    clippy::missing_errors_doc,
    reason = "skeleton"
)]
impl Vault {
    /// Opens (or creates) the database at `path` with the vault's master key.
    pub fn open(
        path: &Path,
        key: &keyfile::MasterKey,
        cache_bytes: usize,
    ) -> Result<Self, StoreError> {
        todo!()
    }
    /// `nonce_seed` seeds the nonces of this transaction's records: fresh randomness each time.
    pub fn begin(&self, nonce_seed: [u8; 32]) -> Result<VaultTxn, StoreError> {
        todo!()
    }
}

#[expect(
    unused_variables,
    clippy::todo,
    missing_docs,
    clippy::missing_errors_doc,
    reason = "skeleton"
)]
impl VaultTxn {
    pub fn get<V: DeserializeOwned>(
        &self,
        collection: &Collection<V>,
        key: Key<'_>,
    ) -> Result<Option<V>, StoreError> {
        todo!()
    }
    pub fn put<V: Serialize>(
        &mut self,
        collection: &Collection<V>,
        key: Key<'_>,
        value: &V,
    ) -> Result<(), StoreError> {
        todo!()
    }
    /// Whether there was one.
    pub fn delete<V>(
        &mut self,
        collection: &Collection<V>,
        key: Key<'_>,
    ) -> Result<bool, StoreError> {
        todo!()
    }
    /// Every record of a collection, in key order.
    pub fn scan<V: DeserializeOwned>(
        &self,
        collection: &Collection<V>,
    ) -> Result<Vec<V>, StoreError> {
        todo!()
    }
    /// Records of a scope (`None` for `Key::Ordinal` collections) with numbers in `numbers`,
    /// ascending, at most `max`.
    pub fn range<V: DeserializeOwned>(
        &self,
        collection: &Collection<V>,
        scope: Option<&[u8]>,
        numbers: std::ops::RangeInclusive<u64>,
        max: usize,
    ) -> Result<Vec<(u64, V)>, StoreError> {
        todo!()
    }
    /// The same from the end, descending.
    pub fn range_rev<V: DeserializeOwned>(
        &self,
        collection: &Collection<V>,
        scope: Option<&[u8]>,
        numbers: std::ops::RangeInclusive<u64>,
        max: usize,
    ) -> Result<Vec<(u64, V)>, StoreError> {
        todo!()
    }
    /// Deletes the same range; returns how many went. Works without decrypting.
    pub fn delete_range<V>(
        &mut self,
        collection: &Collection<V>,
        scope: Option<&[u8]>,
        numbers: std::ops::RangeInclusive<u64>,
    ) -> Result<u64, StoreError> {
        todo!()
    }
    /// The number of records of a collection.
    pub fn count<V>(&self, collection: &Collection<V>) -> Result<u64, StoreError> {
        todo!()
    }
    pub fn commit(self) -> Result<(), StoreError> {
        todo!()
    }
}
