//! Kind 10, to devices: asks whether a device is on. The engine answers it, and people see nothing
//! of it: it is in no conversation's history.
//!
//! Payload: `{0: nonce 16, 1: sent at ms}`. Further fields are ignored.

use serde::{Deserialize, Serialize};

use crate::time::UnixMillis;

/// The kind's number.
pub const KIND: u16 = 10;
/// Longest payload, bytes: it has 29, and room for fields to come.
pub const BYTES_MAX: usize = 256;

/// Asks whether the device is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ping {
    /// Random: the answer is known by it.
    #[serde(with = "serde_bytes")]
    pub nonce: [u8; 16],
    /// When it was sent, by the sender's clock: an old one need not be answered.
    pub sent_at: UnixMillis,
}
