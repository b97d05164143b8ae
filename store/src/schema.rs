//! The version of a database's layout, and the way from an older one to the newest.

use std::path::Path;

use redb::{
    Database as Redb, ReadTransaction, ReadableDatabase, ReadableTable, TableError,
    WriteTransaction,
};

use crate::error::StoreError;
use crate::migrate::{self, Step};

/// A table of what there is only one of, by name.
pub(crate) type Meta = redb::TableDefinition<'static, &'static [u8], &'static [u8]>;

/// Key of the schema version, a big-endian u32, in the meta table.
const VERSION_KEY: &[u8] = b"schema";

/// Key of the number of commits, a big-endian u64, in the meta table.
const COMMITS_KEY: &[u8] = b"commits";

/// The layout of one database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schema {
    /// The table that holds the version, and what there is only one of.
    pub(crate) meta: &'static str,
    /// How to get from each version to the next, from version 1.
    pub(crate) steps: &'static [Step],
    /// Files up to this size are checked whole at every opening, bytes; larger ones only if they
    /// were not closed properly.
    pub(crate) checked_bytes_max: u64,
}

/// What is in a database beside its tables.
pub(crate) trait Contents {
    /// Fills an empty database.
    fn fill(&self, transaction: &WriteTransaction) -> Result<(), StoreError>;
    /// Looks at a filled one, at `path`, before it is opened for writing.
    fn inspect(&self, snapshot: &ReadTransaction, path: &Path) -> Result<(), StoreError>;
}

impl Schema {
    /// The version this build writes.
    pub(crate) fn newest(&self) -> u32 {
        // A table in the source: far below 2^32.
        u32::try_from(self.steps.len()).unwrap_or(u32::MAX - 1) + 1
    }

    /// Whether this build can work with the database at `path`: its own, and not too new.
    pub(crate) fn check(&self, snapshot: &ReadTransaction, path: &Path) -> Result<(), StoreError> {
        match self.version(snapshot)? {
            Some(0) | None => Err(StoreError::Damaged {
                path: path.to_path_buf(),
                reason: "a database, but not this one".to_owned(),
            }),
            Some(found) if found > self.newest() => {
                Err(StoreError::TooNew { path: path.to_path_buf(), found, known: self.newest() })
            }
            Some(_) => Ok(()),
        }
    }

    /// Fills an empty database, in one transaction.
    pub(crate) fn fill(&self, database: &Redb, contents: &dyn Contents) -> Result<(), StoreError> {
        let transaction = database.begin_write().map_err(StoreError::failed)?;
        contents.fill(&transaction)?;
        self.set_version(&transaction)?;
        transaction.commit().map_err(StoreError::failed)
    }

    /// Brings a database that passed [`Self::check`] to the newest version, in one transaction.
    pub(crate) fn migrate(&self, database: &Redb) -> Result<(), StoreError> {
        let snapshot = database.begin_read().map_err(StoreError::failed)?;
        let found = self.version(&snapshot)?.unwrap_or(self.newest());
        drop(snapshot);
        if found == self.newest() {
            return Ok(());
        }
        let transaction = database.begin_write().map_err(StoreError::failed)?;
        migrate::run(self.steps, found, &transaction)?;
        self.set_version(&transaction)?;
        transaction.commit().map_err(StoreError::failed)
    }

    /// Commits so far, but for the one that made the database.
    pub(crate) fn commits(&self, snapshot: &ReadTransaction) -> Result<u64, StoreError> {
        let meta = snapshot.open_table(Meta::new(self.meta)).map_err(StoreError::failed)?;
        self.read_commits(&meta)
    }

    /// Counts the commit about to be made, and returns its number.
    pub(crate) fn count_commit(&self, transaction: &WriteTransaction) -> Result<u64, StoreError> {
        let mut meta = transaction.open_table(Meta::new(self.meta)).map_err(StoreError::failed)?;
        let number = self.read_commits(&meta)?.saturating_add(1);
        meta.insert(COMMITS_KEY, &number.to_be_bytes()[..]).map_err(StoreError::failed)?;
        Ok(number)
    }

    fn read_commits(
        &self,
        meta: &impl ReadableTable<&'static [u8], &'static [u8]>,
    ) -> Result<u64, StoreError> {
        let Some(commits) = meta.get(COMMITS_KEY).map_err(StoreError::failed)? else {
            return Ok(0);
        };
        match commits.value().try_into() {
            Ok(bytes) => Ok(u64::from_be_bytes(bytes)),
            Err(_) => Err(StoreError::Record { table: self.meta }),
        }
    }

    /// The version of the layout; `None` if the database has none.
    pub(crate) fn version(&self, snapshot: &ReadTransaction) -> Result<Option<u32>, StoreError> {
        let meta = match snapshot.open_table(Meta::new(self.meta)) {
            Ok(meta) => meta,
            Err(TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(error) => return Err(StoreError::failed(error)),
        };
        let Some(version) = meta.get(VERSION_KEY).map_err(StoreError::failed)? else {
            return Ok(None);
        };
        match version.value().try_into() {
            Ok(bytes) => Ok(Some(u32::from_be_bytes(bytes))),
            Err(_) => Err(StoreError::Record { table: self.meta }),
        }
    }

    fn set_version(&self, transaction: &WriteTransaction) -> Result<(), StoreError> {
        transaction
            .open_table(Meta::new(self.meta))
            .map_err(StoreError::failed)?
            .insert(VERSION_KEY, &self.newest().to_be_bytes()[..])
            .map_err(StoreError::failed)?;
        Ok(())
    }
}
