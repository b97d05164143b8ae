//! Device certificates: the root says that a device is its own.
//!
//! Encoded: `{0: payload bytes, 1: signature 64}`, at most 512 bytes, signed by the root under
//! `"martlet device certificate v2"`. The payload is `{0: [format](crate::format), 1: identity 32,
//! 2: device 32, 3: created at, milliseconds}`.

use ed25519_dalek::{SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use super::signed::Signed;
use crate::codec::{self, CodecError};
use crate::format::{self, FormatInfo};
use crate::ids::{DeviceId, IdError, IdentityId};
use crate::time::UnixMillis;

const CONTEXT: &str = "martlet device certificate v2";
/// Longest encoding, bytes: it has some 180, and room for extensions.
pub const CERTIFICATE_BYTES_MAX: usize = 512;

/// A valid certificate, with the bytes it was received as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceCertificate {
    bytes: Vec<u8>,
    payload: Payload,
    device_key: VerifyingKey,
}

/// Why a certificate is refused.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// Malformed.
    #[error("device certificate: {0}")]
    Codec(#[from] CodecError),
    /// The identity or device in it is no key.
    #[error("device certificate: {0}")]
    Key(#[from] IdError),
    /// Not signed by the identity it names.
    #[error("the device certificate is not signed by its identity")]
    Signature,
    /// Valid, but of another device.
    #[error("the certificate is of another device")]
    OtherDevice,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    format: FormatInfo,
    identity: IdentityId,
    device: DeviceId,
    created_at: UnixMillis,
}

impl DeviceCertificate {
    pub(super) fn issue(root: &SigningKey, device: DeviceId, now: UnixMillis) -> Self {
        let identity = IdentityId(root.verifying_key().to_bytes());
        let format = FormatInfo::current();
        let payload = Payload { format, identity, device, created_at: now };
        let signed = Signed::sign(CONTEXT, root, codec::encode(&payload));
        // The device's key was made a moment ago, so it is a curve point; the root's serves only
        // to have a value where the type asks for one.
        let device_key =
            VerifyingKey::from_bytes(&device.0).unwrap_or_else(|_| root.verifying_key());
        Self { bytes: codec::encode(&signed), payload, device_key }
    }

    /// Reads and verifies a certificate.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CertificateError> {
        let (signed, certificate) = Self::read(bytes)?;
        if !signed.is_by(CONTEXT, &certificate.payload.identity.verifying_key()?) {
            return Err(CertificateError::Signature);
        }
        Ok(certificate)
    }

    /// Reads a certificate of the own vault, which was verified before it was written there.
    pub(crate) fn from_record(bytes: &[u8]) -> Result<Self, CertificateError> {
        Ok(Self::read(bytes)?.1)
    }

    fn read(bytes: &[u8]) -> Result<(Signed, Self), CertificateError> {
        let signed = Signed::decode(bytes, CERTIFICATE_BYTES_MAX)?;
        let payload: Payload = format::decode(&signed.payload, CERTIFICATE_BYTES_MAX)?;
        let device_key = VerifyingKey::from_bytes(&payload.device.0)
            .ok()
            .filter(|key| !key.is_weak())
            .ok_or(IdError::NotAKey)?;
        Ok((signed, Self { bytes: bytes.to_vec(), payload, device_key }))
    }

    /// The bytes it was received as.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its version, and what its maker can do.
    #[must_use]
    pub fn format(&self) -> &FormatInfo {
        &self.payload.format
    }

    /// Whose device it is.
    #[must_use]
    pub fn identity(&self) -> IdentityId {
        self.payload.identity
    }

    /// The device.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.payload.device
    }

    /// When it was issued, by the issuer's clock.
    #[must_use]
    pub fn created_at(&self) -> UnixMillis {
        self.payload.created_at
    }

    pub(crate) fn device_key(&self) -> &VerifyingKey {
        &self.device_key
    }
}
