//! A table as a write transaction sees it: the rows committed, and over them the rows written.
//!
//! Writes are held back until the commit. A row written a hundred times in one transaction costs
//! the database one write, rows reach it in the order of their keys, and no table is opened for
//! writing before the end. Reads find what was written first. A snapshot is a layer never written
//! to, so both read by the same code.

use std::collections::BTreeMap;
use std::collections::btree_map::{self, Entry};
use std::iter::Peekable;
use std::ops::RangeInclusive;

use redb::{AccessGuard, ReadOnlyTable, ReadTransaction, ReadableTableMetadata, TableError};

use crate::database::Rows;
use crate::error::StoreError;

/// A row's key: bytes that sort as the table does.
pub(crate) trait RowKey: Ord + Copy + AsRef<[u8]> {
    /// The key in these bytes; `None` if this kind of key can't be.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

/// One table, with the transaction's writes over it. `V` is a value as it is held back.
#[derive(Debug)]
pub(crate) struct Layer<K, V> {
    table: &'static str,
    stored: Option<ReadOnlyTable<&'static [u8], &'static [u8]>>,
    written: BTreeMap<K, Written<V>>,
    /// Rows added less rows removed by `written`.
    growth: i64,
}

/// What a transaction did to a row.
#[derive(Debug)]
struct Written<V> {
    /// `None`: removed.
    value: Option<V>,
    /// Whether the row is in the table as committed.
    stored: bool,
}

/// A row's value, wherever it is.
pub(crate) enum Value<'a, V> {
    /// Written by this transaction.
    Written(&'a V),
    /// Committed before.
    Stored(AccessGuard<'static, &'static [u8]>),
}

impl<const N: usize> RowKey for [u8; N] {
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok()
    }
}

impl<V: AsRef<[u8]>> Value<'_, V> {
    /// The bytes: as encoded by this transaction, or as they are in the table.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Written(value) => value.as_ref(),
            Self::Stored(guard) => guard.value(),
        }
    }
}

impl<K: RowKey, V> Layer<K, V> {
    /// The table called `table` in this snapshot; empty if it does not exist yet.
    pub(crate) fn new(snapshot: &ReadTransaction, table: &'static str) -> Result<Self, StoreError> {
        let stored = match snapshot.open_table(Rows::new(table)) {
            Ok(stored) => Some(stored),
            Err(TableError::TableDoesNotExist(_)) => None,
            Err(error) => return Err(StoreError::failed(error)),
        };
        Ok(Self { table, stored, written: BTreeMap::new(), growth: 0 })
    }

    /// The table's name.
    pub(crate) fn table(&self) -> &'static str {
        self.table
    }

    /// Rows in all.
    pub(crate) fn len(&self) -> Result<u64, StoreError> {
        let stored = match &self.stored {
            Some(stored) => stored.len().map_err(StoreError::failed)?,
            None => 0,
        };
        Ok(stored.saturating_add_signed(self.growth))
    }

    /// The value of `key`.
    pub(crate) fn get(&self, key: &K) -> Result<Option<Value<'_, V>>, StoreError> {
        match self.written.get(key) {
            Some(written) => Ok(written.value.as_ref().map(Value::Written)),
            None => Ok(self.stored(key)?.map(Value::Stored)),
        }
    }

    /// Writes a row, over the one there is if any.
    pub(crate) fn put(&mut self, key: K, value: V) -> Result<(), StoreError> {
        let stored = match self.written.get_mut(&key) {
            Some(written) => {
                self.growth += i64::from(written.value.is_none());
                written.value = Some(value);
                return Ok(());
            }
            None => self.stored(&key)?.is_some(),
        };
        self.growth += i64::from(!stored);
        self.written.insert(key, Written { value: Some(value), stored });
        Ok(())
    }

    /// Removes a row; whether there was one.
    pub(crate) fn remove(&mut self, key: &K) -> Result<bool, StoreError> {
        match self.written.entry(*key) {
            Entry::Occupied(mut entry) => {
                let was = entry.get_mut().value.take().is_some();
                if !entry.get().stored {
                    entry.remove();
                }
                self.growth -= i64::from(was);
                Ok(was)
            }
            Entry::Vacant(entry) => {
                let stored = match &self.stored {
                    Some(table) => table.get(key.as_ref()).map_err(StoreError::failed)?.is_some(),
                    None => false,
                };
                if stored {
                    entry.insert(Written { value: None, stored });
                    self.growth -= 1;
                }
                Ok(stored)
            }
        }
    }

    /// The rows with keys in `keys`, ascending; descending with `backwards`.
    pub(crate) fn range(
        &self,
        keys: RangeInclusive<K>,
        backwards: bool,
    ) -> Result<Range<'_, K, V>, StoreError> {
        // Both `BTreeMap` and redb refuse a range that ends before it begins.
        if keys.is_empty() {
            return Ok(Range {
                table: self.table,
                stored: None,
                next_stored: None,
                written: WrittenRange::Forwards(btree_map::Range::default().peekable()),
            });
        }
        let stored = match &self.stored {
            Some(table) => Some(
                table
                    .range(keys.start().as_ref()..=keys.end().as_ref())
                    .map_err(StoreError::failed)?,
            ),
            None => None,
        };
        let written = self.written.range(keys);
        let mut range = Range {
            table: self.table,
            stored,
            next_stored: None,
            written: if backwards {
                WrittenRange::Backwards(written.rev().peekable())
            } else {
                WrittenRange::Forwards(written.peekable())
            },
        };
        range.advance_stored()?;
        Ok(range)
    }

    /// Whether this transaction wrote to the table.
    pub(crate) fn is_dirty(&self) -> bool {
        !self.written.is_empty()
    }

    /// What was written, in the order of keys; `None` for a row removed.
    pub(crate) fn into_written(self) -> impl Iterator<Item = (K, Option<V>)> {
        self.written.into_iter().map(|(key, written)| (key, written.value))
    }

    fn stored(&self, key: &K) -> Result<Option<AccessGuard<'static, &'static [u8]>>, StoreError> {
        match &self.stored {
            Some(table) => table.get(key.as_ref()).map_err(StoreError::failed),
            None => Ok(None),
        }
    }
}

type StoredRow = (AccessGuard<'static, &'static [u8]>, AccessGuard<'static, &'static [u8]>);

/// Rows in order, the written merged with the committed.
pub(crate) struct Range<'a, K, V> {
    table: &'static str,
    stored: Option<redb::Range<'static, &'static [u8], &'static [u8]>>,
    /// The next committed row, its key read.
    next_stored: Option<(K, StoredRow)>,
    written: WrittenRange<'a, K, V>,
}

enum WrittenRange<'a, K, V> {
    Forwards(Peekable<btree_map::Range<'a, K, Written<V>>>),
    Backwards(Peekable<std::iter::Rev<btree_map::Range<'a, K, Written<V>>>>),
}

impl<'a, K: RowKey, V> Range<'a, K, V> {
    /// The next row.
    pub(crate) fn next(&mut self) -> Result<Option<(K, Value<'a, V>)>, StoreError> {
        loop {
            let (written_is_next, stored_is_same) = match (self.written.peek(), &self.next_stored) {
                (None, None) => return Ok(None),
                (Some(_), None) => (true, false),
                (None, Some(_)) => (false, false),
                (Some(written), Some((stored, _))) => {
                    let before = match self.written {
                        WrittenRange::Forwards(_) => written < *stored,
                        WrittenRange::Backwards(_) => written > *stored,
                    };
                    (before || written == *stored, written == *stored)
                }
            };
            if stored_is_same {
                self.advance_stored()?;
            }
            if written_is_next {
                if let Some((key, Some(value))) = self.written.next() {
                    return Ok(Some((key, Value::Written(value))));
                }
                // Removed by this transaction.
            } else {
                let row = self.next_stored.take();
                self.advance_stored()?;
                if let Some((key, (_, value))) = row {
                    return Ok(Some((key, Value::Stored(value))));
                }
            }
        }
    }

    fn advance_stored(&mut self) -> Result<(), StoreError> {
        let row = match (&mut self.stored, &self.written) {
            (None, _) => None,
            (Some(stored), WrittenRange::Forwards(_)) => stored.next(),
            (Some(stored), WrittenRange::Backwards(_)) => stored.next_back(),
        };
        self.next_stored = match row.transpose().map_err(StoreError::failed)? {
            None => None,
            Some(row) => {
                let key = K::from_bytes(row.0.value());
                Some((key.ok_or(StoreError::Record { table: self.table })?, row))
            }
        };
        Ok(())
    }
}

impl<'a, K: RowKey, V> WrittenRange<'a, K, V> {
    fn peek(&mut self) -> Option<K> {
        match self {
            Self::Forwards(range) => range.peek().map(|(key, _)| **key),
            Self::Backwards(range) => range.peek().map(|(key, _)| **key),
        }
    }

    fn next(&mut self) -> Option<(K, Option<&'a V>)> {
        match self {
            Self::Forwards(range) => range.next(),
            Self::Backwards(range) => range.next(),
        }
        .map(|(key, written)| (*key, written.value.as_ref()))
    }
}
