//! The shredder.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::UnixMillis;

/// How things stand with what was deleted or overwritten in the vault. Its keys are changed by a shred; until then who
/// has the vault's files, and the passphrase if there is one, could still open it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Shred {
    /// Whether a shred is under way.
    pub running: bool,
    /// Keys that are to be changed, those of a shred under way included. 0: nothing waits.
    pub waiting: u32,
    /// Keys in all.
    pub keys: u32,
    /// Records that the shred under way, else the last one, sealed anew.
    pub resealed: u64,
    /// When the last shred was done; absent if there was none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<UnixMillis>,
    /// The vault was made by an older version, and what was deleted then is not gone yet: after a shred, and the start after
    /// it, it is.
    #[serde(default)]
    pub old_layout: bool,
    /// The vault's file is much larger than what it holds; it gets smaller when the vault is opened next.
    #[serde(default)]
    pub rewrite_at_start: bool,
}
