//! Bounds of the command alone; those that it shares with the daemon are in `martlet_protocol::limits`.

use std::time::Duration;

/// How long a completion waits for the daemon's list of contacts: the shell stands still meanwhile. The daemon answers
/// within milliseconds; one that is busy for longer leaves the name to be typed.
pub(crate) const COMPLETION_ANSWER_MAX: Duration = Duration::from_millis(500);

/// Unicode characters of one that is shown by the chat: more is marks piled up to cover other lines. The longest emoji, a
/// family of four in four colours of skin, has 11; no script needs more than 8.
pub(crate) const GRAPHEME_CHARS_MAX: usize = 16;

/// Longest line of an export, bytes: a message, what it said before 15 edits, each character escaped, and all else that
/// belongs to it.
pub(crate) const LINE_BYTES_MAX: usize = 4 << 20;

/// Largest file that is taken for a profile's picture, bytes: the largest photos of phones.
pub(crate) const PICTURE_FILE_BYTES_MAX: u64 = 32 << 20;
/// Most pixels that it may have each way: 48 megapixels have 8,000. Phones make up to 200 megapixels where they are asked to, with
/// 16,320; who gives one is told to make it smaller.
pub(crate) const PICTURE_PIXELS_SIDE_MAX: u32 = 12_000;
/// Fewest: of less nothing is to be seen.
pub(crate) const PICTURE_PIXELS_SIDE_MIN: u32 = 16;
/// Bytes that it may unpack to: 64 megapixels of four bytes.
pub(crate) const PICTURE_ALLOC_MAX: u64 = 256 << 20;
/// Address space of the process that unpacks it, bytes: that twice, and the process.
pub(crate) const PICTURE_MEMORY_MAX: u64 = 768 << 20;
/// Seconds that it may take: an unoptimized build needs some for the largest.
pub(crate) const PICTURE_SECONDS_MAX: u64 = 20;
/// Pixels each way of what is made of it: more than any screen shows beside a name.
pub(crate) const PICTURE_SIDE: u32 = 256;
/// Bytes that the small picture of a photo may have: with name, text and what is around them the message then makes an envelope of the rung of
/// 8 KiB, as a text of some pages does, and not of the next. Recipients take up to 8 KiB.
pub(crate) const THUMBNAIL_BYTES_AIM: usize = 6 * 1024;
/// Pixels of its longer side: as many as a terminal or a list of messages shows.
pub(crate) const THUMBNAIL_SIDE: u32 = 320;

/// Bytes of a file that are read, and sent to the daemon, at a time.
pub(crate) const FILE_PIECE_BYTES: usize = 256 * 1024;

/// Messages of a page that the chat asks for: more than a screen has lines, and little enough to come at once.
pub(crate) const CHAT_PAGE_MESSAGES: u32 = 100;

/// Messages that the chat keeps of each conversation: some megabytes at most. Older ones can't be scrolled back to.
pub(crate) const CHAT_MESSAGES_MAX: usize = 10_000;

/// Messages that a search of the chat finds at most: nobody looks through more. That there are older ones is said.
pub(crate) const CHAT_FOUND_MAX: u32 = 200;

/// Own messages that wait in the chat while the daemon is away: enough for anyone who types; more are refused, and stay in
/// the input. From a pipe no more are read until there is room.
pub(crate) const CHAT_OUTGOING_MAX: usize = 100;

/// How long the chat, line by line, waits for the newest messages of a conversation before it reads on: a page takes
/// milliseconds.
pub(crate) const CHAT_OPENING_MAX: Duration = Duration::from_secs(5);
/// How long the chat waits at its end, line by line, for a daemon that is away or locked: one that is started anew is back in
/// seconds. One with a vault of 3 GiB took 31 to 77 s (development build): the chat then says what it has not sent.
pub(crate) const CHAT_UNSENT_MAX: Duration = Duration::from_secs(20);

/// How long the chat, line by line, reads on from a pipe only to give it back, since it can't begin: what is in a pipe already comes at once.
pub(crate) const CHAT_GIVE_BACK_MAX: Duration = Duration::from_secs(2);

/// How long the chat on the whole terminal waits at its end for the daemon to take what waits: while somebody looks on. What is left
/// is printed whole.
pub(crate) const CHAT_LEAVE_MAX: Duration = Duration::from_secs(10);

/// Between two looks of the chat at the daemon's status: peers come and go in seconds.
pub(crate) const CHAT_STATUS_INTERVAL: Duration = Duration::from_secs(5);

/// Between two of the chat's looks at the doctor, who has a look at disks and clocks.
pub(crate) const CHAT_DOCTOR_INTERVAL: Duration = Duration::from_secs(30);

/// Between two attempts of the chat to find a daemon that isn't there or has no identity.
pub(crate) const CHAT_RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Runs of a program that `listen` may have at a time: each is a process.
pub(crate) const LISTEN_JOBS_MAX: u16 = 64;
/// What one run of it may say on standard error, bytes: a long trace of an error. A program that fails in a loop once filled a disk.
pub(crate) const LISTEN_ERRORS_BYTES_MAX: usize = 64 * 1024;
/// How long after a run's end is waited for that: it is in a pipe already.
pub(crate) const LISTEN_ERRORS_WAIT: Duration = Duration::from_secs(1);
/// Messages that wait in `listen` for their runs: some megabytes. What comes after waits in the daemon's log.
pub(crate) const LISTEN_QUEUE_MAX: usize = 256;
/// How often `listen` writes how far it came where nothing was handled.
pub(crate) const LISTEN_SAVE_EVERY: Duration = Duration::from_millis(500);
/// How often `listen` tries again to send an answer while the daemon is away or locked.
pub(crate) const LISTEN_RETRY: Duration = Duration::from_secs(1);
/// Largest cursor of `listen` that is read, bytes: over those of a full queue.
pub(crate) const CURSOR_BYTES_MAX: u64 = 64 * 1024;

/// For how long the chat shows that a contact is writing: daemons tell it every 5 s while it goes on.
pub(crate) const CHAT_TYPING_SHOWN: Duration = Duration::from_secs(7);

/// Between two times that the chat tells the daemon that the user writes: more would not leave it.
pub(crate) const CHAT_TYPING_INTERVAL: Duration = Duration::from_secs(5);

/// Between two times that the chat gives the daemon what is being typed: so much of it is lost with the terminal at most.
pub(crate) const CHAT_DRAFT_INTERVAL: Duration = Duration::from_secs(5);

/// How long the chat waits at its end for the daemon to keep what was typed: it takes milliseconds.
pub(crate) const CHAT_FINISH_MAX: Duration = Duration::from_secs(2);
/// Bytes of a file with a recovery phrase that are read: 24 words have at most 215, and some are written with numbers
/// and comments around them.
pub(crate) const PHRASE_BYTES_MAX: usize = 4096;
