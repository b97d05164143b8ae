//! The version of a database's layout, and the way from an older one to the newest.

use std::path::Path;

use redb::{
    Database as Redb, ReadTransaction, ReadableDatabase, ReadableTable, TableError,
    WriteTransaction,
};

use crate::database::{Contents, Meta};
use crate::error::StoreError;
use crate::migrate::{self, Step};

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

    fn version(&self, snapshot: &ReadTransaction) -> Result<Option<u32>, StoreError> {
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use redb::StorageBackend;
    use redb::backends::InMemoryBackend;

    use super::*;
    use crate::database::{Database, SharedBackend, Source};

    const NOTES: Meta = Meta::new("notes");

    struct OneNote;

    impl Contents for OneNote {
        fn fill(&self, transaction: &WriteTransaction) -> Result<(), StoreError> {
            let mut notes = transaction.open_table(NOTES).unwrap();
            notes.insert(&b"a"[..], &b"1"[..]).unwrap();
            Ok(())
        }

        fn inspect(&self, _: &ReadTransaction) -> Result<(), StoreError> {
            Ok(())
        }
    }

    fn append(transaction: &WriteTransaction, what: u8) {
        let mut notes = transaction.open_table(NOTES).unwrap();
        let mut note = notes.get(&b"a"[..]).unwrap().unwrap().value().to_vec();
        note.push(what);
        notes.insert(&b"a"[..], note.as_slice()).unwrap();
    }

    fn second(transaction: &WriteTransaction) -> Result<(), StoreError> {
        append(transaction, b'2');
        Ok(())
    }

    fn third(transaction: &WriteTransaction) -> Result<(), StoreError> {
        append(transaction, b'3');
        Ok(())
    }

    fn fails(_: &WriteTransaction) -> Result<(), StoreError> {
        Err(StoreError::failed("for the test"))
    }

    static V1: Schema = schema(&[]);
    static V2: Schema = schema(&[second]);
    static V3: Schema = schema(&[second, third]);
    static BAD_V3: Schema = schema(&[second, fails]);

    const fn schema(steps: &'static [Step]) -> Schema {
        Schema { meta: "meta", steps, checked_bytes_max: u64::MAX }
    }

    fn open(backend: &SharedBackend, schema: &'static Schema) -> Result<Vec<u8>, StoreError> {
        let source = Source::Backend(backend.clone());
        let database = Database::open(source, schema, &OneNote, 1 << 20)?;
        let snapshot = database.read()?;
        assert_eq!(schema.version(&snapshot).unwrap(), Some(schema.newest()));
        let notes = snapshot.open_table(NOTES).unwrap();
        Ok(notes.get(&b"a"[..]).unwrap().unwrap().value().to_vec())
    }

    fn memory() -> SharedBackend {
        match Source::backend(InMemoryBackend::new()) {
            Source::Backend(backend) => backend,
            Source::File(_) => unreachable!(),
        }
    }

    #[test]
    fn each_step_runs_once_in_order() {
        let backend = memory();
        assert_eq!(open(&backend, &V1).unwrap(), b"1");
        assert_eq!(open(&backend, &V2).unwrap(), b"12");
        assert_eq!(open(&backend, &V2).unwrap(), b"12");
        assert_eq!(open(&backend, &V3).unwrap(), b"123");
        assert_eq!(open(&backend, &V3).unwrap(), b"123");
        // Two steps at once.
        let backend = memory();
        assert_eq!(open(&backend, &V1).unwrap(), b"1");
        assert_eq!(open(&backend, &V3).unwrap(), b"123");
    }

    #[test]
    fn a_step_that_fails_leaves_the_version_there_was() {
        let backend = memory();
        open(&backend, &V1).unwrap();
        assert!(matches!(open(&backend, &BAD_V3), Err(StoreError::Failed { .. })));
        assert_eq!(open(&backend, &V1).unwrap(), b"1");
    }

    #[test]
    fn a_newer_version_is_refused_untouched() {
        let backend = memory();
        open(&backend, &V3).unwrap();
        let image = || {
            let mut bytes = vec![0; usize::try_from(backend.len().unwrap()).unwrap()];
            backend.read(0, &mut bytes).unwrap();
            bytes
        };
        let before = image();
        assert!(matches!(open(&backend, &V2), Err(StoreError::TooNew { found: 3, known: 2, .. })));
        assert!(image() == before);
    }
}
