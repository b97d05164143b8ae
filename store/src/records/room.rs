//! Rooms, and who is in one with the user.

use martlet_protocol::{IdentityId, Rendezvous, RoomId, UnixMillis};
use serde::{Deserialize, Serialize};

/// See [`ROOMS`](super::ROOMS). What the room is, its operations say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomRecord {
    /// Which.
    pub room: RoomId,
    /// When it was made here, or first heard of.
    pub since: UnixMillis,
    /// From whom a message came, or a session's key: they know of the room.
    pub heard: Vec<IdentityId>,
}

/// See [`ROOM_OPS`](super::ROOM_OPS).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomOpRecord {
    /// The operation, as its author signed it.
    #[serde(with = "serde_bytes")]
    pub op: Vec<u8>,
}

/// See [`ROOM_PEOPLE`](super::ROOM_PEOPLE).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomPersonRecord {
    /// Who.
    pub identity: IdentityId,
    /// By what their bundles are found.
    pub rendezvous: Rendezvous,
    /// Whether they said that themselves.
    pub is_said: bool,
    /// What they call themselves.
    pub suggested_name: Option<String>,
    /// The newest bundle of each of their devices, as received.
    pub bundles: Vec<serde_bytes::ByteBuf>,
}

impl RoomPersonRecord {
    /// Their ID.
    #[must_use]
    pub fn id(&self) -> martlet_protocol::Id {
        martlet_protocol::Id { identity: self.identity, secret: self.rendezvous.secret.clone() }
    }
}
