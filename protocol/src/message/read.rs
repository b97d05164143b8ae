//! Kind 32, in conversations: up to which message the writer has read what the other side wrote.
//!
//! Payload: `{0: message id 16}`: that of the newest message read. It was written by who gets the receipt; all that they wrote
//! before it is read with it. Further fields are ignored.

use serde::{Deserialize, Serialize};

use crate::ids::MessageId;

/// The kind's number.
pub const KIND: u16 = 32;
/// Longest payload, bytes: it has 19, and room for fields to come.
pub const BYTES_MAX: usize = 256;

/// Up to which message was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// The newest message read.
    pub up_to: MessageId,
}
