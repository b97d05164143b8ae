//! Bundles: what others need to write to a device.
//!
//! Encoded: `{0: payload bytes, 1: signature 64}`, at most 28 KiB, signed by the device under
//! `"martlet bundle v2"`. The payload is `{0: [format](crate::format), 1: certificate bytes,
//! 2: day u32, 3: prekey 1216, 4: detection key 32, 5: created at, milliseconds, 6: identity state
//! bytes, 7: {0: Olm identity key 32, 1: Olm fallback key of the day 32}}`. The [Olm keys](crate::crypto::olm) are what sessions
//! with the device are begun with. The [identity state](crate::identity::state) has at most 25 KiB. It is not looked at here: who keeps the identity's
//! state merges it there.
//!
//! On the network a bundle is a conversation envelope with one slot. With `k = BLAKE3 derive_key(
//! "martlet 2026 bundle secret v2", identity 32 ‖ rendezvous secret 15)`: its tag is
//! `trunc16(BLAKE3 keyed(k, "martlet bundle tag v2" ‖ day u32))`, its body's base key `BLAKE3 keyed(k,
//! "martlet bundle body v2" ‖ day u32)`. So only who was given the [ID](crate::ids::Id) can find or
//! read it, and no longer once the secret was reset. The day is signed and must be that of the tag:
//! who published an old bundle under a later day's tag would have others seal to a prekey that is
//! gone. Its ack commitment is to a random secret that is kept nowhere: nobody can purge it.

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::ack::AckSecret;
use crate::codec::{self, CodecError};
use crate::crypto::Addressing;
use crate::crypto::body::{self, BaseKey, BodyError};
use crate::crypto::olm::{OlmKeys, OlmSecret};
use crate::crypto::seal::{PrekeyPublic, PrekeySecret, Recipient, SealError};
use crate::envelope::{Header, Kind, PREFIX_BYTES};
use crate::format::{self, FormatInfo};
use crate::identity::signed::Signed;
use crate::identity::{CertificateError, DeviceCertificate, DeviceKeys};
use crate::ids::{Id, RendezvousSecret, Tag};
use crate::limits::{BUNDLE_AGE_MAX, BUNDLE_SKEW_MAX, IDENTITY_STATE_BYTES_MAX};
use crate::time::{Day, UnixMillis};

const CONTEXT: &str = "martlet bundle v2";
/// Longest encoding, bytes: it has about 1,700, with the longest identity state 25 KiB more, and fits
/// the last rung.
pub const BUNDLE_BYTES_MAX: usize = 28 * 1024;
/// What an envelope's tag and key are derived for.
const TAG: &[u8] = b"martlet bundle tag v2";
const BODY: &[u8] = b"martlet bundle body v2";

/// A valid bundle, with the bytes it was received as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    bytes: Vec<u8>,
    format: FormatInfo,
    certificate: DeviceCertificate,
    day: Day,
    prekey: PrekeyPublic,
    detection: [u8; 32],
    created_at: UnixMillis,
    state: Vec<u8>,
    olm: OlmKeys,
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
    /// Published under the tag of another day than its own.
    #[error("the bundle is of another day than its tag")]
    Day,
    /// Its identity state is longer than it may be.
    #[error("the bundle's identity state has {found} bytes, at most {IDENTITY_STATE_BYTES_MAX}")]
    State {
        /// Bytes found.
        found: usize,
    },
    /// Older than 45 days, or from the future.
    #[error("the bundle is too old, or its clock runs ahead")]
    Age,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    format: FormatInfo,
    #[serde(with = "serde_bytes")]
    certificate: Vec<u8>,
    day: Day,
    prekey: PrekeyPublic,
    #[serde(with = "serde_bytes")]
    detection: [u8; 32],
    created_at: UnixMillis,
    #[serde(with = "serde_bytes")]
    state: Vec<u8>,
    olm: OlmKeys,
}

impl Bundle {
    /// A device's bundle of the day that `now` is in. `state` is what [`crate::identity::IdentityState::encode`] made.
    #[must_use]
    pub fn issue(
        device: &DeviceKeys,
        prekey: &PrekeySecret,
        detection: [u8; 32],
        state: Vec<u8>,
        now: UnixMillis,
    ) -> Self {
        let payload = Payload {
            format: FormatInfo::current(),
            certificate: device.certificate().as_bytes().to_vec(),
            day: now.day(),
            prekey: prekey.public(),
            detection,
            created_at: now,
            state,
            olm: OlmKeys {
                identity: OlmSecret::of_device(&device.seed()).public(),
                fallback: prekey.olm_fallback().public(),
            },
        };
        let signed = Signed::sign(CONTEXT, device.signing_key(), codec::encode(&payload));
        Self {
            bytes: codec::encode(&signed),
            format: payload.format,
            certificate: device.certificate().clone(),
            day: payload.day,
            prekey: payload.prekey,
            detection,
            created_at: now,
            state: payload.state,
            olm: payload.olm,
        }
    }

    /// Reads and verifies a bundle.
    ///
    /// # Errors
    /// [`BundleError`]. Its age is for the caller to check: [`Self::is_usable`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BundleError> {
        let signed = Signed::decode(bytes, BUNDLE_BYTES_MAX)?;
        let payload: Payload = format::decode(&signed.payload, BUNDLE_BYTES_MAX)?;
        if payload.state.len() > IDENTITY_STATE_BYTES_MAX {
            return Err(BundleError::State { found: payload.state.len() });
        }
        let certificate = DeviceCertificate::from_bytes(&payload.certificate)?;
        if !signed.is_by(CONTEXT, certificate.device_key()) {
            return Err(BundleError::Signature);
        }
        let prekey = PrekeyPublic::from_bytes(payload.prekey.as_bytes())?;
        let Payload { format, day, detection, created_at, state, olm, .. } = payload;
        let bytes = bytes.to_vec();
        Ok(Self { bytes, format, certificate, day, prekey, detection, created_at, state, olm })
    }

    /// The tag under which the bundles of `day` of who has this ID are found.
    #[must_use]
    pub fn tag(id: &Id, day: Day) -> Tag {
        let mut tag = [0; 16];
        tag.copy_from_slice(&derive(id, TAG, day)[..16]);
        Tag(tag)
    }

    /// The content of the envelope that publishes this bundle, under the tag of its day and of its
    /// identity with this secret.
    ///
    /// # Errors
    /// [`BundleError::Body`] if it doesn't fit, which no valid bundle does.
    pub fn seal(
        &self,
        rng: &mut impl CryptoRng,
        addressing: &Addressing,
        secret: &RendezvousSecret,
    ) -> Result<Vec<u8>, BundleError> {
        let id = Id { identity: self.certificate.identity(), secret: secret.clone() };
        let Addressing { network, shard, expiry } = *addressing;
        let mut unknown = AckSecret([0; 16]);
        rng.fill_bytes(&mut unknown.0);
        let mut header = Vec::with_capacity(PREFIX_BYTES + 32 + 2 * self.bytes.len() + 512);
        header.extend_from_slice(&Header::encode_prefix(
            Kind::Conversation,
            network,
            shard,
            expiry,
            1,
        ));
        header.extend_from_slice(&Self::tag(&id, self.day).0);
        header.extend_from_slice(&unknown.commit().0);
        Ok(body::seal(&base_key(&id, self.day), header, &self.bytes)?)
    }

    /// Opens the content of an envelope found under this ID's tag of `day`.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn open(id: &Id, day: Day, header: &Header, content: &[u8]) -> Result<Self, BundleError> {
        let (header_bytes, body_bytes) =
            content.split_at_checked(header.len).ok_or(BodyError::Decrypt)?;
        let bytes = body::open(&base_key(id, day), header_bytes, body_bytes)?;
        let bundle = Self::from_bytes(&bytes)?;
        if bundle.certificate.identity() != id.identity {
            return Err(BundleError::OtherIdentity);
        }
        if bundle.day != day {
            return Err(BundleError::Day);
        }
        Ok(bundle)
    }

    /// The bytes it was received as.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its version, and what its maker can do.
    #[must_use]
    pub fn format(&self) -> &FormatInfo {
        &self.format
    }

    /// The day it is published for, by its maker's clock.
    #[must_use]
    pub fn day(&self) -> Day {
        self.day
    }

    /// Its device's certificate.
    #[must_use]
    pub fn certificate(&self) -> &DeviceCertificate {
        &self.certificate
    }

    /// The identity's state, as its device has it: not looked at yet.
    #[must_use]
    pub fn state(&self) -> &[u8] {
        &self.state
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

    /// What Olm sessions with the device are begun with.
    #[must_use]
    pub fn olm(&self) -> &OlmKeys {
        &self.olm
    }

    /// Whether a sender may use it `now`: neither older than 45 days nor from the future.
    #[must_use]
    pub fn is_usable(&self, now: UnixMillis) -> bool {
        (self.usable_from()..=self.usable_until()).contains(&now)
    }

    /// The first moment at which it is not from the future.
    #[must_use]
    pub fn usable_from(&self) -> UnixMillis {
        self.created_at.minus(BUNDLE_SKEW_MAX)
    }

    /// The last moment at which it is not too old.
    #[must_use]
    pub fn usable_until(&self) -> UnixMillis {
        self.created_at.plus(BUNDLE_AGE_MAX)
    }
}

fn base_key(id: &Id, day: Day) -> BaseKey {
    BaseKey(*derive(id, BODY, day))
}

fn derive(id: &Id, purpose: &[u8], day: Day) -> Zeroizing<[u8; 32]> {
    let secret = id.to_bytes();
    let key = Zeroizing::new(blake3::derive_key("martlet 2026 bundle secret v2", &*secret));
    let mut hasher = blake3::Hasher::new_keyed(&key);
    hasher.update(purpose).update(&day.0.to_be_bytes());
    Zeroizing::new(*hasher.finalize().as_bytes())
}
