//! The key of a closed network, and what is derived from it.
//!
//! ```text
//! prologue     = derive_key("martlet 2026 closed network noise prologue v2", key ‖ name)   32 bytes
//! network tag  = trunc8(derive_key("martlet 2026 closed network tag v2", key ‖ name))
//! fingerprint  = trunc8(derive_key("martlet 2026 network key fingerprint v2", key))
//! ```
//!
//! `derive_key` is BLAKE3's; the key has 32 bytes always, so `key ‖ name` is unambiguous. The text
//! form is bech32m (BIP 350), prefix `martletkey`: a typing mistake is noticed.

use std::fmt;
use std::str::FromStr;

use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32m, Hrp};
use rand_core::CryptoRng;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::ids::NetworkTag;

/// Human-readable part of a key's text form.
const PREFIX: &str = "martletkey";

/// The key of a closed network: 32 random bytes.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct NetworkKey([u8; 32]);

/// What a key is recognized by without being known: shown where the key is not. Its text is 16
/// hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyFingerprint(pub [u8; 8]);

/// Why a text is no network key. The text is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NetworkKeyError {
    /// Not bech32m, or its checksum is wrong.
    #[error(
        "not a network key: it is mistyped or incomplete; a key starts with martletkey1 and is copied whole"
    )]
    Malformed,
    /// Bech32m of something else, such as a Martlet ID.
    #[error("not a network key but something else; a key starts with martletkey1")]
    SomethingElse,
}

impl NetworkKey {
    /// Length in bytes.
    pub const LEN: usize = 32;

    /// A new key.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut key = Self([0; Self::LEN]);
        rng.fill_bytes(&mut key.0);
        key
    }

    /// The key of these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// Its text: the secret itself.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        // 32 bytes are far under the longest text.
        let text = bech32::encode::<Bech32m>(Hrp::parse_unchecked(PREFIX), &self.0);
        Zeroizing::new(text.unwrap_or_default())
    }

    /// What it is recognized by.
    #[must_use]
    pub fn fingerprint(&self) -> KeyFingerprint {
        KeyFingerprint(first_8(&blake3::derive_key(
            "martlet 2026 network key fingerprint v2",
            &self.0,
        )))
    }

    pub(super) fn tag(&self, name: &str) -> NetworkTag {
        NetworkTag(first_8(&self.derive("martlet 2026 closed network tag v2", name)))
    }

    pub(super) fn prologue(&self, name: &str) -> Zeroizing<[u8; 32]> {
        self.derive("martlet 2026 closed network noise prologue v2", name)
    }

    fn derive(&self, context: &str, name: &str) -> Zeroizing<[u8; 32]> {
        let mut hasher = Zeroizing::new(blake3::Hasher::new_derive_key(context));
        hasher.update(&self.0);
        hasher.update(name.as_bytes());
        Zeroizing::new(*hasher.finalize().as_bytes())
    }
}

impl FromStr for NetworkKey {
    type Err = NetworkKeyError;

    fn from_str(text: &str) -> Result<Self, NetworkKeyError> {
        let checked = CheckedHrpstring::new::<Bech32m>(text.trim())
            .map_err(|_| NetworkKeyError::Malformed)?;
        if checked.hrp() != Hrp::parse_unchecked(PREFIX) {
            return Err(NetworkKeyError::SomethingElse);
        }
        // One text per key: 52 characters carry 260 bits, and the four left over must be zero.
        checked.validate_segwit_padding().map_err(|_| NetworkKeyError::Malformed)?;
        let bytes = Zeroizing::new(checked.byte_iter().collect::<Vec<u8>>());
        bytes.as_slice().try_into().map(Self).map_err(|_| NetworkKeyError::Malformed)
    }
}

/// Text in files, bytes in CBOR.
impl Serialize for NetworkKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&self.to_text())
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for NetworkKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = Zeroizing::new(String::deserialize(deserializer)?);
            text.parse().map_err(de::Error::custom)
        } else {
            let bytes = Zeroizing::new(serde_bytes::ByteBuf::deserialize(deserializer)?.into_vec());
            let bytes = bytes.as_slice().try_into();
            bytes.map(Self).map_err(|_| de::Error::custom("a network key has 32 bytes"))
        }
    }
}

impl fmt::Debug for NetworkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NetworkKey(…)")
    }
}

impl fmt::Display for KeyFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyFingerprint({self})")
    }
}

/// `text`, unless there is a key in it, or a network's text.
pub(super) fn hide(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    match lower.contains("martletkey1") || lower.contains("martletnet1") {
        true => "…".to_owned(),
        false => text.to_owned(),
    }
}

fn first_8(hash: &[u8; 32]) -> [u8; 8] {
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    first
}
