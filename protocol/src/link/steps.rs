//! The steps: what the two devices send each other before the new one is certified.
//!
//! Each is a conversation envelope with one slot, in the identity's shard, under the [code's](super::code) tag and key of its
//! number. It ends with the second next hour. Its data is `length u16 ‖ payload ‖ zeros`, so long that every step has the body of
//! 4 KiB. Its ack secret is random and kept nowhere.
//!
//! | step | payload |
//! | --- | --- |
//! | 1 | `{0: payload bytes, 1: signature 64}`, by the new device under `"martlet link join v2"`; the payload is `{0: [format](crate::format), 1: [details](crate::identity::statement) bytes, 2: prekey 1216, 3: detection key 32, 4: commitment 32, 5: {0: [Olm](crate::crypto::olm) identity key 32, 1: Olm fallback key 32}}` |
//! | 2 | `{0: format, 1: comparison key 32, 2: identity 32, 3: device 32}` |
//! | 3 | `{0: format, 1: comparison key 32, 2: nonce 32}` |
//! | 4, 5 | `{0: format, 1: device 32 or null, 2: why u8}` |
//!
//! The details of step 1 are the statement by which contacts learn the device's name. It names identity and device.

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::code::LinkKeys;
use crate::ack::AckSecret;
use crate::codec::{self, CodecError};
use crate::crypto::Addressing;
use crate::crypto::body::{self, BodyError};
use crate::crypto::olm::{OlmKeys, OlmSecret};
use crate::crypto::seal::{PrekeyPublic, PrekeySecret, Recipient, SealError};
use crate::envelope::{Header, Kind, PREFIX_BYTES};
use crate::format::{self, FormatInfo};
use crate::identity::signed::Signed;
use crate::identity::statement::{Details, STATEMENT_BYTES_MAX, Say, Stated, StatementError};
use crate::identity::{NewDevice, Statement};
use crate::ids::{DeviceId, IdentityId};
use crate::limits::LINK_STEP_BYTES_MAX;

const CONTEXT: &str = "martlet link join v2";
/// Bytes of the length before the payload.
const LENGTH_BYTES: usize = 2;
/// Bytes of a step's data, whatever it says: all that a body of 4 KiB holds.
const DATA_BYTES: usize = LINK_STEP_BYTES_MAX + LENGTH_BYTES;

/// Which step it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// The new device shows its keys.
    Join,
    /// The device with the root answers.
    Answer,
    /// The new device reveals its comparison key.
    Reveal,
    /// The device with the root says that nothing comes of it.
    LinkerRefused,
    /// The new device says so.
    JoinerRefused,
}

/// Step 1, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    bytes: Vec<u8>,
    details: Stated<Details>,
    prekey: PrekeyPublic,
    detection: [u8; 32],
    commitment: [u8; 32],
    olm: OlmKeys,
}

/// Step 2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    format: FormatInfo,
    /// The comparison key of the device with the root.
    #[serde(with = "serde_bytes")]
    pub key: [u8; 32],
    /// The identity.
    pub identity: IdentityId,
    /// The device with the root.
    pub device: DeviceId,
}

/// Step 3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reveal {
    format: FormatInfo,
    /// The comparison key of the new device.
    #[serde(with = "serde_bytes")]
    pub key: [u8; 32],
    /// What it was committed to with.
    #[serde(with = "serde_bytes")]
    pub nonce: [u8; 32],
}

/// Steps 4 and 5.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    format: FormatInfo,
    /// Which new device is refused, or refuses; `None` if it is all.
    pub device: Option<DeviceId>,
    why: u8,
}

/// Why nothing comes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Someone broke it off.
    Cancelled,
    /// The numbers were not the same on both.
    NumbersDiffer,
    /// The code was used.
    Used,
    /// Two devices came by one code, or two answered.
    Disturbed,
    /// A revealed key is not the one committed to.
    Commitment,
    /// What came is not what the step has.
    Malformed,
    /// The device belongs to an identity already.
    Certified,
    /// The identity has as many devices as it may have.
    Limit,
    /// Another device of the identity has the name. The code is as good as before.
    NameTaken,
    /// A reason that this build doesn't know.
    Other,
}

/// Why a step is refused.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Malformed.
    #[error("link step: {0}")]
    Codec(#[from] CodecError),
    /// Its envelope does not open.
    #[error("link step: {0}")]
    Body(#[from] BodyError),
    /// Longer than a step may be, or badly padded.
    #[error("link step: its padding is malformed")]
    Padding,
    /// What it says of the device.
    #[error("link step: {0}")]
    Details(#[from] StatementError),
    /// A prekey that is none.
    #[error("link step: {0}")]
    Prekey(#[from] SealError),
    /// Not signed by the device that it names.
    #[error("link step: it is not signed by its device")]
    Signature,
    /// A comparison key that is none.
    #[error("link step: the comparison key is none")]
    Key,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JoinPayload {
    format: FormatInfo,
    #[serde(with = "serde_bytes")]
    details: Vec<u8>,
    prekey: PrekeyPublic,
    #[serde(with = "serde_bytes")]
    detection: [u8; 32],
    #[serde(with = "serde_bytes")]
    commitment: [u8; 32],
    olm: OlmKeys,
}

impl Step {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Join, Self::Answer, Self::Reveal, Self::LinkerRefused, Self::JoinerRefused];

    /// Its number.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Join => 1,
            Self::Answer => 2,
            Self::Reveal => 3,
            Self::LinkerRefused => 4,
            Self::JoinerRefused => 5,
        }
    }
}

impl Why {
    /// Its number.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Other => 0,
            Self::Cancelled => 1,
            Self::NumbersDiffer => 2,
            Self::Used => 3,
            Self::Disturbed => 4,
            Self::Commitment => 5,
            Self::Malformed => 6,
            Self::Certified => 7,
            Self::Limit => 8,
            Self::NameTaken => 9,
        }
    }

    /// The reason with this number.
    #[must_use]
    pub fn of(number: u8) -> Self {
        let known = [
            Self::Cancelled,
            Self::NumbersDiffer,
            Self::Used,
            Self::Disturbed,
            Self::Commitment,
            Self::Malformed,
            Self::Certified,
            Self::Limit,
            Self::NameTaken,
        ];
        known.into_iter().find(|why| why.number() == number).unwrap_or(Self::Other)
    }
}

impl Join {
    /// The step of a new device that is to join the identity which its details name.
    #[must_use]
    pub fn issue(
        device: &NewDevice,
        details: Stated<Details>,
        prekey: &PrekeySecret,
        detection: [u8; 32],
        commitment: [u8; 32],
    ) -> Self {
        let payload = JoinPayload {
            format: FormatInfo::current(),
            details: details.as_bytes().to_vec(),
            prekey: prekey.public(),
            detection,
            commitment,
            olm: OlmKeys {
                identity: OlmSecret::of_device(&device.seed()).public(),
                fallback: prekey.olm_fallback().public(),
            },
        };
        let signed = Signed::sign(CONTEXT, device.signing_key(), codec::encode(&payload));
        Self {
            bytes: codec::encode(&signed),
            details,
            prekey: payload.prekey,
            detection,
            commitment,
            olm: payload.olm,
        }
    }

    /// Reads and verifies the step of a device that is to join `identity`.
    ///
    /// # Errors
    /// [`LinkError`].
    pub fn from_bytes(identity: &IdentityId, bytes: &[u8]) -> Result<Self, LinkError> {
        let signed = Signed::decode(bytes, LINK_STEP_BYTES_MAX)?;
        let payload: JoinPayload = format::decode(&signed.payload, LINK_STEP_BYTES_MAX)?;
        if payload.details.len() > STATEMENT_BYTES_MAX {
            let (found, max) = (payload.details.len(), STATEMENT_BYTES_MAX);
            return Err(CodecError::TooLong { found, max }.into());
        }
        let details = Stated::<Details>::verify(identity, &payload.details)?;
        if !signed.is_by(CONTEXT, &details.signer()?) {
            return Err(LinkError::Signature);
        }
        let prekey = PrekeyPublic::from_bytes(payload.prekey.as_bytes())?;
        let JoinPayload { detection, commitment, olm, .. } = payload;
        Ok(Self { bytes: bytes.to_vec(), details, prekey, detection, commitment, olm })
    }

    /// The bytes it was received as.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The new device.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.details.device
    }

    /// What it calls itself; empty if it has no name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.details.name
    }

    /// What it says of itself, for contacts.
    #[must_use]
    pub fn details(&self) -> Statement {
        Statement::Details(self.details.clone())
    }

    /// The device as one to seal to.
    #[must_use]
    pub fn recipient(&self) -> Recipient<'_> {
        Recipient { prekey: &self.prekey, detection: &self.detection }
    }

    /// What an Olm session with the device is begun with.
    #[must_use]
    pub fn olm(&self) -> &OlmKeys {
        &self.olm
    }

    /// What its comparison key must fit.
    #[must_use]
    pub fn commitment(&self) -> &[u8; 32] {
        &self.commitment
    }
}

impl Answer {
    /// The answer of a device with the root.
    #[must_use]
    pub fn new(key: [u8; 32], identity: IdentityId, device: DeviceId) -> Self {
        Self { format: FormatInfo::current(), key, identity, device }
    }

    /// Its payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`LinkError::Codec`].
    pub fn decode(bytes: &[u8]) -> Result<Self, LinkError> {
        Ok(format::decode(bytes, LINK_STEP_BYTES_MAX)?)
    }
}

impl Reveal {
    /// The comparison key, and what it was committed to with.
    #[must_use]
    pub fn new(key: [u8; 32], nonce: [u8; 32]) -> Self {
        Self { format: FormatInfo::current(), key, nonce }
    }

    /// Its payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`LinkError::Codec`].
    pub fn decode(bytes: &[u8]) -> Result<Self, LinkError> {
        Ok(format::decode(bytes, LINK_STEP_BYTES_MAX)?)
    }
}

impl Refused {
    /// That a device, or each, is refused.
    #[must_use]
    pub fn new(device: Option<DeviceId>, why: Why) -> Self {
        Self { format: FormatInfo::current(), device, why: why.number() }
    }

    /// Why.
    #[must_use]
    pub fn why(&self) -> Why {
        Why::of(self.why)
    }

    /// Its payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`LinkError::Codec`].
    pub fn decode(bytes: &[u8]) -> Result<Self, LinkError> {
        Ok(format::decode(bytes, LINK_STEP_BYTES_MAX)?)
    }
}

/// The content of the envelope of a step.
///
/// # Errors
/// [`LinkError::Padding`], if the payload is longer than [`LINK_STEP_BYTES_MAX`].
pub fn seal(
    rng: &mut impl CryptoRng,
    addressing: &Addressing,
    keys: &LinkKeys,
    step: Step,
    payload: &[u8],
) -> Result<Vec<u8>, LinkError> {
    let length = u16::try_from(payload.len()).map_err(|_| LinkError::Padding)?;
    if payload.len() > LINK_STEP_BYTES_MAX {
        return Err(LinkError::Padding);
    }
    let mut data = Zeroizing::new(Vec::with_capacity(DATA_BYTES));
    data.extend_from_slice(&length.to_be_bytes());
    data.extend_from_slice(payload);
    data.resize(DATA_BYTES, 0);

    let Addressing { network, shard, expiry } = *addressing;
    let mut unknown = AckSecret([0; 16]);
    rng.fill_bytes(&mut unknown.0);
    let mut header = Vec::with_capacity(PREFIX_BYTES + 32 + DATA_BYTES + 64);
    let prefix = Header::encode_prefix(Kind::Conversation, network, shard, expiry, 1);
    header.extend_from_slice(&prefix);
    header.extend_from_slice(&keys.tag(step).0);
    header.extend_from_slice(&unknown.commit().0);
    Ok(body::seal(&keys.base_key(step), header, &data)?)
}

/// The payload of the envelope of a step.
///
/// # Errors
/// [`LinkError::Body`], [`LinkError::Padding`].
pub fn open(
    keys: &LinkKeys,
    step: Step,
    header: &Header,
    content: &[u8],
) -> Result<Zeroizing<Vec<u8>>, LinkError> {
    let (header, body) = content.split_at_checked(header.len).ok_or(BodyError::Decrypt)?;
    let mut data = body::open(&keys.base_key(step), header, body)?;
    if data.len() != DATA_BYTES {
        return Err(LinkError::Padding);
    }
    let length = usize::from(u16::from_be_bytes([data[0], data[1]]));
    let end = LENGTH_BYTES + length;
    if end > DATA_BYTES || data[end..].iter().any(|byte| *byte != 0) {
        return Err(LinkError::Padding);
    }
    data.truncate(end);
    data.drain(..LENGTH_BYTES);
    Ok(data)
}
