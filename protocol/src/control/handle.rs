//! Handles.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::contact::SafetyNumber;
use super::schema::{ContactText, HandleText, IdText};
use crate::time::UnixMillis;

/// `POST /v1/handle`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HandleClaim {
    /// The name: 2 to 32 letters and digits of any script, perhaps with an @ before it.
    #[schema(min_length = 2, max_length = 33)]
    pub handle: String,
}

/// `GET /v1/handle`: the handle that the user claims.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OwnHandle {
    /// Its name; absent if the user claims none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<HandleText>)]
    pub handle: Option<String>,
    /// Since when the user claims it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_at: Option<UnixMillis>,
    /// The handle that the user claims in another network, if they claim none in this one. There it is published again once
    /// the node is back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<HandleText>)]
    pub elsewhere: Option<String>,
    /// All who claim it, or what looks like it, as far as they were found: the user, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claimants: Vec<Claimant>,
    /// Whether there are more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// `GET /v1/handles/{handle}`: who answers to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HandleFound {
    /// The name that was looked for, in the form that is taken.
    #[schema(value_type = HandleText)]
    pub handle: String,
    /// All who claim it, or what looks like it: the user first, then contacts, then the others by when they say that they
    /// claimed it. That is their word alone.
    pub claimants: Vec<Claimant>,
    /// Whether there are more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
    /// Whether the claims of this handle are kept on this node. Otherwise other nodes were asked, and may not have answered.
    pub complete: bool,
}

/// Someone who claims a handle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Claimant {
    /// Their ID.
    #[schema(value_type = IdText)]
    pub id: String,
    /// The handle as they write it.
    #[schema(value_type = HandleText)]
    pub handle: String,
    /// Whether that only looks like what was looked for, in other letters.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lookalike: bool,
    /// Since when, as they say.
    pub claimed_at: UnixMillis,
    /// Whether it is the user.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own: bool,
    /// The user's name for them, if they are a contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ContactText>)]
    pub contact: Option<String>,
    /// What to compare with whom the user means; absent for the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safety_number: Option<SafetyNumber>,
}
