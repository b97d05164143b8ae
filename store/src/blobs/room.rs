//! Room on the disk. Whoever begins to write is promised what it will need, so that two that begin at the same time are not promised
//! the same bytes.

use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use super::{BlobDir, BlobDirError};

/// Bytes that are promised, and not written yet.
pub(super) type Promised = Arc<Mutex<u64>>;

/// Some of them. What was not written is free again once it is dropped.
#[derive(Debug)]
pub(super) struct Promise {
    promised: Promised,
    left: Mutex<u64>,
}

/// Writes a file, and takes that from what was promised.
pub(super) struct Writes<'a> {
    promise: &'a Promise,
    file: &'a File,
}

impl BlobDir {
    /// That so many bytes more can be written.
    ///
    /// # Errors
    /// [`BlobDirError::DiskLow`], [`BlobDirError::Io`].
    pub(super) fn promise(&self, bytes: u64) -> Result<Promise, BlobDirError> {
        let mut promised = self.promised.lock().unwrap_or_else(PoisonError::into_inner);
        self.check_room(bytes.saturating_add(*promised))?;
        *promised = promised.saturating_add(bytes);
        Ok(Promise { promised: Arc::clone(&self.promised), left: Mutex::new(bytes) })
    }

    /// Whether so many bytes more may be written.
    ///
    /// # Errors
    /// [`BlobDirError::DiskLow`], [`BlobDirError::Io`].
    pub(super) fn check_room(&self, bytes: u64) -> Result<(), BlobDirError> {
        let free = (self.free_bytes)(&self.path)?;
        let needed = bytes.saturating_add(self.free_bytes_min);
        if free < needed { Err(BlobDirError::DiskLow { needed }) } else { Ok(()) }
    }
}

impl Promise {
    /// So many of them were written.
    pub(super) fn spend(&self, bytes: u64) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let spent = bytes.min(*left);
        *left -= spent;
        let mut promised = self.promised.lock().unwrap_or_else(PoisonError::into_inner);
        *promised = promised.saturating_sub(spent);
    }

    pub(super) fn writes_to<'a>(&'a self, file: &'a File) -> Writes<'a> {
        Writes { promise: self, file }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.spend(u64::MAX);
    }
}

impl Write for Writes<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.promise.spend(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
