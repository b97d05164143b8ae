//! Kind 20, in a room's conversation: an operation on the room.
//!
//! Payload: `{0: operation bytes, 1: [person, …]}`, a *person* `{0: identity 32, 1: {0: rendezvous secret 15, 1: reset at ms}}`.
//! Further fields are ignored. The people are those whom the operation brings in: by the secret the other members find their
//! keys. It is the author's word; what someone says of themselves counts more.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::codec::{self, CodecError};
use crate::ids::{IdentityId, Rendezvous};
use crate::limits::ROOM_OP_BYTES_MAX;

/// The kind's number.
pub const KIND: u16 = 20;
/// Longest payload, bytes: an operation and the people that it brings in, and room for fields to come.
pub const BYTES_MAX: usize = ROOM_OP_BYTES_MAX + 1024;

/// An operation on the room in whose conversation it comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomOp {
    /// It, as its author signed it.
    #[serde(with = "serde_bytes")]
    pub op: Vec<u8>,
    /// How those are found whom it brings in.
    pub people: Vec<RoomPerson>,
}

/// How the keys of someone are found who is in a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomPerson {
    /// Who.
    pub identity: IdentityId,
    /// By what their bundles are found, as far as the sender knows.
    pub rendezvous: Rendezvous,
}

/// Several operations' bytes, as they are encoded.
pub(super) type Ops = Vec<ByteBuf>;

impl RoomOp {
    /// The payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// [`CodecError`]. The operation is verified where it is taken.
    pub fn decode(payload: &[u8]) -> Result<Self, CodecError> {
        codec::decode_lenient(payload, BYTES_MAX)
    }
}
