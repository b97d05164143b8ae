//! One operation on a room: its bytes, who made it, and what it claims of its past.
//!
//! Encoded `{0: payload bytes, 1: signature 64}`, at most 2,048 bytes, signed by a device under `"martlet room op v1"`. The
//! payload, unknown fields refused:
//!
//! ```text
//! {0: room 32, 1: [previous operation 32, …], 2: height u32, 3: certificate bytes, 4: by 32, 5: n u32, 6: at ms,
//!  7: action u16, 8: body bytes}
//! ```
//!
//! Its id is BLAKE3 of all its bytes. Its author is who the certificate says. Of the creation, *room* and *by* are zeros, there
//! are no previous operations, and height and n are 0. Of all others, there are 1 to 8 previous ones, ascending. *at* is shown,
//! and decides nothing.

use std::fmt;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_bytes::ByteBuf;

use super::action::{Action, ROOM_VERSION};
use crate::codec::{self, CodecError};
use crate::identity::signed::Signed;
use crate::identity::{CertificateError, DeviceCertificate, DeviceKeys};
use crate::ids::{DeviceId, IdError, IdentityId, OpId, RoomId};
use crate::limits::{ROOM_HEIGHT_MAX, ROOM_OP_BYTES_MAX, ROOM_OP_PREVIOUS_MAX};
use crate::time::UnixMillis;

const CONTEXT: &str = "martlet room op v1";

/// Why bytes are no operation.
#[derive(Debug, thiserror::Error)]
pub enum OpError {
    /// Malformed.
    #[error("room operation: {0}")]
    Codec(#[from] CodecError),
    /// Its author's certificate is not valid.
    #[error("room operation: {0}")]
    Certificate(#[from] CertificateError),
    /// It brings in an identity that is no key.
    #[error("room operation: {0}")]
    Key(#[from] IdError),
    /// A creation with a past, or another operation without one.
    #[error("the room operation has a past that no such operation has")]
    Shape,
    /// Created with settings that no room has.
    #[error("the room was created with settings that no room can have")]
    Setting,
    /// Of a room with other rules.
    #[error(
        "the room is of version {found}, and this build knows version {ROOM_VERSION}: update Martlet to take part in it"
    )]
    Version {
        /// The version found.
        found: u8,
    },
    /// Longer than an operation may be.
    #[error("the room operation would have more than {ROOM_OP_BYTES_MAX} bytes")]
    TooLong,
    /// Not signed by its author's device.
    #[error("the room operation is not signed by its author")]
    Signature,
}

/// At most eight, ascending, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
struct Previous(Vec<OpId>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    room: RoomId,
    previous: Previous,
    height: u32,
    certificate: ByteBuf,
    by: OpId,
    n: u32,
    at: UnixMillis,
    action: u16,
    body: ByteBuf,
}

/// An operation that was read, and whose author is not proved yet.
pub struct Unverified {
    bytes: Vec<u8>,
    signed: Signed,
    payload: Payload,
    action: Action,
}

/// An operation that its author signed. Whether it fits a room, the [set](super::OpSet) says; whether it counts there, the
/// [state](super::State).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    bytes: Vec<u8>,
    id: OpId,
    author: IdentityId,
    device: DeviceId,
    payload: Payload,
    action: Action,
}

/// What an author signs, beside their certificate.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) room: RoomId,
    pub(super) previous: Vec<OpId>,
    pub(super) height: u32,
    pub(super) by: OpId,
    pub(super) n: u32,
    pub(super) at: UnixMillis,
    pub(super) action: Action,
}

impl Unverified {
    /// Reads an operation: its size, its encoding, and what must hold for each by itself.
    ///
    /// # Errors
    /// [`OpError`].
    pub fn read(bytes: &[u8]) -> Result<Self, OpError> {
        let signed = Signed::decode(bytes, ROOM_OP_BYTES_MAX)?;
        let payload: Payload = codec::decode(&signed.payload, ROOM_OP_BYTES_MAX)?;
        let action = Action::decode(payload.action, &payload.body)?;
        let has_past = !payload.previous.0.is_empty();
        let is_fitting = match action {
            Action::Create(_) => {
                !has_past
                    && payload.room == RoomId::NONE
                    && payload.by == OpId::NONE
                    && (payload.height, payload.n) == (0, 0)
            }
            Action::Add(_)
            | Action::Remove(_)
            | Action::Grant(_)
            | Action::Revoke(_)
            | Action::Set(_)
            | Action::Leave
            | Action::Close
            | Action::Unknown { .. } => {
                has_past && payload.room != RoomId::NONE && payload.by != OpId::NONE
            }
        };
        if !is_fitting || payload.height > ROOM_HEIGHT_MAX {
            return Err(OpError::Shape);
        }
        Ok(Self { bytes: bytes.to_vec(), signed, payload, action })
    }

    /// Its id: if it is known already, nothing need be verified.
    #[must_use]
    pub fn id(&self) -> OpId {
        OpId(*blake3::hash(&self.bytes).as_bytes())
    }

    /// The room that it is for.
    #[must_use]
    pub fn room(&self) -> RoomId {
        room(&self.payload, self.id())
    }

    /// Verifies that its author signed it.
    ///
    /// # Errors
    /// [`OpError`].
    pub fn verify(self) -> Result<Operation, OpError> {
        if let Some(who) = self.action.admitted() {
            who.verifying_key()?;
        }
        let certificate = DeviceCertificate::from_bytes(&self.payload.certificate)?;
        if !self.signed.is_by(CONTEXT, certificate.device_key()) {
            return Err(OpError::Signature);
        }
        Ok(self.by(&certificate))
    }

    fn by(self, certificate: &DeviceCertificate) -> Operation {
        let (author, device) = (certificate.identity(), certificate.device());
        let id = self.id();
        let Self { bytes, payload, action, .. } = self;
        Operation { bytes, id, author, device, payload, action }
    }
}

impl Operation {
    /// Reads an operation of the own vault, which was verified before it was written there.
    ///
    /// # Errors
    /// [`OpError`].
    pub fn from_record(bytes: &[u8]) -> Result<Self, OpError> {
        let read = Unverified::read(bytes)?;
        let certificate = DeviceCertificate::from_record(&read.payload.certificate)?;
        Ok(read.by(&certificate))
    }

    pub(super) fn sign(keys: &DeviceKeys, draft: Draft) -> Result<Self, OpError> {
        let Draft { room, mut previous, height, by, n, at, action } = draft;
        previous.sort_unstable();
        let (number, body) = action.encode();
        let payload = Payload {
            room,
            previous: Previous(previous),
            height,
            certificate: ByteBuf::from(keys.certificate().as_bytes().to_vec()),
            by,
            n,
            at,
            action: number,
            body: body.into(),
        };
        let signed = Signed::sign(CONTEXT, keys.signing_key(), codec::encode(&payload));
        let bytes = codec::encode(&signed);
        if bytes.len() > ROOM_OP_BYTES_MAX {
            return Err(OpError::TooLong);
        }
        Ok(Unverified { bytes, signed, payload, action }.by(keys.certificate()))
    }

    /// The bytes it was received as.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> OpId {
        self.id
    }

    /// The room that it is for; of a creation, the room that it creates.
    #[must_use]
    pub fn room(&self) -> RoomId {
        room(&self.payload, self.id)
    }

    /// Those that it names as the last before it, ascending.
    #[must_use]
    pub fn previous(&self) -> &[OpId] {
        &self.payload.previous.0
    }

    /// Steps from the creation, by the longest way.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.payload.height
    }

    /// Whose it is.
    #[must_use]
    pub fn author(&self) -> IdentityId {
        self.author
    }

    /// The device that signed it.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// What brought the author in, and gives them the right.
    #[must_use]
    pub fn by(&self) -> OpId {
        self.payload.by
    }

    /// How many operations of the same device under the same right lie in its past.
    #[must_use]
    pub fn n(&self) -> u32 {
        self.payload.n
    }

    /// When it was made, by the author's clock.
    #[must_use]
    pub fn at(&self) -> UnixMillis {
        self.payload.at
    }

    /// What it does.
    #[must_use]
    pub fn action(&self) -> &Action {
        &self.action
    }
}

fn room(payload: &Payload, id: OpId) -> RoomId {
    if payload.room == RoomId::NONE { RoomId(id.0) } else { payload.room }
}

impl<'de> Deserialize<'de> for Previous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bounded;
        impl<'de> Visitor<'de> for Bounded {
            type Value = Previous;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {ROOM_OP_PREVIOUS_MAX} operations")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Previous, A::Error> {
                let mut previous = Vec::new();
                while let Some(id) = seq.next_element::<OpId>()? {
                    if previous.len() >= ROOM_OP_PREVIOUS_MAX {
                        return Err(A::Error::custom("too many previous operations"));
                    }
                    if previous.last().is_some_and(|last| *last >= id) {
                        return Err(A::Error::custom("previous operations out of order"));
                    }
                    previous.push(id);
                }
                Ok(Previous(previous))
            }
        }
        deserializer.deserialize_seq(Bounded)
    }
}

/// Hand-written: short, and without the certificate.
impl fmt::Debug for Unverified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Unverified").field(&self.id()).finish()
    }
}
