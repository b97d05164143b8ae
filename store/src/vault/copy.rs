//! A copy of the vault, made while it is in use.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Database as Redb, ReadTransaction, ReadableTable, TableHandle, WriteTransaction};

use super::erasable::{KeysFile, KeysPlace};
use super::ledger::Ledger;
use super::seal::Keys;
use super::{Bare, META, SCHEMA, Vault};
use crate::database::{Bytes, Database, Source, sync_directory};
use crate::error::StoreError;
use crate::limits::COPY_COMMIT_BYTES;
use crate::schema::Meta;

/// The vault as it was at a commit, beside its writer. While it lives, no space freed since is used again: let it go soon.
pub struct VaultSnapshot {
    snapshot: ReadTransaction,
    keys: Arc<Keys>,
    /// The file of erasable keys as it was then, sealed: a shred may change it before the copy is made.
    keys_file: Option<Vec<u8>>,
}

impl Vault {
    /// A snapshot of what is committed.
    ///
    /// # Errors
    /// [`StoreError::Failed`].
    pub fn snapshot(&self) -> Result<VaultSnapshot, StoreError> {
        // No shred between the two.
        let erasable = self.keys.erasable();
        let keys_file = erasable.place.read()?.map(KeysFile::into_bytes);
        let snapshot = self.database.read()?;
        Ok(VaultSnapshot { snapshot, keys: Arc::clone(&self.keys), keys_file })
    }
}

impl VaultSnapshot {
    /// Writes it to a new file at `path`: all records, sealed as they are, whole pages of them. Once it is there it was
    /// opened with its key and every checksum in it read. Beside it go its erasable keys, at [`keys_path`](super::keys_path).
    /// The bytes of both.
    ///
    /// # Errors
    /// [`StoreError::Failed`], also if there is a file already; [`StoreError::Damaged`] if what was written is not what
    /// is read again.
    pub fn copy_to(&self, path: &Path, cache_bytes: usize) -> Result<u64, StoreError> {
        let failed =
            |error: std::io::Error| StoreError::failed(format!("{}: {error}", path.display()));
        let keys_at = super::keys_path(path);
        for path in [path, &keys_at] {
            if fs::exists(path).map_err(failed)? {
                return Err(StoreError::failed(format!("{}: it is there already", path.display())));
            }
        }
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let copied = fill(&self.snapshot, &part, None, cache_bytes).and_then(|()| {
            // Verified as each vault that is opened, and marked as closed.
            let source = Source::File(part.clone());
            drop(Database::open(source, &SCHEMA, &Bare(&self.keys), cache_bytes)?);
            let mut bytes = fs::metadata(&part).map_err(failed)?.len();
            if let Some(file) = &self.keys_file {
                KeysPlace::beside(path).write(file)?;
                bytes += u64::try_from(file.len()).unwrap_or_default();
            }
            // A link is not made over a file, as a name would be.
            let linked = fs::hard_link(&part, path).and_then(|()| sync_directory(path));
            linked.map_err(failed).inspect_err(|_| drop(fs::remove_file(&keys_at)))?;
            Ok(bytes)
        });
        // Of a failed copy it is what is left, else a second name.
        let removed = fs::remove_file(&part);
        let bytes = copied?;
        removed.map_err(failed)?;
        Ok(bytes)
    }
}

/// Writes all that `snapshot` has to a file at `path`, over any that is there; with another ledger, if one is given.
pub(super) fn fill(
    snapshot: &ReadTransaction,
    path: &Path,
    ledger: Option<&Ledger>,
    cache_bytes: usize,
) -> Result<(), StoreError> {
    let copy = Source::File(path.to_path_buf()).make_empty(cache_bytes)?;
    let transaction = copy.begin_write().map_err(StoreError::failed)?;
    copy_meta(snapshot, &transaction)?;
    ledger.map_or(Ok(()), |ledger| ledger.write(&transaction))?;
    transaction.commit().map_err(StoreError::failed)?;
    let tables = snapshot.list_tables().map_err(StoreError::failed)?;
    for table in tables.filter(|table| table.name() != META) {
        copy_records(snapshot, table.name(), &copy)?;
    }
    copy.close().map_err(StoreError::failed)
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
