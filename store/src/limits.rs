//! The bounds of what is on disk, each with its unit and its reason.

use std::time::Duration;

// ---- both databases ----------------------------------------------------------------------------

/// Bytes that are cut off a file's end at once, after each sync, a multiple of redb's pages.
pub const CUT_SLICE_BYTES: u64 = 16 << 20;
/// Size up to which a file is cut in slices, bytes: redb's first region. Any number of pages is a length of it that redb opens
/// after a crash. A longer file is cut at once.
pub const CUT_SLICED_BYTES_MAX: u64 = 4 << 30;

// ---- mailbox -----------------------------------------------------------------------------------

/// What each envelope and each tombstone costs the mailbox's quota beside its content, bytes: about
/// what its index rows take on disk. Without it, envelopes acknowledged by their own sender would
/// leave tombstones without end.
pub const MAILBOX_ENTRY_BYTES: u64 = 256;
/// Size up to which the mailbox's file is checked whole at every start, bytes: it takes a tenth of
/// a second. A larger one is, if it was not closed properly.
pub const MAILBOX_CHECKED_BYTES_MAX: u64 = 64 << 20;
/// Openings that the mailbox remembers: two months of daily starts. A vault that was not opened in so many looks
/// through the mailbox once more, which costs seconds.
pub const MAILBOX_OPENINGS_MAX: usize = 64;
/// What the user's own mail, in and out, may take above the mailbox's quota, bytes: ten thousand
/// texts, so that a mailbox that strangers filled still takes it.
pub const MAILBOX_RESERVE_BYTES: u64 = 16 << 20;
/// The part of a quota that must be free before a mailbox that had no room takes others' envelopes again: a
/// sixteenth, 64 KiB of the smallest, which is one of the largest envelopes.
pub const MAILBOX_REOPENED_PART: u64 = 16;
/// The most of it that must be free, bytes: a batch of a sync, which is what is fetched then.
pub const MAILBOX_REOPENED_BYTES: u64 = 1 << 20;

// ---- vault -------------------------------------------------------------------------------------

/// Records that a copy of the vault writes in one commit, bytes: what it takes of memory, some times over.
pub const COPY_COMMIT_BYTES: usize = 4 << 20;

/// Size from which the vault's file is written anew where it holds much less, bytes: of a smaller one nobody
/// misses the space.
pub const REWRITTEN_BYTES_MIN: u64 = 8 << 20;
/// How many times as large as its records the file must be for that: redb's pages are two thirds full, and some are free
/// in any file that is written to.
pub const REWRITTEN_FACTOR: u64 = 3;

// ---- blobs -------------------------------------------------------------------------------------

/// Bytes of a blob read or written at a time.
pub const BLOB_WRITE_BYTES: usize = 256 * 1024;
/// Bytes of a blob that is fetched which a crash may take back: they are fetched again, in a tenth of a second of a fast link.
pub const BLOB_UNSYNCED_BYTES_MAX: u64 = 8 << 20;

/// The part of a depot that any one peer may fill, so that none takes all the room: an eighth.
pub const DEPOT_PEER_PART: u64 = 8;
/// Blobs that a depot keeps: each is three files of one directory, and a record of some 300 bytes in memory. Of them any one peer may have
/// the same part as of the bytes.
pub const DEPOT_BLOBS_MAX: usize = 10_000;
/// How long a depot keeps what is not whole, after the last of it came: a sender whose node was off over night brings it anew.
pub const DEPOT_UNFINISHED_MAX: Duration = Duration::from_secs(6 * 3600);
/// Longest note of a depot, bytes: it has some 300 with eight commitments.
pub const DEPOT_NOTE_BYTES_MAX: usize = 1024;

// ---- control -----------------------------------------------------------------------------------

/// Memory Argon2id takes for a new passphrase, KiB: the second recommended option of RFC 9106
/// section 4, for machines without gigabytes to spare.
pub const PASSPHRASE_MEMORY_KIB: u32 = 64 * 1024;
/// Fewest passes Argon2id makes for a new passphrase: of the same option. There are more where the machine is fast.
pub const PASSPHRASE_PASSES: u32 = 3;
/// Lanes of Argon2id for a new passphrase: one, because they are computed one after another here,
/// and more would only help who computes them side by side.
pub const PASSPHRASE_LANES: u32 = 1;
/// What a guess at a passphrase should take on the machine where it is set: a wait that one bears at each unlock.
/// Memory stays what every machine has, so that a backup opens on the smallest.
pub const PASSPHRASE_TIME: Duration = Duration::from_secs(1);
/// Most memory a key file may ask for, KiB: a damaged or planted file can't take the machine down.
pub const PASSPHRASE_MEMORY_KIB_MAX: u32 = 1024 * 1024;
/// Most passes a key file may ask for.
pub const PASSPHRASE_PASSES_MAX: u32 = 64;
/// Most lanes a key file may ask for.
pub const PASSPHRASE_LANES_MAX: u32 = 16;
