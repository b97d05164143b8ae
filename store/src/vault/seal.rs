//! How the vault's records are encrypted and their look-up keys made.
//!
//! ```text
//! record      bucket 2, big-endian ‖ generation of its key 1 ‖ nonce 24 ‖ XChaCha20-Poly1305(CBOR of the value) ‖ tag 16
//!             associated data: bucket 2 ‖ generation 1 ‖ length of the table's name 1 ‖ name ‖ stored key
//! stored key  32 bytes, so that rows are of one width:
//!             named    keyed BLAKE3(length of the table's name 1 ‖ name ‖ key's name)
//!             ordinal  24 zero bytes ‖ number 8, big-endian
//!             scoped   the same hash of the scope, first 24 bytes ‖ number 8, big-endian
//! ```
//!
//! A record is sealed under the erasable key of its bucket (`vault/erasable.rs`, `vault/buckets.rs`). In vaults of before
//! version 3 it was `nonce 24 ‖ … ‖ tag 16`, without the first two fields of the associated data, under a key that
//! derives from the master key, as the check value still is; such records open until the first shred.
//! The key of the hashes derives from the master key.
//!
//! Whoever has the file but not the keys learns table names, numbers, sizes of records, buckets, and when they change; no
//! names and no contents. A record moved to another place does not open there; an older record put back in
//! its own place does, as long as its key lives.

use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{AeadInOut, KeyInit, XChaCha20Poly1305, XNonce};
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;
use zeroize::{Zeroize, Zeroizing};

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::buckets::Bucket;
use super::erasable::{BucketKeys, FileKey, KeysPlace};
use super::keyfile::{MasterKey, VaultId};
use super::ledger::{Ledger, Old};
use crate::error::StoreError;

const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
/// Bucket and generation.
const HEADER_BYTES: usize = 3;
/// What a record is longer than its value, bytes.
const OVERHEAD_BYTES: usize = HEADER_BYTES + NONCE_BYTES + TAG_BYTES;
/// Longest name of a table, bytes: its length is one byte of the associated data.
const TABLE_NAME_BYTES_MAX: usize = 64;

/// The vault's keys.
pub(super) struct Keys {
    /// Of the check value, and of records of before version 3. Zeroizes itself.
    derived: XChaCha20Poly1305,
    lookup: Zeroizing<[u8; 32]>,
    id: VaultId,
    erasable: RwLock<Erasable>,
}

/// The erasable keys, with what the vault knows of them. They change together.
pub(super) struct Erasable {
    pub(super) place: KeysPlace,
    pub(super) file_key: FileKey,
    pub(super) ledger: Ledger,
    /// `None` before anything was written.
    pub(super) buckets: Option<BucketKeys>,
}

/// A key as it is in the file.
pub(super) type StoredKey = [u8; 32];

impl Keys {
    /// Of the vault with this master key. Its erasable keys are to be read yet.
    pub(super) fn new(master: &MasterKey, place: KeysPlace) -> Self {
        let mut derived = blake3::derive_key("martlet 2026 vault records v1", master.as_bytes());
        let lookup = blake3::derive_key("martlet 2026 vault look-up keys v1", master.as_bytes());
        let ledger = Ledger::new(Old::None);
        let file_key = FileKey::new(master);
        let keys = Self {
            derived: XChaCha20Poly1305::new(&derived.into()),
            lookup: Zeroizing::new(lookup),
            id: VaultId::of(master),
            erasable: RwLock::new(Erasable { place, file_key, ledger, buckets: None }),
        };
        derived.zeroize();
        keys
    }

    /// The erasable keys.
    pub(super) fn erasable(&self) -> RwLockReadGuard<'_, Erasable> {
        self.erasable.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, to change them. Whoever begins a transaction of the database as well does that first.
    pub(super) fn erasable_mut(&self) -> RwLockWriteGuard<'_, Erasable> {
        self.erasable.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which vault they are of.
    pub(super) fn id(&self) -> VaultId {
        self.id
    }

    /// The key a name is stored under.
    pub(super) fn named(&self, table: &str, name: &[u8]) -> StoredKey {
        self.hash(table, name)
    }

    /// The key number `number` of `scope` is stored under, or of the whole table.
    pub(super) fn numbered(&self, table: &str, scope: Option<&[u8]>, number: u64) -> StoredKey {
        self.scope(table, scope).key(number)
    }

    /// A scope, hashed once for many numbers.
    pub(super) fn scope(&self, table: &str, scope: Option<&[u8]>) -> Scope {
        Scope(scope.map_or([0; 32], |scope| self.hash(table, scope)))
    }

    /// Bytes a value of `len` bytes takes once sealed.
    pub(super) fn sealed_len(len: usize) -> usize {
        len + OVERHEAD_BYTES
    }

    /// Opens a record.
    pub(super) fn open(
        &self,
        table: &'static str,
        key: &StoredKey,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let opened = self.open_with(&self.erasable(), table, key, sealed);
        opened.map(|(value, _)| value).ok_or(StoreError::Record { table })
    }

    /// Opens a record; under which of the erasable keys it was, `None` if under the derived one.
    pub(super) fn open_with(
        &self,
        erasable: &Erasable,
        table: &str,
        key: &StoredKey,
        sealed: &[u8],
    ) -> Option<(Zeroizing<Vec<u8>>, Option<Header>)> {
        let erasable_key = Header::of(sealed).and_then(|header| {
            let buckets = erasable.buckets.as_ref()?;
            Some((header, buckets.of_generation(header.bucket, header.generation)?))
        });
        if let Some((header, bucket_key)) = erasable_key
            && let Ok(cipher) = XChaCha20Poly1305::new_from_slice(bucket_key)
            && let Some(value) =
                open(&cipher, &header.associated_data(table, key), &sealed[HEADER_BYTES..])
        {
            return Some((value, Some(header)));
        }
        if erasable.ledger.old != Old::Live {
            return None;
        }
        let value = open(&self.derived, &AssociatedData::new(&[], table, key), sealed)?;
        Some((value, None))
    }

    /// Seals the check value, in the layout of before version 3.
    pub(super) fn seal_check(
        &self,
        table: &str,
        key: &StoredKey,
        value: &[u8],
        rng: &mut ChaCha20Rng,
    ) -> Option<Vec<u8>> {
        let mut out = vec![0; NONCE_BYTES + value.len() + TAG_BYTES];
        seal(&self.derived, &AssociatedData::new(&[], table, key), value, rng, &mut out)?;
        Some(out)
    }

    /// Opens the check value.
    pub(super) fn open_check(
        &self,
        table: &str,
        key: &StoredKey,
        sealed: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        open(&self.derived, &AssociatedData::new(&[], table, key), sealed)
    }

    fn hash(&self, table: &str, name: &[u8]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.lookup);
        hasher.update(&[name_len(table)]);
        hasher.update(table.as_bytes());
        hasher.update(name);
        *hasher.finalize().as_bytes()
    }
}

/// A scope's part of the stored keys: the first 24 bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope([u8; 32]);

impl Scope {
    pub(super) fn key(&self, number: u64) -> StoredKey {
        let mut key = self.0;
        key[24..].copy_from_slice(&number.to_be_bytes());
        key
    }
}

/// The number that ends an ordinal or scoped key.
pub(super) fn number_of([.., a, b, c, d, e, f, g, h]: StoredKey) -> u64 {
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(…)")
    }
}

/// What a sealed record begins with: under which erasable key it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) bucket: Bucket,
    pub(super) generation: u8,
}

impl Header {
    /// Of a sealed record; `None` if it begins with no bucket's number. One of before version 3 may begin with any.
    pub(super) fn of(sealed: &[u8]) -> Option<Self> {
        let [a, b, generation] = *sealed.first_chunk()?;
        Some(Self { bucket: Bucket::from_bytes([a, b])?, generation })
    }

    fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let [a, b] = self.bucket.to_bytes();
        [a, b, self.generation]
    }

    fn associated_data(self, table: &str, key: &StoredKey) -> AssociatedData {
        AssociatedData::new(&self.to_bytes(), table, key)
    }
}

impl BucketKeys {
    /// Seals `value` into `out`, which has [`Keys::sealed_len`] bytes, under the newest key of its bucket.
    pub(super) fn seal(
        &self,
        table: &str,
        key: &StoredKey,
        value: &[u8],
        rng: &mut ChaCha20Rng,
        out: &mut [u8],
    ) -> Option<()> {
        let bucket = Bucket::of(table, key);
        let (generation, bucket_key) = self.newest(bucket);
        let header = Header { bucket, generation };
        let cipher = XChaCha20Poly1305::new_from_slice(bucket_key).ok()?;
        let (first, rest) = out.split_first_chunk_mut()?;
        *first = header.to_bytes();
        seal(&cipher, &header.associated_data(table, key), value, rng, rest)
    }
}

/// Seals `value` as nonce, ciphertext and tag.
fn seal(
    cipher: &XChaCha20Poly1305,
    associated: &AssociatedData,
    value: &[u8],
    rng: &mut ChaCha20Rng,
    out: &mut [u8],
) -> Option<()> {
    let (nonce, rest) = out.split_first_chunk_mut::<NONCE_BYTES>()?;
    let (body, tag) = rest.split_last_chunk_mut::<TAG_BYTES>()?;
    rng.fill_bytes(nonce);
    let body = InOutBuf::new(value, body).ok()?;
    let nonce = XNonce::from(*nonce);
    *tag = cipher.encrypt_inout_detached(&nonce, associated.bytes(), body).ok()?.into();
    Some(())
}

fn open(
    cipher: &XChaCha20Poly1305,
    associated: &AssociatedData,
    sealed: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE_BYTES>()?;
    let (body, tag) = rest.split_last_chunk::<TAG_BYTES>()?;
    let mut value = Zeroizing::new(vec![0; body.len()]);
    let buffer = InOutBuf::new(body, &mut value).ok()?;
    let nonce = XNonce::from(*nonce);
    cipher.decrypt_inout_detached(&nonce, associated.bytes(), buffer, &(*tag).into()).ok()?;
    Some(value)
}

/// The associated data of a record, without a heap.
struct AssociatedData {
    data: [u8; Self::BYTES_MAX],
    len: usize,
}

impl AssociatedData {
    const BYTES_MAX: usize = HEADER_BYTES + 1 + TABLE_NAME_BYTES_MAX + 32;

    fn new(header: &[u8], table: &str, key: &StoredKey) -> Self {
        let mut associated = Self { data: [0; Self::BYTES_MAX], len: 0 };
        for part in [header, &[name_len(table)], table.as_bytes(), key] {
            let end = associated.len + part.len();
            associated.data[associated.len..end].copy_from_slice(part);
            associated.len = end;
        }
        associated
    }

    fn bytes(&self) -> &[u8] {
        &self.data[..self.len]
    }
}

/// Length of a table's name: [`super::Collection::new`] lets no longer one pass.
fn name_len(table: &str) -> u8 {
    assert!(table.len() <= TABLE_NAME_BYTES_MAX, "a collection's name is checked when made");
    u8::try_from(table.len()).unwrap_or(u8::MAX)
}

/// Whether `name` can be a table's name.
pub(super) const fn is_table_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= TABLE_NAME_BYTES_MAX && name.as_bytes()[0] != b'.'
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use rand_core::SeedableRng;

    use super::*;

    fn keys(master: u8) -> Keys {
        let place = KeysPlace::backend(crate::memory::MemoryFile::default());
        let keys = Keys::new(&MasterKey::from_bytes(&[master; 32]), place);
        let buckets = BucketKeys::random(&mut ChaCha20Rng::from_seed([1; 32]));
        keys.erasable_mut().buckets = Some(buckets);
        keys
    }

    fn sealed(keys: &Keys, key: &StoredKey, value: &[u8], seed: u8) -> Vec<u8> {
        let mut out = vec![0; Keys::sealed_len(value.len())];
        let mut rng = ChaCha20Rng::from_seed([seed; 32]);
        let erasable = keys.erasable();
        let buckets = erasable.buckets.as_ref().unwrap();
        buckets.seal("notes", key, value, &mut rng, &mut out).unwrap();
        out
    }

    #[test]
    fn a_record_opens_in_its_own_place_and_no_other() {
        let keys = keys(1);
        let key = keys.named("notes", b"a");
        let record = sealed(&keys, &key, b"value", 1);
        assert_eq!(keys.open("notes", &key, &record).unwrap().as_slice(), b"value");
        assert!(keys.open("other", &key, &record).is_err());
        assert!(keys.open("notes", &keys.named("notes", b"b"), &record).is_err());
        let others = BucketKeys::random(&mut ChaCha20Rng::from_seed([2; 32]));
        keys.erasable_mut().buckets = Some(others);
        assert!(keys.open("notes", &key, &record).is_err(), "the master key is not enough");
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let keys = keys(1);
        let key = keys.numbered("notes", None, 7);
        let record = sealed(&keys, &key, b"value", 1);
        for bit in 0..record.len() * 8 {
            let mut flipped = record.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(keys.open("notes", &key, &flipped).is_err(), "bit {bit}");
        }
        for len in 0..record.len() {
            assert!(keys.open("notes", &key, &record[..len]).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn a_record_of_before_erasable_keys_opens_as_long_as_there_are_any() {
        let keys = keys(1);
        let key = keys.named("notes", b"a");
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let record = keys.seal_check("notes", &key, b"value", &mut rng).unwrap();
        assert!(keys.open("notes", &key, &record).is_err());
        keys.erasable_mut().ledger.old = Old::Live;
        assert_eq!(keys.open("notes", &key, &record).unwrap().as_slice(), b"value");
        keys.erasable_mut().ledger.old = Old::InFreePages;
        assert!(keys.open("notes", &key, &record).is_err());
    }

    #[test]
    fn the_same_value_is_sealed_differently_each_time() {
        let one = keys(1);
        let key = one.numbered("notes", None, 7);
        assert_ne!(sealed(&one, &key, b"value", 1), sealed(&one, &key, b"value", 2));
    }

    #[test]
    fn look_up_keys_depend_on_key_table_name_and_number() {
        let one = keys(1);
        let all = [
            one.named("notes", b"a"),
            one.named("notes", b"b"),
            one.named("other", b"a"),
            // The table's name and the record's can't be exchanged.
            one.named("note", b"sa"),
            keys(2).named("notes", b"a"),
            one.numbered("notes", None, 1),
            one.numbered("notes", None, 2),
            one.numbered("notes", Some(b"a"), 1),
            one.numbered("notes", Some(b"b"), 1),
        ];
        for (at, key) in all.iter().enumerate() {
            assert!(!all[at + 1..].contains(key), "{at}");
        }
        assert!(one.numbered("notes", Some(b"a"), 1) < one.numbered("notes", Some(b"a"), 256));
        assert_eq!(number_of(one.numbered("notes", Some(b"a"), 256)), 256);
    }
}
