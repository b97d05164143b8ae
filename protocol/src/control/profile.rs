//! How the user wants contacts to see them.

use super::schema::{NameText, ShownName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::UnixMillis;

/// `GET /v1/profile`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OwnProfile {
    /// What the user calls themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ShownName>)]
    pub name: Option<String>,
    /// Bytes of their picture, if there is one: `GET /v1/profile/picture` has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture_bytes: Option<u64>,
    /// Whether contacts are told.
    pub shared: bool,
    /// Contacts who were told what is so now.
    pub told: u64,
    /// The name given at `init`, which everyone is offered whom the user writes to; it is no part of the profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ShownName>)]
    pub offered_name: Option<String>,
    /// When it was changed last; absent before the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<UnixMillis>,
}

/// `PATCH /v1/profile`: what is absent stays. `DELETE` takes all of it away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfileChange {
    /// What the user calls themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<NameText>)]
    pub name: Option<String>,
    /// Whether contacts are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<bool>,
}
