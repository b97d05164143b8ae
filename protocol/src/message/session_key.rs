//! Kind 2, to devices: the key of a conversation session.
//!
//! Payload: `{0: grant, 1: suggested name or null}`, the grant being
//! `{0: Megolm session key bytes, 1: tag key 32, 2: ack key 32, 3: slot u8, 4: messages u32}`
//! (see [`crate::crypto::session`]). The conversation is the one between sender and recipient.

use serde::{Deserialize, Serialize};

use crate::crypto::session::SessionGrant;

/// The kind's number.
pub const KIND: u16 = 2;
/// Longest payload, bytes: it has about 300, and room for fields to come.
pub const BYTES_MAX: usize = 2048;

/// The key of a conversation session.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SessionKeyMessage {
    /// The key.
    pub grant: SessionGrant,
    /// The name the sender goes by: shown, as unverified, to who doesn't know the sender.
    pub suggested_name: Option<String>,
}
