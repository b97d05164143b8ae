//! The bounds of files, and of lists of them.

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
