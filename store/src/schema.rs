//! Which tables a database has, and the version of their layout.

use redb::{ReadTransaction, TableError, WriteTransaction};

use crate::database::{Database, Meta};
use crate::error::StoreError;
use crate::migrate::{self, Step};

/// Key of the schema version, a big-endian u32, in the meta table.
const VERSION_KEY: &[u8] = b"schema";

/// The layout of one database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schema {
    /// The table that holds the version, and what there is only one of.
    pub(crate) meta: &'static str,
    /// How to get from each version to the next, from version 1.
    pub(crate) steps: &'static [Step],
}

impl Schema {
    /// The version this build writes.
    pub(crate) fn newest(&self) -> u32 {
        // A table in the source: far below 2^32.
        u32::try_from(self.steps.len()).unwrap_or(u32::MAX - 1) + 1
    }

    /// The version of the database; `None` if it is empty.
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

    /// Fills an empty database with what `first` writes; brings an older one to the
    /// newest version. Each is one transaction.
    pub(crate) fn prepare(
        &self,
        database: &Database,
        first: impl FnOnce(&WriteTransaction) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let found = self.version(&database.read()?)?;
        if found == Some(self.newest()) {
            return Ok(());
        }
        let transaction = database.write()?;
        match found {
            None => first(&transaction)?,
            Some(found) if found > self.newest() => {
                return Err(StoreError::TooNew {
                    path: database.path().to_path_buf(),
                    found,
                    known: self.newest(),
                });
            }
            Some(found) => migrate::run(self.steps, found, &transaction)?,
        }
        transaction
            .open_table(Meta::new(self.meta))
            .map_err(StoreError::failed)?
            .insert(VERSION_KEY, &self.newest().to_be_bytes()[..])
            .map_err(StoreError::failed)?;
        transaction.commit().map_err(StoreError::failed)
    }
}
