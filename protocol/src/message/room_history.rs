//! Kind 25, to devices: what was said in a room before the recipient came, as who brought them in has it.
//!
//! Payload: `{0: room 32, 1: [said, …]}`, a *said* `{0: message id 16, 1: who wrote it 32, 2: sent at ms, 3: text, 4: expire seconds u32,
//! if any}`, oldest first. Further fields are ignored. It is the sender's word alone: the sessions in which it was written prove
//! nothing to others.

use serde::{Deserialize, Serialize};

use super::Timers;

use crate::codec::{self, CodecError};
use crate::ids::{IdentityId, MessageId, RoomId};
use crate::limits::{ROOM_HISTORY_MAX, TEXT_BYTES_MAX};
use crate::time::UnixMillis;

/// The kind's number.
pub const KIND: u16 = 25;
/// What was said in one part, bytes: with its wrapping it fits the 32 KiB rung.
pub const PART_BYTES_MAX: usize = 22 * 1024;
/// Longest payload, bytes: one part, and room for fields to come.
pub const BYTES_MAX: usize = PART_BYTES_MAX + 2048;
/// What a message takes beside its text, bytes, at most.
const SAID_BYTES: usize = 80;

/// What was said in a room.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomHistory {
    /// Which.
    pub room: RoomId,
    /// It, oldest first.
    pub said: Vec<Said>,
}

/// A text that someone wrote in a room.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The message's id.
    pub id: MessageId,
    /// Who wrote it.
    pub author: IdentityId,
    /// When, by their clock.
    pub sent_at: UnixMillis,
    /// What it says.
    pub text: String,
    /// How long it lives from then, if it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_s: Option<u32>,
}

impl RoomHistory {
    /// As many parts as that needs `now`. A part is of no use once the first of its texts has ended. So those that end have others
    /// than those that don't, and of the ones in one part none has twice as long to live as another, in hours.
    #[must_use]
    pub fn parts(room: RoomId, said: impl IntoIterator<Item = Said>, now: UnixMillis) -> Vec<Self> {
        // Which life the texts of a part have, and how many bytes.
        let mut parts: Vec<(Option<u32>, usize, Self)> = Vec::new();
        for one in said {
            let life = one.ends_at().map(|end| hours_left(end, now).ilog2());
            let more = one.bytes();
            let last = parts.iter_mut().rev().find(|(of, ..)| *of == life);
            match last.filter(|(_, bytes, _)| bytes + more <= PART_BYTES_MAX) {
                Some((_, bytes, part)) => {
                    *bytes += more;
                    part.said.push(one);
                }
                None => parts.push((life, more, Self { room, said: vec![one] })),
            }
        }
        parts.into_iter().map(|(.., part)| part).collect()
    }

    /// When the first of its texts ends; `None` if none does. After that nobody is to have it.
    #[must_use]
    pub fn ends_at(&self) -> Option<UnixMillis> {
        self.said.iter().filter_map(Said::ends_at).min()
    }

    pub(super) fn decode(payload: &[u8]) -> Result<Self, CodecError> {
        let read: Self = codec::decode_lenient(payload, BYTES_MAX)?;
        let is_in_bounds = |it: &Said| (1..=TEXT_BYTES_MAX).contains(&it.text.len());
        match read.said.len() <= usize::from(ROOM_HISTORY_MAX) && read.said.iter().all(is_in_bounds)
        {
            true => Ok(read),
            false => Err(CodecError::NotCanonical),
        }
    }
}

impl Said {
    /// How much of a part it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.text.len() + SAID_BYTES
    }

    /// When it ends, if it does.
    #[must_use]
    pub fn ends_at(&self) -> Option<UnixMillis> {
        Timers { expire_s: self.expire_s, burn_s: None }.expires_at(self.sent_at)
    }
}

/// Hours that something has to live, begun ones included; at least one.
fn hours_left(end: UnixMillis, now: UnixMillis) -> u32 {
    let hours = end.since(now).as_secs().div_ceil(3600);
    u32::try_from(hours).unwrap_or(u32::MAX).max(1)
}

/// Hand-written: a text is never logged.
impl std::fmt::Debug for RoomHistory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RoomHistory({} messages)", self.said.len())
    }
}

/// Hand-written: a text is never logged.
impl std::fmt::Debug for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Said({} bytes)", self.text.len())
    }
}
