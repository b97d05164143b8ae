//! Kind 23, to devices: operations on a room, for who is invited to it or lacks them.
//!
//! Payload: `{0: room 32, 1: [operation bytes, …], 2: [person, …]}`, a person as in [kind 20](super::room_op). Further fields are
//! ignored. Each part has operations of at most 22 KiB, oldest first, and the people whom they bring in, or who made the room.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::room_op::{Ops, RoomPerson};
use crate::codec::{self, CodecError};
use crate::ids::RoomId;

/// The kind's number.
pub const KIND: u16 = 23;
/// Operations and people in one part, bytes: with its wrapping it fits the 32 KiB rung.
pub const PART_BYTES_MAX: usize = 22 * 1024;
/// Longest payload, bytes: one part, and room for fields to come.
pub const BYTES_MAX: usize = PART_BYTES_MAX + 2048;
/// What a person takes in a payload, bytes, at most: two numbers, a key, a secret and a time.
const PERSON_BYTES: usize = 80;

/// Operations on a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomOps {
    /// Which.
    pub room: RoomId,
    /// They, as their authors signed them.
    pub ops: Vec<Vec<u8>>,
    /// How those are found whom they bring in.
    pub people: Vec<RoomPerson>,
}

#[derive(Serialize, Deserialize)]
struct Fields {
    room: RoomId,
    ops: Ops,
    people: Vec<RoomPerson>,
}

impl RoomOps {
    /// As many parts as these operations need, each with the person whom it brings in, if it does and they are known.
    #[must_use]
    pub fn parts(
        room: RoomId,
        ops: impl IntoIterator<Item = (Vec<u8>, Option<RoomPerson>)>,
    ) -> Vec<Self> {
        let mut parts: Vec<Self> = Vec::new();
        let mut bytes = usize::MAX;
        for (op, person) in ops {
            let is_new = |part: &Self, person: &RoomPerson| !part.people.contains(person);
            let more = op.len() + 8 + PERSON_BYTES;
            bytes = bytes.saturating_add(more);
            if bytes > PART_BYTES_MAX {
                parts.push(Self { room, ops: Vec::new(), people: Vec::new() });
                bytes = more;
            }
            if let Some(part) = parts.last_mut() {
                part.ops.push(op);
                let new = person.filter(|person| is_new(part, person));
                part.people.extend(new);
            }
        }
        parts
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let ops = self.ops.iter().map(|op| ByteBuf::from(op.clone())).collect();
        codec::encode(&Fields { room: self.room, ops, people: self.people.clone() })
    }

    pub(super) fn decode(payload: &[u8]) -> Result<Self, CodecError> {
        let Fields { room, ops, people } = codec::decode_lenient(payload, BYTES_MAX)?;
        Ok(Self { room, ops: ops.into_iter().map(ByteBuf::into_vec).collect(), people })
    }
}
