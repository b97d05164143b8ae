//! How people want to be seen: the user, and contacts.

use martlet_protocol::{IdentityId, MessageId, UnixMillis};
use serde::{Deserialize, Serialize};

/// See [`OWN_PROFILE`](super::OWN_PROFILE).
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct OwnProfileRecord {
    /// What the user calls themselves.
    pub name: Option<String>,
    /// Their picture, a JPEG; empty if there is none.
    #[serde(with = "serde_bytes")]
    pub picture: Vec<u8>,
    /// Whether contacts are told.
    pub is_shared: bool,
    /// How often it was changed: 0 before the first time.
    pub version: u64,
    /// When it was changed last.
    pub changed_at: UnixMillis,
}

/// See [`CONTACT_PROFILES`](super::CONTACT_PROFILES).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactProfileRecord {
    /// Which contact.
    pub identity: IdentityId,
    /// What they call themselves.
    pub name: Option<String>,
    /// Bytes of their picture; 0 if there is none.
    pub picture_bytes: u64,
    /// When they said so, by their clock.
    pub sent_at: UnixMillis,
    /// In which message.
    pub id: MessageId,
    /// When that came.
    pub stored_at: UnixMillis,
}

/// See [`CONTACT_PICTURES`](super::CONTACT_PICTURES): a JPEG, as far as its first bytes say.
#[derive(Clone, Serialize, Deserialize)]
pub struct PictureRecord(#[serde(with = "serde_bytes")] pub Vec<u8>);

/// See [`PROFILE_TOLD`](super::PROFILE_TOLD).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProfileToldRecord {
    /// Which contact.
    pub identity: IdentityId,
    /// Which version they were told.
    pub version: u64,
}
