//! Kind 26, among the devices of one identity, to one of them: asks for messages of before.
//!
//! Payload: `{0: number u32, 1: [{0: conversation 32, 1: before u64, if anything}, …], 2: asked at ms, 3: tries u8, if any}`, at most
//! [`LINES_MAX`] conversations. Further fields are ignored. A conversation is the other side's identity, the own one for notes, or a room. *Before* is what the answer to an
//! earlier request said; where there is none the newest messages are asked for. Each request has a greater number than the one before, and a later time;
//! but for those of a device that was put back from a copy, which counts again from there. *Tries* says how many answers to the
//! same did not come whole.

use serde::{Deserialize, Serialize};

use crate::codec::{self, CodecError};
use crate::ids::IdentityId;
use crate::time::UnixMillis;

/// The kind's number.
pub const KIND: u16 = 26;
/// Conversations that one request asks for.
pub const LINES_MAX: usize = 64;
/// Longest payload, bytes: so many conversations, and room for fields to come.
pub const BYTES_MAX: usize = 4096;

/// Asks for messages of before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryWanted {
    /// Which request of this device's it is: 1, 2, 3, …
    pub number: u32,
    /// Of which conversations, those that matter most first.
    pub lines: Vec<WantedLine>,
    /// When it was made, by this device's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<UnixMillis>,
    /// How many requests for the same were made before, whose answers did not come whole.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tries: u8,
}

/// Messages of one conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedLine {
    /// With whom; of a room its id.
    pub conversation: IdentityId,
    /// Those before this; `None` for the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
}

impl HistoryWanted {
    pub(super) fn decode(payload: &[u8]) -> Result<Self, CodecError> {
        let read: Self = codec::decode_lenient(payload, BYTES_MAX)?;
        match read.lines.len() <= LINES_MAX {
            true => Ok(read),
            false => Err(CodecError::NotCanonical),
        }
    }
}

// By reference, as serde asks.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(tries: &u8) -> bool {
    *tries == 0
}
