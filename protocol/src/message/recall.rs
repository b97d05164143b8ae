//! Kind 35: takes back a message that the same person wrote in the same conversation. It is no row of a history: it
//! does something.
//!
//! Payload: `{0: message id 16}`. Further fields are ignored. Of a message that was not proved received, the recall has
//! that message's number: whoever never gets the message misses none.

use serde::{Deserialize, Serialize};

use crate::ids::MessageId;

/// The kind's number.
pub const KIND: u16 = 35;
/// Longest payload, bytes: it has 19, and room for fields to come.
pub const BYTES_MAX: usize = 256;

/// Takes a message back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recall {
    /// Which.
    pub message: MessageId,
}
