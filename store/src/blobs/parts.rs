//! A blob that comes in [parts](martlet_protocol::file::part), through mailboxes, or goes so.
//!
//! Parts prove nothing of the blob, as groups do with their tree. So they are in a file of their own, which becomes the blob once
//! all of it is what the blob's id says. Which parts are there is known to who has them written: the vault, which notes them once
//! [`BlobDir::keep_parts`] has returned.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;

use martlet_protocol::BlobId;
use martlet_protocol::file::blob;
use martlet_protocol::file::part::{PART_BYTES, bytes_of};

use super::{BlobDir, BlobDirError, BlobName, FileOf};
use crate::limits::BLOB_WRITE_BYTES;

impl BlobDir {
    /// Writes parts of a blob of `size` bytes. They are on disk when this returns.
    ///
    /// # Errors
    /// [`BlobDirError::DiskLow`]; [`BlobDirError::Damaged`] of a part that such a blob does not have; [`BlobDirError::Io`].
    pub fn keep_parts(
        &self,
        name: &BlobName,
        size: u64,
        parts: &[(u16, impl AsRef<[u8]>)],
    ) -> Result<(), BlobDirError> {
        let is_new = fs::metadata(self.file(name, FileOf::Parts)).is_err();
        let bytes: usize = parts.iter().map(|(_, bytes)| bytes.as_ref().len()).sum();
        self.check_room(bytes as u64)?;
        let file = self.open_or_create(name, FileOf::Parts)?;
        file.set_len(size)?;
        for (index, bytes) in parts {
            let bytes = bytes.as_ref();
            if bytes_of(size, *index) != Some(bytes.len()) {
                return Err(BlobDirError::Damaged);
            }
            file.write_all_at(bytes, u64::from(*index) * PART_BYTES as u64)?;
        }
        file.sync_all()?;
        if is_new {
            File::open(&self.path)?.sync_all()?;
        }
        Ok(())
    }

    /// All parts of a blob were written: compares what the disk has with its id. From then on it is whole.
    ///
    /// # Errors
    /// [`BlobDirError::Damaged`] if they are not the blob, or not there: nothing of them is left; [`BlobDirError::Io`].
    pub fn join_parts(&self, name: &BlobName, id: &BlobId, size: u64) -> Result<(), BlobDirError> {
        let parts = self.file(name, FileOf::Parts);
        let found = match File::open(&parts) {
            Ok(file) if file.metadata()?.len() == size => {
                let from = io::BufReader::with_capacity(BLOB_WRITE_BYTES, file);
                Some(blob::name(from, size)?)
            }
            Ok(_) => None,
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        let Some((_, tree)) = found.filter(|(found, _)| found == id) else {
            unlink(&parts)?;
            return Err(BlobDirError::Damaged);
        };
        self.write_synced(name, FileOf::Tree, &tree)?;
        self.rename(name, FileOf::Parts, FileOf::Blob)?;
        // What was fetched of it is of no use any more.
        for left in [FileOf::Part, FileOf::Have, FileOf::NextHave] {
            unlink(&self.file(name, left))?;
        }
        Ok(())
    }

    /// Part `index` of a whole blob of `size` bytes.
    ///
    /// # Errors
    /// [`BlobDirError::NotHere`] if it has no such part or is not here; [`BlobDirError::Io`].
    pub fn read_part(
        &self,
        name: &BlobName,
        size: u64,
        index: u16,
    ) -> Result<Vec<u8>, BlobDirError> {
        let bytes = bytes_of(size, index).ok_or(BlobDirError::NotHere)?;
        let file =
            File::open(self.file(name, FileOf::Blob)).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => BlobDirError::NotHere,
                _ => BlobDirError::Io(error),
            })?;
        let mut part = vec![0; bytes];
        file.read_exact_at(&mut part, u64::from(index) * PART_BYTES as u64).map_err(|error| {
            match error.kind() {
                io::ErrorKind::UnexpectedEof => BlobDirError::Damaged,
                _ => BlobDirError::Io(error),
            }
        })?;
        Ok(part)
    }
}

fn unlink(file: &std::path::Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
