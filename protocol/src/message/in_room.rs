//! What a session of a room encrypts: a message, and what its writer knew of the room.
//!
//! `{0: first 8 bytes of an operation's id ‖ …, 1: message bytes}`. The operations are the last ones that the writer had, at most
//! 4. By them others see what they lack, and whether the writer had heard of a removal. Further fields are ignored.

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use super::Payload;
use crate::codec::{self, CodecError};
use crate::ids::OpId;
use crate::limits::BODY_BYTES_MAX;

/// Bytes of an id by which an operation of a room is known there.
pub const HEAD_BYTES: usize = 8;
/// Operations that are named.
pub const HEADS_MAX: usize = 4;

/// A message in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InRoom {
    /// The beginnings of the last operations that the writer had.
    pub heads: Vec<[u8; HEAD_BYTES]>,
    /// The message, encoded.
    pub message: Payload,
}

#[derive(Serialize, Deserialize)]
struct Fields {
    #[serde(with = "serde_bytes")]
    heads: Vec<u8>,
    #[serde(with = "serde_bytes")]
    message: Vec<u8>,
}

/// How an operation's id begins.
#[must_use]
pub fn beginning(id: &OpId) -> [u8; HEAD_BYTES] {
    let mut bytes = [0; HEAD_BYTES];
    bytes.copy_from_slice(&id.0[..HEAD_BYTES]);
    bytes
}

impl InRoom {
    /// A message of who had these operations last.
    #[must_use]
    pub fn new<'a>(heads: impl Iterator<Item = &'a OpId>, message: Vec<u8>) -> Self {
        Self { heads: heads.take(HEADS_MAX).map(beginning).collect(), message: Payload(message) }
    }

    /// The bytes that the session encrypts.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = Fields { heads: self.heads.concat(), message: self.message.0.clone() };
        let bytes = codec::encode(&fields);
        fields.message.zeroize();
        bytes
    }

    /// Reads them.
    ///
    /// # Errors
    /// [`CodecError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let Fields { heads, message } = codec::decode_lenient(bytes, BODY_BYTES_MAX)?;
        let (heads, rest) = heads.as_chunks::<HEAD_BYTES>();
        let message = Payload(message);
        if !rest.is_empty() || heads.len() > HEADS_MAX {
            return Err(CodecError::NotCanonical);
        }
        Ok(Self { heads: heads.to_vec(), message })
    }
}
