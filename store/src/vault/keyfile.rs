//! The key file: the vault's master key, wrapped by a passphrase or, explicitly, by nothing.
//!
//! It has 256 bytes. Integers are big-endian.
//!
//! ```text
//! offset  size  field
//!      0     8  magic, "mrtlkey" and 0x1a
//!      8     1  version, 1
//!      9     1  mode: 0 no passphrase, 1 passphrase
//!     10     2  zero
//!     12     4  Argon2id memory, KiB          zero in mode 0, and so on to 112
//!     16     4  Argon2id passes
//!     20     4  Argon2id lanes
//!     24    16  Argon2id salt
//!     40    24  nonce
//!     64    48  mode 1: XChaCha20-Poly1305(master key) ‖ tag; associated data: bytes 0 to 64
//!               mode 0: master key 32 ‖ zero 16
//!    112    16  which vault the key is of: BLAKE3 derive_key("martlet 2026 vault id v1", master key), first
//!               16 bytes; all zero in files of before there were ids
//!    128    96  zero
//!    224    32  BLAKE3 of bytes 0 to 224
//! ```
//!
//! The key that wraps is `Argon2id(passphrase, salt)` (RFC 9106), 32 bytes. The checksum tells damage
//! from a wrong passphrase; it is no secret's, since all it covers is in the file.
//!
//! A new file is written under another name, synced, and linked to its own, so that a crash leaves
//! a whole file or none, and no file there is written over.
//!
//! **Changing the passphrase** ([`KeyFile::replace`]) overwrites these bytes where they are, so that the old
//! wrapping is gone from the file. They are half a disk sector, the unit that disks write whole; for
//! those that don't, the new bytes are first written and synced as `<name>.new`, which is removed
//! after the overwrite is synced. Whoever finds the file damaged and a whole `.new` beside it reads that,
//! and [`KeyFile::settle`] finishes the change; beside a whole file a `.new` is of no use, and is removed.
//! Neither reaches copies that an SSD or a backup keeps: who fears them makes a new vault.
//!
//! **What a guess costs** is in the file. A new passphrase takes 64 MiB, which every computer that runs the daemon has,
//! and as many passes as take [`PASSPHRASE_TIME`](crate::limits::PASSPHRASE_TIME) on the machine where it is set
//! ([`PassphraseCost`]).

use std::path::{Path, PathBuf};

use argon2::Params;
use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{AeadInOut, XNonce};
use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::error::StoreError;
use cost::{cost, derive};
use disk::{beside, read_some, write_new};

mod change;
mod cost;
mod disk;

pub use cost::PassphraseCost;

/// Length of the file, bytes.
pub const KEY_FILE_BYTES: usize = 256;

/// The vault's master key. It has one place in memory: each place from which it were moved would keep a
/// copy that nobody wipes.
#[derive(Clone)]
pub struct MasterKey(Box<[u8; KEY_BYTES]>);

/// Which vault a key is of. No secret: it is in the key file and in the vault in clear, so that two files that
/// don't belong together are told without the passphrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VaultId([u8; ID_BYTES]);

/// Why a key file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// Not the passphrase.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// The vault has a passphrase and none was given.
    #[error("this vault has a passphrase")]
    PassphraseRequired,
    /// Another file is there than the one that was to be replaced.
    #[error("{} was changed meanwhile, and was left as it is", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// Damaged, unreadable or unwritable.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A key file that was read, and is whole.
#[derive(Clone)]
pub struct KeyFile {
    path: PathBuf,
    bytes: Zeroizing<[u8; KEY_FILE_BYTES]>,
    /// `None`: no passphrase.
    cost: Option<Params>,
}

const MAGIC: [u8; 8] = *b"mrtlkey\x1a";
const VERSION: u8 = 1;
const BARE: u8 = 0;
const PASSPHRASE: u8 = 1;

// Where the fields end; each begins where the one before ends.
const MEMORY_AT: usize = 12;
const PASSES_AT: usize = 16;
const LANES_AT: usize = 20;
const SALT_AT: usize = 24;
const NONCE_AT: usize = 40;
const KEY_AT: usize = 64;
const KEY_BYTES: usize = 32;
const TAG_AT: usize = KEY_AT + KEY_BYTES;
const ID_AT: usize = 112;
const ID_BYTES: usize = 16;
const CHECKSUM_AT: usize = KEY_FILE_BYTES - 32;

impl VaultId {
    /// Of the vault with this key.
    #[must_use]
    pub fn of(key: &MasterKey) -> Self {
        Self(array(&blake3::derive_key("martlet 2026 vault id v1", key.as_bytes())))
    }

    /// The one with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; ID_BYTES]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; ID_BYTES] {
        &self.0
    }
}

impl MasterKey {
    /// The key with these bytes, which whoever has them wipes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; KEY_BYTES]) -> Self {
        let mut key = Self::empty();
        key.0.copy_from_slice(bytes);
        key
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    fn empty() -> Self {
        Self(Box::new([0; KEY_BYTES]))
    }
}

impl Drop for MasterKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl ZeroizeOnDrop for MasterKey {}

impl KeyFile {
    /// Makes a new key and writes the file: [`Self::make`], then [`Self::write`].
    ///
    /// # Errors
    /// As theirs.
    pub fn create(
        path: &Path,
        passphrase: Option<&[u8]>,
        rng: &mut impl CryptoRng,
    ) -> Result<MasterKey, KeyFileError> {
        let (file, key) = Self::make(path, passphrase, rng)?;
        file.write()?;
        Ok(key)
    }

    /// [`Self::make_at`] the least cost.
    ///
    /// # Errors
    /// As there.
    pub fn make(
        path: &Path,
        passphrase: Option<&[u8]>,
        rng: &mut impl CryptoRng,
    ) -> Result<(Self, MasterKey), KeyFileError> {
        Self::make_at(path, passphrase, PassphraseCost::LEAST, rng)
    }

    /// Makes a new key and the file for it, in memory. Slow by design where there is a passphrase.
    ///
    /// # Errors
    /// [`KeyFileError::WrongPassphrase`] for one longer than
    /// [`PASSPHRASE_BYTES_MAX`](martlet_protocol::limits::PASSPHRASE_BYTES_MAX).
    pub fn make_at(
        path: &Path,
        passphrase: Option<&[u8]>,
        cost: PassphraseCost,
        rng: &mut impl CryptoRng,
    ) -> Result<(Self, MasterKey), KeyFileError> {
        let mut key = MasterKey::empty();
        rng.fill_bytes(&mut *key.0);
        let bytes = file_of(&key, passphrase, cost, rng)?;
        Ok((Self::parse(path, &bytes[..])?, key))
    }

    /// Writes a file just made (mode 0600, synced, never over an existing one).
    ///
    /// # Errors
    /// [`StoreError::Failed`], also if the file exists.
    pub fn write(&self) -> Result<(), KeyFileError> {
        write_new(&self.path, &self.bytes[..])
            .map_err(|error| StoreError::failed(format!("{}: {error}", self.path.display())))?;
        Ok(())
    }

    /// Reads the file; `None` if there is none. Where it is damaged by a crash in [`Self::replace`], or read in the midst
    /// of it, that is the one beside it.
    ///
    /// # Errors
    /// [`StoreError::Damaged`]; [`StoreError::TooNew`]; [`StoreError::Failed`] if it can't be read.
    pub fn read(path: &Path) -> Result<Option<Self>, KeyFileError> {
        let Some(found) = read_some(path)? else { return Ok(None) };
        match Self::parse(path, &found) {
            Err(KeyFileError::Store(damage @ StoreError::Damaged { .. })) => {
                let beside = read_some(&beside(path)).ok().flatten();
                let finished = beside.and_then(|found| Self::parse(path, &found).ok());
                finished.map(Some).ok_or_else(|| damage.into())
            }
            other => other.map(Some),
        }
    }

    /// Which vault its key is of; `None` in files of before there were ids.
    #[must_use]
    pub fn vault_id(&self) -> Option<VaultId> {
        let id: [u8; ID_BYTES] = array(&self.bytes[ID_AT..]);
        (id != [0; ID_BYTES]).then_some(VaultId(id))
    }

    /// Its bytes, as they are on disk.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; KEY_FILE_BYTES] {
        &self.bytes
    }

    /// Whether the key can be had without a passphrase.
    #[must_use]
    pub fn has_passphrase(&self) -> bool {
        self.cost.is_some()
    }

    /// The master key. Slow by design (Argon2id, about a second and 64 MiB) where there is a
    /// passphrase; where there is none, one given is ignored.
    ///
    /// # Errors
    /// [`KeyFileError::WrongPassphrase`], [`KeyFileError::PassphraseRequired`].
    pub fn unwrap(&self, passphrase: Option<&[u8]>) -> Result<MasterKey, KeyFileError> {
        let mut key = MasterKey::empty();
        let Some(cost) = &self.cost else {
            key.0.copy_from_slice(&self.bytes[KEY_AT..TAG_AT]);
            return Ok(key);
        };
        let passphrase = passphrase.ok_or(KeyFileError::PassphraseRequired)?;
        let cipher = derive(passphrase, &self.bytes[SALT_AT..NONCE_AT], cost)?;
        let (header, rest) = self.bytes.split_at(KEY_AT);
        let wrapped = InOutBuf::new(&rest[..KEY_BYTES], &mut key.0[..])
            .map_err(|_| KeyFileError::WrongPassphrase)?;
        cipher
            .decrypt_inout_detached(
                &XNonce::from(array(&header[NONCE_AT..])),
                header,
                wrapped,
                &array::<16>(&rest[KEY_BYTES..KEY_BYTES + 16]).into(),
            )
            .map_err(|_| KeyFileError::WrongPassphrase)?;
        Ok(key)
    }

    fn parse(path: &Path, found: &[u8]) -> Result<Self, KeyFileError> {
        let damaged = |reason: &str| StoreError::Damaged {
            path: path.to_path_buf(),
            reason: reason.to_owned(),
        };
        let bytes: &[u8; KEY_FILE_BYTES] = found
            .try_into()
            .map_err(|_| damaged(&format!("a key file has {KEY_FILE_BYTES} bytes")))?;
        if bytes[..MAGIC.len()] != MAGIC {
            return Err(damaged("not a key file").into());
        }
        if bytes[CHECKSUM_AT..] != *blake3::hash(&bytes[..CHECKSUM_AT]).as_bytes() {
            return Err(damaged("its checksum does not match").into());
        }
        if bytes[8] != VERSION {
            return Err(StoreError::TooNew {
                path: path.to_path_buf(),
                found: u32::from(bytes[8]),
                known: u32::from(VERSION),
            }
            .into());
        }
        let number = |at: usize| u32::from_be_bytes(array(&bytes[at..]));
        let cost = match bytes[9] {
            BARE => None,
            PASSPHRASE => Some(
                cost(number(MEMORY_AT), number(PASSES_AT), number(LANES_AT))
                    .ok_or_else(|| damaged("the cost of its passphrase is out of bounds"))?,
            ),
            _ => return Err(damaged("neither with nor without a passphrase").into()),
        };
        Ok(Self { path: path.to_path_buf(), bytes: Zeroizing::new(*bytes), cost })
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

impl std::fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyFile")
            .field("path", &self.path)
            .field("has_passphrase", &self.has_passphrase())
            .finish_non_exhaustive()
    }
}

/// The file of a key, with a passphrase or without.
fn file_of(
    key: &MasterKey,
    passphrase: Option<&[u8]>,
    cost: PassphraseCost,
    rng: &mut impl CryptoRng,
) -> Result<Zeroizing<[u8; KEY_FILE_BYTES]>, KeyFileError> {
    match passphrase {
        None => Ok(bare(key)),
        Some(passphrase) => wrapped(key, passphrase, &cost.params()?, rng),
    }
}

/// The file of a key without passphrase.
fn bare(key: &MasterKey) -> Zeroizing<[u8; KEY_FILE_BYTES]> {
    let mut bytes = header(BARE);
    bytes[KEY_AT..TAG_AT].copy_from_slice(&key.0[..]);
    finish(&mut bytes, key);
    bytes
}

/// The file of a key wrapped by a passphrase.
fn wrapped(
    key: &MasterKey,
    passphrase: &[u8],
    cost: &Params,
    rng: &mut impl CryptoRng,
) -> Result<Zeroizing<[u8; KEY_FILE_BYTES]>, KeyFileError> {
    let mut bytes = header(PASSPHRASE);
    bytes[MEMORY_AT..PASSES_AT].copy_from_slice(&cost.m_cost().to_be_bytes());
    bytes[PASSES_AT..LANES_AT].copy_from_slice(&cost.t_cost().to_be_bytes());
    bytes[LANES_AT..SALT_AT].copy_from_slice(&cost.p_cost().to_be_bytes());
    rng.fill_bytes(&mut bytes[SALT_AT..KEY_AT]);
    let cipher = derive(passphrase, &bytes[SALT_AT..NONCE_AT], cost)?;
    let (header, rest) = bytes.split_at_mut(KEY_AT);
    let sealed = InOutBuf::new(&key.0[..], &mut rest[..KEY_BYTES])
        .map_err(|_| StoreError::failed("a key is as long as a key"))?;
    let tag = cipher
        .encrypt_inout_detached(&XNonce::from(array(&header[NONCE_AT..])), header, sealed)
        .map_err(|_| StoreError::failed("a key is short enough to be encrypted"))?;
    rest[KEY_BYTES..KEY_BYTES + 16].copy_from_slice(&tag);
    finish(&mut bytes, key);
    Ok(bytes)
}

fn header(mode: u8) -> Zeroizing<[u8; KEY_FILE_BYTES]> {
    let mut bytes = Zeroizing::new([0; KEY_FILE_BYTES]);
    bytes[..MAGIC.len()].copy_from_slice(&MAGIC);
    bytes[8] = VERSION;
    bytes[9] = mode;
    bytes
}

/// Writes what follows the key.
fn finish(bytes: &mut [u8; KEY_FILE_BYTES], key: &MasterKey) {
    bytes[ID_AT..ID_AT + ID_BYTES].copy_from_slice(VaultId::of(key).as_bytes());
    checksum(bytes);
}

fn checksum(bytes: &mut [u8; KEY_FILE_BYTES]) {
    let (covered, checksum) = bytes.split_at_mut(CHECKSUM_AT);
    checksum.copy_from_slice(blake3::hash(covered).as_bytes());
}

/// The first `N` bytes of `bytes`, which has as many wherever this is called.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.first_chunk().copied().unwrap_or([0; N])
}

#[cfg(test)]
mod tests;
