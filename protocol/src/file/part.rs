//! Parts: a sealed file in envelopes, so that mailboxes keep it for who is away.
//!
//! Part `i` (u16, from 0) is an envelope of the conversation kind, with [`PART_BYTES`] of the sealed file; what the last lacks
//! is zeros, so that all have the same size. Nobody but who has the file's key tells that they belong together. Of `p`, the
//! parts key of [`file`](super):
//!
//! ```text
//! tag            = trunc16(BLAKE3 keyed(p, "martlet part tag v1" ‖ i))
//! body base key  = BLAKE3 keyed(p, "martlet part body v1" ‖ i)
//! ack secret     = trunc16(BLAKE3 keyed(ack key, "martlet part ack v1" ‖ message id ‖ i))   of a used slot
//!                  trunc16(BLAKE3 keyed(p, "martlet part unused slot v1" ‖ i ‖ slot u8))     of an unused one
//! ```
//!
//! The ack key is the device's in the session of the file's message. So parts are purged and recalled as messages are.

use zeroize::Zeroizing;

use super::FileKey;
use crate::ack::AckSecret;
use crate::crypto::Addressing;
use crate::crypto::body::{self, BaseKey, BodyError};
use crate::envelope::{Header, Kind, PREFIX_BYTES};
use crate::ids::Tag;

/// Bytes of the sealed file in a part: all that the last rung holds, but for some in reserve.
pub const PART_BYTES: usize = 32_704;
const TAG: &[u8] = b"martlet part tag v1";
const BODY: &[u8] = b"martlet part body v1";
const UNUSED_ACK: &[u8] = b"martlet part unused slot v1";

/// What parts of one file are known and opened by: it opens none of the file itself.
#[derive(Clone)]
pub struct PartsKey(Zeroizing<[u8; 32]>);

/// Why something is no part.
#[derive(Debug, thiserror::Error)]
pub enum PartError {
    /// It does not fit, or does not open.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// It has another size, or more slots than envelopes have.
    #[error("a part is malformed")]
    Malformed,
}

/// How many bytes of a sealed file of `sealed_size` bytes part `index` has; `None` if there is no such part.
#[must_use]
pub fn bytes_of(sealed_size: u64, index: u16) -> Option<usize> {
    let begins = u64::from(index) * PART_BYTES as u64;
    let left = sealed_size.checked_sub(begins).filter(|left| *left > 0)?;
    usize::try_from(left.min(PART_BYTES as u64)).ok()
}

/// In how many parts a sealed file of `sealed_size` bytes goes.
#[must_use]
pub fn parts(sealed_size: u64) -> u64 {
    sealed_size.div_ceil(PART_BYTES as u64)
}

impl PartsKey {
    /// That of a file.
    #[must_use]
    pub fn of(key: &FileKey) -> Self {
        Self(key.derive("martlet 2026 file parts v1"))
    }

    /// The one in a record.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// For a record.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        *self.0
    }

    /// By what part `index` is recognized.
    #[must_use]
    pub fn tag(&self, index: u16) -> Tag {
        Tag(self.keyed16(&[TAG, &index.to_be_bytes()]))
    }

    /// The secret of a slot that is no device's.
    #[must_use]
    pub fn unused_ack_secret(&self, index: u16, slot: u8) -> AckSecret {
        AckSecret(self.keyed16(&[UNUSED_ACK, &index.to_be_bytes(), &[slot]]))
    }

    /// The content of the envelope that carries part `index`; `slots` are the secrets of all its slots, in order.
    ///
    /// # Errors
    /// [`PartError::Malformed`] if it is empty or too long, or there are not 1, 2, 4 or 8 slots.
    pub fn seal(
        &self,
        addressing: &Addressing,
        index: u16,
        slots: &[AckSecret],
        bytes: &[u8],
    ) -> Result<Vec<u8>, PartError> {
        let count = u8::try_from(slots.len()).map_err(|_| PartError::Malformed)?;
        let is_good = matches!(count, 1 | 2 | 4 | 8) && (1..=PART_BYTES).contains(&bytes.len());
        if !is_good {
            return Err(PartError::Malformed);
        }
        let Addressing { network, shard, expiry } = *addressing;
        let prefix = Header::encode_prefix(Kind::Conversation, network, shard, expiry, count);
        let mut header = Vec::with_capacity(PREFIX_BYTES + 16 + slots.len() * 16 + PART_BYTES);
        header.extend_from_slice(&prefix);
        header.extend_from_slice(&self.tag(index).0);
        slots.iter().for_each(|slot| header.extend_from_slice(&slot.commit().0));
        let mut data = bytes.to_vec();
        data.resize(PART_BYTES, 0);
        Ok(body::seal(&self.base_key(index), header, &data)?)
    }

    /// The bytes of the sealed file in the envelope that carries part `index`, of which there are `len`.
    ///
    /// # Errors
    /// [`PartError`].
    pub fn open(
        &self,
        index: u16,
        len: usize,
        header: &Header,
        content: &[u8],
    ) -> Result<Vec<u8>, PartError> {
        let (head, body) = content.split_at_checked(header.len).ok_or(PartError::Malformed)?;
        let mut data = body::open(&self.base_key(index), head, body)?;
        if data.len() != PART_BYTES || data.iter().skip(len).any(|byte| *byte != 0) {
            return Err(PartError::Malformed);
        }
        data.truncate(len);
        Ok(std::mem::take(&mut *data))
    }

    fn base_key(&self, index: u16) -> BaseKey {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(BODY).update(&index.to_be_bytes());
        BaseKey(*hasher.finalize().as_bytes())
    }

    fn keyed16(&self, parts: &[&[u8]]) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        for part in parts {
            hasher.update(part);
        }
        let mut out = [0; 16];
        out.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        out
    }
}

/// Hand-written: keys are never logged.
impl std::fmt::Debug for PartsKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PartsKey(…)")
    }
}
