//! Invites.

use std::fmt;

use super::schema::{ContactText, NameText, PersonText};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::UnixMillis;

/// `POST /v1/invites`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InviteRequest {
    /// What whoever comes by it is called here; else as they call themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<NameText>)]
    pub name: Option<String>,
    /// For how long it is good, 60 to 2,592,000 seconds (30 days); a week if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 60, maximum = 2_592_000)]
    pub expires_seconds: Option<u32>,
}

/// An invite that the user made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Invite {
    /// Its number.
    pub number: u64,
    /// What to give to the other: a secret. Only where one invite is made or asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2046)]
    pub link: Option<String>,
    /// What whoever comes by it is called here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ContactText>)]
    pub name: Option<String>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// Until when it is good.
    pub expires_at: UnixMillis,
    /// What became of it.
    pub state: InviteState,
    /// Who came by it: the contact's name, or the ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<PersonText>)]
    pub used_by: Option<String>,
    /// When they came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_at: Option<UnixMillis>,
    /// Who came when it was no longer good, at most 16: contacts' names, or IDs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<PersonText>)]
    pub refused: Vec<String>,
}

/// What became of an invite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum InviteState {
    /// It is good.
    Open,
    /// Someone came by it.
    Used,
    /// Its time is over.
    Expired,
    /// The user revoked it.
    Revoked,
}

/// `GET /v1/invites`, by number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InviteList {
    /// All invites of which something is known.
    pub invites: Vec<Invite>,
}

/// `POST /v1/invites/accept`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InviteAccept {
    /// The link.
    #[schema(max_length = 2046)]
    pub link: String,
    /// A name for the inviter; else as they call themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<NameText>)]
    pub name: Option<String>,
}

/// Hand-written: the link is a secret.
impl fmt::Debug for InviteAccept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteAccept(…)")
    }
}
