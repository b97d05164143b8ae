//! A file in memory: for simulations, whose nodes' disks outlive the nodes.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use redb::StorageBackend;

/// What is allocated at once, bytes: a page of redb's, without the zeros at its end, of which redb's pages have many.
const PAGE_BYTES: usize = 4096;

/// A database's file. A clone is the same file; it is there as long as one of them is.
#[derive(Clone, Default)]
pub struct MemoryFile(Arc<Inner>);

#[derive(Default)]
struct Inner {
    bytes: RwLock<Bytes>,
    is_full: AtomicBool,
    is_read_only: AtomicBool,
}

#[derive(Default)]
struct Bytes {
    len: usize,
    /// Each up to its last byte that is not zero.
    pages: Vec<Box<[u8]>>,
}

impl MemoryFile {
    /// From now on it can't grow, and what is written is refused, as on a full disk; or it can
    /// again.
    pub fn set_full(&self, is_full: bool) {
        self.0.is_full.store(is_full, Ordering::Relaxed);
    }

    /// From now on nothing is written to it, as on a disk that the system has made read-only for its errors; or it can
    /// be again.
    pub fn set_read_only(&self, is_read_only: bool) {
        self.0.is_read_only.store(is_read_only, Ordering::Relaxed);
    }

    /// Makes it empty, as a file that was removed and made again.
    pub fn erase(&self) {
        *self.0.bytes.write().unwrap_or_else(PoisonError::into_inner) = Bytes::default();
    }

    fn read_bytes<T>(&self, read: impl FnOnce(&Bytes) -> T) -> T {
        read(&self.0.bytes.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write_bytes<T>(&self, write: impl FnOnce(&mut Bytes) -> io::Result<T>) -> io::Result<T> {
        if self.0.is_read_only.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        if self.0.is_full.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        write(&mut self.0.bytes.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Bytes {
    fn set_len(&mut self, len: usize) {
        self.len = len;
        self.pages.resize_with(len.div_ceil(PAGE_BYTES), Box::default);
        // What is cut off is zero when the file grows again.
        if let Some(last) = self.pages.last_mut() {
            let used = len - (len - 1) / PAGE_BYTES * PAGE_BYTES;
            if last.len() > used {
                *last = trimmed(&last[..used]).into();
            }
        }
    }

    /// The pieces of pages that `len` bytes at `offset` are: page, place in it, length.
    fn pieces(
        &self,
        offset: u64,
        len: usize,
    ) -> io::Result<impl Iterator<Item = (usize, usize, usize)> + use<>> {
        let start = usize::try_from(offset).ok();
        let end = start.and_then(|start| start.checked_add(len)).filter(|end| *end <= self.len);
        let (Some(mut at), Some(end)) = (start, end) else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        Ok(std::iter::from_fn(move || {
            let (page, place) = (at / PAGE_BYTES, at % PAGE_BYTES);
            let piece = (PAGE_BYTES - place).min(end - at);
            at += piece;
            (piece > 0).then_some((page, place, piece))
        }))
    }
}

impl StorageBackend for MemoryFile {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.read_bytes(|bytes| bytes.len as u64))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        self.read_bytes(|bytes| {
            let mut out = out;
            for (page, place, piece) in bytes.pieces(offset, out.len())? {
                let (here, rest) = out.split_at_mut(piece);
                let kept = &bytes.pages[page];
                let kept = &kept[place.min(kept.len())..(place + piece).min(kept.len())];
                let (copied, zero) = here.split_at_mut(kept.len());
                copied.copy_from_slice(kept);
                zero.fill(0);
                out = rest;
            }
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        let len = usize::try_from(len).map_err(io::Error::other)?;
        self.write_bytes(|bytes| {
            bytes.set_len(len);
            Ok(())
        })
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        Ok(())
    }

    fn write(&self, offset: u64, mut data: &[u8]) -> Result<(), io::Error> {
        self.write_bytes(|bytes| {
            for (page, place, piece) in bytes.pieces(offset, data.len())? {
                let (here, rest) = data.split_at(piece);
                write_piece(&mut bytes.pages[page], place, here);
                data = rest;
            }
            Ok(())
        })
    }
}

fn write_piece(page: &mut Box<[u8]>, place: usize, piece: &[u8]) {
    let end = place + piece.len();
    if place == 0 && end >= page.len() {
        *page = trimmed(piece).into();
        return;
    }
    let mut whole = page.to_vec();
    whole.resize(whole.len().max(end), 0);
    whole[place..end].copy_from_slice(piece);
    *page = trimmed(&whole).into();
}

/// Without the zeros at the end.
fn trimmed(bytes: &[u8]) -> &[u8] {
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    &bytes[..used]
}

impl fmt::Debug for MemoryFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = self.read_bytes(|bytes| bytes.len);
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
        let long: Vec<u8> = (0..10_000u32).map(|at| (at % 251) as u8).collect();
        file.set_len(20_000).unwrap();
        file.write(3000, &long).unwrap();
        let mut read = vec![1; 20_000 - 2000];
        again.read(2000, &mut read).unwrap();
        assert!(read[..1000].iter().chain(&read[11_000..]).all(|byte| *byte == 0));
        assert_eq!(read[1000..11_000], long);
        file.set_len(5000).unwrap();
        file.set_len(20_000).unwrap();
        again.read(2000, &mut read).unwrap();
        assert!(read[3000..].iter().all(|byte| *byte == 0), "what was cut off is gone");
        file.set_len(10).unwrap();
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
