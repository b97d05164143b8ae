//! The mark: the number of the last commit that was acknowledged, beside the database it is in.
//!
//! After a crash redb goes back to the commit before, if the last one is not whole: it may never
//! have finished. If it had been acknowledged, that is damage, and redb can't tell. So each commit
//! has a number, in the meta table, and once it is on disk the number is written to the end of the
//! file's first page too, of which redb uses the first 320 bytes. A database with fewer commits
//! than its mark says is damaged.
//!
//! The mark is not synced: it costs a few microseconds. After a power cut it may be behind, never
//! ahead.
//!
//! ```text
//! offset  size  field
//!   4064     8  number of the last commit of a database closed properly, big-endian
//!   4072     8  BLAKE3("martlet closed mark" ‖ number), first 8 bytes; all zero: it is open, or was
//!               when its process ended
//!   4080     8  number of the commit, big-endian; with the checksum all zero: no mark
//!   4088     8  BLAKE3("martlet commit mark" ‖ number), first 8 bytes
//! ```

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::StorageBackend;

use crate::backend::SharedBackend;
use crate::error::StoreError;

const CLOSED_AT: u64 = 4064;
const MARK_AT: u64 = 4080;
const MARK_BYTES: usize = 16;

/// The mark of an open database.
#[derive(Debug)]
pub(crate) struct Mark {
    place: Place,
    /// Number of the commit last acknowledged.
    acknowledged: AtomicU64,
}

/// Where the mark is written.
#[derive(Debug)]
pub(crate) enum Place {
    /// The database's file.
    File(File),
    /// The database's backend.
    Backend(SharedBackend),
}

impl Mark {
    /// The mark of a database with `commits` commits.
    pub(crate) fn new(place: Place, commits: u64) -> Self {
        let mark = Self { place, acknowledged: AtomicU64::new(commits) };
        mark.acknowledge(commits);
        mark
    }

    /// The commit last acknowledged.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Writes that the database was closed properly. Nothing but time is lost if that fails.
    pub(crate) fn close(&self) {
        let mark = encode(b"martlet closed mark", self.acknowledged());
        let _ = self.place.write(&mark, CLOSED_AT);
    }

    /// Writes that commit `number` is on disk.
    pub(crate) fn acknowledge(&self, number: u64) {
        self.acknowledged.store(number, Ordering::Relaxed);
        // A mark that is behind claims less than it could, nothing wrong; and a disk that fails
        // shows in the next commit.
        let _ = self.place.write(&encode(b"martlet commit mark", number), MARK_AT);
    }
}

impl Place {
    /// The commit marked; `None` if there is no mark, or no room for one.
    pub(crate) fn read(&self, path: &Path) -> Result<Option<u64>, StoreError> {
        // Too short a file is for redb to refuse.
        let Some(found) = self.read_at(MARK_AT).filter(|found| *found != [0; MARK_BYTES]) else {
            return Ok(None);
        };
        let [a, b, c, d, e, f, g, h, ..] = found;
        let number = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        if found != encode(b"martlet commit mark", number) {
            return Err(StoreError::Damaged {
                path: path.to_path_buf(),
                reason: "the mark of its last commit does not match its checksum".to_owned(),
            });
        }
        Ok(Some(number))
    }

    /// Bytes there are.
    pub(crate) fn len(&self) -> io::Result<u64> {
        match self {
            Self::File(file) => file.metadata().map(|metadata| metadata.len()),
            Self::Backend(backend) => backend.len(),
        }
    }

    /// Whether the database was closed properly after commit `number`.
    pub(crate) fn is_closed(&self, number: u64) -> bool {
        self.read_at(CLOSED_AT) == Some(encode(b"martlet closed mark", number))
    }

    /// Takes away the mark of a closed database, for good before it is opened.
    pub(crate) fn open(&self) -> io::Result<()> {
        if self.read_at(CLOSED_AT).is_none_or(|found| found == [0; MARK_BYTES]) {
            return Ok(());
        }
        self.write(&[0; MARK_BYTES], CLOSED_AT)?;
        match self {
            Self::File(file) => file.sync_data(),
            Self::Backend(backend) => backend.sync_data(),
        }
    }

    fn read_at(&self, offset: u64) -> Option<[u8; MARK_BYTES]> {
        let mut found = [0; MARK_BYTES];
        let read = match self {
            Self::File(file) => file.read_exact_at(&mut found, offset),
            Self::Backend(backend) => backend.read(offset, &mut found),
        };
        read.ok().map(|()| found)
    }

    fn write(&self, bytes: &[u8; MARK_BYTES], offset: u64) -> io::Result<()> {
        match self {
            Self::File(file) => file.write_all_at(bytes, offset),
            Self::Backend(backend) => backend.write(offset, bytes),
        }
    }
}

fn encode(label: &[u8], number: u64) -> [u8; MARK_BYTES] {
    let mut bytes = [0; MARK_BYTES];
    let (first, checksum) = bytes.split_at_mut(8);
    first.copy_from_slice(&number.to_be_bytes());
    let hash = blake3::Hasher::new().update(label).update(first).finalize();
    checksum.copy_from_slice(&hash.as_bytes()[..8]);
    bytes
}
