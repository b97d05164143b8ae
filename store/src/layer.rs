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

use redb::{
    AccessGuard, ReadOnlyTable, ReadTransaction, ReadableTableMetadata, TableDefinition, TableError,
};

use crate::database::Bytes;
use crate::error::StoreError;

/// A value as a transaction holds it back.
pub(crate) trait Held {
    /// Its redb type.
    type Stored: for<'a> redb::Value<SelfType<'a> = &'a [u8]> + 'static;
}

impl Held for Vec<u8> {
    type Stored = &'static [u8];
}

impl<const N: usize> Held for [u8; N] {
    type Stored = Bytes<N>;
}

/// The redb table behind a layer.
pub(crate) type Definition<const K: usize, V> =
    TableDefinition<'static, Bytes<K>, <V as Held>::Stored>;

/// One table, with the transaction's writes over it. Keys have `K` bytes and sort as they are.
pub(crate) struct Layer<const K: usize, V: Held> {
    table: &'static str,
    stored: Option<ReadOnlyTable<Bytes<K>, V::Stored>>,
    written: BTreeMap<[u8; K], Written<V>>,
    /// Rows `written` adds less rows it removes, but for those in `unknown`.
    growth: i64,
    /// Keys written without looking whether the table has them.
    unknown: Vec<[u8; K]>,
}

/// What a transaction did to a row.
struct Written<V> {
    /// `None`: removed.
    value: Option<V>,
    /// Whether the row is in the table as committed.
    stored: Stored,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stored {
    Yes,
    No,
    /// Not looked up yet; the key is in [`Layer::unknown`].
    Unknown,
}

/// A row's value, wherever it is.
pub(crate) enum Value<'a, V: Held> {
    /// Written by this transaction.
    Written(&'a V),
    /// Committed before.
    Stored(AccessGuard<'static, V::Stored>),
}

impl<V: Held + AsRef<[u8]>> Value<'_, V> {
    /// The bytes: as encoded by this transaction, or as they are in the table.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Written(value) => value.as_ref(),
            Self::Stored(guard) => guard.value(),
        }
    }
}

impl<const K: usize, V: Held> Layer<K, V> {
    /// The table called `table` in this snapshot; empty if it does not exist yet.
    pub(crate) fn new(snapshot: &ReadTransaction, table: &'static str) -> Result<Self, StoreError> {
        let stored = match snapshot.open_table(Definition::<K, V>::new(table)) {
            Ok(stored) => Some(stored),
            Err(TableError::TableDoesNotExist(_)) => None,
            Err(error) => return Err(StoreError::failed(error)),
        };
        Ok(Self { table, stored, written: BTreeMap::new(), growth: 0, unknown: Vec::new() })
    }

    /// The table's name.
    pub(crate) fn table(&self) -> &'static str {
        self.table
    }

    /// Rows in all.
    pub(crate) fn len(&mut self) -> Result<u64, StoreError> {
        for key in std::mem::take(&mut self.unknown) {
            let stored = self.is_stored(&key)?;
            if let Some(written) = self.written.get_mut(&key)
                && written.stored == Stored::Unknown
            {
                written.stored = if stored { Stored::Yes } else { Stored::No };
                self.growth += i64::from(written.value.is_some()) - i64::from(stored);
            }
        }
        let stored = match &self.stored {
            Some(stored) => stored.len().map_err(StoreError::failed)?,
            None => 0,
        };
        Ok(stored.saturating_add_signed(self.growth))
    }

    /// The value of `key`.
    pub(crate) fn get(&self, key: &[u8; K]) -> Result<Option<Value<'_, V>>, StoreError> {
        if let Some(written) = self.written.get(key) {
            return Ok(written.value.as_ref().map(Value::Written));
        }
        match &self.stored {
            Some(table) => Ok(table.get(&key[..]).map_err(StoreError::failed)?.map(Value::Stored)),
            None => Ok(None),
        }
    }

    /// Writes a row, over the one there is if any.
    pub(crate) fn put(&mut self, key: [u8; K], value: V) {
        self.write(key, value, Stored::Unknown);
    }

    /// Writes a row under a key that never was in the table.
    pub(crate) fn put_new(&mut self, key: [u8; K], value: V) {
        self.write(key, value, Stored::No);
    }

    /// Removes a row; whether there was one.
    pub(crate) fn remove(&mut self, key: &[u8; K]) -> Result<bool, StoreError> {
        let there = match self.written.get(key) {
            Some(written) => written.value.is_some(),
            None => self.is_stored(key)?,
        };
        if there {
            self.remove_known(key);
        }
        Ok(there)
    }

    /// Removes a row that is known to be there.
    pub(crate) fn remove_known(&mut self, key: &[u8; K]) {
        match self.written.entry(*key) {
            Entry::Vacant(entry) => {
                entry.insert(Written { value: None, stored: Stored::Yes });
                self.growth -= 1;
            }
            Entry::Occupied(mut entry) => {
                let written = entry.get_mut();
                let was = written.value.take().is_some();
                match written.stored {
                    Stored::Yes => self.growth -= i64::from(was),
                    Stored::No => {
                        self.growth -= i64::from(was);
                        entry.remove();
                    }
                    Stored::Unknown => {}
                }
            }
        }
    }

    /// The rows with keys in `keys`, ascending; descending with `backwards`.
    pub(crate) fn range(
        &self,
        keys: RangeInclusive<[u8; K]>,
        backwards: bool,
    ) -> Result<Range<'_, K, V>, StoreError> {
        let mut range = Range { table: self.table, stored: None, next_stored: None, written: None };
        // Both `BTreeMap` and redb refuse a range that ends before it begins.
        if keys.is_empty() {
            return Ok(range);
        }
        if let Some(table) = &self.stored {
            let rows = table
                .range::<&[u8]>(&keys.start()[..]..=&keys.end()[..])
                .map_err(StoreError::failed)?;
            range.stored = Some(rows);
        }
        let written = self.written.range(keys);
        range.written = Some(if backwards {
            WrittenRange::Backwards(written.rev().peekable())
        } else {
            WrittenRange::Forwards(written.peekable())
        });
        range.advance_stored()?;
        Ok(range)
    }

    /// Whether this transaction wrote to the table.
    pub(crate) fn is_dirty(&self) -> bool {
        !self.written.is_empty()
    }

    /// What was written, in the order of keys; `None` for a row removed.
    pub(crate) fn into_written(self) -> impl Iterator<Item = ([u8; K], Option<V>)> {
        self.written.into_iter().map(|(key, written)| (key, written.value))
    }

    fn write(&mut self, key: [u8; K], value: V, stored: Stored) {
        match self.written.entry(key) {
            Entry::Occupied(mut entry) => {
                let written = entry.get_mut();
                if written.stored != Stored::Unknown {
                    self.growth += i64::from(written.value.is_none());
                }
                written.value = Some(value);
            }
            Entry::Vacant(entry) => {
                match stored {
                    Stored::Unknown => self.unknown.push(key),
                    Stored::No => self.growth += 1,
                    Stored::Yes => {}
                }
                entry.insert(Written { value: Some(value), stored });
            }
        }
    }

    fn is_stored(&self, key: &[u8; K]) -> Result<bool, StoreError> {
        match &self.stored {
            Some(table) => Ok(table.get(&key[..]).map_err(StoreError::failed)?.is_some()),
            None => Ok(false),
        }
    }
}

impl<const K: usize, V: Held> std::fmt::Debug for Layer<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Layer")
            .field("table", &self.table)
            .field("written", &self.written.len())
            .finish_non_exhaustive()
    }
}

/// A row of a table, key and value.
type Row<'a, const K: usize, V> = ([u8; K], Value<'a, V>);

type StoredRow<const K: usize, V> = (AccessGuard<'static, Bytes<K>>, AccessGuard<'static, V>);

/// Rows in order, the written merged with the committed.
pub(crate) struct Range<'a, const K: usize, V: Held> {
    table: &'static str,
    stored: Option<redb::Range<'static, Bytes<K>, V::Stored>>,
    /// The next committed row, its key read.
    next_stored: Option<([u8; K], AccessGuard<'static, V::Stored>)>,
    /// `None`: an empty range.
    written: Option<WrittenRange<'a, K, V>>,
}

enum WrittenRange<'a, const K: usize, V> {
    Forwards(Peekable<btree_map::Range<'a, [u8; K], Written<V>>>),
    Backwards(Peekable<std::iter::Rev<btree_map::Range<'a, [u8; K], Written<V>>>>),
}

impl<'a, const K: usize, V: Held> Range<'a, K, V> {
    /// The next row.
    pub(crate) fn next(&mut self) -> Result<Option<Row<'a, K, V>>, StoreError> {
        loop {
            let Some(rows) = &mut self.written else { return Ok(None) };
            let stored = self.next_stored.as_ref().map(|(key, _)| *key);
            let written = match (rows.peek(), stored) {
                (None, None) => return Ok(None),
                (Some(written), Some(stored)) if written == stored => {
                    let row = rows.next();
                    self.advance_stored()?;
                    row
                }
                (Some(written), Some(stored)) if rows.comes_first(&written, &stored) => rows.next(),
                (Some(_), None) => rows.next(),
                (_, Some(_)) => {
                    let row = self.next_stored.take();
                    self.advance_stored()?;
                    return Ok(row.map(|(key, value)| (key, Value::Stored(value))));
                }
            };
            if let Some((key, Some(value))) = written {
                return Ok(Some((key, Value::Written(value))));
            }
            // Removed by this transaction: the next.
        }
    }

    fn advance_stored(&mut self) -> Result<(), StoreError> {
        let row = match (&mut self.stored, &self.written) {
            (None, _) | (_, None) => None,
            (Some(stored), Some(WrittenRange::Forwards(_))) => stored.next(),
            (Some(stored), Some(WrittenRange::Backwards(_))) => stored.next_back(),
        };
        let row: Option<StoredRow<K, V::Stored>> = row.transpose().map_err(StoreError::failed)?;
        self.next_stored = match row {
            None => None,
            Some((key, value)) => {
                let key = key.value().try_into();
                Some((key.map_err(|_| StoreError::Record { table: self.table })?, value))
            }
        };
        Ok(())
    }
}

impl<'a, const K: usize, V> WrittenRange<'a, K, V> {
    fn peek(&mut self) -> Option<[u8; K]> {
        match self {
            Self::Forwards(range) => range.peek().map(|(key, _)| **key),
            Self::Backwards(range) => range.peek().map(|(key, _)| **key),
        }
    }

    fn next(&mut self) -> Option<([u8; K], Option<&'a V>)> {
        match self {
            Self::Forwards(range) => range.next(),
            Self::Backwards(range) => range.next(),
        }
        .map(|(key, written)| (*key, written.value.as_ref()))
    }

    fn comes_first(&self, a: &[u8; K], b: &[u8; K]) -> bool {
        match self {
            Self::Forwards(_) => a < b,
            Self::Backwards(_) => a > b,
        }
    }
}
