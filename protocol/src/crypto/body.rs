//! The body of an envelope: padded, then encrypted.
//!
//! ```text
//! plaintext  = length u32 ‖ data ‖ zeros, to a rung of the ladder less 16 bytes
//! body       = ChaCha20-Poly1305(key, nonce 0, plaintext, associated data = header)
//! key        = BLAKE3 keyed(base key, header)
//! ```
//!
//! The header of every envelope is unique (a fresh key commitment, a tag that is used once, or a
//! random ack commitment), so a key is used once and the nonce can be zero.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::limits::{BODY_BYTES_MAX, BODY_BYTES_MIN};

/// Bytes of the AEAD's tag.
const AEAD_TAG_BYTES: usize = 16;
/// Bytes of the length before the data.
const LENGTH_BYTES: usize = 4;
/// Most data a body holds, bytes.
pub const DATA_BYTES_MAX: usize = BODY_BYTES_MAX - AEAD_TAG_BYTES - LENGTH_BYTES;

/// A key from which the keys of bodies derive.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct BaseKey(pub [u8; 32]);

/// Why a body could not be made or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// More data than the last rung holds.
    #[error("{found} bytes do not fit an envelope, at most {DATA_BYTES_MAX} do")]
    TooLong {
        /// Bytes given.
        found: usize,
    },
    /// Another key's, or changed on the way.
    #[error("the body does not open with this key")]
    Decrypt,
    /// The plaintext is not padded data: made by a broken sender.
    #[error("the body's padding is malformed")]
    Padding,
}

/// `header ‖ body`: the content of an envelope.
///
/// # Errors
/// [`BodyError::TooLong`].
pub fn seal(base: &BaseKey, header: Vec<u8>, data: &[u8]) -> Result<Vec<u8>, BodyError> {
    let padded = pad(data)?;
    let body = cipher(base, &header)
        .encrypt(&Nonce::default(), Payload { msg: &padded, aad: &header })
        .map_err(|_| BodyError::TooLong { found: data.len() })?;
    let mut content = header;
    content.extend_from_slice(&body);
    Ok(content)
}

/// The data in a body.
///
/// # Errors
/// [`BodyError::Decrypt`] and [`BodyError::Padding`].
pub fn open(base: &BaseKey, header: &[u8], body: &[u8]) -> Result<Zeroizing<Vec<u8>>, BodyError> {
    let mut padded = Zeroizing::new(
        cipher(base, header)
            .decrypt(&Nonce::default(), Payload { msg: body, aad: header })
            .map_err(|_| BodyError::Decrypt)?,
    );
    let length: [u8; LENGTH_BYTES] = *padded.first_chunk().ok_or(BodyError::Padding)?;
    let length = usize::try_from(u32::from_be_bytes(length)).map_err(|_| BodyError::Padding)?;
    let end = LENGTH_BYTES.checked_add(length).ok_or(BodyError::Padding)?;
    if end > padded.len() || padded[end..].iter().any(|byte| *byte != 0) {
        return Err(BodyError::Padding);
    }
    padded.truncate(end);
    padded.drain(..LENGTH_BYTES);
    Ok(padded)
}

impl std::fmt::Debug for BaseKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BaseKey(…)")
    }
}

fn cipher(base: &BaseKey, header: &[u8]) -> ChaCha20Poly1305 {
    let key = Zeroizing::new(*blake3::keyed_hash(&base.0, header).as_bytes());
    ChaCha20Poly1305::new((&*key).into())
}

fn pad(data: &[u8]) -> Result<Zeroizing<Vec<u8>>, BodyError> {
    if data.len() > DATA_BYTES_MAX {
        return Err(BodyError::TooLong { found: data.len() });
    }
    let rung = (LENGTH_BYTES + data.len() + AEAD_TAG_BYTES).next_power_of_two().max(BODY_BYTES_MIN);
    let length = u32::try_from(data.len()).map_err(|_| BodyError::TooLong { found: data.len() })?;
    let mut padded = Zeroizing::new(Vec::with_capacity(rung - AEAD_TAG_BYTES));
    padded.extend_from_slice(&length.to_be_bytes());
    padded.extend_from_slice(data);
    padded.resize(rung - AEAD_TAG_BYTES, 0);
    Ok(padded)
}
