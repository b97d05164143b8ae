//! What somebody finds who has a copy of the files and the master key, by the documented layout.

use std::collections::{BTreeMap, BTreeSet};

use chacha20poly1305::aead::Payload;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce, aead::Aead};
use martlet_store::Bytes;
use martlet_store::memory::MemoryFile;
use martlet_store::vault::keyfile::MasterKey;
use redb::{
    Database, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition, TableHandle,
};

/// A copy of the vault's database and of its erasable keys.
pub(crate) type Copied = [Vec<u8>; 2];

/// A record in its place, as it is in the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sealed {
    pub(crate) table: String,
    pub(crate) key: Vec<u8>,
    pub(crate) bytes: Vec<u8>,
}

/// All records of a copy.
pub(crate) fn sealed_in([database, _]: &Copied) -> BTreeSet<Sealed> {
    let file = MemoryFile::default();
    file.set_len(u64::try_from(database.len()).unwrap()).unwrap();
    file.write(0, database).unwrap();
    sealed_of(&Database::builder().create_with_backend(file).unwrap())
}

/// All records of a database.
pub(crate) fn sealed_of(database: &Database) -> BTreeSet<Sealed> {
    let snapshot = database.begin_read().unwrap();
    let mut found = BTreeSet::new();
    for table in snapshot.list_tables().unwrap().filter(|table| table.name() != ".vault") {
        let definition = TableDefinition::<Bytes<32>, &[u8]>::new(table.name());
        for row in snapshot.open_table(definition).unwrap().iter().unwrap() {
            let (key, bytes) = row.unwrap();
            found.insert(Sealed {
                table: table.name().to_owned(),
                key: key.value().to_vec(),
                bytes: bytes.value().to_vec(),
            });
        }
    }
    found
}

/// Every key that there is.
pub(crate) struct FoundKeys {
    /// Of each bucket.
    buckets: BTreeMap<u16, Vec<XChaCha20Poly1305>>,
    derived: XChaCha20Poly1305,
}

const COPY_BYTES: usize = 69_632;

impl FoundKeys {
    pub(crate) fn of([_, file]: &Copied, master: &MasterKey) -> Self {
        let derive = |label: &str| {
            XChaCha20Poly1305::new(&blake3::derive_key(label, master.as_bytes()).into())
        };
        let file_key = derive("martlet 2026 vault erasable keys v1");
        let mut buckets: BTreeMap<u16, Vec<XChaCha20Poly1305>> = BTreeMap::new();
        for copy in file.chunks(COPY_BYTES) {
            let nonce: [u8; 24] = copy[40..64].try_into().unwrap();
            let sealed = Payload { msg: &copy[64..67_664], aad: &copy[..64] };
            // One that a crash tore has none.
            let Ok(keys) = file_key.decrypt(&XNonce::from(nonce), sealed) else { continue };
            for (bucket, entry) in (0..).zip(keys.chunks(66)) {
                for key in [&entry[2..34], &entry[34..]] {
                    let cipher = XChaCha20Poly1305::new_from_slice(key).unwrap();
                    buckets.entry(bucket).or_default().push(cipher);
                }
            }
        }
        assert!(file.is_empty() || buckets.len() == 1024);
        Self { buckets, derived: derive("martlet 2026 vault records v1") }
    }

    /// What is in a record, if any of them opens it; `with_all`: not only those of the bucket that it says it is in.
    pub(crate) fn open(&self, sealed: &Sealed, with_all: bool) -> Option<Vec<u8>> {
        let Sealed { table, key, bytes } = sealed;
        let place = [&[u8::try_from(table.len()).unwrap()], table.as_bytes(), key].concat();
        let open = |cipher: &XChaCha20Poly1305, header: usize| {
            let nonce: [u8; 24] = bytes[header..header + 24].try_into().unwrap();
            let aad = [&bytes[..header], &place].concat();
            let sealed = Payload { msg: &bytes[header + 24..], aad: &aad };
            cipher.decrypt(&XNonce::from(nonce), sealed).ok()
        };
        let bucket = u16::from_be_bytes([bytes[0], bytes[1]]);
        let own = self.buckets.get(&bucket).into_iter().flatten();
        let all = self.buckets.values().flatten().filter(|_| with_all);
        let erasable = own.chain(all).find_map(|cipher| open(cipher, 3));
        erasable.or_else(|| open(&self.derived, 0))
    }

    /// Whether any of them opens it.
    pub(crate) fn opens(&self, sealed: &Sealed, with_all: bool) -> bool {
        self.open(sealed, with_all).is_some()
    }
}
