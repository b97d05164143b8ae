//! Bundles: what others need to write to a device.
//!
//! Encoded: `{0: payload bytes, 1: signature 64}`, at most 4 KiB, signed by the device under
//! `"martlet bundle v1"`. The payload is `{0: certificate bytes, 1: prekey 1216,
//! 2: detection key 32, 3: created at, milliseconds}`.
//!
//! On the network a bundle is a conversation envelope with one slot. With `k = BLAKE3 derive_key(
//! "martlet 2026 bundle v1", identity)`: its tag is `trunc16(BLAKE3 keyed(k, "tag" ‖ day u32))`,
//! its body's base key `BLAKE3 keyed(k, "body" ‖ day u32)`. So only who was given the ID can find
//! or read it. Its ack commitment is to a random secret that is kept nowhere: nobody can purge it.

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::signed::Signed;
use super::{CertificateError, DeviceCertificate, DeviceKeys};
use crate::ack::AckSecret;
use crate::codec::{self, CodecError};
use crate::crypto::Addressing;
use crate::crypto::body::{self, BaseKey, BodyError};
use crate::crypto::seal::{PrekeyPublic, Recipient, SealError};
use crate::envelope::{Header, Kind, PREFIX_BYTES};
use crate::ids::{IdentityId, Tag};
use crate::limits::{BUNDLE_AGE_MAX, BUNDLE_SKEW_MAX};
use crate::time::{Day, UnixMillis};

const CONTEXT: &str = "martlet bundle v1";
/// Longest encoding, bytes: it has about 1,500, and room for fields to come.
pub const BUNDLE_BYTES_MAX: usize = 4096;

/// A valid bundle, with the bytes it was received as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    bytes: Vec<u8>,
    certificate: DeviceCertificate,
    prekey: PrekeyPublic,
    detection: [u8; 32],
    created_at: UnixMillis,
}

/// Why a bundle is refused.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Malformed.
    #[error("bundle: {0}")]
    Codec(#[from] CodecError),
    /// Its certificate is not valid.
    #[error("bundle: {0}")]
    Certificate(#[from] CertificateError),
    /// Its prekey is no key.
    #[error("bundle: {0}")]
    Key(#[from] SealError),
    /// Its envelope does not open.
    #[error("bundle: {0}")]
    Body(#[from] BodyError),
    /// Not signed by its device.
    #[error("the bundle is not signed by its device")]
    Signature,
    /// Another identity's.
    #[error("the bundle is of another identity")]
    OtherIdentity,
    /// Older than 45 days, or from the future.
    #[error("the bundle is too old, or its clock runs ahead")]
    Age,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    #[serde(with = "serde_bytes")]
    certificate: Vec<u8>,
    prekey: PrekeyPublic,
    #[serde(with = "serde_bytes")]
    detection: [u8; 32],
    created_at: UnixMillis,
}

impl Bundle {
    /// A device's bundle as of `now`.
    #[must_use]
    pub fn issue(
        device: &DeviceKeys,
        prekey: PrekeyPublic,
        detection: [u8; 32],
        now: UnixMillis,
    ) -> Self {
        let payload = Payload {
            certificate: device.certificate().as_bytes().to_vec(),
            prekey,
            detection,
            created_at: now,
        };
        let signed = Signed::sign(CONTEXT, device.signing_key(), codec::encode(&payload));
        Self {
            bytes: codec::encode(&signed),
            certificate: device.certificate().clone(),
            prekey: payload.prekey,
            detection,
            created_at: now,
        }
    }

    /// Reads and verifies a bundle.
    ///
    /// # Errors
    /// [`BundleError`]. Its age is for the caller to check: [`Self::is_usable`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BundleError> {
        let signed = Signed::decode(bytes, BUNDLE_BYTES_MAX)?;
        let payload: Payload = codec::decode(&signed.payload, BUNDLE_BYTES_MAX)?;
        let certificate = DeviceCertificate::from_bytes(&payload.certificate)?;
        if !signed.is_by(CONTEXT, certificate.device_key()) {
            return Err(BundleError::Signature);
        }
        let prekey = PrekeyPublic::from_bytes(payload.prekey.as_bytes())?;
        let Payload { detection, created_at, .. } = payload;
        Ok(Self { bytes: bytes.to_vec(), certificate, prekey, detection, created_at })
    }

    /// The tag under which `identity`'s bundles of `day` are found.
    #[must_use]
    pub fn tag(identity: &IdentityId, day: Day) -> Tag {
        let mut tag = [0; 16];
        tag.copy_from_slice(&derive(identity, b"tag", day)[..16]);
        Tag(tag)
    }

    /// The content of the envelope that publishes this bundle under `day`.
    ///
    /// # Errors
    /// [`BundleError::Body`] if it doesn't fit, which no valid bundle does.
    pub fn seal(
        &self,
        rng: &mut impl CryptoRng,
        addressing: &Addressing,
        day: Day,
    ) -> Result<Vec<u8>, BundleError> {
        let identity = self.certificate.identity();
        let Addressing { network, shard, expiry } = *addressing;
        let mut unknown = AckSecret([0; 16]);
        rng.fill_bytes(&mut unknown.0);
        let mut header = Vec::with_capacity(PREFIX_BYTES + 32 + BUNDLE_BYTES_MAX);
        header.extend_from_slice(&Header::encode_prefix(
            Kind::Conversation,
            network,
            shard,
            expiry,
            1,
        ));
        header.extend_from_slice(&Self::tag(&identity, day).0);
        header.extend_from_slice(&unknown.commit().0);
        Ok(body::seal(&base_key(&identity, day), header, &self.bytes)?)
    }

    /// Opens the content of an envelope found under `identity`'s tag of `day`.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn open(
        identity: &IdentityId,
        day: Day,
        header: &Header,
        content: &[u8],
    ) -> Result<Self, BundleError> {
        let (header_bytes, body_bytes) =
            content.split_at_checked(header.len).ok_or(BodyError::Decrypt)?;
        let bytes = body::open(&base_key(identity, day), header_bytes, body_bytes)?;
        let bundle = Self::from_bytes(&bytes)?;
        if bundle.certificate.identity() != *identity {
            return Err(BundleError::OtherIdentity);
        }
        Ok(bundle)
    }

    /// The bytes it was received as.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its device's certificate.
    #[must_use]
    pub fn certificate(&self) -> &DeviceCertificate {
        &self.certificate
    }

    /// When it was made, by its maker's clock.
    #[must_use]
    pub fn created_at(&self) -> UnixMillis {
        self.created_at
    }

    /// The device as one to seal to.
    #[must_use]
    pub fn recipient(&self) -> Recipient<'_> {
        Recipient { prekey: &self.prekey, detection: &self.detection }
    }

    /// Whether a sender may use it `now`: neither older than 45 days nor from the future.
    #[must_use]
    pub fn is_usable(&self, now: UnixMillis) -> bool {
        now.since(self.created_at) <= BUNDLE_AGE_MAX && self.created_at <= now.plus(BUNDLE_SKEW_MAX)
    }
}

fn base_key(identity: &IdentityId, day: Day) -> BaseKey {
    BaseKey(*derive(identity, b"body", day))
}

fn derive(identity: &IdentityId, purpose: &[u8], day: Day) -> Zeroizing<[u8; 32]> {
    let key = Zeroizing::new(blake3::derive_key("martlet 2026 bundle v1", &identity.0));
    let mut hasher = blake3::Hasher::new_keyed(&key);
    hasher.update(purpose).update(&day.0.to_be_bytes());
    Zeroizing::new(*hasher.finalize().as_bytes())
}
