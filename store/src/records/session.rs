//! Sessions: own ones, and others'.

use martlet_protocol::{DeviceId, EnvelopeId, IdentityId, SessionId, UnixMillis};
use serde::{Deserialize, Serialize};

/// See [`OUTBOUND_SESSIONS`](super::OUTBOUND_SESSIONS).
#[derive(Clone, Serialize, Deserialize)]
pub struct OutboundRecord {
    /// For whom, or by its id for which room.
    pub identity: IdentityId,
    /// When it was made.
    pub created_at: UnixMillis,
    /// [`martlet_protocol::crypto::session::OutboundSession::to_record`].
    #[serde(with = "serde_bytes")]
    pub session: Vec<u8>,
    /// The envelopes that carry its key.
    #[serde(default)]
    pub keys: Vec<EnvelopeId>,
}

/// See [`INBOUND_SESSIONS`](super::INBOUND_SESSIONS).
#[derive(Clone, Serialize, Deserialize)]
pub struct InboundRecord {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub identity: IdentityId,
    /// Of which device.
    pub device: DeviceId,
    /// When its key came.
    pub received_at: UnixMillis,
    /// Bit `i` of byte `i / 8`: message `i` was received.
    #[serde(with = "serde_bytes")]
    pub received: [u8; 16],
    /// [`martlet_protocol::crypto::session::InboundSession::to_record`].
    #[serde(with = "serde_bytes")]
    pub session: Vec<u8>,
    /// Whether its sender was removed from the contacts: it opens nothing unless they are added again.
    #[serde(default)]
    pub is_parked: bool,
}
