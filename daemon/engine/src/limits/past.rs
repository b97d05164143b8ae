//! The bounds of messages of before, which a device that is linked is given.

use std::time::Duration;

/// Messages that a device takes, at most: what 20 years of 14 a day are. Of each conversation the oldest do not come.
pub const PAST_MESSAGES_MAX: u64 = 100_000;
/// The same in bytes: three times as many as 100,000 messages of some hundred characters have. They go through mailboxes, at most
/// 128 KiB at a time, so that what is under way is a small file.
pub const PAST_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Bytes of envelopes that a device is given, at most: twice as much, since it may ask again for what it lost.
pub const PAST_BYTES_GIVEN_MAX: u64 = 2 * PAST_BYTES_MAX;
/// How long a device may ask, from when it was linked: an envelope's life and a day. All that it takes goes in an hour.
pub const PAST_GIVEN_FOR: Duration = Duration::from_secs(7 * 24 * 3600);
/// Messages that one answer looks at, of all conversations: a few milliseconds, as of a search.
pub const PAST_LOOKED_AT_MAX: usize = 512;
/// The same of one conversation, before the next has its turn.
pub const PAST_SLICE_MAX: usize = 128;
/// How long a device waits for the rest of an answer, once the other one has its request, before it asks again. What answers it is
/// in the outbox of the other by then, so this is for what was lost there.
pub const PAST_ASKED_AGAIN_AFTER: Duration = Duration::from_secs(15 * 60);
/// The last position before which messages of before stand: those that come to a device that was linked have greater ones. Far more
/// than [`PAST_MESSAGES_MAX`], and nobody counts to it.
pub const PAST_POSITION_MAX: u64 = 1 << 32;
/// How much longer a text has to live, at least, that is told once more in an answer whose first pages ended before they came: as
/// long as the other device may be off for a night and a day.
pub const PAST_ENDS_LATER: Duration = Duration::from_secs(24 * 3600);
