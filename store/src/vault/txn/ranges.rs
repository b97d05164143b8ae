//! Records of a scope, by their numbers.

use std::ops::RangeInclusive;

use serde::de::DeserializeOwned;

use super::VaultTxn;
use crate::error::StoreError;
use crate::vault::{Collection, seal};

impl VaultTxn {
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

    /// The same, with `None` for a record that can't be read.
    ///
    /// # Errors
    /// [`StoreError::Failed`].
    pub fn range_readable<V: DeserializeOwned>(
        &self,
        collection: &Collection<V>,
        scope: Option<&[u8]>,
        numbers: RangeInclusive<u64>,
        max: usize,
    ) -> Result<Vec<(u64, Option<V>)>, StoreError> {
        self.readable(collection, scope, &numbers, max, false)
    }

    /// Shows the same records to `visit`, one at a time, until it returns false.
    ///
    /// # Errors
    /// [`StoreError::Failed`].
    pub fn for_each_readable<V: DeserializeOwned>(
        &self,
        collection: &Collection<V>,
        scope: Option<&[u8]>,
        numbers: RangeInclusive<u64>,
        mut visit: impl FnMut(u64, Option<V>) -> bool,
    ) -> Result<(), StoreError> {
        let keys = self.stored_keys(collection.name, scope, &numbers);
        self.visit(collection, keys, false, |key, value| {
            Ok(visit(seal::number_of(*key), if_readable(value)?))
        })
    }

    /// The same from the end, descending, with `None` for a record that can't be read.
    ///
    /// # Errors
    /// [`StoreError::Failed`].
    pub fn range_rev_readable<V: DeserializeOwned>(
        &self,
        collection: &Collection<V>,
        scope: Option<&[u8]>,
        numbers: RangeInclusive<u64>,
        max: usize,
    ) -> Result<Vec<(u64, Option<V>)>, StoreError> {
        self.readable(collection, scope, &numbers, max, true)
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

    /// How many records there are in the same range. Works without decrypting.
    ///
    /// # Errors
    /// [`StoreError::Failed`].
    pub fn count_range<V>(
        &self,
        collection: &Collection<V>,
        scope: Option<&[u8]>,
        numbers: RangeInclusive<u64>,
    ) -> Result<usize, StoreError> {
        let keys = self.stored_keys(collection.name, scope, &numbers);
        self.with_table(collection.name, |table| {
            let (mut count, mut rows) = (0, table.range(keys, false)?);
            while rows.next()?.is_some() {
                count += 1;
            }
            Ok(count)
        })
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
            records.push((seal::number_of(*key), value?));
            Ok(records.len() < max)
        })?;
        Ok(records)
    }

    fn readable<V: DeserializeOwned>(
        &self,
        collection: &Collection<V>,
        scope: Option<&[u8]>,
        numbers: &RangeInclusive<u64>,
        max: usize,
        backwards: bool,
    ) -> Result<Vec<(u64, Option<V>)>, StoreError> {
        let mut records = Vec::new();
        if max == 0 {
            return Ok(records);
        }
        let keys = self.stored_keys(collection.name, scope, numbers);
        self.visit(collection, keys, backwards, |key, value| {
            records.push((seal::number_of(*key), if_readable(value)?));
            Ok(records.len() < max)
        })?;
        Ok(records)
    }
}

/// `None` for a record that can't be read.
fn if_readable<V>(record: Result<V, StoreError>) -> Result<Option<V>, StoreError> {
    match record {
        Ok(record) => Ok(Some(record)),
        Err(StoreError::Record { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
