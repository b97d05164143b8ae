//! Kind 30, in conversations: another text for a message that its author wrote before.
//!
//! Payload: `{0: message id 16, 1: text}`; the text has the bounds of a [text](super::text). Further fields are ignored.
//! Only an edit by the target's author counts. Of several the one with the greatest `(sent at, id)` is shown.

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use super::{MessageError, Text};
use crate::codec;
use crate::ids::MessageId;
use crate::limits::TEXT_BYTES_MAX;

/// The kind's number.
pub const KIND: u16 = 30;
/// Longest payload, bytes: a text, 24 beside it, and room for fields to come.
pub const BYTES_MAX: usize = TEXT_BYTES_MAX + 256;

/// Another text for a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Which message.
    pub target: MessageId,
    /// What it says from now on.
    pub text: Text,
}

#[derive(Serialize, Deserialize)]
struct Fields {
    target: MessageId,
    text: String,
}

impl Edit {
    /// The payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = Fields { target: self.target, text: self.text.as_str().to_owned() };
        let bytes = codec::encode(&fields);
        fields.text.zeroize();
        bytes
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// [`MessageError::Codec`] and [`MessageError::Text`].
    pub fn decode(payload: &[u8]) -> Result<Self, MessageError> {
        let Fields { target, text } = codec::decode_lenient(payload, BYTES_MAX)?;
        Ok(Self { target, text: Text::new(text)? })
    }
}
