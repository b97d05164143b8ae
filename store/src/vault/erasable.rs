//! The erasable keys: 1,024 random keys, one for each bucket of records, in a file beside the database.
//!
//! Each record of the vault is sealed under the key of its bucket (`vault/seal.rs`). These keys derive from nothing: who
//! has the master key but not this file opens no record, and a key that was overwritten here is gone. So what was
//! deleted or overwritten in the database ends when the key of its bucket is changed (`vault/shred.rs`), wherever
//! its ciphertext still lies.
//!
//! The file has two copies of the same, A at 0 and B at 69,632. Integers are big-endian.
//!
//! ```text
//! offset  size  field
//!      0     8  magic, "mrtlera" and 0x1a
//!      8     1  version, 1
//!      9     1  1: a shred is under way, and some buckets have a next key; else 0
//!     10     6  zero
//!     16    16  which vault the keys are of, as in the key file
//!     32     8  epoch: how often the keys were changed
//!     40    24  nonce: of BLAKE3 keyed with the file's key(epoch ‖ the keys), the first 24 bytes
//!     64 67584  XChaCha20-Poly1305 of the keys; associated data: bytes 0 to 64
//!                 1,024 × { generation of the current key 1 ‖ whether there is a next one 1 ‖
//!                           current key 32 ‖ next key 32, zero if there is none }
//!  67648    16  its tag
//!  67664    32  BLAKE3 of bytes 0 to 67664
//!  67696  1936  zero
//! ```
//!
//! The file's key is BLAKE3 `derive_key("martlet 2026 vault erasable keys v1", master key)`. The nonce is made of what
//! is sealed, so no two contents share one, and writing needs no randomness. The checksum tells damage without a key.
//!
//! It is overwritten in place: A, synced, then B, synced. A crash between leaves one whole copy; the next opening for
//! writing makes both what the newer one is. A file system that does not overwrite in place, an SSD and a backup may
//! keep what was there: `docs/threat-model.md` says so.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{AeadInOut, KeyInit, XChaCha20Poly1305, XNonce};
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;
use redb::StorageBackend;
use zeroize::{Zeroize, Zeroizing};

use super::buckets::{BUCKETS, Bucket, BucketSet};
use super::keyfile::{MasterKey, VaultId};
use crate::backend::SharedBackend;
use crate::database::sync_directory;
use crate::error::StoreError;

/// Bytes of the whole file.
pub(super) const KEYS_FILE_BYTES: usize = 2 * COPY_BYTES;

const MAGIC: [u8; 8] = *b"mrtlera\x1a";
const VERSION: u8 = 1;
const PENDING_AT: usize = 9;
const ID_AT: usize = 16;
const EPOCH_AT: usize = 32;
const NONCE_AT: usize = 40;
const KEYS_AT: usize = 64;
const TAG_AT: usize = KEYS_AT + BLOB_BYTES;
const CHECKSUM_AT: usize = TAG_AT + 16;
/// Whole pages, so that a torn write of one copy can't reach the other.
const COPY_BYTES: usize = 17 * 4096;
const BUCKET_BYTES: usize = 2 + 2 * KEY_BYTES;
const BLOB_BYTES: usize = BUCKETS * BUCKET_BYTES;
const KEY_BYTES: usize = 32;

/// The keys of all buckets, in one place in memory, laid out as in the file.
pub(super) struct BucketKeys(Zeroizing<Vec<u8>>);

/// The key under which the file is sealed.
pub(super) struct FileKey {
    key: Zeroizing<[u8; KEY_BYTES]>,
    id: VaultId,
}

/// What a copy says in clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) epoch: u64,
    /// Some buckets have a next key.
    pub(super) is_pending: bool,
    id: VaultId,
}

/// Where the file is.
#[derive(Debug, Clone)]
pub(super) enum KeysPlace {
    File(PathBuf),
    Backend(SharedBackend),
}

/// The file's bytes, as they were read.
pub(super) struct KeysFile {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl BucketKeys {
    /// New keys for all buckets.
    pub(super) fn random(rng: &mut ChaCha20Rng) -> Self {
        let mut keys = Self::empty();
        for bucket in Bucket::all() {
            rng.fill_bytes(&mut keys.entry_mut(bucket)[2..2 + KEY_BYTES]);
        }
        keys
    }

    /// The same, with a next key for each of `set`, and for no other.
    pub(super) fn with_next(&self, set: &BucketSet, rng: &mut ChaCha20Rng) -> Self {
        let mut keys = self.without_next();
        for bucket in set.iter() {
            let entry = keys.entry_mut(bucket);
            entry[1] = 1;
            rng.fill_bytes(&mut entry[2 + KEY_BYTES..]);
        }
        keys
    }

    /// The same, without next keys.
    pub(super) fn without_next(&self) -> Self {
        let mut keys = Self(self.0.clone());
        for bucket in Bucket::all() {
            let entry = keys.entry_mut(bucket);
            entry[1] = 0;
            entry[2 + KEY_BYTES..].zeroize();
        }
        keys
    }

    /// The same, with each next key in the place of the current one, which is gone.
    pub(super) fn promoted(&self) -> Self {
        let mut keys = Self(self.0.clone());
        for bucket in Bucket::all() {
            let entry = keys.entry_mut(bucket);
            if entry[1] == 1 {
                entry[0] = entry[0].wrapping_add(1);
                entry[1] = 0;
                entry.copy_within(2 + KEY_BYTES.., 2);
                entry[2 + KEY_BYTES..].zeroize();
            }
        }
        keys
    }

    /// Whether any bucket has a next key.
    pub(super) fn is_pending(&self) -> bool {
        Bucket::all().any(|bucket| self.entry(bucket)[1] == 1)
    }

    /// The key under which records of a bucket are sealed now, and its generation.
    pub(super) fn newest(&self, bucket: Bucket) -> (u8, &[u8]) {
        let entry = self.entry(bucket);
        match entry[1] {
            0 => (entry[0], &entry[2..2 + KEY_BYTES]),
            _ => (entry[0].wrapping_add(1), &entry[2 + KEY_BYTES..]),
        }
    }

    /// The key of this generation; `None` if there is none, or no more.
    pub(super) fn of_generation(&self, bucket: Bucket, generation: u8) -> Option<&[u8]> {
        let entry = self.entry(bucket);
        let (newest, key) = self.newest(bucket);
        if generation == newest {
            Some(key)
        } else {
            (generation == entry[0]).then(|| &entry[2..2 + KEY_BYTES])
        }
    }

    fn empty() -> Self {
        Self(Zeroizing::new(vec![0; BLOB_BYTES]))
    }

    fn entry(&self, bucket: Bucket) -> &[u8] {
        let at = bucket.index() * BUCKET_BYTES;
        &self.0[at..at + BUCKET_BYTES]
    }

    fn entry_mut(&mut self, bucket: Bucket) -> &mut [u8] {
        let at = bucket.index() * BUCKET_BYTES;
        &mut self.0[at..at + BUCKET_BYTES]
    }
}

impl FileKey {
    /// Of the vault with this master key.
    pub(super) fn new(master: &MasterKey) -> Self {
        let key = blake3::derive_key("martlet 2026 vault erasable keys v1", master.as_bytes());
        Self { key: Zeroizing::new(key), id: VaultId::of(master) }
    }

    /// The file with these keys.
    pub(super) fn seal(&self, keys: &BucketKeys, epoch: u64) -> Result<Vec<u8>, StoreError> {
        let too_long = |_| StoreError::failed("the erasable keys are short enough to be encrypted");
        let mut copy = vec![0; COPY_BYTES];
        copy[..MAGIC.len()].copy_from_slice(&MAGIC);
        copy[MAGIC.len()] = VERSION;
        copy[PENDING_AT] = u8::from(keys.is_pending());
        copy[ID_AT..EPOCH_AT].copy_from_slice(self.id.as_bytes());
        copy[EPOCH_AT..NONCE_AT].copy_from_slice(&epoch.to_be_bytes());
        let mut nonce = blake3::Hasher::new_keyed(&self.key);
        nonce.update(&epoch.to_be_bytes()).update(&keys.0);
        copy[NONCE_AT..KEYS_AT].copy_from_slice(&nonce.finalize().as_bytes()[..24]);
        nonce.zeroize();
        let (head, rest) = copy.split_at_mut(KEYS_AT);
        let sealed = InOutBuf::new(&keys.0[..], &mut rest[..BLOB_BYTES]);
        let sealed = sealed.map_err(|_| StoreError::failed("the erasable keys have one length"))?;
        let tag = self
            .cipher()
            .encrypt_inout_detached(&nonce_of(head), head, sealed)
            .map_err(too_long)?;
        copy[TAG_AT..CHECKSUM_AT].copy_from_slice(&tag);
        let checksum = blake3::hash(&copy[..CHECKSUM_AT]);
        copy[CHECKSUM_AT..CHECKSUM_AT + 32].copy_from_slice(checksum.as_bytes());
        let mut file = copy.clone();
        file.extend_from_slice(&copy);
        Ok(file)
    }

    /// The keys in the newest whole copy of `file`.
    pub(super) fn open(&self, file: &KeysFile) -> Result<(Head, BucketKeys), StoreError> {
        let (head, copy) = file.newest()?;
        if head.id != self.id {
            return Err(StoreError::OtherKey { path: file.path.clone() });
        }
        let mut keys = BucketKeys::empty();
        let (clear, rest) = copy.split_at(KEYS_AT);
        // Its checksum matches: it was sealed under another key, or made by hand.
        let other = || StoreError::OtherKey { path: file.path.clone() };
        let tag: [u8; 16] = copy[TAG_AT..CHECKSUM_AT].first_chunk().copied().ok_or_else(other)?;
        let sealed = InOutBuf::new(&rest[..BLOB_BYTES], &mut keys.0[..]).map_err(|_| other())?;
        self.cipher()
            .decrypt_inout_detached(&nonce_of(clear), clear, sealed, &tag.into())
            .map_err(|_| other())?;
        Ok((head, keys))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.key).into())
    }
}

impl KeysFile {
    /// Its newest whole copy, and what it says in clear. Needs no key.
    pub(super) fn newest(&self) -> Result<(Head, &[u8]), StoreError> {
        if self.bytes.len() != KEYS_FILE_BYTES {
            return Err(self.damaged(&format!("a file of keys has {KEYS_FILE_BYTES} bytes")));
        }
        let mut newest: Result<(Head, &[u8]), StoreError> = Err(self.damaged("it has no copy"));
        for copy in self.bytes.chunks(COPY_BYTES) {
            match (self.head(copy), &newest) {
                (Ok(head), Ok((other, _))) if head.epoch <= other.epoch => {}
                (Ok(head), _) => newest = Ok((head, copy)),
                (Err(error), Err(_)) => newest = Err(error),
                (Err(_), Ok(_)) => {}
            }
        }
        newest
    }

    /// What it says in clear, if it is of the vault called `id`, where that is known.
    pub(super) fn check(&self, id: Option<VaultId>) -> Result<Head, StoreError> {
        let (head, _) = self.newest()?;
        if id.is_some_and(|id| id != head.id) {
            return Err(StoreError::OtherKey { path: self.path.clone() });
        }
        Ok(head)
    }

    /// Whether both copies are whole and the same.
    pub(super) fn has_twins(&self) -> bool {
        self.bytes.len() == KEYS_FILE_BYTES
            && self.bytes[..COPY_BYTES] == self.bytes[COPY_BYTES..]
            && self.newest().is_ok()
    }

    /// Its bytes.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Says that it is damaged.
    pub(super) fn damaged(&self, reason: &str) -> StoreError {
        StoreError::Damaged { path: self.path.clone(), reason: reason.to_owned() }
    }

    fn head(&self, copy: &[u8]) -> Result<Head, StoreError> {
        if copy[..MAGIC.len()] != MAGIC {
            return Err(self.damaged("not a file of erasable keys"));
        }
        let checksum = blake3::hash(&copy[..CHECKSUM_AT]);
        if copy[CHECKSUM_AT..CHECKSUM_AT + 32] != *checksum.as_bytes() {
            return Err(self.damaged("its checksum does not match"));
        }
        let version = copy[MAGIC.len()];
        if version != VERSION {
            return Err(StoreError::TooNew {
                path: self.path.clone(),
                found: u32::from(version),
                known: u32::from(VERSION),
            });
        }
        let short = || self.damaged("it is cut short");
        let id = copy[ID_AT..EPOCH_AT].first_chunk().copied().ok_or_else(short)?;
        let epoch = copy[EPOCH_AT..NONCE_AT].first_chunk().copied().ok_or_else(short)?;
        Ok(Head {
            epoch: u64::from_be_bytes(epoch),
            is_pending: copy[PENDING_AT] == 1,
            id: VaultId::from_bytes(id),
        })
    }
}

impl KeysPlace {
    /// Beside the vault at `vault`: the same name with another ending.
    pub(super) fn beside(vault: &Path) -> Self {
        Self::File(keys_path(vault))
    }

    /// In a backend.
    pub(super) fn backend(backend: impl StorageBackend) -> Self {
        Self::Backend(SharedBackend::new(backend))
    }

    /// Its name in messages.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Backend(_) => Path::new("(memory)"),
        }
    }

    /// The file; `None` if there is none.
    pub(super) fn read(&self) -> Result<Option<KeysFile>, StoreError> {
        let path = self.path().to_path_buf();
        let failed = |error: io::Error| self.failed(&error);
        match self {
            Self::File(file) => {
                let metadata = match fs::metadata(file) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                    found => found.map_err(failed)?,
                };
                // Of a file of any other length only that is looked at.
                let bytes = match usize::try_from(metadata.len()) {
                    Ok(KEYS_FILE_BYTES) => fs::read(file).map_err(failed)?,
                    Ok(_) | Err(_) => Vec::new(),
                };
                Ok(Some(KeysFile { path, bytes }))
            }
            Self::Backend(backend) => match backend.len().map_err(failed)? {
                0 => Ok(None),
                len => {
                    let len = usize::try_from(len).unwrap_or(usize::MAX).min(KEYS_FILE_BYTES);
                    let mut bytes = vec![0; len];
                    backend.read(0, &mut bytes).map_err(failed)?;
                    Ok(Some(KeysFile { path, bytes }))
                }
            },
        }
    }

    /// Overwrites the file, made if there is none, one copy after the other.
    pub(super) fn write(&self, file: &[u8]) -> Result<(), StoreError> {
        let written = match self {
            Self::File(path) => write_file(path, file),
            Self::Backend(backend) => write_backend(backend, file),
        };
        written.map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &io::Error) -> StoreError {
        StoreError::failed(format!("{}: {error}", self.path().display()))
    }
}

/// Where the erasable keys of the vault at `vault` are: `vault.keys` beside `vault.redb`.
#[must_use]
pub fn keys_path(vault: &Path) -> PathBuf {
    vault.with_extension("keys")
}

fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let is_new = !fs::exists(path)?;
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.set_len(u64::try_from(KEYS_FILE_BYTES).map_err(io::Error::other)?)?;
    for (at, copy) in (0..).zip(bytes.chunks(COPY_BYTES)) {
        file.write_all_at(copy, at * COPY_OFFSET)?;
        file.sync_all()?;
    }
    if is_new { sync_directory(path) } else { Ok(()) }
}

fn write_backend(backend: &SharedBackend, bytes: &[u8]) -> io::Result<()> {
    backend.set_len(u64::try_from(KEYS_FILE_BYTES).map_err(io::Error::other)?)?;
    for (at, copy) in (0..).zip(bytes.chunks(COPY_BYTES)) {
        backend.write(at * COPY_OFFSET, copy)?;
        backend.sync_data()?;
    }
    Ok(())
}

/// [`COPY_BYTES`], as an offset.
const COPY_OFFSET: u64 = 17 * 4096;

fn nonce_of(head: &[u8]) -> XNonce {
    let nonce: [u8; 24] = head[NONCE_AT..].first_chunk().copied().unwrap_or([0; 24]);
    XNonce::from(nonce)
}

impl std::fmt::Debug for BucketKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BucketKeys(…)")
    }
}

impl std::fmt::Debug for FileKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FileKey(…)")
    }
}

#[cfg(test)]
mod tests;
