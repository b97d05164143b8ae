//! Another passphrase for the same key, in the place of the old one.

use std::io;
use std::path::Path;

use rand_core::CryptoRng;

use super::cost::PassphraseCost;
use super::disk::{beside, overwrite, remove, write_beside};
use super::{KeyFile, KeyFileError, MasterKey, file_of};
use crate::database::sync_directory;
use crate::error::StoreError;

impl KeyFile {
    /// The file of the same key with another passphrase, or without one, in memory; [`Self::replace`] writes it. Slow
    /// by design where there is a new passphrase. `key` is what [`Self::unwrap`] gave.
    ///
    /// # Errors
    /// As [`Self::make_at`].
    pub fn rewrap(
        &self,
        key: &MasterKey,
        passphrase: Option<&[u8]>,
        cost: PassphraseCost,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, KeyFileError> {
        let bytes = file_of(key, passphrase, cost, rng)?;
        Self::parse(&self.path, &bytes[..])
    }

    /// Writes this file in the place of `old`, which must be what is there. A crash leaves one of the two.
    ///
    /// # Errors
    /// [`KeyFileError::Changed`] if another one is there; [`StoreError::Failed`]. If the disk failed it may be either; the file is whole,
    /// or [`Self::read`] finds the new one beside it.
    pub fn replace(&self, old: &Self) -> Result<(), KeyFileError> {
        let failed =
            |error: io::Error| StoreError::failed(format!("{}: {error}", self.path.display()));
        if Self::read(&self.path)?.is_none_or(|there| there.bytes != old.bytes) {
            return Err(KeyFileError::Changed { path: self.path.clone() });
        }
        let beside = beside(&self.path);
        remove(&beside).map_err(failed)?;
        write_beside(&beside, &self.bytes[..]).map_err(failed)?;
        sync_directory(&self.path).map_err(failed)?;
        overwrite(&self.path, &self.bytes[..]).map_err(failed)?;
        remove(&beside).map_err(failed)?;
        sync_directory(&self.path).map_err(failed)?;
        Ok(())
    }

    /// Finishes what a crash left of [`Self::replace`], if it left something: by who has the data directory alone.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn settle(path: &Path) -> Result<(), KeyFileError> {
        let beside = beside(path);
        let failed = |error: io::Error| StoreError::failed(format!("{}: {error}", path.display()));
        if !std::fs::exists(&beside).map_err(failed)? {
            return Ok(());
        }
        // What is read is the file or, where that is damaged, the one beside it. Neither whole, or none: left alone.
        let Some(file) = Self::read(path)? else { return Ok(()) };
        overwrite(path, &file.bytes[..]).map_err(failed)?;
        remove(&beside).map_err(failed)?;
        sync_directory(path).map_err(failed)?;
        Ok(())
    }
}
