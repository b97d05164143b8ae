//! A file in memory: for simulations, whose nodes' disks outlive the nodes.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use redb::StorageBackend;

/// A database's file. A clone is the same file; it is there as long as one of them is.
#[derive(Clone, Default)]
pub struct MemoryFile(Arc<Inner>);

#[derive(Default)]
struct Inner {
    bytes: RwLock<Vec<u8>>,
    is_full: AtomicBool,
}

impl MemoryFile {
    /// From now on it can't grow, and what is written is refused, as on a full disk; or it can again.
    pub fn set_full(&self, is_full: bool) {
        self.0.is_full.store(is_full, Ordering::Relaxed);
    }

    /// Makes it empty, as a file that was removed and made again.
    pub fn erase(&self) {
        *self.0.bytes.write().unwrap_or_else(PoisonError::into_inner) = Vec::new();
    }

    fn read_bytes<T>(&self, read: impl FnOnce(&[u8]) -> T) -> T {
        read(&self.0.bytes.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write_bytes<T>(&self, write: impl FnOnce(&mut Vec<u8>) -> io::Result<T>) -> io::Result<T> {
        if self.0.is_full.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        write(&mut self.0.bytes.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Where `len` bytes at `offset` are, of a file of `total`.
fn range(offset: u64, len: usize, total: usize) -> io::Result<std::ops::Range<usize>> {
    let start = usize::try_from(offset).ok();
    start
        .and_then(|start| Some(start..start.checked_add(len)?))
        .filter(|range| range.end <= total)
        .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

impl StorageBackend for MemoryFile {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.read_bytes(|bytes| bytes.len() as u64))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        self.read_bytes(|bytes| {
            out.copy_from_slice(&bytes[range(offset, out.len(), bytes.len())?]);
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        let len = usize::try_from(len).map_err(io::Error::other)?;
        self.write_bytes(|bytes| {
            bytes.resize(len, 0);
            Ok(())
        })
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.write_bytes(|bytes| {
            let range = range(offset, data.len(), bytes.len())?;
            bytes[range].copy_from_slice(data);
            Ok(())
        })
    }
}

impl fmt::Debug for MemoryFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = self.read_bytes(<[u8]>::len);
        f.debug_struct("MemoryFile").field("len", &len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn is_one_file_however_often_it_is_cloned_and_refuses_when_full() {
        let file = MemoryFile::default();
        file.set_len(10).unwrap();
        let again = file.clone();
        again.write(4, b"abc").unwrap();
        let mut out = [0; 4];
        file.read(3, &mut out).unwrap();
        assert_eq!(&out, b"\0abc");
        assert!(file.read(8, &mut out).is_err() && file.write(8, b"abc").is_err());
        file.set_full(true);
        assert_eq!(again.write(0, b"a").unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(again.set_len(11).unwrap_err().kind(), io::ErrorKind::StorageFull);
        file.read(3, &mut out).unwrap();
        file.set_full(false);
        again.write(0, b"a").unwrap();
        file.erase();
        assert_eq!(again.len().unwrap(), 0);
    }
}
