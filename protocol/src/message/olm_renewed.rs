//! Kind 4, to devices: an envelope of the recipient's was for this device and did not open in any [Olm](crate::crypto::olm)
//! session. This message begins a new one, in which the recipient goes on. What it sent and has no receipt of, it sends again.
//!
//! Payload: `{0: envelope id 32}`, that of the envelope. Further fields are ignored.

use serde::{Deserialize, Serialize};

use crate::ids::EnvelopeId;

/// The kind's number.
pub const KIND: u16 = 4;
/// Longest payload, bytes: it has 36, and room for fields to come.
pub const BYTES_MAX: usize = 256;

/// An envelope of the recipient's did not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OlmRenewed {
    /// Which.
    pub envelope: EnvelopeId,
}
