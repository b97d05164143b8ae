//! Kind 33, to devices: that the sender is writing a text just now. It is never kept, and of use for seconds.
//!
//! Payload: `{0: sent at ms}`. Further fields are ignored.

use serde::{Deserialize, Serialize};

use crate::time::UnixMillis;

/// The kind's number.
pub const KIND: u16 = 33;
/// Longest payload, bytes: it has 11, and room for fields to come.
pub const BYTES_MAX: usize = 256;

/// The sender is writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Typing {
    /// When, by the sender's clock: an old one is not told.
    pub sent_at: UnixMillis,
}
