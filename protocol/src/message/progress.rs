//! Kind 15, among the devices of one identity: how far messages got that the user sent on this device.
//!
//! Payload: `{0: conversation 32, 1: [message id 16, …], 2: state u8}`, at most [`MESSAGES_MAX`] of them, the state only
//! where it is not that they were delivered. Further fields are ignored. Only the device that sent a message can tell: it
//! alone knows what is on its way, and the secrets by which receipt is proved.

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

/// How far messages of the user's got. Of more than so many the first count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// With whom.
    pub conversation: IdentityId,
    /// Which.
    pub messages: Vec<MessageId>,
    /// How far.
    #[serde(default, skip_serializing_if = "Reached::is_delivered")]
    pub reached: Reached,
}

/// How far a message got, by its number: 0 queued, 1 sent, 2 delivered, 3 expired. Of another number nothing follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reached(pub u8);

impl Reached {
    /// On the device that sent it, and nowhere else.
    pub const QUEUED: Self = Self(0);
    /// Another node has it.
    pub const SENT: Self = Self(1);
    /// Each addressed device proved that it has it.
    pub const DELIVERED: Self = Self(2);
    /// Its life ended first.
    pub const EXPIRED: Self = Self(3);

    // By reference, as serde asks.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
    fn is_delivered(&self) -> bool {
        *self == Self::DELIVERED
    }
}

impl Default for Reached {
    /// What is said where nothing is.
    fn default() -> Self {
        Self::DELIVERED
    }
}

impl Progress {
    /// Reads a payload.
    ///
    /// # Errors
    /// [`MessageError::Codec`].
    pub fn decode(payload: &[u8]) -> Result<Self, MessageError> {
        let mut progress: Self = codec::decode_lenient(payload, BYTES_MAX)?;
        progress.messages.truncate(MESSAGES_MAX);
        Ok(progress)
    }
}
