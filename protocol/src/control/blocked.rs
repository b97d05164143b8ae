//! People to whom the user is away.

use super::schema::{ContactText, IdText, PersonText};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::UnixMillis;

/// Someone who is blocked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Blocked {
    /// The user's name for them, where they are a contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ContactText>)]
    pub name: Option<String>,
    /// Their ID.
    #[schema(value_type = IdText)]
    pub id: String,
    /// When they were blocked.
    pub since: UnixMillis,
}

/// `GET /v1/blocked`: contacts by name, then others by ID.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BlockedList {
    /// All who are blocked.
    pub blocked: Vec<Blocked>,
}

/// `POST /v1/blocked`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BlockRequest {
    /// A contact's name, or anyone's ID.
    #[schema(value_type = PersonText)]
    pub who: String,
}
