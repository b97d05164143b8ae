//! Olm keys: X25519.

use rand_core::CryptoRng;
use serde::{Deserialize, Deserializer, Serialize};
use vodozemac::Curve25519PublicKey;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::OlmError;

/// The public half of an Olm key: never one with which everyone's secret is the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct OlmKey(#[serde(with = "serde_bytes")] [u8; 32]);

/// The private half of an Olm key.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OlmSecret(#[serde(with = "serde_bytes")] [u8; 32]);

/// What a device publishes: with these anyone who has its bundle begins a session with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OlmKeys {
    /// The device's, for as long as it lives.
    pub identity: OlmKey,
    /// The day's.
    pub fallback: OlmKey,
}

impl OlmKey {
    /// The key in these bytes.
    ///
    /// # Errors
    /// [`OlmError::Key`]: one of the few with which the secret is zero, whoever the other is.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, OlmError> {
        // Whichever the scalar: it is a multiple of the cofactor.
        let any = x25519_dalek::StaticSecret::from([1; 32]);
        let shared = any.diffie_hellman(&x25519_dalek::PublicKey::from(bytes));
        if shared.was_contributory() { Ok(Self(bytes)) } else { Err(OlmError::Key) }
    }

    /// Its 32 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0
    }

    pub(super) fn curve(&self) -> Curve25519PublicKey {
        Curve25519PublicKey::from_bytes(self.0)
    }
}

impl<'de> Deserialize<'de> for OlmKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes: [u8; 32] = serde_bytes::deserialize(deserializer)?;
        Self::from_bytes(bytes).map_err(serde::de::Error::custom)
    }
}

impl OlmSecret {
    /// A new key.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut secret = Self([0; 32]);
        rng.fill_bytes(&mut secret.0);
        secret
    }

    /// The identity key of the device whose key has this seed.
    #[must_use]
    pub fn of_device(seed: &[u8; 32]) -> Self {
        Self(blake3::derive_key("martlet 2026 olm identity v1", seed))
    }

    /// The fallback key of the day whose prekey has this seed.
    pub(crate) fn of_prekey(seed: &[u8; 32]) -> Self {
        Self(blake3::derive_key("martlet 2026 olm fallback v1", seed))
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> OlmKey {
        OlmKey(x25519_dalek::PublicKey::from(&x25519_dalek::StaticSecret::from(self.0)).to_bytes())
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for OlmKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OlmKey(…)")
    }
}

impl std::fmt::Debug for OlmSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OlmSecret(…)")
    }
}
