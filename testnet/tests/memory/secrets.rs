//! What of a vault nobody may find in memory.

use std::collections::HashSet;
use std::path::Path;

use ed25519_dalek::SigningKey;
use martlet_store::Vault;
use martlet_store::records::{INBOUND_SESSIONS, OUTBOUND_SESSIONS, PREKEYS, PROFILE, Profile};
use martlet_store::vault::Key;
use martlet_store::vault::keyfile::KeyFile;
use serde_cbor::Value;

/// Bytes by which a secret is recognized.
pub(crate) const PIECE: usize = 16;

/// A secret and what it is.
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

/// All keys of a vault.
pub(crate) fn of_vault(
    dir: &Path,
    passphrase: &str,
) -> Result<Vec<Secret>, Box<dyn std::error::Error>> {
    let key_file = KeyFile::read(&dir.join("vault.key"))?.ok_or("no key file")?;
    let master = key_file.unwrap(Some(passphrase.as_bytes()))?;
    let vault = Vault::open(&dir.join("vault.redb"), &master, 1 << 20)?;
    let txn = vault.begin([0; 32])?;
    let profile: Profile = txn.get(&PROFILE, Key::Named(b""))?.ok_or("no profile")?;
    let records = blake3::derive_key("martlet 2026 vault records v1", master.as_bytes());
    let lookup = blake3::derive_key("martlet 2026 vault look-up keys v1", master.as_bytes());
    let mut secrets = vec![
        Secret::new("master key", master.as_bytes()),
        Secret::new("key of records", &records),
        Secret::new("key of look-ups", &lookup),
    ];
    let mut public = HashSet::new();
    for (name, seed) in [("root", &profile.root_seed.0), ("device", &profile.device_seed.0)] {
        let key = SigningKey::from_bytes(seed);
        public.insert(key.verifying_key().to_bytes().to_vec());
        secrets.push(Secret::new(format!("{name} seed"), seed));
        secrets.push(Secret::new(format!("{name} scalar"), &key.to_scalar_bytes()));
        secrets.push(Secret::new(format!("{name} scalar, reduced"), key.to_scalar().as_bytes()));
    }
    let mut fields = Vec::new();
    add("detection key", &serde_cbor::value::to_value(&profile.detection)?, &mut fields);
    for (number, prekey) in txn.range(&PREKEYS, None, 0..=u64::MAX, usize::MAX)? {
        add(
            &format!("prekey {number}"),
            &serde_cbor::value::to_value(&prekey.secret)?,
            &mut fields,
        );
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

/// The byte strings in it of 16 bytes and more.
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
