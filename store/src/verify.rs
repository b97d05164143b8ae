//! Whether a database file is whole, found out without writing to it.
//!
//! redb repairs what a crash left when it opens a file, so a damaged file would be changed, and may
//! make redb panic, before it is known to be damaged. Here it is opened with its integrity check
//! (every page's checksum, and the repair where one is due) on an [`Overlay`] that keeps what is
//! written in memory. Only a file that passes is opened for real.
//!
//! A file that was not closed properly may be taken back to the commit before the last, as after
//! any crash. Whether that one had been acknowledged, the [mark](crate::mark) tells.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Bound;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{BackendError, Database as Redb, ReadTransaction, ReadableDatabase, StorageBackend};

use crate::error::StoreError;

/// Opens the database in `backend` without writing to it, and shows `inspect` what it holds. Reads it
/// whole only if `is_whole`. `path` is for messages. What is written to the database returned stays in memory.
pub(crate) fn verify<B: StorageBackend>(
    backend: B,
    path: &Path,
    cache_bytes: usize,
    is_whole: bool,
    inspect: &dyn Fn(&ReadTransaction) -> Result<(), StoreError>,
) -> Result<Redb, StoreError> {
    let damaged = |reason: String| Err(StoreError::Damaged { path: path.to_path_buf(), reason });
    let failed =
        |error: &dyn fmt::Display| Err(StoreError::failed(format!("{}: {error}", path.display())));
    let unread = Arc::new(Mutex::new(None));
    let overlay = match Overlay::new(backend, Arc::clone(&unread)) {
        Ok(overlay) => overlay,
        Err(error) => return failed(&error),
    };
    let opened = panic::catch_unwind(AssertUnwindSafe(|| {
        let database = Redb::builder()
            .set_cache_size(cache_bytes)
            .set_check_integrity_on_open(is_whole)
            .create_with_backend(overlay)?;
        let inspected = inspect(&database.begin_read()?);
        Ok(inspected.map(|()| database))
    }));
    let opened = opened
        .unwrap_or_else(|_| Err(redb::Error::Corrupted("its structure makes no sense".to_owned())));
    match opened {
        Ok(inspected) => inspected,
        Err(redb::Error::DatabaseAlreadyOpen) => {
            Err(StoreError::InUse { path: path.to_path_buf() })
        }
        Err(error) => match lock(&unread).take() {
            Some(error) => failed(&error),
            None => damaged(reason(&error)),
        },
    }
}

/// What redb found, short.
fn reason(error: &redb::Error) -> String {
    match error {
        redb::Error::Corrupted(reason) => reason.clone(),
        other => other.to_string(),
    }
}

const BLOCK_BYTES: usize = 4096;
const BLOCK: u64 = 4096;

/// A backend over another, which it only reads: what is written stays in memory.
#[derive(Debug)]
struct Overlay<B> {
    under: B,
    over: Mutex<Over>,
    /// Why `under` could not be read, if it couldn't.
    unread: Arc<Mutex<Option<io::Error>>>,
}

struct Over {
    /// Length as redb sees it.
    len: u64,
    /// Bytes of `under` that still show.
    under_len: u64,
    /// Blocks written to, by number.
    blocks: BTreeMap<u64, Box<[u8; BLOCK_BYTES]>>,
}

impl<B: StorageBackend> Overlay<B> {
    fn new(under: B, unread: Arc<Mutex<Option<io::Error>>>) -> io::Result<Self> {
        let len = under.len()?;
        let over = Over { len, under_len: len, blocks: BTreeMap::new() };
        Ok(Self { under, over: Mutex::new(over), unread })
    }

    /// Fills `out` with the bytes at `offset` of what is below, zero where it does not reach.
    fn read_under(&self, over: &Over, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let there = usize::try_from(over.under_len.saturating_sub(offset))
            .unwrap_or(usize::MAX)
            .min(out.len());
        let (there, beyond) = out.split_at_mut(there);
        beyond.fill(0);
        if there.is_empty() {
            return Ok(());
        }
        self.under.read(offset, there).inspect_err(|error| {
            *lock(&self.unread) = Some(io::Error::new(error.kind(), error.to_string()));
        })
    }
}

impl<B: StorageBackend> StorageBackend for Overlay<B> {
    fn len(&self) -> io::Result<u64> {
        Ok(lock(&self.over).len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let over = lock(&self.over);
        let end = over.end_of(offset, out.len())?;
        self.read_under(&over, offset, out)?;
        for (number, block) in over.blocks.range(offset / BLOCK..end.div_ceil(BLOCK)) {
            let (at, in_block, len) = overlap(*number, offset, out.len());
            out[at..at + len].copy_from_slice(&block[in_block..in_block + len]);
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut over = lock(&self.over);
        over.len = len;
        over.under_len = over.under_len.min(len);
        let kept = len.div_ceil(BLOCK);
        over.blocks.split_off(&kept);
        // What a later growth shows again must be zero.
        if let Some(last) = over.blocks.get_mut(&(len / BLOCK)) {
            last[within_block(len)..].fill(0);
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut over = lock(&self.over);
        let end = over.end_of(offset, data.len())?;
        for number in offset / BLOCK..end.div_ceil(BLOCK) {
            if !over.blocks.contains_key(&number) {
                let mut block = Box::new([0; BLOCK_BYTES]);
                self.read_under(&over, number * BLOCK, &mut block[..])?;
                over.blocks.insert(number, block);
            }
            if let Some(block) = over.blocks.get_mut(&number) {
                let (at, in_block, len) = overlap(number, offset, data.len());
                block[in_block..in_block + len].copy_from_slice(&data[at..at + len]);
            }
        }
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.under.close()
    }

    // Locks are taken for real, so that a file in use is not called damaged.

    fn try_lock_range(&self, from: Bound<u64>, to: Bound<u64>) -> Result<bool, BackendError> {
        self.under.try_lock_range(from, to)
    }

    fn try_lock_shared_range(
        &self,
        from: Bound<u64>,
        to: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.under.try_lock_shared_range(from, to)
    }

    fn lock_range(&self, from: Bound<u64>, to: Bound<u64>) -> Result<(), BackendError> {
        self.under.lock_range(from, to)
    }

    fn lock_shared_range(&self, from: Bound<u64>, to: Bound<u64>) -> Result<(), BackendError> {
        self.under.lock_shared_range(from, to)
    }

    fn unlock_range(&self, from: Bound<u64>, to: Bound<u64>) -> Result<(), BackendError> {
        self.under.unlock_range(from, to)
    }

    fn query_lock_range(&self, from: Bound<u64>, to: Bound<u64>) -> Result<bool, BackendError> {
        self.under.query_lock_range(from, to)
    }
}

impl Over {
    /// Where `len` bytes at `offset` end, if the length allows.
    fn end_of(&self, offset: u64, len: usize) -> io::Result<u64> {
        u64::try_from(len)
            .ok()
            .and_then(|len| offset.checked_add(len))
            .filter(|end| *end <= self.len)
            .ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "beyond the end"))
    }
}

/// Not the contents.
impl fmt::Debug for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Over").field("len", &self.len).finish_non_exhaustive()
    }
}

/// The part of block `number` in `len` bytes at `offset`: where it is in these bytes, where in the
/// block, and how many.
fn overlap(number: u64, offset: u64, len: usize) -> (usize, usize, usize) {
    let start = number * BLOCK;
    let in_block = within_block(offset.max(start) - start);
    let at = usize::try_from(start.saturating_sub(offset)).unwrap_or(usize::MAX);
    (at, in_block, (BLOCK_BYTES - in_block).min(len - at))
}

fn within_block(offset: u64) -> usize {
    // The remainder is below 4,096.
    usize::try_from(offset % BLOCK).unwrap_or(0)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
