//! Kind 24, in a room's conversation: a moderator takes back a message that someone else wrote there.
//!
//! Payload: `{0: message id 16, 1: who wrote it 32}`. Further fields are ignored. It counts if its sender moderated the room by
//! what they knew of it, see [`Room::moderated_by`](crate::room::Room::moderated_by). It has a number of its own.

use serde::{Deserialize, Serialize};

use crate::codec;
use crate::ids::{IdentityId, MessageId};

/// The kind's number.
pub const KIND: u16 = 24;
/// Longest payload, bytes: it has 54, and room for fields to come.
pub const BYTES_MAX: usize = 256;

/// A moderator takes back what someone else wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomRecall {
    /// Which.
    pub message: MessageId,
    /// Who wrote it: ids are its writer's to choose.
    pub author: IdentityId,
}

impl RoomRecall {
    /// The payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }
}
