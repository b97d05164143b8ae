//! Identities and their devices.
//!
//! An identity is an Ed25519 root key; its public half is the [`IdentityId`].
//! The root signs a [`DeviceCertificate`] for each device; the device signs what it sends, and its
//! [bundle](crate::bundle). The root's private half exists as the 24 words shown at `init` and,
//! encrypted, in the vault.

pub mod certificate;
pub(crate) mod signed;
mod version_1;

pub use certificate::{CertificateError, DeviceCertificate};

use std::fmt;

use ed25519_dalek::SigningKey;
use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::ids::{DeviceId, IdentityId};
use crate::time::UnixMillis;

/// The root key of an identity.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct RootKey([u8; 32]);

/// A device's signing key and its certificate.
#[derive(Clone)]
pub struct DeviceKeys {
    key: SigningKey,
    certificate: DeviceCertificate,
}

impl RootKey {
    /// A new root key.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        Self(seed)
    }

    /// The root key with this seed (RFC 8032's 32-byte private key).
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(seed)
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> &[u8; 32] {
        &self.0
    }

    /// The identity.
    #[must_use]
    pub fn identity(&self) -> IdentityId {
        IdentityId(self.signing_key().verifying_key().to_bytes())
    }

    /// The seed as 24 English words (BIP 39, which adds 8 bits of checksum to the 256).
    #[must_use]
    pub fn recovery_phrase(&self) -> Zeroizing<String> {
        // 32 bytes are one of the lengths BIP 39 takes, so this can't fail.
        bip39::Mnemonic::from_entropy(&self.0)
            .map(|mnemonic| Zeroizing::new(mnemonic.to_string()))
            .unwrap_or_default()
    }

    fn signing_key(&self) -> SigningKey {
        SigningKey::from_bytes(&self.0)
    }
}

impl DeviceKeys {
    /// A new device of `root`'s identity.
    pub fn generate(rng: &mut impl CryptoRng, root: &RootKey, now: UnixMillis) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *seed);
        let key = SigningKey::from_bytes(&seed);
        let device = DeviceId(key.verifying_key().to_bytes());
        let certificate = DeviceCertificate::issue(&root.signing_key(), device, now);
        Self { key, certificate }
    }

    /// A device from its stored seed and certificate.
    ///
    /// # Errors
    /// [`CertificateError`] when the certificate is invalid or another device's.
    pub fn from_parts(seed: &[u8; 32], certificate: &[u8]) -> Result<Self, CertificateError> {
        let key = SigningKey::from_bytes(seed);
        let certificate = DeviceCertificate::from_bytes(certificate)?;
        if certificate.device().0 != key.verifying_key().to_bytes() {
            return Err(CertificateError::OtherDevice);
        }
        Ok(Self { key, certificate })
    }

    /// A device from its stored seed and its certificate of version 1: certified anew by its root.
    ///
    /// # Errors
    /// [`CertificateError`] when the certificate is unreadable, of another root or of another device.
    pub fn renew(
        seed: &[u8; 32],
        root: &RootKey,
        certificate: &[u8],
    ) -> Result<Self, CertificateError> {
        let key = SigningKey::from_bytes(seed);
        let old = version_1::read(certificate)?;
        if old.device.0 != key.verifying_key().to_bytes() || old.identity != root.identity() {
            return Err(CertificateError::OtherDevice);
        }
        let certificate = DeviceCertificate::issue(&root.signing_key(), old.device, old.created_at);
        Ok(Self { key, certificate })
    }

    /// The private key's seed.
    #[must_use]
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.key.to_bytes())
    }

    /// The device.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.certificate.device()
    }

    /// Its certificate.
    #[must_use]
    pub fn certificate(&self) -> &DeviceCertificate {
        &self.certificate
    }

    pub(crate) fn signing_key(&self) -> &SigningKey {
        &self.key
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey(…)")
    }
}

impl fmt::Debug for DeviceKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceKeys(…)")
    }
}
