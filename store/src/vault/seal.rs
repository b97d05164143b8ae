//! How the vault's records are encrypted and their look-up keys made.
//!
//! ```text
//! record      nonce 24 ‖ XChaCha20-Poly1305(CBOR of the value) ‖ tag 16
//!             associated data: length of the table's name 1 ‖ name ‖ stored key
//! stored key  32 bytes, so that rows are of one width:
//!             named    keyed BLAKE3(length of the table's name 1 ‖ name ‖ key's name)
//!             ordinal  24 zero bytes ‖ number 8, big-endian
//!             scoped   the same hash of the scope, first 24 bytes ‖ number 8, big-endian
//! ```
//!
//! Both keys derive from the master key. Whoever has the file but not the key learns table names,
//! numbers, sizes of records and when they change; no names and no contents. A record moved to
//! another place does not open there; an older record put back in its own place does.

use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{AeadInOut, KeyInit, XChaCha20Poly1305, XNonce};
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;
use zeroize::{Zeroize, Zeroizing};

use super::keyfile::{MasterKey, VaultId};
use crate::error::StoreError;

const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
/// What a record is longer than its value, bytes.
const OVERHEAD_BYTES: usize = NONCE_BYTES + TAG_BYTES;
/// Longest name of a table, bytes: its length is one byte of the associated data.
const TABLE_NAME_BYTES_MAX: usize = 64;

/// The vault's keys, derived from the master key.
pub(super) struct Keys {
    /// Zeroizes itself.
    records: XChaCha20Poly1305,
    lookup: Zeroizing<[u8; 32]>,
    id: VaultId,
}

/// A key as it is in the file.
pub(super) type StoredKey = [u8; 32];

impl Keys {
    pub(super) fn new(master: &MasterKey) -> Self {
        let mut records = blake3::derive_key("martlet 2026 vault records v1", master.as_bytes());
        let lookup = blake3::derive_key("martlet 2026 vault look-up keys v1", master.as_bytes());
        let keys = Self {
            records: XChaCha20Poly1305::new(&records.into()),
            lookup: Zeroizing::new(lookup),
            id: VaultId::of(master),
        };
        records.zeroize();
        keys
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

    /// Seals `value` into `out`, which has [`Self::sealed_len`] bytes.
    pub(super) fn seal(
        &self,
        table: &'static str,
        key: &StoredKey,
        value: &[u8],
        rng: &mut ChaCha20Rng,
        out: &mut [u8],
    ) -> Result<(), StoreError> {
        let too_large = || StoreError::Record { table };
        let (nonce, rest) = out.split_first_chunk_mut::<NONCE_BYTES>().ok_or_else(too_large)?;
        let (body, tag) = rest.split_last_chunk_mut::<TAG_BYTES>().ok_or_else(too_large)?;
        rng.fill_bytes(nonce);
        let body = InOutBuf::new(value, body).map_err(|_| too_large())?;
        let (aad, aad_len) = associated_data(table, key);
        *tag = self
            .records
            .encrypt_inout_detached(&XNonce::from(*nonce), &aad[..aad_len], body)
            .map_err(|_| too_large())?
            .into();
        Ok(())
    }

    /// Opens a record.
    pub(super) fn open(
        &self,
        table: &'static str,
        key: &StoredKey,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let unreadable = || StoreError::Record { table };
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or_else(unreadable)?;
        let (body, tag) = rest.split_last_chunk::<TAG_BYTES>().ok_or_else(unreadable)?;
        let mut value = Zeroizing::new(vec![0; body.len()]);
        let (aad, aad_len) = associated_data(table, key);
        let buffer = InOutBuf::new(body, &mut value).map_err(|_| unreadable())?;
        self.records
            .decrypt_inout_detached(&XNonce::from(*nonce), &aad[..aad_len], buffer, &(*tag).into())
            .map_err(|_| unreadable())?;
        Ok(value)
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

/// The associated data of a record, and its length, without a heap.
fn associated_data(table: &str, key: &StoredKey) -> ([u8; 1 + TABLE_NAME_BYTES_MAX + 32], usize) {
    let mut data = [0; 1 + TABLE_NAME_BYTES_MAX + 32];
    let name_end = 1 + table.len();
    data[0] = name_len(table);
    data[1..name_end].copy_from_slice(table.as_bytes());
    data[name_end..name_end + key.len()].copy_from_slice(key);
    (data, name_end + key.len())
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

    fn sealed(keys: &Keys, key: &StoredKey, value: &[u8], seed: u8) -> Vec<u8> {
        let mut out = vec![0; Keys::sealed_len(value.len())];
        let mut rng = ChaCha20Rng::from_seed([seed; 32]);
        keys.seal("notes", key, value, &mut rng, &mut out).unwrap();
        out
    }

    #[test]
    fn a_record_opens_in_its_own_place_and_no_other() {
        let keys = Keys::new(&MasterKey::from_bytes(&[1; 32]));
        let key = keys.named("notes", b"a");
        let record = sealed(&keys, &key, b"value", 1);
        assert_eq!(keys.open("notes", &key, &record).unwrap().as_slice(), b"value");
        assert!(keys.open("other", &key, &record).is_err());
        assert!(keys.open("notes", &keys.named("notes", b"b"), &record).is_err());
        assert!(Keys::new(&MasterKey::from_bytes(&[2; 32])).open("notes", &key, &record).is_err());
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let keys = Keys::new(&MasterKey::from_bytes(&[1; 32]));
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
    fn the_same_value_is_sealed_differently_each_time() {
        let keys = Keys::new(&MasterKey::from_bytes(&[1; 32]));
        let key = keys.numbered("notes", None, 7);
        assert_ne!(sealed(&keys, &key, b"value", 1), sealed(&keys, &key, b"value", 2));
    }

    #[test]
    fn look_up_keys_depend_on_key_table_name_and_number() {
        let keys = Keys::new(&MasterKey::from_bytes(&[1; 32]));
        let all = [
            keys.named("notes", b"a"),
            keys.named("notes", b"b"),
            keys.named("other", b"a"),
            // The table's name and the record's can't be exchanged.
            keys.named("note", b"sa"),
            Keys::new(&MasterKey::from_bytes(&[2; 32])).named("notes", b"a"),
            keys.numbered("notes", None, 1),
            keys.numbered("notes", None, 2),
            keys.numbered("notes", Some(b"a"), 1),
            keys.numbered("notes", Some(b"b"), 1),
        ];
        for (at, key) in all.iter().enumerate() {
            assert!(!all[at + 1..].contains(key), "{at}");
        }
        assert!(keys.numbered("notes", Some(b"a"), 1) < keys.numbered("notes", Some(b"a"), 256));
        assert_eq!(number_of(keys.numbered("notes", Some(b"a"), 256)), 256);
    }
}
