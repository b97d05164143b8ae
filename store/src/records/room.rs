//! Rooms, and who is in one with the user.

use martlet_protocol::{IdentityId, MessageId, OpId, Rendezvous, RoomId, UnixMillis};
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
    /// Who told of it, if not the user made it on this device.
    #[serde(default)]
    pub brought_by: Option<IdentityId>,
    /// Whether the user is in it or was, and has not forgotten it. Of a build before it was so.
    #[serde(default = "was_in")]
    pub was_in: bool,
    /// Who came after others: after which position of its conversation.
    #[serde(default)]
    pub came: Vec<(IdentityId, u64)>,
    /// Own messages that did not go to someone in it, whose keys were not known: by the position, oldest first.
    #[serde(default)]
    pub unreached: Vec<(u64, IdentityId)>,
    /// Recalls of moderators who may be some, by operations that are not here, oldest first.
    #[serde(default)]
    pub recalls: Vec<RoomRecallRecord>,
    /// What had brought the user in by the time when they forgot it: it brings them in no more.
    #[serde(default)]
    pub forgotten: Vec<OpId>,
    /// Who came after others: up to which number of this device's messages. Where it is more than 0.
    #[serde(default)]
    pub came_numbers: Vec<(IdentityId, u64)>,
    /// Members who are to be told anew how the user is found.
    #[serde(default)]
    pub untold: Vec<UntoldMember>,
    /// Whether members are asked what became of it while this device was away.
    #[serde(default)]
    pub asked: Option<AskedRecord>,
    /// How many messages of before they came the user was told.
    #[serde(default)]
    pub told: u16,
}

/// A member of a room who is to be told something of the user, until a device of theirs proves that it has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UntoldMember {
    /// Who.
    pub who: IdentityId,
    /// Since when what they sent is lost here, if anything is.
    pub lost_since: Option<UnixMillis>,
}

/// What waits for a member to say what became of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedRecord {
    /// Since when they are asked.
    pub since: UnixMillis,
    /// Whether what the user writes there waits for that.
    pub holds_messages: bool,
    /// Whether the user may not change it before: the device may have done so already, and does not know any more.
    pub holds_operations: bool,
}

/// See [`FORGOTTEN_ROOMS`](super::FORGOTTEN_ROOMS).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForgottenRoomRecord {
    /// Which.
    pub room: RoomId,
    /// When nothing of it was left here.
    pub at: UnixMillis,
    /// What had brought the user in.
    pub admissions: Vec<OpId>,
}

/// A moderator's recall that waits for operations of its room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomRecallRecord {
    /// Whose recall.
    pub by: IdentityId,
    /// The beginnings of the last operations that they knew, one after the other.
    #[serde(with = "serde_bytes")]
    pub heads: Vec<u8>,
    /// Of which message.
    pub message: MessageId,
    /// Who wrote it.
    pub author: IdentityId,
    /// Since when it waits.
    #[serde(default)]
    pub since: UnixMillis,
}

fn was_in() -> bool {
    true
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
