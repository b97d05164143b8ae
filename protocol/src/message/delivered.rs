//! Kind 15, among the devices of one identity: messages that the user sent on this device were delivered.
//!
//! Payload: `{0: conversation 32, 1: [message id 16, …]}`, at most [`MESSAGES_MAX`] of them. Further fields are ignored. Only the
//! device that sent a message can tell: it alone knows the secrets by which receipt is proved.

use serde::{Deserialize, Serialize};

use super::MessageError;
use crate::codec;
use crate::ids::{IdentityId, MessageId};

/// The kind's number.
pub const KIND: u16 = 15;
/// Messages that one tells of.
pub const MESSAGES_MAX: usize = 64;
/// Longest payload, bytes: so many ids, and room for fields to come.
pub const BYTES_MAX: usize = 2048;

/// Messages of the user's that were delivered. Of more than so many the first count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// With whom.
    pub conversation: IdentityId,
    /// Which.
    pub messages: Vec<MessageId>,
}

impl Delivered {
    /// Reads a payload.
    ///
    /// # Errors
    /// [`MessageError::Codec`].
    pub fn decode(payload: &[u8]) -> Result<Self, MessageError> {
        let mut delivered: Self = codec::decode_lenient(payload, BYTES_MAX)?;
        delivered.messages.truncate(MESSAGES_MAX);
        Ok(delivered)
    }
}
