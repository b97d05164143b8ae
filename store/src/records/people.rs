//! Contacts, and those who wrote without being one.

use martlet_protocol::{Ack, DeviceId, Id, IdentityId, Rendezvous, UnixMillis};
use serde::{Deserialize, Serialize};

/// See [`CONTACTS`](super::CONTACTS).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ContactRecord {
    /// Who it is.
    pub identity: IdentityId,
    /// The user's name for them.
    pub name: String,
    /// When they were added.
    pub added_at: UnixMillis,
    /// The newest bundle of each of their devices, as received.
    pub bundles: Vec<serde_bytes::ByteBuf>,
    /// By what their bundles are found: as their ID said, or as they said last.
    #[serde(default)]
    pub rendezvous: Rendezvous,
    /// Whether they are still to learn by what the user's bundles are found, since that was reset.
    #[serde(default)]
    pub is_untold: bool,
}

/// See [`REQUESTS`](super::REQUESTS).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RequestRecord {
    /// Who it is.
    pub identity: IdentityId,
    /// The name they gave themselves.
    pub suggested_name: Option<String>,
    /// When their first session key came.
    pub first_at: UnixMillis,
    /// When their last message came that was kept; 0 while there is none.
    #[serde(default)]
    pub last_at: UnixMillis,
    /// By what their bundles are found, as they said last.
    #[serde(default)]
    pub rendezvous: Rendezvous,
}

/// See [`REQUEST_MESSAGES`](super::REQUEST_MESSAGES).
#[derive(Clone, Serialize, Deserialize)]
pub struct RequestMessage {
    /// From which device.
    pub device: DeviceId,
    /// When it came.
    pub stored_at: UnixMillis,
    /// The message as its sender encoded it: it is read once its sender is a contact.
    #[serde(with = "serde_bytes")]
    pub message: Vec<u8>,
}

/// See [`REQUEST_ACKS`](super::REQUEST_ACKS).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RequestAcks {
    /// When the envelope came.
    pub stored_at: UnixMillis,
    /// Its acks.
    pub acks: Vec<Ack>,
}

/// See [`DROPPED`](super::DROPPED).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DroppedRecord {
    /// Who it is.
    pub identity: IdentityId,
    /// When the request was dropped.
    pub dropped_at: UnixMillis,
}

impl ContactRecord {
    /// Their ID.
    #[must_use]
    pub fn id(&self) -> Id {
        Id { identity: self.identity, secret: self.rendezvous.secret.clone() }
    }
}

impl RequestRecord {
    /// Their ID.
    #[must_use]
    pub fn id(&self) -> Id {
        Id { identity: self.identity, secret: self.rendezvous.secret.clone() }
    }
}
