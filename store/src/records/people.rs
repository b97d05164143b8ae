//! Contacts, and those who wrote without being one.

use martlet_protocol::{Ack, DeviceId, Id, IdentityId, Rendezvous, RendezvousSecret, UnixMillis};
use serde::{Deserialize, Serialize};

use super::invite::AcceptedInvite;

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
    /// That the user compared safety numbers with them.
    #[serde(default)]
    pub verified: Option<VerifiedRecord>,
    /// The invite of theirs that the user accepted, until their device has seen that.
    #[serde(default)]
    pub invite: Option<AcceptedInvite>,
}

/// The user compared safety numbers with a contact.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VerifiedRecord {
    /// When, last.
    pub at: UnixMillis,
    /// The devices that the contact had then.
    pub devices: Vec<DeviceId>,
    /// Those that came since, and of which the user was told.
    pub told: Vec<DeviceId>,
}

/// See [`IDENTITY_STATES`](super::IDENTITY_STATES).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct IdentityStateRecord {
    /// Whose it is: the user's own, or a contact's.
    pub identity: IdentityId,
    /// [What is known of their devices](martlet_protocol::identity::IdentityState::to_record).
    pub state: serde_bytes::ByteBuf,
    /// Of a contact: whether they are still to be told of the user's own.
    pub is_untold: bool,
    /// When it was first known here that the identity ended.
    pub ended_at: Option<UnixMillis>,
}

/// See [`CONTACT_NOTES`](super::CONTACT_NOTES).
#[derive(Clone, Serialize, Deserialize)]
pub struct ContactNoteRecord {
    /// What it says.
    pub text: String,
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

/// See [`BLOCKED`](super::BLOCKED).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BlockedRecord {
    /// Who it is.
    pub identity: IdentityId,
    /// What else is in their ID.
    pub secret: RendezvousSecret,
    /// When they were blocked, or unblocked.
    pub since: UnixMillis,
    /// Where they are unblocked: the last arrival of which nothing of theirs is read.
    #[serde(default)]
    pub deaf_until: Option<u64>,
    /// In which opening of the mailbox; 0 where it isn't known.
    #[serde(default)]
    pub opening: u64,
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
