//! Cryptography: dependencies put together, nothing invented.
//!
//! | module | does | with |
//! | --- | --- | --- |
//! | [`body`] | encrypts an envelope's body, padded | ChaCha20-Poly1305 (RFC 8439), BLAKE3 |
//! | [`seal`] | to-device envelopes | HPKE (RFC 9180), X-Wing, X25519, Ed25519 |
//! | [`olm`] | what to-device envelopes carry: a ratchet | Olm (vodozemac), BLAKE3 |
//! | [`session`] | conversation envelopes | Megolm (vodozemac), BLAKE3 |

pub mod body;
pub mod olm;
pub mod seal;
pub mod session;

use crate::ids::{NetworkTag, Shard};
use crate::time::ExpiryHour;

/// What stands in the header of an envelope whatever its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addressing {
    /// The network it is made for.
    pub network: NetworkTag,
    /// The shard that stores it.
    pub shard: Shard,
    /// When it ends.
    pub expiry: ExpiryHour,
}

/// Slots for `recipients` devices: the next of 1, 2, 4 and 8, or `None` if there are more, or none.
#[must_use]
pub fn slots_for(recipients: usize) -> Option<u8> {
    match recipients {
        1 => Some(1),
        2 => Some(2),
        3 | 4 => Some(4),
        5..=8 => Some(8),
        _ => None,
    }
}
