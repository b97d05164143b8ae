//! A blob of which groups are missing.
//!
//! What a part has is on disk in `NAME.have`, written only after what it claims was synced. So a crash costs what came since, and never
//! makes a group be there that is not:
//!
//! ```text
//! have = "MRTHAVE1" ‖ size u64 ‖ a bit for each group ‖ BLAKE3 keyed(blob id, all before) 32
//! ```

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;

use martlet_protocol::BlobId;
use martlet_protocol::file::blob::{self, GROUP_BYTES, Proved};

use super::watched::{Watched, proved};
use super::{BlobDir, BlobDirError, BlobName, FileOf, GroupSet, IsOver, Promise};
use crate::limits::{BLOB_UNSYNCED_BYTES_MAX, BLOB_WRITE_BYTES};

const MAGIC: &[u8; 8] = b"MRTHAVE1";
const HASH_BYTES: usize = 32;

/// A blob of which groups are missing. One at a time writes it.
#[derive(Debug)]
pub struct Partial {
    directory: BlobDir,
    name: BlobName,
    id: BlobId,
    size: u64,
    part: File,
    tree: File,
    have: GroupSet,
    /// Bytes written that a crash may take back.
    unsynced: u64,
    /// Room for what is missing.
    promise: Promise,
}

impl Partial {
    pub(super) fn open(
        directory: &BlobDir,
        name: &BlobName,
        (id, size): (&BlobId, u64),
        is_over: IsOver<'_>,
    ) -> Result<Self, BlobDirError> {
        let has_part = directory.has(name, FileOf::Part, size);
        let was_whole = !has_part
            && directory.has(name, FileOf::Blob, size)
            && directory.has(name, FileOf::Tree, blob::tree_size(size));
        let have = if was_whole {
            // It was damaged since: what is as it was need not be fetched again.
            let open = |of| File::open(directory.file(name, of));
            let (blob, tree) = (open(FileOf::Blob)?, open(FileOf::Tree)?);
            let have = proved((id, size), (&blob, &tree), is_over)?;
            write_have(directory, (name, id, size), &have)?;
            directory.rename(name, FileOf::Blob, FileOf::Part)?;
            Some(have)
        } else if has_part {
            read_have(directory, name, id, size)?
        } else {
            None
        };
        if have.is_none() {
            // It would be believed of the part that is about to be made.
            directory.remove_synced(name, FileOf::Have)?;
        }
        let have = have.unwrap_or_else(|| GroupSet::none_of(blob::groups(size)));
        let missing = u64::from(have.of() - have.len()) * GROUP_BYTES;
        let promise = directory.promise(missing.min(size))?;
        let part = directory.open_or_create(name, FileOf::Part)?;
        let tree = directory.open_or_create(name, FileOf::Tree)?;
        part.set_len(size)?;
        tree.set_len(blob::tree_size(size))?;
        let (directory, name, id) = (directory.clone(), *name, *id);
        Ok(Self { directory, name, id, size, part, tree, have, unsynced: 0, promise })
    }

    /// What is there.
    #[must_use]
    pub fn have(&self) -> &GroupSet {
        &self.have
    }

    /// Bytes that are there.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        (u64::from(self.have.len()) * GROUP_BYTES).min(self.size)
    }

    /// Writes what a holder sent and proved.
    ///
    /// # Errors
    /// What the system says.
    pub fn keep(&mut self, proved: &Proved) -> io::Result<()> {
        match proved {
            Proved::Pair(at, pair) => self.tree.write_all_at(pair, *at),
            Proved::Group(at, bytes) => {
                self.part.write_all_at(bytes, *at)?;
                let group = u32::try_from(at / GROUP_BYTES).unwrap_or(u32::MAX);
                if self.have.insert(group) {
                    self.unsynced += bytes.len() as u64;
                    self.promise.spend(bytes.len() as u64);
                }
                Ok(())
            }
        }
    }

    /// Whether so much was written since the last [`Self::commit`] that a crash should not cost more.
    #[must_use]
    pub fn is_commit_due(&self) -> bool {
        self.unsynced >= BLOB_UNSYNCED_BYTES_MAX
    }

    /// Makes sure that a crash takes back nothing that is there now.
    ///
    /// # Errors
    /// [`BlobDirError::DiskLow`], [`BlobDirError::Io`].
    pub fn commit(&mut self) -> Result<(), BlobDirError> {
        if self.unsynced == 0 {
            return Ok(());
        }
        self.directory.check_room(0)?;
        self.part.sync_data()?;
        self.tree.sync_data()?;
        self.write_have()?;
        self.unsynced = 0;
        Ok(())
    }

    fn write_have(&self) -> io::Result<()> {
        write_have(&self.directory, (&self.name, &self.id, self.size), &self.have)
    }

    /// All groups are there: compares all of it, as the disk has it, with its id. From then on it is whole.
    ///
    /// # Errors
    /// [`BlobDirError::NotHere`] if groups are missing; [`BlobDirError::Damaged`]: those that the disk damaged are missing from now on;
    /// [`BlobDirError::Ended`], [`BlobDirError::Io`].
    pub fn finish(mut self, is_over: IsOver<'_>) -> Result<(), BlobDirError> {
        if !self.have.is_whole() {
            return Err(BlobDirError::NotHere);
        }
        self.commit()?;
        let part = self.directory.file(&self.name, FileOf::Part);
        let from = Watched::new(File::open(part)?, is_over);
        let from = io::BufReader::with_capacity(BLOB_WRITE_BYTES, from);
        let (id, tree) = blob::name(from, self.size)?;
        if id != self.id {
            self.have = proved((&self.id, self.size), (&self.part, &self.tree), is_over)?;
            self.write_have()?;
            return Err(BlobDirError::Damaged);
        }
        // Of the tree a crash may have taken what no group of this run brought again.
        self.directory.write_synced(&self.name, FileOf::Tree, &tree)?;
        self.part.sync_all()?;
        self.directory.rename(&self.name, FileOf::Part, FileOf::Blob)?;
        Ok(self.directory.remove_one(&self.name, FileOf::Have)?)
    }
}

fn have_head(size: u64) -> Vec<u8> {
    let mut head = MAGIC.to_vec();
    head.extend_from_slice(&size.to_be_bytes());
    head
}

fn write_have(
    directory: &BlobDir,
    (name, id, size): (&BlobName, &BlobId, u64),
    have: &GroupSet,
) -> io::Result<()> {
    let mut bytes = have_head(size);
    bytes.extend_from_slice(have.as_bytes());
    bytes.extend_from_slice(blake3::keyed_hash(&id.0, &bytes).as_bytes());
    directory.write_synced(name, FileOf::NextHave, &bytes)?;
    directory.rename(name, FileOf::NextHave, FileOf::Have)
}

/// What is surely there; `None` if nothing says so, or what says so is damaged or of another blob.
fn read_have(
    directory: &BlobDir,
    name: &BlobName,
    id: &BlobId,
    size: u64,
) -> io::Result<Option<GroupSet>> {
    let groups = blob::groups(size);
    let head = have_head(size);
    let bits = usize::try_from(groups.div_ceil(8)).unwrap_or(usize::MAX);
    let file = directory.file(name, FileOf::Have);
    let is_of_length = fs::metadata(&file)
        .is_ok_and(|found| usize::try_from(found.len()) == Ok(head.len() + bits + HASH_BYTES));
    if !is_of_length {
        return Ok(None);
    }
    let bytes = fs::read(file)?;
    let Some((said, hash)) = bytes.split_last_chunk::<HASH_BYTES>() else { return Ok(None) };
    if blake3::keyed_hash(&id.0, said) != *hash {
        return Ok(None);
    }
    Ok(said.strip_prefix(&head[..]).and_then(|bits| GroupSet::from_bytes(bits, groups)))
}
