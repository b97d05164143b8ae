//! Blobs on disk: sealed files, whole or not yet, in a directory beside the databases.
//!
//! | file | is |
//! | --- | --- |
//! | `NAME.blob` | a whole blob: it is served, and opened |
//! | `NAME.tree` | the tree that proves it |
//! | `NAME.part` | a blob of which groups are missing, or one that is being made |
//! | `NAME.have` | which groups of that are surely on disk |
//! | `NAME.parts` | what came of a blob through mailboxes; which parts these are, the vault says |
//! | `NAME.note` | in the directory of a [depot] alone: which blob it is, for whom and until when it is kept |
//!
//! A name is random. Which blob has it, and what opens that, is in the vault alone. All of it is ciphertext: a blob is gone
//! once its key is, and the file is unlinked to make room.
//!
//! A blob is `.blob` once all of it is on disk, was compared with its id, and the directory was synced. Each step can be ended by
//! a crash: what is left is a part that goes on, or files that nobody knows, which [`BlobDir::keep_only`] removes.
//!
//! It works with files alone, and waits for the disk: whoever must not wait calls it from a thread of its own.

pub mod depot;
mod groups;
mod partial;
mod parts;
mod room;
mod watched;
mod whole;

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use martlet_protocol::BlobId;
use martlet_protocol::file::FileKey;
use martlet_protocol::file::blob::{self, BlobError};
use martlet_protocol::file::sealed::{self, Layout, SealedError};
use rand_core::Rng;
use serde::{Deserialize, Serialize};

pub use groups::GroupSet;
pub use partial::Partial;
pub use whole::Whole;

use crate::limits::BLOB_WRITE_BYTES;
use room::{Promise, Promised};
use watched::{Ended, Watched};

/// By what a blob's files are called here: random.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BlobName(#[serde(with = "serde_bytes")] pub [u8; 16]);

/// The directory of all blobs of a node.
#[derive(Debug, Clone)]
pub struct BlobDir {
    path: PathBuf,
    /// Free bytes of the disk below which nothing new is taken.
    free_bytes_min: u64,
    free_bytes: FreeBytes,
    promised: Promised,
}

/// How many bytes are free on the disk of a directory: the system is asked by who knows it.
pub type FreeBytes = fn(&Path) -> io::Result<u64>;

/// What each of a blob's files is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileOf {
    Blob,
    Tree,
    Part,
    Have,
    /// What is about to be `have`.
    NextHave,
    Parts,
    /// What a depot knows of it.
    Note,
    /// What is about to be `note`.
    NextNote,
}

/// Why a blob is not written, or not read.
#[derive(Debug, thiserror::Error)]
pub enum BlobDirError {
    /// It can't be sealed or opened: see there.
    #[error(transparent)]
    Sealed(SealedError),
    /// It is not what its id says.
    #[error("the blob is not what its id says: it is damaged")]
    Damaged,
    /// It is not here, or not whole.
    #[error("the blob is not here")]
    NotHere,
    /// The disk has too little room.
    #[error("the disk has too little free space: at least {needed} bytes are needed")]
    DiskLow {
        /// How much there must be.
        needed: u64,
    },
    /// Whoever wanted it wants it no more.
    #[error("it was ended before it was done")]
    Ended,
    /// Reading or writing failed.
    #[error(transparent)]
    Io(io::Error),
}

/// Whether what takes long is to end. Asked again every 256 KiB or more often.
pub type IsOver<'a> = &'a (dyn Fn() -> bool + Send + Sync);

impl BlobName {
    /// A new one.
    #[must_use]
    pub fn random(rng: &mut impl Rng) -> Self {
        let mut name = Self([0; 16]);
        rng.fill_bytes(&mut name.0);
        name
    }
}

impl BlobDir {
    /// The directory at `path`, which is made if there is none. Nothing new is taken where the disk would have fewer free bytes than
    /// `free_bytes_min` afterwards.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(path: PathBuf, free_bytes_min: u64, free_bytes: FreeBytes) -> io::Result<Self> {
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        Ok(Self { path, free_bytes_min, free_bytes, promised: Promised::default() })
    }

    /// Takes a file of exactly `layout.size()` bytes: seals it, and names it by what comes out. The blob is on disk, whole, when
    /// this returns; where it fails nothing is left.
    ///
    /// # Errors
    /// [`BlobDirError`]; [`SealedError::Changed`] if the file has fewer bytes, or more.
    pub fn import(
        &self,
        name: &BlobName,
        (key, layout): (&FileKey, &Layout),
        file: impl Read,
        is_over: IsOver<'_>,
    ) -> Result<BlobId, BlobDirError> {
        let imported = self.import_into(name, (key, layout), file, is_over);
        if imported.is_err() {
            // It failed already: that error is the one to be told.
            self.remove(name).unwrap_or_default();
        }
        imported
    }

    fn import_into(
        &self,
        name: &BlobName,
        (key, layout): (&FileKey, &Layout),
        file: impl Read,
        is_over: IsOver<'_>,
    ) -> Result<BlobId, BlobDirError> {
        let size = layout.sealed_size();
        let promise = self.promise(size)?;
        let part = self.create(name, FileOf::Part)?;
        let mut to = BufWriter::with_capacity(BLOB_WRITE_BYTES, promise.writes_to(&part));
        sealed::seal(key, layout, Watched::new(file, is_over), &mut to)?;
        to.flush()?;
        drop(to);
        part.sync_data()?;
        // Read back: what is served is what the disk gives.
        let part = File::open(self.file(name, FileOf::Part))?;
        let (id, tree) = blob::name(Watched::new(part, is_over), size)?;
        self.write_synced(name, FileOf::Tree, &tree)?;
        self.rename(name, FileOf::Part, FileOf::Blob)?;
        Ok(id)
    }

    /// A whole blob, to be served and opened.
    ///
    /// # Errors
    /// [`BlobDirError::NotHere`], [`BlobDirError::Io`].
    pub fn whole(&self, name: &BlobName, id: &BlobId, size: u64) -> Result<Whole, BlobDirError> {
        Whole::open(self, name, id, size)
    }

    /// A blob of which groups are fetched, with what is there of it already: also of one that was whole and is damaged.
    ///
    /// # Errors
    /// [`BlobDirError::DiskLow`], [`BlobDirError::Ended`], [`BlobDirError::Io`].
    pub fn partial(
        &self,
        name: &BlobName,
        id: &BlobId,
        size: u64,
        is_over: IsOver<'_>,
    ) -> Result<Partial, BlobDirError> {
        Partial::open(self, name, (id, size), is_over)
    }

    /// Unlinks whatever there is of a blob.
    ///
    /// # Errors
    /// What the system says, of the first file that stays.
    pub fn remove(&self, name: &BlobName) -> io::Result<()> {
        let mut result = Ok(());
        for part in FileOf::ALL {
            result = result.and(self.remove_one(name, part));
        }
        result
    }

    fn remove_one(&self, name: &BlobName, part: FileOf) -> io::Result<()> {
        match fs::remove_file(self.file(name, part)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Unlinks a file, if there is one, so that it is not there after a crash.
    fn remove_synced(&self, name: &BlobName, part: FileOf) -> io::Result<()> {
        if !fs::exists(self.file(name, part))? {
            return Ok(());
        }
        self.remove_one(name, part)?;
        File::open(&self.path)?.sync_all()
    }

    /// Whether there is such a file, with so many bytes.
    fn has(&self, name: &BlobName, part: FileOf, bytes: u64) -> bool {
        fs::metadata(self.file(name, part)).is_ok_and(|found| found.len() == bytes)
    }

    /// Unlinks all blobs but those that `is_known`. Files that are none of a blob stay. How many went.
    ///
    /// # Errors
    /// What the system says.
    pub fn keep_only(&self, is_known: impl Fn(&BlobName) -> bool) -> io::Result<usize> {
        let mut unknown = BTreeSet::new();
        for entry in fs::read_dir(&self.path)? {
            let file = entry?.file_name();
            let stem = file.to_str().and_then(|file| file.split_once('.')).map(|(stem, _)| stem);
            let Some(name) = stem.and_then(|stem| stem.parse::<BlobName>().ok()) else { continue };
            if !is_known(&name) {
                unknown.insert(name);
            }
        }
        unknown.iter().try_for_each(|name| self.remove(name))?;
        Ok(unknown.len())
    }

    fn file(&self, name: &BlobName, part: FileOf) -> PathBuf {
        self.path.join(format!("{name}.{}", part.extension()))
    }

    fn create(&self, name: &BlobName, part: FileOf) -> io::Result<File> {
        options().create(true).truncate(true).open(self.file(name, part))
    }

    fn open_or_create(&self, name: &BlobName, part: FileOf) -> io::Result<File> {
        options().create(true).truncate(false).open(self.file(name, part))
    }

    fn write_synced(&self, name: &BlobName, part: FileOf, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.create(name, part)?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn rename(&self, name: &BlobName, from: FileOf, to: FileOf) -> io::Result<()> {
        fs::rename(self.file(name, from), self.file(name, to))?;
        File::open(&self.path)?.sync_all()
    }

    /// Where the blobs are.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl FileOf {
    /// The note first: without it the rest is nobody's.
    const ALL: [Self; 8] = [
        Self::Note,
        Self::NextNote,
        Self::Blob,
        Self::Tree,
        Self::Part,
        Self::Have,
        Self::NextHave,
        Self::Parts,
    ];

    fn extension(self) -> &'static str {
        match self {
            Self::Blob => "blob",
            Self::Tree => "tree",
            Self::Part => "part",
            Self::Have => "have",
            Self::NextHave => "next",
            Self::Parts => "parts",
            Self::Note => "note",
            Self::NextNote => "nextnote",
        }
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

/// Whether the disk, or the user's share of it, is full.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl From<io::Error> for BlobDirError {
    fn from(error: io::Error) -> Self {
        if is_full(&error) {
            Self::DiskLow { needed: 0 }
        } else if Ended::is(&error) {
            Self::Ended
        } else {
            Self::Io(error)
        }
    }
}

impl From<SealedError> for BlobDirError {
    fn from(error: SealedError) -> Self {
        match error {
            SealedError::Io(error) => Self::from(error),
            SealedError::TooLarge { .. }
            | SealedError::Changed
            | SealedError::NoSegment { .. }
            | SealedError::Corrupt
            | SealedError::Padding => Self::Sealed(error),
        }
    }
}

impl From<BlobError> for BlobDirError {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::False { .. } => Self::Damaged,
            BlobError::Io(error) => Self::from(error),
        }
    }
}

impl std::fmt::Display for BlobName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Hand-written: shortened, as in logs.
impl std::fmt::Debug for BlobName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BlobName({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}

/// A text that is no name of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no name of a blob")]
pub struct NoBlobName;

impl FromStr for BlobName {
    type Err = NoBlobName;

    fn from_str(text: &str) -> Result<Self, NoBlobName> {
        let is_ours = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != 32 || !text.bytes().all(is_ours) {
            return Err(NoBlobName);
        }
        let mut name = [0; 16];
        for (at, byte) in name.iter_mut().enumerate() {
            let digits = text.get(2 * at..2 * at + 2).ok_or(NoBlobName)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| NoBlobName)?;
        }
        Ok(Self(name))
    }
}
