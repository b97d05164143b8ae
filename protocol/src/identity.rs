//! Identities and their devices.
//!
//! An identity is an Ed25519 root key; its public half is the [`IdentityId`].
//! The root signs a [`DeviceCertificate`] for each device; the device signs what it sends, and its
//! [bundle](crate::bundle). The root's private half exists as the 24 words shown at `init` and,
//! encrypted, in the vault.

pub mod certificate;
pub mod kill;
mod phrase;
pub(crate) mod signed;
pub mod state;
pub mod statement;
mod version_1;

pub use certificate::{CertificateError, DeviceCertificate};
pub use kill::KillKey;
pub use phrase::{LAST_WORDS, PHRASE_WORDS, PhraseError, phrase_word};
pub use state::IdentityState;
pub use statement::Statement;

use statement::{
    Details, KillKeyNamed, Reason, Revocation, Stated, StatementError, Termination, is_device_name,
};
use std::fmt;

use ed25519_dalek::SigningKey;
use rand_core::CryptoRng;
use serde_bytes::ByteBuf;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::format::FormatInfo;
use crate::ids::{DeviceId, IdentityId, RENDEZVOUS_SECRET_BYTES, RendezvousSecret};
use crate::time::UnixMillis;

/// The root key of an identity.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct RootKey([u8; 32]);

/// A device that is not certified yet: it has a signing key, and belongs to nobody.
#[derive(Clone)]
pub struct NewDevice(SigningKey);

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

    /// The rendezvous secret that the identity has first: first 15 bytes of BLAKE3 derive_key(`martlet 2026 first
    /// rendezvous secret v2`, seed). So who recovers the identity from its phrase is found by the ID they gave out.
    #[must_use]
    pub fn first_rendezvous_secret(&self) -> RendezvousSecret {
        let derived =
            Zeroizing::new(blake3::derive_key("martlet 2026 first rendezvous secret v2", &self.0));
        let mut secret = RendezvousSecret::NONE;
        secret.0.copy_from_slice(&derived[..RENDEZVOUS_SECRET_BYTES]);
        secret
    }

    /// What can end the identity, and nothing else.
    #[must_use]
    pub fn kill_key(&self) -> KillKey {
        KillKey::of(self)
    }

    /// Says that the kill key is the identity's.
    #[must_use]
    pub fn name_kill_key(&self) -> Statement {
        let (format, identity) = (FormatInfo::current(), self.identity());
        let said = KillKeyNamed { format, identity, key: self.kill_key().public() };
        Statement::KillKey(Stated::sign(&self.signing_key(), said))
    }

    /// Says that a device is the identity's.
    #[must_use]
    pub fn certify(&self, device: DeviceId, now: UnixMillis) -> DeviceCertificate {
        DeviceCertificate::issue(&self.signing_key(), device, now)
    }

    /// Says that a device is the identity's no more.
    #[must_use]
    pub fn revoke(&self, device: DeviceId, now: UnixMillis, reason: Reason) -> Statement {
        let (format, identity) = (FormatInfo::current(), self.identity());
        let (at, reason) = (now, reason.number());
        let said = Revocation { format, identity, device, at, reason, certificate: None };
        Statement::Revocation(Stated::sign(&self.signing_key(), said))
    }

    /// Says that the identity ended.
    #[must_use]
    pub fn terminate(&self, now: UnixMillis) -> Statement {
        let (format, identity) = (FormatInfo::current(), self.identity());
        let said = Termination { format, identity, at: now, by: identity.0 };
        Statement::Termination(Stated::sign(&self.signing_key(), said))
    }

    fn signing_key(&self) -> SigningKey {
        SigningKey::from_bytes(&self.0)
    }
}

impl NewDevice {
    /// A new one.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *seed);
        Self(SigningKey::from_bytes(&seed))
    }

    /// The device.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        DeviceId(self.0.verifying_key().to_bytes())
    }

    /// The private key's seed.
    #[must_use]
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// Says what it is called as a device of `identity`; an empty name is none.
    ///
    /// # Errors
    /// [`StatementError::Name`].
    pub fn describe(
        &self,
        identity: IdentityId,
        name: String,
        now: UnixMillis,
    ) -> Result<Stated<Details>, StatementError> {
        if !is_device_name(&name) {
            return Err(StatementError::Name);
        }
        let (format, device) = (FormatInfo::current(), self.device());
        Ok(Stated::sign(&self.0, Details { format, identity, device, name, changed_at: now }))
    }

    pub(crate) fn signing_key(&self) -> &SigningKey {
        &self.0
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

    /// Says what the device is called; an empty name is none.
    ///
    /// # Errors
    /// [`StatementError::Name`].
    pub fn describe(&self, name: String, now: UnixMillis) -> Result<Statement, StatementError> {
        if !is_device_name(&name) {
            return Err(StatementError::Name);
        }
        let (format, identity) = (FormatInfo::current(), self.certificate.identity());
        let said = Details { format, identity, device: self.device(), name, changed_at: now };
        Ok(Statement::Details(Stated::sign(&self.key, said)))
    }

    /// Says of itself that it is the identity's no more.
    #[must_use]
    pub fn revoke_itself(&self, now: UnixMillis, reason: Reason) -> Statement {
        let (format, identity) = (FormatInfo::current(), self.certificate.identity());
        let certificate = Some(ByteBuf::from(self.certificate.as_bytes().to_vec()));
        let (device, reason) = (self.device(), reason.number());
        let said = Revocation { format, identity, device, at: now, reason, certificate };
        Statement::Revocation(Stated::sign(&self.key, said))
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

impl fmt::Debug for NewDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewDevice(…)")
    }
}

impl fmt::Debug for DeviceKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceKeys(…)")
    }
}
