//! What of a vault nobody may find in memory: its keys in each form that they are worked with.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use ed25519_dalek::SigningKey;
use ed25519_dalek::hazmat::ExpandedSecretKey;
use martlet_store::Vault;
use martlet_store::records::{INBOUND_SESSIONS, OUTBOUND_SESSIONS, PREKEYS, PROFILE, Profile};
use martlet_store::vault::Key;
use martlet_store::vault::keyfile::KeyFile;
use serde_cbor::Value;
use shake::{ExtendableOutput, Shake256, Update, XofReader};

/// Bytes by which a secret is recognized: as many as the shortest has, that of an ID.
pub(crate) const PIECE: usize = 15;

/// A secret and what it is.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret {
    pub(crate) name: String,
    bytes: Vec<u8>,
}

impl Secret {
    pub(crate) fn new(name: impl Into<String>, bytes: &[u8]) -> Self {
        Self { name: name.into(), bytes: bytes.to_vec() }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Any of these is enough.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.chunks_exact(PIECE)
    }
}

/// All keys of a vault, and of what is made of its passphrase.
pub(crate) fn of_vault(
    dir: &Path,
    passphrase: &str,
) -> Result<Vec<Secret>, Box<dyn std::error::Error>> {
    let mut secrets = of_passphrase(&fs::read(dir.join("vault.key"))?, passphrase)?;
    let key_file = KeyFile::read(&dir.join("vault.key"))?.ok_or("no key file")?;
    let master = key_file.unwrap(Some(passphrase.as_bytes()))?;
    let vault = Vault::open(&dir.join("vault.redb"), &master, 1 << 20)?;
    let txn = vault.begin([0; 32])?;
    let profile: Profile = txn.get(&PROFILE, Key::Named(b""))?.ok_or("no profile")?;
    let records = blake3::derive_key("martlet 2026 vault records v1", master.as_bytes());
    let lookup = blake3::derive_key("martlet 2026 vault look-up keys v1", master.as_bytes());
    secrets.extend([
        Secret::new("master key", master.as_bytes()),
        Secret::new("key of records", &records),
        Secret::new("key of look-ups", &lookup),
    ]);
    let mut public = HashSet::new();
    let root = profile.root_seed.as_ref().ok_or("no root")?;
    for (name, seed) in [("root", &root.0), ("device", &profile.device_seed.0)] {
        let key = SigningKey::from_bytes(seed);
        public.insert(key.verifying_key().to_bytes().to_vec());
        secrets.push(Secret::new(format!("{name} seed"), seed));
        secrets.push(Secret::new(format!("{name} scalar"), &key.to_scalar_bytes()));
        secrets.push(Secret::new(format!("{name} scalar, reduced"), key.to_scalar().as_bytes()));
        let expanded = ExpandedSecretKey::from(seed);
        secrets.push(Secret::new(format!("{name} nonces' key"), &expanded.hash_prefix));
    }
    secrets.extend(of_erasable_keys(&fs::read(dir.join("vault.keys"))?, master.as_bytes())?);
    secrets.push(Secret::new("secret of the ID", &profile.rendezvous.secret.0));
    let mut fields = Vec::new();
    add("detection key", &serde_cbor::value::to_value(&profile.detection)?, &mut fields);
    secrets.extend(fields.first().map(|key| clamped("detection key, clamped", key.bytes())));
    for (number, prekey) in txn.range(&PREKEYS, None, 0..=u64::MAX, usize::MAX)? {
        let name = format!("prekey {number}");
        let first = fields.len();
        add(&name, &serde_cbor::value::to_value(&prekey.secret)?, &mut fields);
        let seed = fields.get(first).ok_or("a prekey has no seed")?;
        secrets.extend(of_prekey(&name, seed.bytes()));
    }
    for session in txn.scan(&OUTBOUND_SESSIONS)? {
        public.insert(session.identity.0.to_vec());
        add("own session", &serde_cbor::from_slice(&session.session)?, &mut fields);
    }
    for session in txn.scan(&INBOUND_SESSIONS)? {
        public.extend([session.identity.0, session.device.0, session.id.0].map(Vec::from));
        add("other's session", &serde_cbor::from_slice(&session.session)?, &mut fields);
    }
    secrets.extend(fields.into_iter().filter(|secret| !public.contains(&secret.bytes)));
    Ok(secrets)
}

/// The key that wraps the master key, and the last block of Argon2id's memory, which it is a hash of.
/// The layout of the key file is in `martlet_store::vault::keyfile`.
fn of_passphrase(
    key_file: &[u8],
    passphrase: &str,
) -> Result<Vec<Secret>, Box<dyn std::error::Error>> {
    let number = |at: usize| key_file[at..].first_chunk().copied().map_or(0, u32::from_be_bytes);
    let params = Params::new(number(12), number(16), number(20), Some(32))?;
    let mut memory = vec![Block::new(); params.block_count()];
    let mut key = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into_with_memory(
        passphrase.as_bytes(),
        &key_file[24..40],
        &mut key,
        &mut memory,
    )?;
    let last = memory.last().ok_or("no memory")?;
    let last: Vec<u8> = last.as_ref().iter().flat_map(|word| word.to_ne_bytes()).collect();
    Ok(vec![Secret::new("passphrase's key", &key), Secret::new("passphrase's last block", &last)])
}

/// The key of the file of erasable keys, and the current key of each bucket. The layout is in `store/src/vault/erasable.rs`.
fn of_erasable_keys(
    file: &[u8],
    master: &[u8; 32],
) -> Result<Vec<Secret>, Box<dyn std::error::Error>> {
    let key = blake3::derive_key("martlet 2026 vault erasable keys v1", master);
    let nonce: [u8; 24] = file.get(40..64).ok_or("cut short")?.try_into()?;
    let sealed = Payload { msg: file.get(64..67_664).ok_or("cut short")?, aad: &file[..64] };
    let opened = XChaCha20Poly1305::new(&key.into()).decrypt(&XNonce::from(nonce), sealed);
    let keys = opened.map_err(|_| "not this master key's")?;
    let keys = (0..).zip(keys.chunks(66));
    let keys =
        keys.map(|(bucket, entry)| Secret::new(format!("erasable key {bucket}"), &entry[2..34]));
    Ok(keys.chain([Secret::new("key of erasable keys", &key)]).collect())
}

/// What an X-Wing seed is expanded to (draft-connolly-cfrg-xwing-kem, expandDecapsulationKey).
fn of_prekey(name: &str, seed: &[u8]) -> [Secret; 3] {
    let mut expanded = [0; 96];
    Shake256::default().chain(seed).finalize_xof().read(&mut expanded);
    let (ml_kem, x25519) = expanded.split_at(64);
    [
        Secret::new(format!("{name}, seed of ML-KEM"), ml_kem),
        Secret::new(format!("{name}, X25519"), x25519),
        clamped(&format!("{name}, X25519, clamped"), x25519),
    ]
}

/// An X25519 key as it is multiplied by (RFC 7748, section 5): another first and last byte.
fn clamped(name: &str, key: &[u8]) -> Secret {
    let mut key = key.to_vec();
    key[0] &= 0xf8;
    key[31] = key[31] & 0x7f | 0x40;
    Secret::new(name, &key)
}

/// The byte strings in it of [`PIECE`] bytes and more.
fn add(name: &str, value: &Value, secrets: &mut Vec<Secret>) {
    let mut take = |bytes: &[u8]| {
        if bytes.len() >= PIECE {
            secrets.push(Secret::new(name, bytes));
        }
    };
    match value {
        Value::Bytes(bytes) => take(bytes),
        Value::Array(values) => {
            let bytes: Option<Vec<u8>> = values
                .iter()
                .map(|value| match value {
                    Value::Integer(byte) => u8::try_from(*byte).ok(),
                    _ => None,
                })
                .collect();
            match bytes {
                Some(bytes) => take(&bytes),
                None => values.iter().for_each(|value| add(name, value, secrets)),
            }
        }
        Value::Map(fields) => fields.values().for_each(|value| add(name, value, secrets)),
        Value::Null
        | Value::Bool(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Text(_)
        | Value::Tag(..)
        | Value::__Hidden => {}
    }
}
