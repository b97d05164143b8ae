//! Kind 11, to devices: answers a [ping](super::ping).
//!
//! Payload: `{0: nonce 16}`, that of the ping. Further fields are ignored.

use serde::{Deserialize, Serialize};

/// The kind's number.
pub const KIND: u16 = 11;
/// Longest payload, bytes: it has 19, and room for fields to come.
pub const BYTES_MAX: usize = 256;

/// Answers a ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong {
    /// The ping's.
    #[serde(with = "serde_bytes")]
    pub nonce: [u8; 16],
}
