//! The bounds that the wire has, or that several crates read, each with its unit and its reason.
//!
//! What one crate alone reads is in a file of the same name there: `martlet-store`, `martlet-engine` and
//! `martletd` have one each. A queue, size, count or time that is in none of them is a defect.

use std::time::Duration;

// ---- envelopes ---------------------------------------------------------------------------------

/// Longest life of an envelope: six days, the promise to the user.
pub const ENVELOPE_LIFETIME_MAX: Duration = Duration::from_secs(6 * 24 * 3600);
/// How far a peer's clock may run ahead before its envelopes are refused.
pub const CLOCK_SKEW_MAX: Duration = Duration::from_secs(2 * 3600);
/// Largest encoded envelope, bytes: an RPC with one stays under gossipsub's 64 KiB.
pub const ENVELOPE_BYTES_MAX: usize = 60 * 1024;
/// Smallest body, bytes: the first rung of the padding ladder `512·2^k`.
pub const BODY_BYTES_MIN: usize = 512;
/// Largest body, bytes: the last rung that fits an envelope with eight slots.
pub const BODY_BYTES_MAX: usize = 32 * 1024;
/// Most slots of an envelope (addressed devices, rounded up to a power of two).
pub const SLOTS_MAX: usize = 8;
/// Most stamp bits a network may ask for: beyond it a phone needs minutes for one message.
pub const STAMP_BITS_MAX: u8 = 32;
/// Most shard bits a network may have.
pub const SHARD_BITS_MAX: u8 = 12;

// ---- messages ----------------------------------------------------------------------------------

/// Longest text, bytes of UTF-8: with its wrapping it fits the 32 KiB rung, and no one types more.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;
/// Longest name of a contact or a user, bytes of UTF-8.
pub const NAME_BYTES_MAX: usize = 64;
/// Longest timer of a message, seconds: six days, as long as its envelope may live. A longer one would promise what no
/// mailbox keeps.
pub const TIMER_SECONDS_MAX: u32 = 6 * 24 * 3600;
/// Highest number of a message within its conversation: what JSON holds exactly, and far from where
/// counting on would overflow.
pub const MESSAGE_SEQ_MAX: u64 = 1 << 53;
/// Messages of one Megolm session: receivers hold every tag of it in memory.
pub const SESSION_MESSAGES_MAX: u32 = 128;
/// Devices that read one Megolm session: all of the largest room's people, if each had the most devices that count.
pub const SESSION_RECIPIENTS_MAX: usize = ROOM_MEMBERS_MAX as usize * DEVICES_PER_IDENTITY_MAX;
/// Longest record of an own session, bytes: 72 for each device that reads it, and some 500.
pub const SESSION_RECORD_BYTES_MAX: usize = 1024 + 96 * SESSION_RECIPIENTS_MAX;

// ---- files of messages -------------------------------------------------------------------------

/// Largest file that travels in its message, bytes: with a name, words beside it and the copy for the user's own devices around
/// it, it fits the 32 KiB rung.
pub const FILE_INLINE_BYTES_MAX: usize = 24 * 1024;
/// Largest file, bytes: 5 GiB. A film fits, and its tree of hashes is 5 MiB.
pub const FILE_BYTES_MAX: u64 = 5 << 30;
/// Longest name of a file, bytes of UTF-8: what Linux's file systems take.
pub const FILE_NAME_BYTES_MAX: usize = 255;
/// Longest name of a file that is taken to be made harmless, bytes: far over what any file system has (255 signs of up to four bytes).
pub const FILE_NAME_GIVEN_BYTES_MAX: usize = 4096;
/// Longest media type, bytes: RFC 6838 allows 127 for each half and advises 64 for both.
pub const MEDIA_TYPE_BYTES_MAX: usize = 100;
/// Longest text beside a file, bytes of UTF-8: a page. What is longer is a message of its own.
pub const FILE_TEXT_BYTES_MAX: usize = 2 * 1024;
/// Largest thumbnail, bytes.
pub const THUMBNAIL_BYTES_MAX: usize = 8 * 1024;
/// Longest sound or film that is told, milliseconds: a day.
pub const DURATION_MS_MAX: u32 = 24 * 3600 * 1000;
/// Longest packet of Opus, milliseconds (RFC 6716, section 3.2.5).
pub const VOICE_PACKET_MS_MAX: u32 = 120;
/// Fewest bytes of such a packet in a file: one with two empty frames of 60 ms has one, and Ogg says in another how long it is.
pub const VOICE_BYTES_OF_PACKET_MIN: u64 = 2;
/// Holders of a blob that its message, or a later one, names.
pub const HOLDERS_MAX: usize = 4;
/// Addresses that are told of one holder.
pub const HOLDER_ADDRESSES_MAX: usize = 4;
/// Longest such address, bytes: binary, with a relay in it.
pub const HOLDER_ADDRESS_BYTES_MAX: usize = 128;
/// Most parts of a file: 4 MiB in parts of 32,704 bytes.
pub const PARTS_MAX: u16 = 129;
/// Most parts where each needs a stamp: at 20 bits a slow machine makes these in a minute or so, and would 129 in ten.
pub const PARTS_STAMPED_MAX: u16 = 16;
/// Largest file that a network may let through mailboxes, bytes: what [`PARTS_MAX`] parts hold.
pub const MAILBOX_FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Largest such file where a network is not on one LAN and does not say, bytes: every mailbox keeps it for up to six days.
pub const MAILBOX_FILE_BYTES_WAN: u64 = 512 * 1024;
/// Longest question about blobs, bytes: 256 ranges of groups have 2.9 KiB.
pub const BLOB_QUESTION_BYTES_MAX: usize = 4096;
/// Ranges of groups in one question: a fetch from several holders leaves fewer holes.
pub const BLOB_RANGES_MAX: usize = 256;
/// Groups in one question: 64 MiB, half a second of a fast link.
pub const BLOB_GROUPS_ASKED_MAX: u64 = 1024;
/// Blobs that one question asks about.
pub const BLOB_HAVE_MAX: usize = 64;

// ---- keys --------------------------------------------------------------------------------------

/// Extensions at the head of what is signed: several for each of the few versions that will add any;
/// what needs more raises the version.
pub const EXTENSIONS_MAX: usize = 16;
/// Longest extension, bytes: a key of any kind in use but post-quantum signatures. What holds it has
/// a bound of its own, which may be lower.
pub const EXTENSION_BYTES_MAX: usize = 1024;
/// Longest identity state, bytes: 64 certificates and 64 revocations of some 180 bytes each, with room for details of
/// eight devices. With it a bundle still fits the last rung.
pub const IDENTITY_STATE_BYTES_MAX: usize = 25 * 1024;
/// Devices that an identity certifies in its life: eight at a time, each set up anew seven times.
pub const CERTIFICATES_PER_IDENTITY_MAX: usize = 64;
/// Age of a bundle up to which senders still use it.
pub const BUNDLE_AGE_MAX: Duration = Duration::from_secs(45 * 24 * 3600);
/// How far ahead a bundle's clock may be: a day wrong still delivers.
pub const BUNDLE_SKEW_MAX: Duration = Duration::from_secs(24 * 3600);
/// Devices of one identity.
pub const DEVICES_PER_IDENTITY_MAX: usize = 8;
/// Longest payload of a step of linking, bytes: all that a body of 4 KiB holds beside three lengths and the cipher's tag. The
/// longest, step 1, has some 1,900.
pub const LINK_STEP_BYTES_MAX: usize = 4096 - 4 - 16 - 2;

/// Longest record of an Olm session, bytes: five chains of 40 skipped keys each have some 17,000 (tried), and nothing of it is the
/// peer's to lengthen.
pub const OLM_SESSION_BYTES_MAX: usize = 64 * 1024;

// ---- rooms -------------------------------------------------------------------------------------

/// Longest operation on a room, bytes: it has some 350 to 700, and a certificate in it has room for extensions.
pub const ROOM_OP_BYTES_MAX: usize = 2048;
/// Operations that one names as those before it: more ends of the graph are joined by the operations that follow.
pub const ROOM_OP_PREVIOUS_MAX: usize = 8;
/// Highest height of an operation. A ship's room in which all 60 people change every month has 1,440 operations a year: it
/// lasts nearly three. A new member fetches and verifies 2 MiB then.
pub const ROOM_HEIGHT_MAX: u32 = 4096;
/// Operations of one room that are kept: twice as many as lie in one line, for what is written beside each other.
pub const ROOM_OPS_MAX: usize = 2 * ROOM_HEIGHT_MAX as usize;
/// Of these, how many each step of seniority has for itself: who floods a room leaves room for those who can remove them.
pub const ROOM_OPS_RESERVE: usize = 512;
/// Steps of seniority that have such a reserve.
pub const ROOM_RESERVES: u32 = 4;
/// Operations of one room that wait for others: those of a busy day that came in the wrong order.
pub const ROOM_OPS_WAITING_MAX: usize = 256;
/// How long an operation waits for others: as long as the envelopes that may bring them live.
pub const ROOM_OP_WAIT_MAX: Duration = ENVELOPE_LIFETIME_MAX;
/// People in a room where nothing else is said. A new session of one sender costs 1.7 KiB for each device of theirs.
pub const ROOM_MEMBERS_DEFAULT: u16 = 64;
/// Most people that a room may be set to have: a new session costs its sender 430 KiB for their devices then.
pub const ROOM_MEMBERS_MAX: u16 = 256;
/// Moderators that others are made beside: a ship's watch officers and a clinic's heads of wards, twice.
pub const ROOM_MODERATORS_MAX: usize = 32;
/// Messages from before they joined that a new member may be given: some screens to read.
pub const ROOM_HISTORY_MAX: u8 = 200;
/// People whom one message in a room mentions: 1 KiB of it.
pub const MENTIONS_MAX: usize = 32;

// ---- network -----------------------------------------------------------------------------------

/// Acks in one gossiped batch: under 64 KiB with room for the frame.
pub const ACKS_PER_BATCH_MAX: usize = 1000;
/// Largest gossiped message, bytes.
pub const GOSSIP_BYTES_MAX: usize = 64 * 1024;
/// Largest sync request, bytes: 2,048 ids, or one push batch.
pub const SYNC_REQUEST_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Largest sync response, bytes.
pub const SYNC_RESPONSE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Envelope bytes in one fetch response or push request: below the frame by the ids' room.
pub const SYNC_BATCH_BYTES_MAX: usize = 1024 * 1024;
/// Ids in one fetch or offer.
pub const SYNC_IDS_MAX: usize = 2048;
/// One negentropy message, bytes (0 would be unlimited).
pub const RECONCILE_FRAME_BYTES_MAX: u64 = 256 * 1024;
/// Ids in one short list on connecting: 192 KiB. Where the difference is a burst of envelopes that
/// end in the same few hours, it costs a sixth of what ranges of fingerprints cost.
pub const SHORT_LIST_IDS_MAX: usize = 32 * 1024;
/// Expiry hours in one digest list: 6 days and the skew, and the hour at each end.
pub const DIGEST_HOURS_MAX: usize = 6 * 24 + 2 + 2;
/// Largest set of shards, bytes: a bit for each of 2^12.
pub const SHARD_SET_BYTES_MAX: usize = 512;
/// Tags in one look-up: the days around today of 32 contacts.
pub const LOOKUP_TAGS_MAX: usize = 256;
/// Digests in one list: every hour of 110 shards. Buckets past it are left for another round.
pub const DIGESTS_MAX: usize = 16_384;

// ---- control -----------------------------------------------------------------------------------

/// Largest response body ctl reads, bytes: a page of the longest texts, every byte escaped. It
/// guards ctl against an endless answer, not against the daemon.
pub const CONTROL_RESPONSE_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Longest path of a Unix socket, bytes: the system's `sun_path` less its final zero (unix(7); BSDs have four
/// bytes less).
pub const SOCKET_PATH_BYTES_MAX: usize =
    if cfg!(any(target_os = "linux", target_os = "android")) { 107 } else { 103 };
/// Largest Server-Sent Event ctl reads, bytes: the longest text, every byte escaped, with room.
pub const CONTROL_EVENT_BYTES_MAX: usize = 1024 * 1024;
/// How long ctl waits for one answer: unlocking derives a key, which is slow on purpose.
pub const CONTROL_ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest wait for the answer to a ping: a good deal less than a client waits for any answer.
pub const PING_TIMEOUT_MAX: Duration = Duration::from_secs(50);
/// First wait before ctl follows the events again after the daemon went away: it may be restarting.
pub const EVENTS_RECONNECT_MIN: Duration = Duration::from_millis(50);
/// Longest wait between two attempts to follow the events again: a user is watching.
pub const EVENTS_RECONNECT_MAX: Duration = Duration::from_secs(2);
/// Longest ban that ends by itself, seconds: a hundred years of 365 days; one for good has no end.
pub const BAN_SECONDS_MAX: u64 = 100 * 365 * 24 * 3600;
/// Messages in one page of a history.
pub const HISTORY_PAGE_MAX: u32 = 1000;
/// What can be looked for at once, bytes: a line of any script.
pub const SEARCH_BYTES_MAX: usize = 1024;
/// Longest passphrase, bytes.
pub const PASSPHRASE_BYTES_MAX: usize = 1024;
/// Longest text that is taken for the last words of a recovery phrase, bytes: they have at most 35, with blanks.
pub const LAST_WORDS_BYTES_MAX: usize = 1024;

// ---- files -------------------------------------------------------------------------------------

/// Largest configuration or network descriptor file, bytes: a mistaken path is not read whole.
pub const CONFIG_BYTES_MAX: u64 = 1024 * 1024;
/// Bootstrap addresses in a network descriptor: each is dialled for as long as the daemon runs.
pub const BOOTSTRAP_MAX: usize = 32;
/// Addresses in an invite: with two, and no others in the network's descriptor, its QR code fits 80 columns.
pub const INVITE_ADDRESSES_MAX: usize = 2;
/// Longest bootstrap address, bytes: a host's name of 253 bytes and a peer id, with room.
pub const BOOTSTRAP_ADDRESS_BYTES_MAX: usize = 512;
/// Longest address that a program has dialled, bytes: as in a descriptor, and one through a relay has room.
pub const DIAL_ADDRESS_BYTES_MAX: usize = BOOTSTRAP_ADDRESS_BYTES_MAX;
