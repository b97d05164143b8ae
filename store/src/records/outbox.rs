//! Own envelopes and messages that are on their way.

use martlet_protocol::{AckSecret, DeviceId, Envelope, EnvelopeId, IdentityId, UnixMillis};
use serde::{Deserialize, Serialize};

/// See [`OUTBOX`](super::OUTBOX).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OutboxRecord {
    /// The envelope's id.
    pub id: EnvelopeId,
    /// The envelope.
    pub envelope: Envelope,
    /// The contact that it is for, or by its id the room.
    pub identity: IdentityId,
    /// Position of the message it carries, or is of; `None` where there is none.
    pub position: Option<u64>,
    /// Whether it was addressed by a clock that no other had agreed with.
    #[serde(default)]
    pub in_doubt: bool,
    /// Of a session key: the device whose prekey it is sealed to.
    #[serde(default)]
    pub sealed_to: Option<SealedTo>,
    /// Whether it carries neither a message nor a key, but what is of use for minutes: a ping, a pong.
    #[serde(default)]
    pub is_control: bool,
    /// The secrets of its slots, by which its message can be taken back.
    #[serde(default)]
    pub acks: Vec<AckSecret>,
    /// In a room of few devices: whose they are of which it has slots, in order.
    #[serde(default)]
    pub readers: Vec<IdentityId>,
    /// Which part it is of the file that the message at `position` announces; `None` if it carries the message itself.
    #[serde(default)]
    pub part: Option<u16>,
}

/// Whose prekey a session key is sealed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedTo {
    /// The device.
    pub device: DeviceId,
    /// When the bundle with the prekey was made, by the device's clock.
    pub made_at: UnixMillis,
    /// In a room: whose device it is.
    #[serde(default)]
    pub of: Option<IdentityId>,
}

/// See [`WAITING`](super::WAITING).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WaitingRecord {
    /// For whom.
    pub identity: IdentityId,
    /// Position of the message.
    pub position: u64,
}
