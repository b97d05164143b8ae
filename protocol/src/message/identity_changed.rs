//! Kind 3, to devices: what is known of the devices of an identity.
//!
//! Payload: `{0: identity 32, 1: identity state bytes}`, at most 26 KiB. Further fields are ignored. The identity is the
//! sender's, whose devices are others than before; or the recipient's, of whom the sender knows more than the recipient has
//! told. The [state](crate::identity::state) is verified where it is merged.

use serde::{Deserialize, Serialize};

use crate::ids::IdentityId;
use crate::limits::IDENTITY_STATE_BYTES_MAX;

/// The kind's number.
pub const KIND: u16 = 3;
/// Longest payload, bytes: the longest state, and room for fields to come.
pub const BYTES_MAX: usize = IDENTITY_STATE_BYTES_MAX + 1024;

/// What is known of the devices of an identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityChanged {
    /// Whose devices.
    pub identity: IdentityId,
    /// What is said of them.
    #[serde(with = "serde_bytes")]
    pub state: Vec<u8>,
}
