//! The bounds of files, and of lists of them.

use std::time::Duration;

use martlet_protocol::limits::{ENVELOPE_LIFETIME_MAX, HOLDERS_MAX};

/// Files that are listed where nothing else is said: a screen or two.
pub const FILES_LISTED: u32 = 50;
/// Messages that are looked at for files in one batch: texts, of which 20,000 take a tenth of a second. Each batch waits for what
/// else is in it, and `martletctl` for all of them, until all messages were looked at or as many files are found as are asked for.
/// 5,000 files of 24 KiB take 4.3 s in a development build on a busy machine (`how_long_a_list_of_files_takes` in the engine's tests).
pub const FILES_SEARCHED_PER_BATCH_MAX: usize = 1000;
/// Bytes of messages that are looked at in one batch: 32 files of 24 KiB, 12 to 18 ms of work in a development build.
pub const FILES_SEARCHED_BYTES_PER_BATCH_MAX: usize = 32 * 24 * 1024;
/// Messages that are read before it is known how large they are.
pub const FILES_SEARCHED_AT_ONCE: usize = 32;
/// Bytes of blobs that a vault keeps, sealed: one of the largest, and half of another.
pub const BLOBS_BYTES_MAX: u64 = 8 << 30;
/// Blobs that a vault keeps: each is two files of one directory, and a record that is in memory.
pub const BLOBS_MAX: usize = 10_000;
/// Largest file that is fetched without a question, if it came from a contact, bytes: a photo as phones make them for sending.
pub const FILE_UNASKED_BYTES_MAX: u64 = 1 << 20;
/// Bytes of blobs of one conversation up to which further ones are fetched without a question: two thousand such photos.
/// The user may accept more.
pub const FILES_UNASKED_BYTES_MAX: u64 = 2 << 30;
/// The same by their number: each has a record and two files, however small it is.
pub const FILES_UNASKED_MAX: usize = 2000;
/// Bytes of blobs of one person that are here without a question, in all conversations: a thousand such photos. All people together have
/// four times that, so that no member of a room takes the room of all others.
pub const FILES_UNASKED_OF_ONE_BYTES_MAX: u64 = 1 << 30;
/// The same by their number, of 5,000 of all people together.
pub const FILES_UNASKED_OF_ONE_MAX: usize = 1000;

/// Parts of files in one conversation that are on their way and not acknowledged: two of the largest files, 8 MiB of everyone's
/// mailboxes. The next ones follow the acks.
pub const PARTS_OUT_PER_CONVERSATION_MAX: usize = 256;
/// The same in all conversations: 32 MiB in the outbox.
pub const PARTS_OUT_MAX: usize = 1024;
/// Parts that are read and made in one batch: half a MiB to be written, so that texts do not wait for more.
pub const PARTS_MADE_AT_ONCE: usize = 16;
/// Parts of the user's own that are on the stem at a time: an eighth of its places, so that texts find one.
pub const PARTS_ON_STEM_MAX: usize = super::STEM_OWN_MAX / 8;
/// Files whose parts are awaited at a time, of which each takes up to 129 tags and 10 KiB of memory. Of more those that came last wait
/// for the day's chores.
pub const PARTS_AWAITED_FILES_MAX: usize = 256;
/// Parts of others that are being written at a time: 2 MiB. What comes meanwhile stays in the mailbox, and is looked for there.
pub const PARTS_WRITTEN_AT_ONCE: usize = 64;
/// Parts that are looked for in the mailbox in one batch. Most are not there, which costs microseconds.
pub const PARTS_LOOKED_FOR_PER_BATCH_MAX: usize = 256;
/// Envelopes with one part's tag that are tried, the oldest: what others make up under a tag that they saw is newer.
pub const PARTS_TRIED_MAX: usize = 16;
/// How long after the message of a file its parts may come: twice as long as envelopes live, since the clock may have been wrong.
pub const PARTS_KNOWN_FOR: Duration = Duration::from_secs(2 * ENVELOPE_LIFETIME_MAX.as_secs());
/// Files of others whose parts may come: as many as there may be blobs. Each is a record that is in memory, of 300 bytes; what is over
/// is fetched from who has it.
pub const PARTS_KNOWN_MAX: usize = BLOBS_MAX;
/// How often it is told how far a file is that comes in parts.
pub const PARTS_TOLD_EVERY: Duration = Duration::from_millis(500);
/// Depots that are told of one file: with its sender as many holders as a message names. Two are brought it; a third may be where one of
/// them is gone for long.
pub const DEPOTS_TOLD_MAX: usize = HOLDERS_MAX - 1;
/// Files that depots are to let go still: each is a record of some 200 bytes, in memory as well. Of more, those that end by themselves first
/// are left to that.
pub const RELEASES_MAX: usize = 1000;
