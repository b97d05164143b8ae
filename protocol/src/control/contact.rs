//! Contacts, and the requests of those who aren't yet.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::device::Device;
use super::schema::{ContactText, ExcerptText, IdText, NameText, ShownName};
use crate::time::UnixMillis;

/// A person the user knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Contact {
    /// The user's name for them, unique.
    #[schema(value_type = ContactText)]
    pub name: String,
    /// Their ID.
    #[schema(value_type = IdText)]
    pub id: String,
    /// When they were added.
    pub added_at: UnixMillis,
    /// Devices whose keys are known. 0 until their keys have been found on the network: messages
    /// wait until then.
    pub devices: u32,
    /// Unread messages from them.
    pub unread: u64,
    /// What the user noted of them; only where one contact is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4096)]
    pub note: Option<String>,
    /// Their devices, whatever became of them; only where one contact is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub device_list: Vec<Device>,
    /// When their identity was terminated, by the clock of who did so: they can't be written to any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminated_at: Option<UnixMillis>,
    /// Whether they are blocked: to them the user is away.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub blocked: bool,
    /// Whether the user accepted an invite of theirs, and their device has not seen that yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub invite_pending: bool,
    /// Whether the user has compared safety numbers with them.
    #[serde(default)]
    pub verified: Verified,
    /// When, if they have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<UnixMillis>,
    /// What to compare with them; only where one contact is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safety_number: Option<SafetyNumber>,
    /// What they call themselves, if they let their contacts know: unverified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ShownName>)]
    pub calls_themselves: Option<String>,
    /// Bytes of their picture, if they let their contacts see one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture_bytes: Option<u64>,
}

/// Whether the user has compared safety numbers with a contact.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Verified {
    /// They have not.
    #[default]
    No,
    /// They have.
    Yes,
    /// They have, and the contact has other devices since.
    Changed,
}

/// The safety number of the user and a contact: the same for both, as long as they are who they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SafetyNumber {
    /// 60 digits, in 12 groups.
    #[schema(max_length = 71)]
    pub digits: String,
    /// The text for a QR code.
    #[schema(max_length = 512)]
    pub qr: String,
}

/// `POST /v1/contacts/{name}/verify`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyRequest {
    /// The safety number as the contact has it: its digits with any spacing, or the text of the QR code. Absent if the
    /// user has compared it themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 512)]
    pub code: Option<String>,
}

/// `POST /v1/contacts/{name}/note`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ContactNote {
    /// The note, at most 4,096 bytes of UTF-8; empty for none.
    #[schema(max_length = 4096)]
    pub text: String,
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
    #[schema(value_type = IdText)]
    pub id: String,
    /// The name they gave themselves: unverified.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ShownName>)]
    pub suggested_name: Option<String>,
    /// When the first message came.
    pub first_at: UnixMillis,
    /// Messages waiting.
    pub messages: u64,
    /// The first message, shortened.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ExcerptText>)]
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

/// Hand-written: what the user notes is never logged.
impl std::fmt::Debug for ContactNote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ContactNote({} bytes)", self.text.len())
    }
}
