//! The user's devices, contacts' devices, and the end of the identity.

use super::schema::{HexId, IdText, ShownName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::UnixMillis;

/// A device of an identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Device {
    /// Its id, 64 hexadecimal digits.
    #[schema(value_type = HexId)]
    pub id: String,
    /// What it calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ShownName>)]
    pub name: Option<String>,
    /// Whether it is this one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub this: bool,
    /// When it was certified, by the clock of who did so.
    pub created_at: UnixMillis,
    /// Whether it counts.
    pub state: DeviceState,
    /// When it was revoked, by the clock of who did so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<UnixMillis>,
    /// Why, if that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<RevocationReason>,
    /// Messages of before: those that this device takes from the one that linked it, or that this one gives to another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<DeviceHistory>,
}

/// How far a device is with messages of before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeviceHistory {
    /// How many were taken, or given. Of those that were given some may have been here and there already.
    pub messages: u64,
    /// On the device that takes them: of how many conversations more is to come, as far as they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversations_left: Option<u64>,
}

/// Whether a device counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeviceState {
    /// It writes, and is written to.
    Valid,
    /// There are eight others, which were certified before it.
    Surplus,
    /// It is the identity's no more.
    Revoked,
    /// The identity was terminated.
    Terminated,
}

/// Why a device was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RevocationReason {
    /// It was lost.
    Lost,
    /// Someone has it, or its keys.
    Stolen,
    /// It is used no more.
    Retired,
}

/// `GET /v1/devices`, the first certified first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeviceList {
    /// The user's devices, whatever became of them.
    pub devices: Vec<Device>,
}

/// `PATCH /v1/devices/{device}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceRename {
    /// What this device calls itself, at most 64 bytes of UTF-8 without control characters; empty for nothing. Contacts see it.
    #[schema(max_length = 64)]
    pub name: String,
}

/// `POST /v1/devices/{device}/revoke`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceRevoke {
    /// Why. Contacts see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<RevocationReason>,
    /// The recovery phrase, where this device does not have the root. It is used for this once, and not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4096)]
    pub recovery_phrase: Option<String>,
}

/// `POST /v1/account/terminate`: ends an identity for good.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TerminateRequest {
    /// The ID that is to end. Without a kill phrase it must be the user's own.
    #[schema(value_type = IdText)]
    pub id: String,
    /// The vault's passphrase, if it has one and no kill phrase is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    pub passphrase: Option<String>,
    /// The identity's kill phrase, 12 words. With it any node will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    pub kill_phrase: Option<String>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TerminateResponse {
    /// The ID whose end is told.
    #[schema(value_type = IdText)]
    pub id: String,
    /// Whether this node knows that the identity ended. Of an identity that is neither the user's own nor a contact, it can't
    /// tell whether the kill phrase is the right one; the contacts' nodes can.
    pub verified: bool,
}

/// Hand-written: the phrase is secret.
impl std::fmt::Debug for DeviceRevoke {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeviceRevoke").field("reason", &self.reason).finish_non_exhaustive()
    }
}

/// Hand-written: the phrases are secret.
impl std::fmt::Debug for TerminateRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TerminateRequest(…)")
    }
}
