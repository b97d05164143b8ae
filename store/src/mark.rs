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
//!   4080     8  number of the commit, big-endian; with the checksum all zero: no mark
//!   4088     8  BLAKE3("martlet commit mark" ‖ number), first 8 bytes
//! ```

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::StorageBackend;

use crate::database::SharedBackend;
use crate::error::StoreError;

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

    /// Writes that commit `number` is on disk.
    pub(crate) fn acknowledge(&self, number: u64) {
        self.acknowledged.store(number, Ordering::Relaxed);
        // A mark that is behind claims less than it could, nothing wrong; and a disk that fails
        // shows in the next commit.
        let _ = self.place.write(&encode(number));
    }
}

impl Place {
    /// The commit marked; `None` if there is no mark, or no room for one.
    pub(crate) fn read(&self, path: &Path) -> Result<Option<u64>, StoreError> {
        let mut found = [0; MARK_BYTES];
        let read = match self {
            Self::File(file) => file.read_exact_at(&mut found, MARK_AT),
            Self::Backend(backend) => backend.read(MARK_AT, &mut found),
        };
        // Too short a file is for redb to refuse.
        if read.is_err() || found == [0; MARK_BYTES] {
            return Ok(None);
        }
        let [a, b, c, d, e, f, g, h, ..] = found;
        let number = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        if found != encode(number) {
            return Err(StoreError::Damaged {
                path: path.to_path_buf(),
                reason: "the mark of its last commit does not match its checksum".to_owned(),
            });
        }
        Ok(Some(number))
    }

    fn write(&self, bytes: &[u8; MARK_BYTES]) -> io::Result<()> {
        match self {
            Self::File(file) => file.write_all_at(bytes, MARK_AT),
            Self::Backend(backend) => backend.write(MARK_AT, bytes),
        }
    }
}

fn encode(number: u64) -> [u8; MARK_BYTES] {
    let mut bytes = [0; MARK_BYTES];
    let (first, checksum) = bytes.split_at_mut(8);
    first.copy_from_slice(&number.to_be_bytes());
    let hash = blake3::Hasher::new().update(b"martlet commit mark").update(first).finalize();
    checksum.copy_from_slice(&hash.as_bytes()[..8]);
    bytes
}
