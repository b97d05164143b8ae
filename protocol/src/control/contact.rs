//! Contacts, and the requests of those who aren't yet.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::schema::{IdText, NameText};
use crate::time::UnixMillis;

/// A person the user knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Contact {
    /// The user's name for them, unique.
    pub name: String,
    /// Their ID.
    pub id: String,
    /// When they were added.
    pub added_at: UnixMillis,
    /// Devices whose keys are known. 0 until their keys have been found on the network: messages
    /// wait until then.
    pub devices: u32,
    /// Unread messages from them.
    pub unread: u64,
}

/// `GET /v1/contacts`, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContactList {
    /// All contacts.
    pub contacts: Vec<Contact>,
}

/// `POST /v1/contacts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ContactAdd {
    /// Their ID.
    #[schema(value_type = IdText)]
    pub id: String,
    /// A name for them.
    #[schema(value_type = NameText)]
    pub name: String,
}

/// `PATCH /v1/contacts/{name}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ContactRename {
    /// The new name.
    #[schema(value_type = NameText)]
    pub name: String,
}

/// Someone unknown who has written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MessageRequest {
    /// Their ID.
    pub id: String,
    /// The name they gave themselves: unverified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggested_name: Option<String>,
    /// When the first message came.
    pub first_at: UnixMillis,
    /// Messages waiting.
    pub messages: u64,
    /// The first message, shortened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview: Option<String>,
}

/// `GET /v1/requests`, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RequestList {
    /// All requests.
    pub requests: Vec<MessageRequest>,
}

/// `POST /v1/requests/{id}/accept`: the sender becomes a contact, the messages a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestAccept {
    /// A name for them.
    #[schema(value_type = NameText)]
    pub name: String,
}
