//! A whole blob: served, and opened.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use martlet_protocol::BlobId;
use martlet_protocol::file::FileKey;
use martlet_protocol::file::ask::Groups;
use martlet_protocol::file::blob;
use martlet_protocol::file::sealed::{Layout, SEGMENT_BYTES, open_segment};

use super::{BlobDir, BlobDirError, BlobName, FileOf, IsOver};

/// A whole blob. It stays readable after it was removed, as files do.
#[derive(Debug)]
pub struct Whole {
    id: BlobId,
    size: u64,
    blob: File,
    tree: File,
}

impl Whole {
    pub(super) fn open(
        directory: &BlobDir,
        name: &BlobName,
        id: &BlobId,
        size: u64,
    ) -> Result<Self, BlobDirError> {
        let open = |part, bytes| {
            let file =
                File::open(directory.file(name, part)).map_err(|error| match error.kind() {
                    io::ErrorKind::NotFound => BlobDirError::NotHere,
                    _ => BlobDirError::Io(error),
                })?;
            match file.metadata()?.len() == bytes {
                true => Ok(file),
                false => Err(BlobDirError::Damaged),
            }
        };
        let blob = open(FileOf::Blob, size)?;
        let tree = open(FileOf::Tree, blob::tree_size(size))?;
        Ok(Self { id: *id, size, blob, tree })
    }

    /// Writes groups of it with what proves them. Each is compared with the id before.
    ///
    /// # Errors
    /// [`BlobDirError::Damaged`] where the disk gives something else, [`BlobDirError::Io`].
    pub fn send(&self, wanted: &Groups, to: impl Write) -> Result<(), BlobDirError> {
        Ok(blob::send(&self.id, self.size, wanted, &self.blob, &self.tree, to)?)
    }

    /// Writes some bytes of the file that it is when opened. At most one segment is in memory.
    ///
    /// # Errors
    /// [`BlobDirError::Sealed`] if another key sealed it, or its layout is another's; [`BlobDirError::Io`].
    pub fn export(
        &self,
        key: &FileKey,
        layout: &Layout,
        bytes: Range<u64>,
        mut to: impl Write,
    ) -> Result<(), BlobDirError> {
        let bytes = bytes.start..bytes.end.min(layout.size());
        if bytes.is_empty() {
            return Ok(());
        }
        let mut sealed = Vec::new();
        let mut at = layout.segment_of(bytes.start);
        let last = layout.segment_of(bytes.end - 1);
        while at <= last {
            let Range { start, end } = layout.sealed_range(at);
            sealed.resize(usize::try_from(end - start).unwrap_or(0), 0);
            self.blob.read_exact_at(&mut sealed, start)?;
            let opened = open_segment(key, layout, at, &sealed)?;
            let begins = u64::from(at) * SEGMENT_BYTES as u64;
            let within = |byte: u64| {
                usize::try_from(byte.saturating_sub(begins)).unwrap_or(0).min(opened.len())
            };
            to.write_all(&opened[within(bytes.start)..within(bytes.end)])?;
            at += 1;
        }
        to.flush()?;
        Ok(())
    }

    /// Opens it from one end to the other, and keeps nothing: whether its message says of it what is so.
    ///
    /// # Errors
    /// [`BlobDirError::Sealed`], [`BlobDirError::Ended`], [`BlobDirError::Io`].
    pub fn check(
        &self,
        key: &FileKey,
        layout: &Layout,
        is_over: IsOver<'_>,
    ) -> Result<(), BlobDirError> {
        if layout.sealed_size() != self.size {
            return Err(BlobDirError::Damaged);
        }
        let mut sealed = Vec::new();
        for at in 0..layout.segments() {
            if is_over() {
                return Err(BlobDirError::Ended);
            }
            let Range { start, end } = layout.sealed_range(at);
            sealed.resize(usize::try_from(end - start).unwrap_or(0), 0);
            self.blob.read_exact_at(&mut sealed, start)?;
            open_segment(key, layout, at, &sealed)?;
        }
        Ok(())
    }
}
