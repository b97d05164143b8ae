//! Kind 22, to devices: what the sender knows of a room.
//!
//! Payload: `{0: room 32, 1: [operation 32, …], 2: digest 32, 3: true, if the sender asks}`. Further fields are ignored. The operations are the last ones that
//! the sender has, at most 8; none if the sender has nothing of the room. The [digest](crate::room::OpSet::digest) is that of
//! all. Whoever has more sends [it](super::room_ops); whoever has less sends a hello of their own. Whoever is asked sends one in any
//! case, after what they have more: its sender was away, or was put back from a copy, and waits for it.

use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::ids::{OpId, RoomId};
use crate::limits::ROOM_OP_PREVIOUS_MAX;

/// The kind's number.
pub const KIND: u16 = 22;
/// Longest payload, bytes: it has some 350, and room for fields to come.
pub const BYTES_MAX: usize = 1024;

/// What the sender knows of a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomHello {
    /// Which.
    pub room: RoomId,
    /// The last operations that the sender has.
    ops: HeadsBytes,
    #[serde(with = "serde_bytes")]
    digest: [u8; 32],
    /// Whether the sender waits for an answer, though there may be nothing new.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asks: bool,
}

/// What someone knows of a room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heads {
    /// The last operations, at most [`ROOM_OP_PREVIOUS_MAX`].
    pub ops: Vec<OpId>,
    /// The digest of all that they have.
    pub digest: [u8; 32],
}

/// Those past the bound are left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct HeadsBytes(pub(super) Vec<OpId>);

impl RoomHello {
    /// The hello of who knows this.
    #[must_use]
    pub fn new(room: RoomId, Heads { ops, digest }: Heads) -> Self {
        Self { room, ops: HeadsBytes(ops), digest, asks: false }
    }

    /// The same of who waits for an answer.
    #[must_use]
    pub fn asking(self) -> Self {
        Self { asks: true, ..self }
    }

    /// What the sender knows.
    #[must_use]
    pub fn knows(&self) -> Heads {
        Heads { ops: self.ops.0.clone(), digest: self.digest }
    }
}

impl<'de> Deserialize<'de> for HeadsBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bounded;
        impl<'de> Visitor<'de> for Bounded {
            type Value = HeadsBytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("operations")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<HeadsBytes, A::Error> {
                let mut ops = Vec::new();
                while let Some(id) = seq.next_element::<OpId>()? {
                    if ops.len() < ROOM_OP_PREVIOUS_MAX {
                        ops.push(id);
                    }
                }
                Ok(HeadsBytes(ops))
            }
        }
        deserializer.deserialize_seq(Bounded)
    }
}
