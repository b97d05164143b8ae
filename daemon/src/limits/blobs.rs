//! Blobs: what is kept, fetched and served.

use std::time::Duration;

/// Free bytes of the disk below which nothing new is imported or fetched: what the doctor calls low.
pub const BLOB_DISK_FREE_MIN: u64 = super::DISK_FREE_LOW;
/// Groups that one of several holders is asked for at a time: 4 MiB, which a slow one (16 KiB/s) has sent in some minutes, so that
/// little is owed twice at the end.
pub const BLOB_ASKED_GROUPS: usize = 64;
/// Groups that the only holder is asked for at a time: 64 MiB, the most that a question may ask for.
pub const BLOB_ASKED_ALONE_GROUPS: usize = 1024;
/// Fetches at a time: each has up to four streams and half a MiB of buffers.
pub const BLOB_FETCHES_MAX: usize = 4;
/// Holders of one blob that are asked at the same time: as many as a message names.
pub const BLOB_HOLDERS_ASKED_MAX: usize = 4;
/// Blobs sent to others at a time: each has a thread of its own while it lasts.
pub const BLOB_UPLOADS_MAX: usize = 8;
/// Of them those to one peer.
pub const BLOB_UPLOADS_PER_PEER_MAX: usize = 2;
/// How long a place to be sent a blob is had for sure: a MiB to the slowest there may be. Then it ends, if somebody waits who has none.
pub const BLOB_TURN: Duration = Duration::from_secs(60);
/// How long after a peer last asked for a place it has its turn: some times of those that it waits before it asks again.
pub const BLOB_TURN_WAIT_MAX: Duration = Duration::from_secs(10);
/// Peers that wait for a place: as many as can have a stream open.
pub const BLOB_TURNS_WAITING_MAX: usize = BLOB_STREAMS_MAX;
/// Times that a blob is found to be damaged by the disk, once all of it has come, until that is taken for a disk that fails.
pub const BLOB_DAMAGED_MAX: u32 = 3;
/// Streams of others that wait to be looked at, which takes no longer than to begin a task; further ones are closed.
pub const BLOB_STREAMS_WAITING_MAX: usize = 32;
/// Streams of others that are open at a time, in whatever state: what is sent, and questions that come.
pub const BLOB_STREAMS_MAX: usize = 64;
/// Of them those of one peer: what it is sent, and a question or two.
pub const BLOB_STREAMS_PER_PEER_MAX: usize = 8;
/// How long it may take to open a stream to a connected peer: some round trips of a slow link.
pub const STREAM_OPENED_MAX: Duration = Duration::from_secs(10);
/// How long a peer may take over a question.
pub const BLOB_QUESTION_MAX: Duration = Duration::from_secs(10);
/// How long the other end of a stream may take nothing, or send nothing.
pub const BLOB_IDLE_MAX: Duration = Duration::from_secs(20);
/// The slowest that groups may go, and a file that a program sends over the control socket, bytes a second: one of 5 GiB would take four
/// days.
pub const BLOB_RATE_MIN: u64 = 16 * 1024;
/// Over how long that is measured. What counts is the time in which the other end is waited for: a slow disk here is not its fault.
pub const BLOB_RATE_OVER: Duration = Duration::from_secs(60);
/// Bytes written to a stream at a time, and read.
pub const BLOB_BUFFER_BYTES: usize = 64 * 1024;
/// How long groups may be on this node without being surely on disk.
pub const BLOB_COMMIT_INTERVAL: Duration = Duration::from_secs(1);
/// How often it is told how far a fetch is.
pub const BLOB_PROGRESS_INTERVAL: Duration = Duration::from_millis(500);
/// How long after nobody had what is missing the holders are asked again, if none of them connects before.
pub const BLOB_RETRY_INTERVAL: Duration = Duration::from_secs(15);
/// How long a holder that serves others is left alone.
pub const BLOB_BUSY_WAIT: Duration = Duration::from_secs(2);
/// Times in a row that a holder may be busy until the place of the fetch goes to another one: a guess, 20 s. It is asked again later.
pub const BLOB_BUSY_MAX: u32 = 10;
/// Peers that messages named as holders and that are being tried, together with those remembered from before: a guess. More, which
/// contacts can make up, wait.
pub const NAMED_PEERS_MAX: usize = 64;
/// How long a program may take between two pieces of a file that it sends or reads: it may be stopped in between, and a disk may
/// be slow to wake up.
pub const FILE_PIECE_MAX: Duration = Duration::from_secs(60);
/// Files of more than a message holds that programs send and read over the control socket at a time: each has a thread, and half a MiB
/// of buffers.
pub const FILE_TRANSFERS_MAX: usize = 32;
/// Of them those of one process, so that none takes all the room: over the six that browsers, and what is made like them, have open.
pub const FILE_TRANSFERS_OF_PROCESS_MAX: usize = 16;
/// Pieces of a file, of 64 KiB, that wait for who reads it.
pub const FILE_PIECES_WAITING_MAX: usize = 4;
/// What the engine tells about blobs that waits.
pub const BLOB_ORDERS_MAX: usize = 256;

/// Blobs that others bring at a time: each has a thread of its own while it lasts.
pub const DEPOT_TAKEN_MAX: usize = 8;
/// Of them those of one peer.
pub const DEPOT_TAKEN_PER_PEER_MAX: usize = 2;
/// How often a depot looks for what is over: a minute is little of six days.
pub const DEPOT_SWEEP_INTERVAL: Duration = Duration::from_secs(60);
/// Depots that are brought a file: one may be off when it is wanted.
pub const DEPOTS_MAX: usize = 2;
/// How often it is looked for depots, while there is something to be brought or let go: what connected peers said of themselves.
pub const DEPOT_LOOK_INTERVAL: Duration = Duration::from_secs(3);
/// How long a depot is left alone that was chosen, until the engine has noted that, or that did not hear.
pub const DEPOT_CHOSEN_WAIT: Duration = Duration::from_secs(15);
/// How long a depot that refused a file is not asked again: what it keeps ends within days.
pub const DEPOT_REFUSED_FOR: Duration = Duration::from_secs(15 * 60);
/// Blobs that are brought to depots at a time, counted once for each depot: each has a thread of its own.
pub const DEPOSITS_MAX: usize = 4;
/// Of them those to one depot.
pub const DEPOSITS_PER_DEPOT_MAX: usize = 2;
/// Blobs that depots are told to let go at a time: each has a thread of its own while the depot has not answered.
pub const RELEASES_MAX: usize = 4;
/// Of them those of one depot, which takes only so many streams of a peer.
pub const RELEASES_PER_DEPOT_MAX: usize = 2;
/// How many questions more than its size needs a blob may take on its way to a depot: where it breaks off there are some.
pub const DEPOSIT_QUESTIONS_MORE_MAX: u64 = 4;
