//! A file that becomes shorter in slices.
//!
//! redb gives back what is free at the end of a file in one commit: after a large removal hundreds of MiB. The system takes
//! up to a tenth of a second to free them, and nothing else is committed meanwhile. So redb is told the new length at once, and
//! the file is cut to it in slices, one after each sync.
//!
//! Until then the file is longer than redb's header says. So it is too if the system stops between redb's commit and its cut, and
//! redb opens such a file: it takes the length for the truth, and what is past its pages for free. What grows again must be
//! zero: then all is cut first.

use std::fmt;
use std::io;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::{BackendError, StorageBackend};

use crate::limits::{CUT_SLICE_BYTES, CUT_SLICED_BYTES_MAX};

/// A file that is cut in slices.
pub(crate) struct Sliced<B> {
    under: B,
    /// Bytes cut at once.
    slice_bytes: u64,
    /// Length as redb was told; [`UNREAD`] before it asked.
    told: AtomicU64,
    /// Length of the file.
    real: Mutex<u64>,
}

/// The length is read when redb asks for it, as it has its lock then: until then another process may have cut the file.
const UNREAD: u64 = u64::MAX;

impl<B: StorageBackend> Sliced<B> {
    /// Cuts `under` in slices.
    pub(crate) fn new(under: B) -> Self {
        Self::with_slices_of(CUT_SLICE_BYTES, under)
    }

    /// In slices of `slice_bytes`, a multiple of redb's pages.
    fn with_slices_of(slice_bytes: u64, under: B) -> Self {
        Self { under, slice_bytes, told: AtomicU64::new(UNREAD), real: Mutex::new(UNREAD) }
    }

    fn told(&self) -> u64 {
        self.told.load(Ordering::Acquire)
    }

    fn real(&self) -> io::Result<MutexGuard<'_, u64>> {
        let mut real = self.real.lock().unwrap_or_else(PoisonError::into_inner);
        if *real == UNREAD {
            *real = self.under.len()?;
            self.told.store(*real, Ordering::Release);
        }
        Ok(real)
    }

    fn cut(&self, real: &mut u64, len: u64) -> io::Result<()> {
        self.under.set_len(len)?;
        *real = len;
        Ok(())
    }

    /// Whether `len` bytes at `offset` are within what redb was told.
    fn check(&self, offset: u64, len: usize) -> io::Result<()> {
        let end = u64::try_from(len).ok().and_then(|len| offset.checked_add(len));
        match end {
            Some(end) if end <= self.told() => Ok(()),
            Some(_) | None => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "beyond the end")),
        }
    }
}

impl<B: StorageBackend> StorageBackend for Sliced<B> {
    fn len(&self) -> io::Result<u64> {
        let _read = self.real()?;
        Ok(self.told())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.check(offset, out.len())?;
        self.under.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut real = self.real()?;
        let is_late =
            len <= self.told() && *real - len > self.slice_bytes && *real <= CUT_SLICED_BYTES_MAX;
        if !is_late {
            let told = self.told();
            if len > told && *real > told {
                self.cut(&mut real, told)?;
            }
            self.cut(&mut real, len)?;
        }
        self.told.store(len, Ordering::Release);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.under.sync_data()?;
        let mut real = self.real()?;
        let told = self.told();
        if *real > told {
            let len = told.max(real.saturating_sub(self.slice_bytes));
            // What was to be synced is. What can't be cut now is cut after the next.
            let _ = self.cut(&mut real, len);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check(offset, data.len())?;
        self.under.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        let mut real = self.real.lock().unwrap_or_else(PoisonError::into_inner);
        let told = self.told();
        if *real > told {
            // Nothing but space is lost if that fails.
            let _ = self.cut(&mut real, told);
        }
        self.under.close()
    }

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

impl<B> fmt::Debug for Sliced<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sliced").field("told", &self.told).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
