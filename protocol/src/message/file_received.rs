//! Kind 14, in conversations: the file of a message is whole on its reader's disk. It is no row of a history.
//!
//! Payload: `{0: message id 16}`. Further fields are ignored.

use serde::{Deserialize, Serialize};

use super::MessageError;
use crate::codec;
use crate::ids::MessageId;

/// The kind's number.
pub const KIND: u16 = 14;
/// Longest payload, bytes: it has 19, and room for fields to come.
pub const BYTES_MAX: usize = 256;

/// Says that a file is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileReceived {
    /// The message that announced it.
    pub file: MessageId,
}

impl FileReceived {
    /// The payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// [`MessageError::Codec`].
    pub fn decode(payload: &[u8]) -> Result<Self, MessageError> {
        Ok(codec::decode_lenient(payload, BYTES_MAX)?)
    }
}
