//! Linking: a further device joins the identity, by a code and a comparison.

use super::schema::{HexId, IdText, ShownName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::UnixMillis;

/// A code by which a device is linked, and how far it came: on the device with the root.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Link {
    /// How far.
    pub state: LinkState,
    /// The code, while nobody has come by it. Whoever sees it can disturb the linking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 512)]
    pub code: Option<String>,
    /// Until when it is good.
    pub expires_at: UnixMillis,
    /// In the state `compare`: three numbers of four digits. The new device has to show the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 14)]
    pub numbers: Option<String>,
    /// The device that came by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<LinkDevice>,
    /// In the state `refused`: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<LinkReason>,
    /// Whether the new device said so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_other: bool,
    /// In the answer to `POST /v1/link`: whether a code of before was still good, which is so no more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replaced: bool,
}

/// The device that came by a code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LinkDevice {
    /// Its id, 64 hexadecimal digits.
    #[schema(value_type = HexId)]
    pub id: String,
    /// What it calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ShownName>)]
    pub name: Option<String>,
}

/// How far a code came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    /// A device is waited for.
    Offered,
    /// Both devices show the numbers.
    Compare,
    /// The device is linked.
    Linked,
    /// Nothing came of it.
    Refused,
    /// Its ten minutes are over.
    Expired,
}

/// Why nothing came of a linking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LinkReason {
    /// Someone broke it off.
    Cancelled,
    /// The numbers were not the same on both.
    NumbersDiffer,
    /// The code was used, or had ended.
    Used,
    /// Two devices came by one code, or two answered.
    Disturbed,
    /// The new device revealed another key than the one that it had committed to.
    Commitment,
    /// What came was malformed.
    Malformed,
    /// The new device belongs to an identity already.
    Certified,
    /// The identity has as many devices as it may have.
    Limit,
    /// Another device of the user's has the name. The code is as good as before: the new device may come again with another.
    NameTaken,
    /// Another reason; or, on the new device, its vault could not be made.
    Other,
}

/// `POST /v1/link/confirm`: what the user saw.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkConfirm {
    /// Whether both devices show the same numbers. If not, the device is refused.
    pub equal: bool,
    /// Whether the new device is to have the messages of before. The newest come first, at most 100,000, and no files.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub history: bool,
    /// The recovery phrase, where this device does not have the root. It is used for this once, and not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4096)]
    pub recovery_phrase: Option<String>,
}

/// `POST /v1/join`: this device is to join an identity.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JoinRequest {
    /// The code that the device with the root shows.
    #[schema(max_length = 512)]
    pub code: String,
    /// What this device calls itself: at most 64 bytes of UTF-8 with something to be seen, without control characters, '/' and
    /// characters that turn the direction of a text. No other device of the user's has it. Contacts see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    pub name: Option<String>,
    /// The vault's passphrase; null for a vault without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    pub passphrase: Option<String>,
}

/// A code that this device was given, and how far it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Join {
    /// How far.
    pub state: JoinState,
    /// Until when it is tried.
    pub expires_at: UnixMillis,
    /// In the state `compare`: three numbers of four digits. The device with the root has to show the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 14)]
    pub numbers: Option<String>,
    /// In the state `joined`: the ID of the identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<IdText>)]
    pub id: Option<String>,
    /// In the state `refused`: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<LinkReason>,
    /// Whether the device with the root said so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_other: bool,
    /// Why this device's vault could not be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// How far a code that was given came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JoinState {
    /// The device with the root is waited for.
    Joining,
    /// Both devices show the numbers.
    Compare,
    /// This device is the identity's.
    Joined,
    /// Nothing came of it.
    Refused,
    /// Its ten minutes are over.
    Expired,
}

/// Hand-written: the code is not shown.
impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("state", &self.state).finish_non_exhaustive()
    }
}

/// Hand-written: code and passphrase are secret.
impl std::fmt::Debug for JoinRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JoinRequest(…)")
    }
}

/// Hand-written: the phrase is secret.
impl std::fmt::Debug for LinkConfirm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinkConfirm").field("equal", &self.equal).finish_non_exhaustive()
    }
}
