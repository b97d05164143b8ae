//! Kind 5, among the devices of one identity: what the user wrote or did in a conversation on another device.
//!
//! Payload: `{0: conversation 32, 1: message bytes}`. Further fields are ignored. The conversation is the identity of the
//! other side, or the user's own for a note. The message is one as conversations have it: see [`super`]. Its id is the one
//! that the other side gets, so what comes by two ways is one message.

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use super::{MessageError, Payload};
use crate::codec::{self, CodecError};
use crate::ids::IdentityId;

/// The kind's number.
pub const KIND: u16 = 5;
/// Longest message in it, bytes: any that is copied fits, the largest file among them, and one more frame around it fits an
/// envelope.
pub const MESSAGE_BYTES_MAX: usize = 28 * 1024;
/// Longest payload, bytes.
pub const BYTES_MAX: usize = MESSAGE_BYTES_MAX + 256;

/// What the user wrote or did on another device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// With whom.
    pub conversation: IdentityId,
    /// The message, encoded.
    pub message: Payload,
}

#[derive(Serialize, Deserialize)]
struct Fields {
    conversation: IdentityId,
    #[serde(with = "serde_bytes")]
    message: Vec<u8>,
}

impl Sent {
    /// The payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let Self { conversation, message } = self;
        let mut fields = Fields { conversation: *conversation, message: message.0.clone() };
        let bytes = codec::encode(&fields);
        fields.message.zeroize();
        bytes
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// [`MessageError::Codec`].
    pub fn decode(payload: &[u8]) -> Result<Self, MessageError> {
        let Fields { conversation, message } = codec::decode_lenient(payload, BYTES_MAX)?;
        if message.len() > MESSAGE_BYTES_MAX {
            let (found, max) = (message.len(), MESSAGE_BYTES_MAX);
            return Err(CodecError::TooLong { found, max }.into());
        }
        Ok(Self { conversation, message: Payload(message) })
    }
}
