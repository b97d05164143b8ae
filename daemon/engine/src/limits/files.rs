//! The bounds of files, and of lists of them.

/// Files that are listed where nothing else is said: a screen or two.
pub const FILES_LISTED: u32 = 50;
/// Messages that are looked at for files, the newest of each conversation: what somebody looks for is among them.
pub const FILES_SEARCHED_MAX: usize = 1000;
/// The same in all conversations. Of 5,000 files of 24 KiB they take 4.3 s in a development build on a busy machine, in 157
/// batches (`how_long_a_list_of_files_takes` in the engine's tests).
pub const FILES_SEARCHED_TOTAL_MAX: usize = 5000;
/// The same in one batch. With files of 24 KiB it is 12 to 18 ms of work there.
pub const FILES_SEARCHED_PER_BATCH_MAX: usize = 32;
/// Bytes of blobs that a vault keeps, sealed: one of the largest, and half of another.
pub const BLOBS_BYTES_MAX: u64 = 8 << 30;
/// Blobs that a vault keeps: each is two files of one directory, and a record that is in memory.
pub const BLOBS_MAX: usize = 10_000;
/// Largest file that is fetched without a question, if it came from a contact, bytes: a photo as phones make them for sending.
pub const FILE_UNASKED_BYTES_MAX: u64 = 1 << 20;
/// Bytes of blobs of one conversation up to which further ones are fetched without a question: two thousand such photos.
/// The user may accept more.
pub const FILES_UNASKED_BYTES_MAX: u64 = 2 << 30;
