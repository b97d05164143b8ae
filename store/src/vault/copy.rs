//! A copy of the vault, made while it is in use.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Database as Redb, ReadTransaction, ReadableTable, TableHandle, WriteTransaction};

use super::seal::Keys;
use super::{META, SCHEMA, Vault};
use crate::database::{Bytes, Database, Source, sync_directory};
use crate::error::StoreError;
use crate::limits::COPY_COMMIT_BYTES;
use crate::schema::Meta;

/// The vault as it was at a commit, beside its writer. While it lives, no space freed since is used again: let it go soon.
pub struct VaultSnapshot {
    snapshot: ReadTransaction,
    keys: Arc<Keys>,
}

impl Vault {
    /// A snapshot of what is committed.
    ///
    /// # Errors
    /// [`StoreError::Failed`].
    pub fn snapshot(&self) -> Result<VaultSnapshot, StoreError> {
        Ok(VaultSnapshot { snapshot: self.database.read()?, keys: Arc::clone(&self.keys) })
    }
}

impl VaultSnapshot {
    /// Writes it to a new file at `path`: all records, sealed as they are, whole pages of them. Once it is there it was
    /// opened with its key and every checksum in it read. Its bytes.
    ///
    /// # Errors
    /// [`StoreError::Failed`], also if there is a file already; [`StoreError::Damaged`] if what was written is not what
    /// is read again.
    pub fn copy_to(&self, path: &Path, cache_bytes: usize) -> Result<u64, StoreError> {
        let failed =
            |error: std::io::Error| StoreError::failed(format!("{}: {error}", path.display()));
        if fs::exists(path).map_err(failed)? {
            return Err(StoreError::failed(format!("{}: it is there already", path.display())));
        }
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let copied = self.fill(&part, cache_bytes).and_then(|()| {
            // Verified as each vault that is opened, and marked as closed.
            drop(Database::open(Source::File(part.clone()), &SCHEMA, &*self.keys, cache_bytes)?);
            // A link is not made over a file, as a name would be.
            fs::hard_link(&part, path).and_then(|()| sync_directory(path)).map_err(failed)?;
            Ok(fs::metadata(path).map_err(failed)?.len())
        });
        // Of a failed copy it is what is left, else a second name.
        let removed = fs::remove_file(&part);
        let bytes = copied?;
        removed.map_err(failed)?;
        Ok(bytes)
    }

    fn fill(&self, path: &Path, cache_bytes: usize) -> Result<(), StoreError> {
        let copy = Source::File(path.to_path_buf()).make_empty(cache_bytes)?;
        let transaction = copy.begin_write().map_err(StoreError::failed)?;
        copy_meta(&self.snapshot, &transaction)?;
        transaction.commit().map_err(StoreError::failed)?;
        let tables = self.snapshot.list_tables().map_err(StoreError::failed)?;
        for table in tables.filter(|table| table.name() != META) {
            copy_records(&self.snapshot, table.name(), &copy)?;
        }
        copy.close().map_err(StoreError::failed)
    }
}

fn copy_meta(from: &ReadTransaction, to: &WriteTransaction) -> Result<(), StoreError> {
    let from = from.open_table(Meta::new(META)).map_err(StoreError::failed)?;
    let mut to = to.open_table(Meta::new(META)).map_err(StoreError::failed)?;
    for row in from.iter().map_err(StoreError::failed)? {
        let (key, value) = row.map_err(StoreError::failed)?;
        to.insert(key.value(), value.value()).map_err(StoreError::failed)?;
    }
    Ok(())
}

/// In commits of some size, so that it takes little memory however many there are.
fn copy_records(from: &ReadTransaction, name: &str, to: &Redb) -> Result<(), StoreError> {
    let table = redb::TableDefinition::<Bytes<32>, &[u8]>::new(name);
    let from = from.open_table(table).map_err(StoreError::failed)?;
    let mut rows = from.iter().map_err(StoreError::failed)?.peekable();
    loop {
        let transaction = to.begin_write().map_err(StoreError::failed)?;
        let mut copied = transaction.open_table(table).map_err(StoreError::failed)?;
        let mut bytes = 0;
        while bytes < COPY_COMMIT_BYTES
            && let Some(row) = rows.next()
        {
            let (key, value) = row.map_err(StoreError::failed)?;
            bytes += value.value().len();
            copied.insert(key.value(), value.value()).map_err(StoreError::failed)?;
        }
        drop(copied);
        transaction.commit().map_err(StoreError::failed)?;
        if rows.peek().is_none() {
            return Ok(());
        }
    }
}

impl std::fmt::Debug for VaultSnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VaultSnapshot").finish_non_exhaustive()
    }
}
