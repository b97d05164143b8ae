//! Olm sessions with other devices.

use martlet_protocol::crypto::olm::{OlmKey, OlmSecret};
use martlet_protocol::{DeviceId, EnvelopeId, IdentityId, UnixMillis};
use serde::{Deserialize, Serialize};

/// See [`OLM_PEERS`](super::OLM_PEERS).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OlmPeerRecord {
    /// Whose device it is.
    pub identity: IdentityId,
    /// The device.
    pub device: DeviceId,
    /// Sessions with it.
    pub sessions: Vec<OlmSessionRecord>,
    /// The greatest [`order`](OlmSessionRecord::order) given.
    pub last_order: u64,
    /// One-time keys that it was given and has not used.
    pub given: Vec<OlmSecret>,
    /// One-time keys of its own that it gave, not used yet.
    pub theirs: Vec<OlmKey>,
    /// Envelopes of its that were taken last, oldest first.
    pub taken: Vec<EnvelopeId>,
    /// When it was told last that something of its did not open.
    pub renewed_at: Option<UnixMillis>,
    /// How often it was told so since something of its opened.
    pub renewals: u32,
}

/// A session with another device.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OlmSessionRecord {
    /// [`martlet_protocol::crypto::olm::OlmSession::to_record`].
    #[serde(with = "serde_bytes")]
    pub session: Vec<u8>,
    /// Greater than that of every session which opened something, or was begun, before this one last did.
    pub order: u64,
    /// When it opened something last, or was begun.
    pub heard_at: UnixMillis,
    /// When it was used last, in whatever direction.
    pub used_at: UnixMillis,
    /// Whether one-time keys were given in it.
    pub has_given: bool,
    /// Messages sent in its present chain: since the other side answered what was sent before.
    pub sent: u64,
}
