//! A device's keys for what is sealed to it: prekeys, by which it opens, and its detection key, by which it
//! recognizes.

use hpke::kem::XWing;
use hpke::{Deserializable, Kem, Serializable};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{SealError, random_bytes};
use crate::crypto::olm::{OlmKey, OlmSecret};

/// Bytes of an X-Wing public key.
pub const PREKEY_BYTES: usize = 1216;

/// The public half of a prekey: an X-Wing public key (draft-connolly-cfrg-xwing-kem).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PrekeyPublic(#[serde(with = "serde_bytes")] Vec<u8>);

/// The private half of a prekey: an X-Wing seed.
#[derive(Clone, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PrekeySecret(#[serde(with = "serde_bytes")] [u8; 32]);

/// A prekey to open with: its private half, and what the hints of slots are compared with. Making it
/// is dear (it derives the public half), so it is made once for each prekey.
#[derive(Clone)]
pub struct PreparedPrekey {
    pub(super) secret: PrekeySecret,
    pub(super) public_hash: [u8; 32],
    olm_fallback: OlmKey,
}

/// The private half of a device's detection key (X25519).
#[derive(Clone, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DetectionSecret(#[serde(with = "serde_bytes")] pub(super) [u8; 32]);

impl PrekeyPublic {
    /// The public key in these bytes.
    ///
    /// # Errors
    /// [`SealError::Key`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SealError> {
        let key = Self(bytes.to_vec());
        key.key()?;
        Ok(key)
    }

    /// Its 1216 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn hash(&self) -> [u8; 32] {
        *blake3::hash(&self.0).as_bytes()
    }

    pub(super) fn key(&self) -> Result<<XWing as Kem>::PublicKey, SealError> {
        <XWing as Kem>::PublicKey::from_bytes(&self.0).map_err(|_| SealError::Key)
    }
}

impl PrekeySecret {
    /// A new prekey.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self(random_bytes(rng))
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> PrekeyPublic {
        match self.key() {
            Some(key) => PrekeyPublic(XWing::sk_to_pk(&key).to_bytes().to_vec()),
            None => PrekeyPublic(Vec::new()),
        }
    }

    /// The private half of the Olm fallback key of the same day.
    #[must_use]
    pub fn olm_fallback(&self) -> OlmSecret {
        OlmSecret::of_prekey(&self.0)
    }

    /// The prekey, made ready to open with.
    #[must_use]
    pub fn prepare(&self) -> PreparedPrekey {
        PreparedPrekey {
            secret: self.clone(),
            public_hash: self.public().hash(),
            olm_fallback: self.olm_fallback().public(),
        }
    }

    /// `None` never happens: every 32 bytes are an X-Wing seed.
    pub(super) fn key(&self) -> Option<<XWing as Kem>::PrivateKey> {
        <XWing as Kem>::PrivateKey::from_bytes(&self.0).ok()
    }
}

impl PreparedPrekey {
    /// The private half of its day's Olm fallback key, if `public` is the public one.
    #[must_use]
    pub fn olm_fallback(&self, public: &[u8; 32]) -> Option<OlmSecret> {
        (self.olm_fallback.to_bytes() == *public).then(|| self.secret.olm_fallback())
    }
}

impl DetectionSecret {
    /// A new detection key.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self(random_bytes(rng))
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        x25519_dalek::PublicKey::from(&x25519_dalek::StaticSecret::from(self.0)).to_bytes()
    }
}

impl std::fmt::Debug for PrekeyPublic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PrekeyPublic(…)")
    }
}

impl std::fmt::Debug for PrekeySecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PrekeySecret(…)")
    }
}

impl std::fmt::Debug for PreparedPrekey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PreparedPrekey(…)")
    }
}

impl std::fmt::Debug for DetectionSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DetectionSecret(…)")
    }
}
