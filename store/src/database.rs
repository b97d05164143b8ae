//! One redb database: made, verified, opened, and opened again after a failure.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{self, AtomicU64};
use std::sync::{Arc, PoisonError, RwLock};

use redb::backends::FileBackend;
use redb::{Database as Redb, ReadTransaction, ReadableDatabase, StorageBackend, WriteTransaction};

use crate::backend::{ReadOnlyFile, SharedBackend, Sliced};
use crate::error::StoreError;
use crate::mark::{Mark, Place};
use crate::schema::{Contents, Schema};
use crate::verify::verify;

mod bytes;
mod rewrite;

pub use bytes::Bytes;

/// A redb database that can be opened again in place.
pub(crate) struct Database {
    source: Source,
    schema: &'static Schema,
    cache_bytes: usize,
    /// The commit last acknowledged when the database was last closed by [`Self::reopen`].
    acknowledged: AtomicU64,
    /// `None` after a failed [`Self::reopen`].
    open: RwLock<Option<Open>>,
}

struct Open {
    redb: Redb,
    /// `None` where it takes no writes.
    mark: Option<Arc<Mark>>,
}

/// A write transaction of redb, whose commit is numbered and marked.
pub(crate) struct Transaction {
    pub(crate) redb: WriteTransaction,
    schema: &'static Schema,
    mark: Option<Arc<Mark>>,
}

/// What became of the commit that failed, known once the database is open again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastCommit {
    /// It is there, whole: only the confirmation failed.
    Kept,
    /// Nothing of it is there.
    Lost,
}

/// Where a database's bytes are.
#[derive(Clone)]
pub(crate) enum Source {
    /// In a file, made if it does not exist.
    File(PathBuf),
    /// In a backend, kept so that it can be opened again.
    Backend(SharedBackend),
}

impl Database {
    /// Makes the database if there is none, and opens it.
    pub(crate) fn make(
        source: Source,
        schema: &'static Schema,
        contents: &dyn Contents,
        cache_bytes: usize,
    ) -> Result<Self, StoreError> {
        source.make(schema, contents, cache_bytes)?;
        Self::open(source, schema, contents, cache_bytes)
    }

    /// Opens the database: verified, and brought to the newest schema.
    pub(crate) fn open(
        source: Source,
        schema: &'static Schema,
        contents: &dyn Contents,
        cache_bytes: usize,
    ) -> Result<Self, StoreError> {
        let path = source.path().to_path_buf();
        let open =
            source.open(schema, cache_bytes, &|snapshot| contents.inspect(snapshot, &path))?;
        Ok(Self::with(source, schema, cache_bytes, open))
    }

    /// Opens the database for reading, verified: nothing is written to it, and no commit succeeds.
    pub(crate) fn open_for_reading(
        source: Source,
        schema: &'static Schema,
        contents: &dyn Contents,
        cache_bytes: usize,
    ) -> Result<Self, StoreError> {
        let path = source.path().to_path_buf();
        let inspect = |snapshot: &ReadTransaction| contents.inspect(snapshot, &path);
        let open = source.open_for_reading(schema, cache_bytes, &inspect)?;
        Ok(Self::with(source, schema, cache_bytes, open))
    }

    fn with(source: Source, schema: &'static Schema, cache_bytes: usize, open: Open) -> Self {
        let acknowledged = AtomicU64::new(open.mark.as_ref().map_or(0, |it| it.acknowledged()));
        Self { source, schema, cache_bytes, acknowledged, open: RwLock::new(Some(open)) }
    }

    /// A snapshot of what is committed.
    pub(crate) fn read(&self) -> Result<ReadTransaction, StoreError> {
        self.on_open(|open| open.redb.begin_read().map_err(StoreError::failed))
    }

    /// A write transaction; waits until there is no other.
    pub(crate) fn write(&self) -> Result<Transaction, StoreError> {
        self.on_open(|open| {
            let redb = open.redb.begin_write().map_err(StoreError::failed)?;
            Ok(Transaction { redb, schema: self.schema, mark: open.mark.clone() })
        })
    }

    /// The number of the commit last acknowledged; `None` where it takes no writes.
    pub(crate) fn commits(&self) -> Option<u64> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        Some(open.as_ref()?.mark.as_ref()?.acknowledged())
    }

    /// Closes the database and opens it again: what a failed commit asks for. Snapshots taken
    /// before end with errors. Where the disk takes no writes it can be read, if at all, until this is tried again.
    pub(crate) fn reopen(&self) -> Result<LastCommit, StoreError> {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        // Closed first: redb holds a lock on the file. What is open for reading holds none.
        if let Some(Open { redb, mark }) = open.take_if(|open| open.mark.is_some()) {
            let acknowledged = mark.map_or(0, |mark| mark.acknowledged());
            self.acknowledged.store(acknowledged, atomic::Ordering::Relaxed);
            drop(redb);
        }
        let opened = match self.source.open(self.schema, self.cache_bytes, &|_| Ok(())) {
            Ok(opened) => opened,
            Err(error) => {
                if open.is_none() {
                    let read =
                        self.source.open_for_reading(self.schema, self.cache_bytes, &|_| Ok(()));
                    *open = read.ok();
                }
                return Err(error);
            }
        };
        let found = opened.mark.as_ref().map_or(0, |mark| mark.acknowledged());
        *open = Some(opened);
        if found > self.acknowledged.load(atomic::Ordering::Relaxed) {
            Ok(LastCommit::Kept)
        } else {
            Ok(LastCommit::Lost)
        }
    }

    /// Its name in messages.
    pub(crate) fn path(&self) -> &Path {
        self.source.path()
    }

    /// Whether it can be read, if not written.
    pub(crate) fn is_open(&self) -> bool {
        self.open.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Bytes that redb may use as a cache.
    pub(crate) fn cache_bytes(&self) -> usize {
        self.cache_bytes
    }

    /// Bytes of its file; `None` if it is in none.
    pub(crate) fn file_bytes(&self) -> Option<u64> {
        match &self.source {
            Source::File(path) => fs::metadata(path).ok().map(|metadata| metadata.len()),
            Source::Backend(_) => None,
        }
    }

    fn on_open<T>(
        &self,
        act: impl FnOnce(&Open) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().map_or_else(
            || Err(StoreError::failed("the database is closed after an earlier failure")),
            act,
        )
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let open = self.open.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(Open { redb, mark }) = open.take() {
            drop(redb);
            mark.iter().for_each(|mark| mark.close());
        }
    }
}

impl Transaction {
    /// Writes everything to disk, and returns once it is there.
    pub(crate) fn commit(self) -> Result<(), StoreError> {
        let Self { redb, schema, mark } = self;
        let Some(mark) = mark else {
            redb.abort().map_err(StoreError::failed)?;
            return Err(StoreError::failed("the disk takes no writes"));
        };
        let number = schema.count_commit(&redb)?;
        redb.commit().map_err(StoreError::failed)?;
        mark.acknowledge(number);
        Ok(())
    }

    /// Ends it without effect.
    pub(crate) fn abort(self) -> Result<(), StoreError> {
        self.redb.abort().map_err(StoreError::failed)
    }
}

impl Source {
    /// A backend as source.
    pub(crate) fn backend(backend: impl StorageBackend) -> Self {
        Self::Backend(SharedBackend::new(backend))
    }

    /// Its name in messages.
    fn path(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Backend(_) => Path::new("(memory)"),
        }
    }

    /// Makes the database if there is none.
    fn make(
        &self,
        schema: &Schema,
        contents: &dyn Contents,
        cache_bytes: usize,
    ) -> Result<(), StoreError> {
        let fill = |database: Redb| -> Result<(), StoreError> {
            schema.fill(&database, contents)?;
            database.close().map_err(StoreError::failed)
        };
        match self {
            Self::Backend(backend) => match backend.len() {
                Ok(0) => fill(create(backend.clone(), cache_bytes)?),
                Ok(_) => Ok(()),
                Err(error) => Err(StoreError::failed(error)),
            },
            Self::File(path) => make_file(path, |file| {
                let backend = FileBackend::new(file).map_err(StoreError::failed)?;
                fill(create(backend, cache_bytes)?)
            }),
        }
    }

    /// Makes a database with nothing in it, in the place of any file that there is.
    pub(crate) fn make_empty(&self, cache_bytes: usize) -> Result<Redb, StoreError> {
        let file = new_file(self.path()).map_err(|error| self.failed(&error))?;
        let backend = FileBackend::new(file).map_err(|error| self.not_opened(&error))?;
        create(backend, cache_bytes)
    }

    /// Verifies the database without writing to it, and shows `inspect` what it holds. The place of its mark.
    pub(crate) fn verify(
        &self,
        schema: &Schema,
        cache_bytes: usize,
        inspect: &dyn Fn(&ReadTransaction) -> Result<(), StoreError>,
    ) -> Result<Place, StoreError> {
        let place = self.mark_place()?;
        let at = (self.path(), cache_bytes);
        match self {
            Self::Backend(backend) => {
                read_only(backend.clone(), &place, schema, at, inspect)?;
            }
            Self::File(_) => {
                let unverified =
                    FileBackend::new(self.open_file()?).map_err(|error| self.not_opened(&error))?;
                read_only(unverified, &place, schema, at, inspect)?;
            }
        }
        Ok(place)
    }

    /// Verifies the database and opens it, at the newest schema.
    fn open(
        &self,
        schema: &Schema,
        cache_bytes: usize,
        inspect: &dyn Fn(&ReadTransaction) -> Result<(), StoreError>,
    ) -> Result<Open, StoreError> {
        let place = self.verify(schema, cache_bytes, inspect)?;
        place.open().map_err(|error| self.failed(&error))?;
        let redb = match self {
            Self::Backend(backend) => create(backend.clone(), cache_bytes)?,
            Self::File(_) => {
                let file =
                    FileBackend::new(self.open_file()?).map_err(|error| self.not_opened(&error))?;
                Redb::builder()
                    .set_cache_size(cache_bytes)
                    .create_with_backend(Sliced::new(file))
                    .map_err(|error| self.not_opened(&error))?
            }
        };
        schema.migrate(&redb)?;
        let commits = schema.commits(&redb.begin_read().map_err(StoreError::failed)?)?;
        Ok(Open { redb, mark: Some(Arc::new(Mark::new(place, commits))) })
    }

    /// Verifies the database and opens it for reading.
    fn open_for_reading(
        &self,
        schema: &Schema,
        cache_bytes: usize,
        inspect: &dyn Fn(&ReadTransaction) -> Result<(), StoreError>,
    ) -> Result<Open, StoreError> {
        let path = self.path();
        let redb = match self {
            Self::Backend(backend) => {
                let place = Place::Backend(backend.clone());
                read_only(backend.clone(), &place, schema, (path, cache_bytes), inspect)?
            }
            Self::File(_) => {
                let file = || File::open(path).map_err(|error| self.failed(&error));
                let (backend, place) = (ReadOnlyFile::new(file()?), Place::File(file()?));
                read_only(backend, &place, schema, (path, cache_bytes), inspect)?
            }
        };
        Ok(Open { redb, mark: None })
    }

    fn mark_place(&self) -> Result<Place, StoreError> {
        match self {
            Self::File(_) => self.open_file().map(Place::File),
            Self::Backend(backend) => Ok(Place::Backend(backend.clone())),
        }
    }

    /// The file, for writing: redb's lock asks for that too.
    fn open_file(&self) -> Result<File, StoreError> {
        let file = OpenOptions::new().read(true).write(true).open(self.path());
        file.map_err(|error| self.failed(&error))
    }

    fn not_opened(&self, error: &redb::DatabaseError) -> StoreError {
        match error {
            redb::DatabaseError::DatabaseAlreadyOpen => {
                StoreError::InUse { path: self.path().to_path_buf() }
            }
            other => self.failed(other),
        }
    }

    fn failed(&self, error: &dyn fmt::Display) -> StoreError {
        StoreError::failed(format!("{}: {error}", self.path().display()))
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("path", &self.source.path()).finish_non_exhaustive()
    }
}

/// Opens the database in `backend`, with its mark at `place`, verified and without writing to it.
fn read_only(
    backend: impl StorageBackend,
    place: &Place,
    schema: &Schema,
    (path, cache_bytes): (&Path, usize),
    inspect: &dyn Fn(&ReadTransaction) -> Result<(), StoreError>,
) -> Result<Redb, StoreError> {
    let marked = place.read(path)?;
    let inspect = |snapshot: &ReadTransaction| {
        schema.check(snapshot, path)?;
        if schema.commits(snapshot)? < marked.unwrap_or(0) {
            return Err(StoreError::Damaged {
                path: path.to_path_buf(),
                reason: "its last commits are missing".to_owned(),
            });
        }
        inspect(snapshot)
    };
    let len = place.len();
    let len = len.map_err(|error| StoreError::failed(format!("{}: {error}", path.display())))?;
    // What was closed properly is damaged by nothing but the disk. To read gigabytes for that
    // would cost every start more than the rare damage, which ends the process when it is
    // met: then the file isn't closed properly.
    let is_whole =
        len <= schema.checked_bytes_max || !marked.is_some_and(|number| place.is_closed(number));
    verify(backend, path, cache_bytes, is_whole, &inspect)
}

fn create(backend: impl StorageBackend, cache_bytes: usize) -> Result<Redb, StoreError> {
    Redb::builder()
        .set_cache_size(cache_bytes)
        .create_with_backend(backend)
        .map_err(StoreError::failed)
}

/// Makes the file at `path` if there is none: filled under another name, then moved to its own, so
/// that a file which is there is whole or damaged, never unfinished.
fn make_file(
    path: &Path,
    fill: impl FnOnce(File) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let failed = |error: io::Error| StoreError::failed(format!("{}: {error}", path.display()));
    if fs::exists(path).map_err(failed)? {
        return Ok(());
    }
    let unfinished = part_path(path);
    fill(new_file(&unfinished).map_err(failed)?)?;
    fs::rename(&unfinished, path).and_then(|()| sync_directory(path)).map_err(failed)
}

/// The name under which a file is made that is to be at `path`.
fn part_path(path: &Path) -> PathBuf {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    PathBuf::from(part)
}

/// An empty file that is the user's alone, in the place of what a crash left half made.
fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// Makes the name of a new file last.
pub(crate) fn sync_directory(of: &Path) -> io::Result<()> {
    let directory = match of.parent() {
        Some(parent) if parent != Path::new("") => parent,
        Some(_) | None => Path::new("."),
    };
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests;
