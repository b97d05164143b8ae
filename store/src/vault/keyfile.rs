//! The key file: the vault's master key, wrapped by a passphrase or, explicitly, by nothing.

use std::path::Path;

use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::error::StoreError;

/// The vault's master key.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct MasterKey(pub [u8; 32]);

/// Why a key file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// Not the passphrase.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// The vault has a passphrase and none was given.
    #[error("this vault has a passphrase")]
    PassphraseRequired,
    /// Damaged, unreadable or unwritable.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A key file that was read.
#[derive(Debug)]
pub struct KeyFile {}

#[expect(
    unused_variables,
    clippy::todo,
    missing_docs,
    clippy::missing_errors_doc,
    reason = "skeleton"
)]
impl KeyFile {
    /// Makes a new key and writes the file (mode 0600, synced, never over an existing one).
    pub fn create(
        path: &Path,
        passphrase: Option<&[u8]>,
        rng: &mut impl CryptoRng,
    ) -> Result<MasterKey, KeyFileError> {
        todo!()
    }
    /// Reads the file; `None` if there is none.
    pub fn read(path: &Path) -> Result<Option<Self>, KeyFileError> {
        todo!()
    }
    pub fn has_passphrase(&self) -> bool {
        todo!()
    }
    /// Slow by design (Argon2id) where there is a passphrase.
    pub fn unwrap(&self, passphrase: Option<&[u8]>) -> Result<MasterKey, KeyFileError> {
        todo!()
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(…)")
    }
}
