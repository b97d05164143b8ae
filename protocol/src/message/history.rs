//! Kind 27, among the devices of one identity, to one of them: messages of before, a page of them.
//!
//! Payload: `{0: number u32, 1: page u8, 2: pages u8, 3: [{0: identity 32, 1: device 32}, …], 4: [slice, …]}`, the number that of
//! the [request](super::history_wanted), and 0 where a device says that there is something to ask for. Further fields are ignored.
//!
//! - A *slice* is a part of one conversation: `{0: conversation 32, 1: before u64, if anything, 2: next u64, if there is more,
//!   3: [past, …]}`, newest first. *Before* is what was asked for, or the *next* of the page before.
//! - A *past* is one message: `{0: message bytes, 1: writer u16, 2: stored at ms, 3: state u8, 4: burns from ms, 5: flags u8,
//!   6: recalled by 32, 7: told by 32, 8: [{0: at ms, 1: edit id 16, 2: text}, …], 9: [{0: identity 32, 1: at ms, 2: message id 16,
//!   3: emoji}, …]}`, the message as in a conversation. Each from field 3 on is there only if it says something. The writer is their
//!   place in field 3 of the page. A message that was taken back is a recall of itself. Of the versions of an edited message the
//!   last is without text: that is the message's.
//!
//! What a page says is looked at message by message: one that breaks a bound is left out, and the others count.

use serde::{Deserialize, Serialize};

use super::Message;

use crate::codec::{self, CodecError};
use crate::ids::{DeviceId, IdentityId, MessageId};
use crate::time::UnixMillis;

/// The kind's number.
pub const KIND: u16 = 27;
/// What a page has, bytes: with its wrapping it fits the 32 KiB rung.
pub const PAGE_BYTES_MAX: usize = 22 * 1024;
/// Longest payload, bytes: one page, and room for fields to come.
pub const BYTES_MAX: usize = PAGE_BYTES_MAX + 2048;
/// Most pages that answer one request: so much is under way at a time.
pub const PAGES_MAX: u8 = 4;
/// Messages in one page: more than the shortest ones that fit.
pub const SAID_MAX: usize = 512;
/// What a writer takes in a page, bytes, at most.
const WRITER_BYTES: usize = 72;
/// What a slice takes beside its messages, bytes, at most.
const SLICE_BYTES: usize = 64;
/// Most bytes of one message that a page has room for.
pub const PAST_BYTES_MAX: usize = PAGE_BYTES_MAX - WRITER_BYTES - SLICE_BYTES;

/// Messages of before.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Which request it answers; 0 for none.
    pub number: u32,
    /// Which page of the answer it is: 0, 1, 2, …
    pub page: u8,
    /// How many pages the answer has.
    pub pages: u8,
    /// Who wrote its messages.
    pub writers: Vec<Writer>,
    /// Parts of conversations.
    pub slices: Vec<Slice>,
}

/// Who wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writer {
    /// The person.
    pub identity: IdentityId,
    /// Their device.
    pub device: DeviceId,
}

/// A part of a conversation.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// With whom; of a room its id.
    pub conversation: IdentityId,
    /// Before what its messages are; `None` if they are the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// Before what the next ones are; `None` if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
    /// Its messages, newest first.
    pub said: Vec<Past>,
}

/// A message of before.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// It, as it goes in a conversation.
    #[serde(with = "serde_bytes")]
    pub message: Vec<u8>,
    /// Which of the page's writers wrote it.
    pub writer: u16,
    /// When it came to the device that tells of it.
    pub stored_at: UnixMillis,
    /// How far an own one got, as in [`Reached`](super::Reached); `None` if it was delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<u8>,
    /// From when on it burns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burns_from: Option<UnixMillis>,
    /// Yes or no: [`IS_LATE`], [`IS_READ`], [`IS_NEW`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub flags: u8,
    /// The moderator who took it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recalled_by: Option<IdentityId>,
    /// Who told of it, in a room to which the user came later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_by: Option<IdentityId>,
    /// What it said at which time, the original first, the last without its text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<PastVersion>,
    /// Reactions to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<PastReaction>,
}

/// In a room its writer had been removed, and had not heard of it.
pub const IS_LATE: u8 = 1;
/// The other side said that they read it, which the user wrote.
pub const IS_READ: u8 = 2;
/// It came after the device that asks was linked, and the user has not read it.
pub const IS_NEW: u8 = 4;

/// What a message said at some time.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastVersion {
    /// When that was written.
    pub at: UnixMillis,
    /// The id of the edit.
    pub id: MessageId,
    /// The text; of the last one none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// A reaction to a message.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastReaction {
    /// Whose.
    pub by: IdentityId,
    /// When.
    pub at: UnixMillis,
    /// The id of what said so.
    pub id: MessageId,
    /// With what; empty if it was withdrawn.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub emoji: String,
}

/// Pages that are being filled.
#[derive(Default)]
pub struct Pages {
    pages: Vec<History>,
    /// What the last of them has.
    bytes: usize,
}

impl History {
    /// Says that there is something to ask for.
    #[must_use]
    pub fn offer() -> Self {
        Self { number: 0, page: 0, pages: 0, writers: Vec::new(), slices: Vec::new() }
    }

    /// When the first of its texts ends; `None` if none does. After that nobody is to have the page.
    #[must_use]
    pub fn ends_at(&self) -> Option<UnixMillis> {
        self.slices.iter().flat_map(|slice| &slice.said).filter_map(Past::ends_at).min()
    }

    /// How many messages it has.
    #[must_use]
    pub fn said(&self) -> usize {
        self.slices.iter().map(|slice| slice.said.len()).sum()
    }

    pub(super) fn decode(payload: &[u8]) -> Result<Self, CodecError> {
        let read: Self = codec::decode_lenient(payload, BYTES_MAX)?;
        let is_page = read.page < read.pages && read.pages <= PAGES_MAX;
        let is_offer = read.number == 0 && read.slices.is_empty();
        match read.said() <= SAID_MAX && (is_page && read.number > 0 || is_offer) {
            true => Ok(read),
            false => Err(CodecError::NotCanonical),
        }
    }
}

impl Past {
    /// How much of a page it takes, bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        codec::encode(self).len()
    }

    /// When it ends, as far as it can be told.
    #[must_use]
    pub fn ends_at(&self) -> Option<UnixMillis> {
        let Message { timers, sent_at, .. } = Message::decode(&self.message).ok()?;
        // As where it is kept: by a clock that is ahead nothing lives longer than its timer from when it came.
        let expires = timers.expires_at(sent_at.min(self.stored_at));
        let burns = self.burns_from.and_then(|from| timers.burns_at(from));
        expires.into_iter().chain(burns).min()
    }
}

impl Pages {
    /// Whether nothing more can be begun.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let is_last = self.pages.len() >= usize::from(PAGES_MAX);
        is_last && self.bytes + SLICE_BYTES > PAGE_BYTES_MAX
    }

    /// Begins with the messages of a conversation before something; whether there is room for that.
    pub fn begin(&mut self, conversation: IdentityId, before: Option<u64>) -> bool {
        if self.pages.is_empty() || self.bytes + SLICE_BYTES > PAGE_BYTES_MAX {
            if self.pages.len() >= usize::from(PAGES_MAX) {
                return false;
            }
            let page = u8::try_from(self.pages.len()).unwrap_or(PAGES_MAX);
            self.pages.push(History { page, ..History::offer() });
            self.bytes = 0;
        }
        self.bytes += SLICE_BYTES;
        let slice = Slice { conversation, before, next: None, said: Vec::new() };
        self.pages.last_mut().is_some_and(|page| {
            page.slices.push(slice);
            true
        })
    }

    /// The next message of the conversation that was begun last, which is at `place`; whether there is room for it. One that
    /// fits no page is left out.
    pub fn say(&mut self, writer: Writer, past: Past, place: u64) -> bool {
        let wanted = past.bytes() + WRITER_BYTES;
        if past.bytes() > PAST_BYTES_MAX {
            return true;
        }
        let is_crowded = self.pages.last().is_some_and(|page| page.said() >= SAID_MAX);
        if self.bytes + wanted > PAGE_BYTES_MAX || is_crowded {
            let last = self.pages.last_mut().and_then(|page| page.slices.last_mut());
            let Some(slice) = last else { return false };
            // It stands just after what is to come.
            let before = place.checked_add(1);
            let conversation = slice.conversation;
            slice.next = before;
            self.bytes = PAGE_BYTES_MAX;
            if !self.begin(conversation, before) {
                return false;
            }
        }
        let Some(page) = self.pages.last_mut() else { return false };
        let known = page.writers.iter().position(|known| *known == writer);
        let at = known.unwrap_or_else(|| {
            page.writers.push(writer);
            page.writers.len() - 1
        });
        self.bytes += past.bytes() + if known.is_none() { WRITER_BYTES } else { 0 };
        let Some(slice) = page.slices.last_mut() else { return false };
        slice.said.push(Past { writer: u16::try_from(at).unwrap_or(u16::MAX), ..past });
        true
    }

    /// The conversation that was begun last goes on before this, or has no more.
    pub fn end(&mut self, next: Option<u64>) {
        if let Some(slice) = self.pages.last_mut().and_then(|page| page.slices.last_mut()) {
            slice.next = next;
        }
    }

    /// The pages that answer a request.
    #[must_use]
    pub fn finish(self, number: u32) -> Vec<History> {
        let pages = u8::try_from(self.pages.len()).unwrap_or(PAGES_MAX);
        self.pages.into_iter().map(|page| History { number, pages, ..page }).collect()
    }
}

// By reference, as serde asks.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(flags: &u8) -> bool {
    *flags == 0
}

/// Hand-written: what was said is never logged.
impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "History({} of {}, {} messages)", self.page, self.pages, self.said())
    }
}

/// Hand-written, for the same reason.
impl std::fmt::Debug for Slice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Slice({} messages)", self.said.len())
    }
}

/// Hand-written, for the same reason.
impl std::fmt::Debug for Past {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Past({} bytes)", self.message.len())
    }
}
