//! Handles: names by which someone is found in a network, by who knows the name.
//!
//! Nobody can list them. A handle's key is derived from its name by Argon2id, so whoever tries names pays for each.
//! Nor does anyone own one: each person who claims it publishes so, and whoever looks for it sees all of them.
//!
//! A name is taken in the form of RFC 8265 (UsernameCaseMapped: letters and digits of any script, lower case, no spaces, no @
//! at the beginning, one letter or digit at least), 2 to 32 characters. Its *skeleton* is that of Unicode's UTS 39, with `A` to `Z` in lower case: names that
//! look alike have one skeleton. With `k` = Argon2id (RFC 9106: 64 MiB, 3 passes, 1 lane, 32 bytes) of the skeleton, salted
//! with the first 16 bytes of BLAKE3 derive_key(`"martlet 2026 handle salt v1"`, network tag 8):
//!
//! ```text
//! shard     the first bits of BLAKE3 keyed(k, "martlet handle shard v1")
//! tag       trunc16(BLAKE3 keyed(k, "martlet handle tag v1" ‖ day u32))
//! base key  BLAKE3 keyed(k, "martlet handle body v1" ‖ day u32)
//! ```
//!
//! So names that look alike meet under one tag. A *claim* is a conversation envelope with one slot, in that shard. Its ack
//! secret is random and kept nowhere. Its content is `{0: payload bytes, 1: signature 64}`, at most 2 KiB, signed by the
//! device under `"martlet handle claim v1"`. The payload is `{0: [format](crate::format), 1: certificate bytes, 2: rendezvous
//! secret 15, 3: name, 4: day u32, 5: claimed at ms, 6: made at ms, 7: released bool}`. The name is in the form that is taken,
//! and has the skeleton that the key was made of; the day is that of the tag, and of *made at*. Identity and rendezvous secret
//! are the claimant's [ID](crate::ids::Id). *Claimed at* is the claimant's word, and proves nothing.
//!
//! The newest claim of an identity counts. If it says *released*, the identity does not answer to the name any more, and the
//! rendezvous secret is a random one, which means nothing.

use std::fmt;
use std::str::FromStr;

use argon2::{Algorithm, Argon2, Params, Version};
use precis_profiles::UsernameCaseMapped;
use precis_profiles::precis_core::profile::Profile;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use unicode_security::confusable_detection::skeleton;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::ack::AckSecret;
use crate::codec::{self, CodecError};
use crate::crypto::Addressing;
use crate::crypto::body::{self, BaseKey, BodyError};
use crate::envelope::{Header, Kind, PREFIX_BYTES};
use crate::format::{self, FormatInfo};
use crate::identity::signed::Signed;
use crate::identity::{CertificateError, DeviceCertificate, DeviceKeys};
use crate::ids::{DeviceId, Id, NetworkTag, RendezvousSecret, Shard, Tag};
use crate::limits::BUNDLE_SKEW_MAX;
use crate::time::{Day, UnixMillis};

const CONTEXT: &str = "martlet handle claim v1";
/// Fewest characters of a handle.
pub const HANDLE_CHARS_MIN: usize = 2;
/// Most characters of a handle.
pub const HANDLE_CHARS_MAX: usize = 32;
/// Longest text that is looked at, bytes: of so many characters, in any form.
const GIVEN_BYTES_MAX: usize = 256;
/// Longest claim, bytes: it has about 400.
pub const HANDLE_CLAIM_BYTES_MAX: usize = 2048;
/// What Argon2id takes, KiB and passes: as for the vault's passphrase, the second recommended option of RFC 9106, section 4. It
/// is the same on every machine.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;

/// A name by which someone may be found, in the form that is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handle {
    name: String,
    skeleton: String,
}

/// Why a text is no handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HandleError {
    /// Too short or too long.
    #[error("a handle has {HANDLE_CHARS_MIN} to {HANDLE_CHARS_MAX} characters, not {found}")]
    Length {
        /// Characters found.
        found: usize,
    },
    /// Far too long.
    #[error("a handle has at most {HANDLE_CHARS_MAX} characters")]
    FarTooLong,
    /// Something in it is neither a letter nor a digit, nor may it stand here.
    #[error(
        "a handle has letters and digits of any script, and no spaces; some signs are allowed beside them, as - and _"
    )]
    Character,
}

/// What the claims of a handle are found and opened by. It takes long to make.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HandleKey(#[serde(with = "serde_bytes")] [u8; 32]);

/// That someone answers to a handle, or does no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The claimant. Of a release the secret means nothing.
    pub id: Id,
    /// Which device of theirs says so: the one that seals it.
    pub device: DeviceId,
    /// The handle, in the claimant's letters.
    pub handle: Handle,
    /// Since when, as the claimant says.
    pub claimed_at: UnixMillis,
    /// When it was said, by the claimant's clock.
    pub made_at: UnixMillis,
    /// Whether they do no more.
    pub is_released: bool,
}

/// Why a claim is refused.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Malformed.
    #[error("claim: {0}")]
    Codec(#[from] CodecError),
    /// Its certificate is not valid.
    #[error("claim: {0}")]
    Certificate(#[from] CertificateError),
    /// Its envelope does not open.
    #[error("claim: {0}")]
    Body(#[from] BodyError),
    /// Not signed by its device.
    #[error("the claim is not signed by its device")]
    Signature,
    /// Its name is no handle.
    #[error("claim: {0}")]
    Handle(#[from] HandleError),
    /// Its name is not in the form that is taken, or does not look like the one that was asked for.
    #[error("the claim is of another name")]
    OtherName,
    /// Published under the tag of another day than its own.
    #[error("the claim is of another day than its tag")]
    Day,
    /// From the future, or claimed after it was made.
    #[error("the claim's times can't be")]
    Time,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    format: FormatInfo,
    #[serde(with = "serde_bytes")]
    certificate: Vec<u8>,
    rendezvous: RendezvousSecret,
    name: String,
    day: Day,
    claimed_at: UnixMillis,
    made_at: UnixMillis,
    is_released: bool,
}

impl Handle {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether another name looks like this one. It may be in other letters.
    #[must_use]
    pub fn looks_like(&self, other: &Self) -> bool {
        self.skeleton == other.skeleton
    }
}

/// With or without an @ before it.
impl FromStr for Handle {
    type Err = HandleError;

    fn from_str(text: &str) -> Result<Self, HandleError> {
        let text = text.trim();
        let text = text.strip_prefix('@').unwrap_or(text);
        if text.len() > GIVEN_BYTES_MAX {
            return Err(HandleError::FarTooLong);
        }
        let length = |text: &str| match text.chars().count() {
            found @ HANDLE_CHARS_MIN..=HANDLE_CHARS_MAX => Ok(found),
            found => Err(HandleError::Length { found }),
        };
        length(text)?;
        let form = |text: &str| {
            let form = UsernameCaseMapped::new().enforce(text.to_owned());
            form.map(String::from).map_err(|_| HandleError::Character)
        };
        let name = form(text)?;
        length(&name)?;
        // One that begins with an @ would be read as another. Dots alone mean another path where they are a part of one.
        let is_sign = |sign: char| !sign.is_alphanumeric();
        if form(&name)? != name || name.starts_with('@') || name.chars().all(is_sign) {
            return Err(HandleError::Character);
        }
        let mut skeleton: String = skeleton(&name).collect();
        // A zero looks like a capital O, and small ones are meant by both.
        skeleton.make_ascii_lowercase();
        if skeleton.is_empty() {
            return Err(HandleError::Character);
        }
        Ok(Self { name, skeleton })
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}", self.name)
    }
}

impl HandleKey {
    /// The key of a handle in a network. It takes some tenths of a second, and 64 MiB. `None` without that memory.
    #[must_use]
    pub fn derive(network: &NetworkTag, handle: &Handle) -> Option<Self> {
        let salt = blake3::derive_key("martlet 2026 handle salt v1", &network.0);
        let cost = Params::new(MEMORY_KIB, PASSES, 1, Some(32)).ok()?;
        let mut key = Self([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, cost)
            .hash_password_into(handle.skeleton.as_bytes(), &salt[..16], &mut key.0)
            .ok()?;
        Some(key)
    }

    /// The shard of its claims, in a network of `2^shard_bits` shards.
    #[must_use]
    pub fn shard(&self, shard_bits: u8) -> Shard {
        let hash = blake3::keyed_hash(&self.0, b"martlet handle shard v1");
        Shard::from_hash(hash.as_bytes(), shard_bits)
    }

    /// The tag of the claims of a day.
    #[must_use]
    pub fn tag(&self, day: Day) -> Tag {
        let mut tag = [0; 16];
        tag.copy_from_slice(&self.of_day(b"martlet handle tag v1", day)[..16]);
        Tag(tag)
    }

    fn base_key(&self, day: Day) -> BaseKey {
        BaseKey(*self.of_day(b"martlet handle body v1", day))
    }

    fn of_day(&self, purpose: &[u8], day: Day) -> Zeroizing<[u8; 32]> {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(purpose).update(&day.0.to_be_bytes());
        Zeroizing::new(*hasher.finalize().as_bytes())
    }
}

impl fmt::Debug for HandleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HandleKey(…)")
    }
}

impl Claim {
    /// The content of the envelope that publishes a claim of the device's identity, made `now`. `id` is theirs.
    ///
    /// # Errors
    /// [`ClaimError::Body`] if it doesn't fit, which no valid claim does.
    pub fn seal(
        &self,
        rng: &mut impl CryptoRng,
        addressing: &Addressing,
        key: &HandleKey,
        device: &DeviceKeys,
    ) -> Result<Vec<u8>, ClaimError> {
        let day = self.made_at.day();
        let payload = Payload {
            format: FormatInfo::current(),
            certificate: device.certificate().as_bytes().to_vec(),
            rendezvous: self.id.secret.clone(),
            name: self.handle.name.clone(),
            day,
            claimed_at: self.claimed_at,
            made_at: self.made_at,
            is_released: self.is_released,
        };
        let signed = Signed::sign(CONTEXT, device.signing_key(), codec::encode(&payload));
        seal_bytes(rng, addressing, (key, day), &codec::encode(&signed))
    }

    /// Opens the content of an envelope found under the tag of `day` of a handle that looks like `handle`.
    ///
    /// # Errors
    /// [`ClaimError`].
    pub fn open(
        (key, handle): (&HandleKey, &Handle),
        day: Day,
        header: &Header,
        content: &[u8],
        now: UnixMillis,
    ) -> Result<Self, ClaimError> {
        let (header, body) = content.split_at_checked(header.len).ok_or(BodyError::Decrypt)?;
        let bytes = body::open(&key.base_key(day), header, body)?;
        let claim = Self::from_bytes(&bytes)?;
        if claim.made_at.day() != day {
            return Err(ClaimError::Day);
        }
        if !claim.handle.looks_like(handle) {
            return Err(ClaimError::OtherName);
        }
        if claim.made_at > now.plus(BUNDLE_SKEW_MAX) {
            return Err(ClaimError::Time);
        }
        Ok(claim)
    }

    /// Reads and verifies a claim.
    ///
    /// # Errors
    /// [`ClaimError`]. Of which handle and day it is, is for [`Self::open`] to check.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ClaimError> {
        let signed = Signed::decode(bytes, HANDLE_CLAIM_BYTES_MAX)?;
        let payload: Payload = format::decode(&signed.payload, HANDLE_CLAIM_BYTES_MAX)?;
        let certificate = DeviceCertificate::from_bytes(&payload.certificate)?;
        if !signed.is_by(CONTEXT, certificate.device_key()) {
            return Err(ClaimError::Signature);
        }
        let handle: Handle = payload.name.parse()?;
        if handle.name != payload.name {
            return Err(ClaimError::OtherName);
        }
        let Payload { rendezvous, day, claimed_at, made_at, is_released, .. } = payload;
        if made_at.day() != day {
            return Err(ClaimError::Day);
        }
        if claimed_at > made_at {
            return Err(ClaimError::Time);
        }
        let id = Id { identity: certificate.identity(), secret: rendezvous };
        let device = certificate.device();
        Ok(Self { id, device, handle, claimed_at, made_at, is_released })
    }
}

/// The content of the envelope of a claim, of which these are the bytes.
///
/// # Errors
/// [`ClaimError::Body`].
pub fn seal_bytes(
    rng: &mut impl CryptoRng,
    addressing: &Addressing,
    (key, day): (&HandleKey, Day),
    bytes: &[u8],
) -> Result<Vec<u8>, ClaimError> {
    let Addressing { network, shard, expiry } = *addressing;
    let mut unknown = AckSecret([0; 16]);
    rng.fill_bytes(&mut unknown.0);
    let mut header = Vec::with_capacity(PREFIX_BYTES + 32 + 2 * bytes.len() + 512);
    let prefix = Header::encode_prefix(Kind::Conversation, network, shard, expiry, 1);
    header.extend_from_slice(&prefix);
    header.extend_from_slice(&key.tag(day).0);
    header.extend_from_slice(&unknown.commit().0);
    Ok(body::seal(&key.base_key(day), header, bytes)?)
}
