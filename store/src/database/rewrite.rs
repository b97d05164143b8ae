//! A database's file written anew, as small as what it holds.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use redb::{ReadTransaction, ReadableDatabase};

use super::{Database, Open, Source, part_path, sync_directory};
use crate::error::StoreError;

/// What is written at once of a file that is overwritten.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

impl Database {
    /// Puts another file in the place of its own, which `fill` writes from a snapshot, verified and closed; the former is
    /// overwritten with zeros if `is_wiped`. Whether it did: only where it is in a file that takes writes. No write
    /// transaction may be open.
    pub(crate) fn rewrite(
        &self,
        is_wiped: bool,
        fill: impl FnOnce(&ReadTransaction, &Path) -> Result<(), StoreError>,
    ) -> Result<bool, StoreError> {
        let Source::File(path) = &self.source else { return Ok(false) };
        let failed = |error: io::Error| StoreError::failed(format!("{}: {error}", path.display()));
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        let Some(Open { redb, mark: Some(mark) }) = open.as_ref() else { return Ok(false) };
        let part = part_path(path);
        let filled = redb.begin_read().map_err(StoreError::failed);
        if let Err(error) = filled.and_then(|snapshot| fill(&snapshot, &part)) {
            let _ = fs::remove_file(&part);
            return Err(error);
        }
        self.acknowledged.store(mark.acknowledged(), Ordering::Relaxed);
        let former = OpenOptions::new().write(true).open(path).map_err(failed)?;
        *open = None;
        fs::rename(&part, path).and_then(|()| sync_directory(path)).map_err(failed)?;
        *open = Some(self.source.open(self.schema, self.cache_bytes, &|_| Ok(()))?);
        if is_wiped {
            wipe(&former).map_err(failed)?;
        }
        Ok(true)
    }
}

/// Overwrites a file with zeros.
fn wipe(file: &File) -> io::Result<()> {
    let len = file.metadata()?.len();
    let mut writer = file;
    let mut left = len;
    while left > 0 {
        let piece = usize::try_from(left).unwrap_or(usize::MAX).min(ZEROS.len());
        writer.write_all(&ZEROS[..piece])?;
        left -= u64::try_from(piece).unwrap_or(left);
    }
    file.sync_all()
}
