//! Stamps: proof of work on an envelope, where a network asks for it (hashcash, Back 2002).
//!
//! `leading_zero_bits(BLAKE3(id ‖ nonce as u64 big-endian)) ≥ stamp_bits`. The stamp is outside
//! the envelope's id, so a re-stamped copy is the same envelope.

use crate::ids::EnvelopeId;

/// Leading zero bits of the stamp of `id` with `nonce`.
#[must_use]
pub fn bits(id: &EnvelopeId, nonce: u64) -> u8 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&id.0);
    hasher.update(&nonce.to_be_bytes());
    let hash = hasher.finalize();
    let mut bits = 0u8;
    for byte in hash.as_bytes() {
        bits = bits.saturating_add(u8::try_from(byte.leading_zeros()).unwrap_or(8));
        if *byte != 0 {
            break;
        }
    }
    bits
}

/// Whether `nonce` stamps `id` with at least `required` bits.
#[must_use]
pub fn check(id: &EnvelopeId, nonce: u64, required: u8) -> bool {
    required == 0 || bits(id, nonce) >= required
}

/// Looks for a nonce among `attempts` values from `start`. The caller loops, so that the work can
/// be cancelled; on average `2^required` attempts are needed.
#[must_use]
pub fn make(id: &EnvelopeId, required: u8, start: u64, attempts: u64) -> Option<u64> {
    (0..attempts).map(|step| start.wrapping_add(step)).find(|nonce| check(id, *nonce, required))
}
