//! One redb database: opened, begun, and opened again after a failure.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::{fmt, io};

use redb::{
    Database as Redb, ReadTransaction, ReadableDatabase, StorageBackend, TypeName, WriteTransaction,
};

use crate::error::StoreError;

/// A table of what there is only one of, by name.
pub(crate) type Meta = redb::TableDefinition<'static, &'static [u8], &'static [u8]>;

/// Exactly `N` bytes, as key or value. Not redb's own `[u8; N]`, so that rows of all widths are
/// byte slices to the code above; fixed widths, because they make pages denser and their updates
/// much cheaper.
#[derive(Debug)]
pub(crate) struct Bytes<const N: usize>;

/// A redb database that can be opened again in place.
pub(crate) struct Database {
    source: Source,
    cache_bytes: usize,
    /// `None` after a failed [`Self::reopen`].
    open: RwLock<Option<Redb>>,
}

/// Where a database's bytes are.
#[derive(Clone)]
pub(crate) enum Source {
    /// In a file, made if it does not exist.
    File(PathBuf),
    /// In a backend, kept so that it can be opened again.
    Backend(SharedBackend),
}

/// A backend that outlives the database opened on it.
#[derive(Clone)]
pub(crate) struct SharedBackend(Arc<dyn StorageBackend>);

impl Database {
    /// Opens the database, made empty if there is none.
    pub(crate) fn open(source: Source, cache_bytes: usize) -> Result<Self, StoreError> {
        let database = source.open(cache_bytes)?;
        Ok(Self { source, cache_bytes, open: RwLock::new(Some(database)) })
    }

    /// A snapshot of what is committed.
    pub(crate) fn read(&self) -> Result<ReadTransaction, StoreError> {
        self.with(|database| database.begin_read().map_err(StoreError::failed))
    }

    /// A write transaction; waits until there is no other.
    pub(crate) fn write(&self) -> Result<WriteTransaction, StoreError> {
        self.with(|database| database.begin_write().map_err(StoreError::failed))
    }

    /// Closes the database and opens it again: what a failed commit asks for.
    pub(crate) fn reopen(&self) -> Result<(), StoreError> {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        // Closed first: redb holds a lock on the file.
        drop(open.take());
        *open = Some(self.source.open(self.cache_bytes)?);
        Ok(())
    }

    /// The file, or what stands for it in messages.
    pub(crate) fn path(&self) -> &Path {
        self.source.path()
    }

    fn with<T>(&self, act: impl FnOnce(&Redb) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().map_or_else(
            || Err(StoreError::failed("the database is closed after an earlier failure")),
            act,
        )
    }
}

impl Source {
    /// A backend as source.
    pub(crate) fn backend(backend: impl StorageBackend) -> Self {
        Self::Backend(SharedBackend(Arc::new(backend)))
    }

    fn path(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Backend(_) => Path::new("(memory)"),
        }
    }

    fn open(&self, cache_bytes: usize) -> Result<Redb, StoreError> {
        let mut builder = Redb::builder();
        builder.set_cache_size(cache_bytes);
        match self {
            Self::File(path) => builder.create(path),
            Self::Backend(backend) => builder.create_with_backend(backend.clone()),
        }
        .map_err(StoreError::failed)
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("path", &self.path()).finish_non_exhaustive()
    }
}

impl fmt::Debug for SharedBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// All but `close`, which would end the backend for those who open it again.
impl StorageBackend for SharedBackend {
    fn len(&self) -> Result<u64, io::Error> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.0.write(offset, data)
    }
}

impl<const N: usize> redb::Value for Bytes<N> {
    type SelfType<'a> = &'a [u8];
    type AsBytes<'a> = &'a [u8];

    fn fixed_width() -> Option<usize> {
        Some(N)
    }

    fn from_bytes<'a>(data: &'a [u8]) -> &'a [u8]
    where
        Self: 'a,
    {
        data
    }

    fn as_bytes<'a, 'b: 'a>(value: &'a &'b [u8]) -> &'a [u8]
    where
        Self: 'b,
    {
        value
    }

    fn type_name() -> TypeName {
        TypeName::new(&format!("martlet::Bytes<{N}>"))
    }
}

impl<const N: usize> redb::Key for Bytes<N> {
    fn compare(left: &[u8], right: &[u8]) -> Ordering {
        left.cmp(right)
    }
}
