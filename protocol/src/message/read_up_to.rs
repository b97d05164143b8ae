//! Kind 6, among the devices of one identity: up to which message the user has read a conversation on another device.
//!
//! Payload: `{0: conversation 32, 1: message id 16}`. Further fields are ignored. The conversation is the identity of the
//! other side, who wrote the message. (A [read receipt](super::read) is for the other side, and only where the user wants it.)

use serde::{Deserialize, Serialize};

use crate::ids::{IdentityId, MessageId};

/// The kind's number.
pub const KIND: u16 = 6;
/// Longest payload, bytes: it has 54, and room for fields to come.
pub const BYTES_MAX: usize = 256;

/// Up to where the user has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadUpTo {
    /// With whom.
    pub conversation: IdentityId,
    /// The last message read.
    pub message: MessageId,
}
