//! Kind 13, in conversations: who has the file of an earlier message too. It is no row of a history.
//!
//! Payload: `{0: message id 16, 1: holders}`, as in [`file`](super::file). Further fields are ignored. Only who sent the file
//! may say it.

use serde::{Deserialize, Serialize};

use super::MessageError;
use super::file::{Holder, check_holders};
use crate::codec;
use crate::ids::MessageId;

/// The kind's number.
pub const KIND: u16 = 13;
/// Longest payload, bytes: four holders have 2.4 KiB, and there is room for fields to come.
pub const BYTES_MAX: usize = 4096;

/// Who has a file too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileHolders {
    /// The message that announced it.
    pub file: MessageId,
    /// Who has it.
    pub holders: Vec<Holder>,
}

impl FileHolders {
    /// The payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// [`MessageError::Codec`] and [`MessageError::File`].
    pub fn decode(payload: &[u8]) -> Result<Self, MessageError> {
        let told: Self = codec::decode_lenient(payload, BYTES_MAX)?;
        check_holders(&told.holders)?;
        Ok(told)
    }
}
