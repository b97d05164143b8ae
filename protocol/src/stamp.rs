//! Stamps: proof of work on an envelope, where a network asks for it (hashcash, Back 2002).
//!
//! `leading_zero_bits(BLAKE3(id ‖ nonce as u64 big-endian)) ≥ stamp_bits`. The stamp is outside
//! the envelope's id, so a re-stamped copy is the same envelope.

use crate::ids::EnvelopeId;

/// Leading zero bits of the stamp of `id` with `nonce`.
#[must_use]
pub fn bits(id: &EnvelopeId, nonce: u64) -> u8 {
    bits_of(&mut input(id), nonce)
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
    let mut input = input(id);
    (0..attempts)
        .map(|step| start.wrapping_add(step))
        .find(|nonce| required == 0 || bits_of(&mut input, *nonce) >= required)
}

/// What is hashed: one block of BLAKE3, so that an attempt costs one compression.
fn input(id: &EnvelopeId) -> [u8; 40] {
    let mut input = [0; 40];
    input[..32].copy_from_slice(&id.0);
    input
}

fn bits_of(input: &mut [u8; 40], nonce: u64) -> u8 {
    input[32..].copy_from_slice(&nonce.to_be_bytes());
    let hash = blake3::hash(input);
    let mut bits = 0u8;
    for byte in hash.as_bytes() {
        bits = bits.saturating_add(u8::try_from(byte.leading_zeros()).unwrap_or(8));
        if *byte != 0 {
            break;
        }
    }
    bits
}
