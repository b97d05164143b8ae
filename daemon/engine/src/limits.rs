//! The bounds of the engine, each with its unit and its reason.

use std::time::Duration;

use martlet_protocol::limits::{
    CLOCK_SKEW_MAX, DEVICES_PER_IDENTITY_MAX, ENVELOPE_LIFETIME_MAX, SESSION_MESSAGES_MAX,
};

mod files;
mod handles;
mod past;
mod rooms;

pub use files::*;
pub use handles::*;
pub use past::*;
pub use rooms::*;

// ---- envelopes ---------------------------------------------------------------------------------

/// Stamps being made or waiting to be, at a time; further envelopes wait in the outbox. One is made
/// at a time, and the maker must not run dry while the engine commits.
pub const STAMP_JOBS_MAX: usize = 16;
/// Hashes between two looks whether a stamp is still wanted: under a millisecond.
pub const STAMP_ATTEMPTS_PER_LOOK: u64 = 4096;

/// Contacts told in one batch that the secret in the user's ID was reset, the next within a second: a session's
/// key is sealed for each, and goes out. As many contacts as there may be, 10,000, are told in 313 s. Measured with them
/// (`how_long_a_reset_takes` in the engine's tests): of twice as many a batch is 67 ms of work in an unoptimized build.
pub const TOLD_PER_BATCH_MAX: usize = 32;
/// Contacts whose records one batch writes, once all are to be told. Of 10,000 contacts the batch of a reset takes 83 to 93 ms in an
/// unoptimized build on a busy machine, half of it for the 32 that are told (`how_long_a_reset_takes`). Measured right after the
/// contacts were made it was 532 ms: the mailbox committed their 10,000 bundles with it.
pub const UNTOLD_WRITTEN_PER_BATCH_MAX: usize = 512;

// ---- messages ----------------------------------------------------------------------------------

/// Longest use of one Megolm session: bounds what a stolen device state opens later.
pub const SESSION_AGE_MAX: Duration = Duration::from_secs(24 * 3600);
/// Inbound sessions kept per contact, however many devices they claim: ten devices of six days, each of which begins
/// 68 a day (8,704 messages) of which something is still missing. As many, of which all is missing, take 35 MB of
/// memory, nearly all of it for tags. Past it those received in full go first, then the oldest; what was written in
/// those is not acknowledged, and is told as lost when later messages are shown.
pub const INBOUND_SESSIONS_PER_CONTACT_MAX: usize = 4096;
/// The same of one device: a quarter of a million messages, ten times what waited for anyone in tests.
pub const INBOUND_SESSIONS_PER_DEVICE_MAX: usize = 2048;
/// How long a message waits for those sent before it, before it is shown without them: longer than
/// gossip and a first sync need to fill a gap, short enough not to be noticed after a real loss.
/// Counted from the last message that came from the same device.
pub const HOLD_BACK_IDLE_MAX: Duration = Duration::from_secs(10);
/// How long a message waits for those sent before it while others come from the same device and none of
/// them fills a gap. While gaps are being filled, as when a long absence is made up for, it waits on.
pub const HOLD_BACK_MAX: Duration = Duration::from_secs(60);
/// The least that a message which ends waits for those sent before it, which is half of what it has left; one that has
/// less is shown at once. What is due is seen once a second.
pub const HOLD_BACK_MIN: Duration = Duration::from_secs(2);
/// Messages shown in one batch of the engine, of those that waited: with what else is written for each
/// some 2 MiB in memory until the commit. The next batch goes on.
pub const RELEASED_PER_BATCH_MAX: usize = 1024;
/// Messages with one number held back of one device. A device put back from a copy counts again from
/// there, so there may be two, and one more each time; further ones are shown at once.
pub const SAME_NUMBER_MAX: usize = 8;
/// Devices per conversation whose next number is remembered: eight times as many as an identity may have
/// at once, each set up anew seven times. Beyond that the device that wrote longest ago is forgotten, and of that
/// one nothing is told as lost.
pub const DUE_POSITIONS_MAX: usize = 8 * DEVICES_PER_IDENTITY_MAX;
/// Gaps per conversation that are remembered, so that they are told in the history, and no more once
/// what was missing came after all. Beyond that the oldest is forgotten: it was told by an event. A line that loses
/// a message an hour reaches it after three days. The conversation's record is written with each batch that
/// changes it: with as many gaps and devices it has 5 KB.
pub const LOST_RANGES_MAX: usize = 64;

/// Messages that are sent again to a contact whose vault was put back, of the last ones of the conversation: what a
/// month brings in a lively one. Of earlier ones their user has the other side's history to ask for.
pub const RESENT_MAX: usize = 1000;
/// Someone is sent that again so often in one conversation within [`RESENT_INTERVAL`]: whoever tries which of their backups is the
/// right one puts back some. What is asked for oftener waits until the interval is over, so that asking in a loop costs no more.
pub const RESENT_TIMES_MAX: u32 = 4;
/// Once so many bytes were sent again to someone in one conversation, the same: twice as many messages as are sent again at once,
/// of the longest texts.
pub const RESENT_BYTES_MAX: usize = 32 * 1024 * 1024;
/// See [`RESENT_TIMES_MAX`].
pub const RESENT_INTERVAL: Duration = Duration::from_secs(3600);
/// Losses that are remembered until they are made good, and for a while, so that the same is not heard twice: all in a room of 256
/// people may have lost something at once. Beyond that the oldest is forgotten, made good ones first.
pub const LOSSES_MAX: usize = 256;
/// Own messages of which another device of the user's that was put back is told in one tick: a thousand take half a minute.
pub const GIVEN_BACK_PER_TICK_MAX: usize = 32;
/// While so many wait or are on their way for the user's other devices, no more are told.
pub const GIVEN_BACK_UNDER_WAY_MAX: usize = 512;
/// How long it is told that the vault was put back: by then every contact who is on now and then has sent again.
pub const PUT_BACK_TOLD_FOR: Duration = Duration::from_secs(7 * 24 * 3600);

/// Versions kept of an edited message, the original among them; the oldest of the others go. At most 256 KiB. Nobody was seen to
/// edit a message oftener (a guess): a bot that counts in one does, and what it counted before is no loss.
pub const VERSIONS_MAX: usize = 16;
/// People whose reaction to one message is kept: as many as a small room has. In a conversation of two there are two.
pub const REACTIONS_MAX: usize = 64;
/// Edits of and reactions to messages not here that wait in one conversation; the oldest goes. A device's messages come
/// in order, so they come before their target where that was lost on its way, or where another device of the same person
/// wrote it: all that one did in some days with what another wrote meanwhile, whose network is slower.
pub const EARLY_MAX: usize = 512;
/// Bytes of them in one conversation: as many short ones, or 16 of the longest edits. All are written with each that comes.
pub const EARLY_BYTES_MAX: usize = 256 * 1024;
/// How long they wait: a message lives for six days, and clocks differ.
pub const EARLY_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// Messages that one look for the beginning of an id looks at in a conversation at first, the newest: all that one page of a history
/// shows. If it is none of them, all others are looked at, a batch of them at a time.
pub const ID_SEARCH_MAX: usize = 1000;
/// The same in all conversations, those with the newest messages first: a tenth of a second.
pub const ID_SEARCH_TOTAL_MAX: usize = 20_000;
/// Digits of an id that tell one message from others, at least: of as many messages, one in a thousand times there is
/// another with the same.
pub const ID_DIGITS_MIN: usize = 6;
/// Characters of a message that are shown where it is referred to.
pub const EXCERPT_CHARS: usize = 80;
/// Words that can be looked for at once: each is looked for in every message that has those before it. A sentence has as many, and
/// the first of them find it. Who gives more is told.
pub const SEARCH_WORDS_MAX: usize = 32;
/// Messages that a search gives if it is not said how many: a screen of them.
pub const SEARCH_RESULTS: u32 = 20;
/// Characters of a found message that are shown before what was looked for, and after it: two lines.
pub const SEARCH_BEFORE_CHARS: usize = 40;
/// The same after it.
pub const SEARCH_AFTER_CHARS: usize = 80;
/// Texts kept in memory for searching, bytes: about a million messages, which is 20 years of 140 a day. The oldest of more are not
/// found, and each answer says so.
pub const SEARCHED_BYTES_MAX: usize = 192 << 20;
/// How long they are kept after the last search: whoever looks for something tries several words.
pub const SEARCHED_KEPT: Duration = Duration::from_secs(10 * 60);
/// Messages that one batch reads of them: a few milliseconds.
pub const SEARCHED_PER_BATCH_MAX: usize = 1000;
/// The same of one conversation, before the next has its turn.
pub const SEARCHED_PAGE: usize = 256;
/// Searches that wait for the texts to be read: as many as there may be connections to the control socket. Past it the
/// oldest is given up.
pub const SEARCHES_WAITING_MAX: usize = 256;
/// Longest note about a contact, bytes: a page of text.
pub const CONTACT_NOTE_BYTES_MAX: usize = 4096;

/// How often a contact is told that the user is writing, at most, and how often the user is told of a contact.
pub const TYPING_INTERVAL: Duration = Duration::from_secs(5);
/// How old it may be that someone is writing, or how far ahead, and is told still: by two clocks. Whose clocks differ by more
/// see nothing of it.
pub const TYPING_AGE_MAX: Duration = Duration::from_secs(60);

/// How long the id of a message that is gone (ended, deleted) stays known after it came: an envelope's life, another for
/// one that is addressed anew just before that, and two days in which clocks may differ. Until then a copy of it may come.
pub const ENDED_ID_KEPT: Duration = Duration::from_secs(14 * 24 * 3600);
/// How long after timers were sent they are sent again, once the contact has received something else: acks of what was
/// sent together may be half a minute apart ([`LATE_ACK_MAX`]).
pub const TIMERS_REPEATED_AFTER: Duration = Duration::from_secs(60);
/// Recalls of one conversation whose messages have not come. A recalled message whose envelopes were purged never comes, so a few
/// are there for good; they are written with the conversation's record, 54 bytes each. Of more, the message of the oldest
/// is taken for one that is gone ([`ENDED_ID_KEPT`]): if it comes it is not shown either, and its number counts as missing.
pub const RECALLS_PENDING_MAX: usize = 64;

/// How long own pings and pongs are kept: six times as long as anyone waits for an answer.
pub const PING_LIFE: Duration = Duration::from_secs(5 * 60);
/// How old a ping may be, or how far ahead, and is answered still. It is told by the asker's clock, so this is as
/// far as two clocks may differ and messages go through: with less, `ping` says "off" of someone who answers.
pub const PING_ANSWERED_MAX: Duration = CLOCK_SKEW_MAX;
/// Pings of one contact that are answered in a minute: twice what a script asks that waits a second between
/// two, as the ping of networks does. An answer is one envelope of less than 2.5 KiB, as its ping is, so a contact
/// can't make a node bring the network more than they bring themselves.
pub const PINGS_ANSWERED_PER_MINUTE_MAX: u32 = 120;
/// Own pings that wait for an answer: as many as there may be connections to the control socket. Past it
/// nobody waits for the oldest any more.
pub const PINGS_OPEN_MAX: usize = 256;

/// Messages that one batch handles of what would be too much for it: what waited for keys, a conversation that is
/// removed, what expires, is addressed anew or was heard to be sent. Of texts of 15 kB a batch that sends takes 36 ms of a
/// core, one that removes 24 ms, in an unoptimized build (`how_long_batches_take` in the engine's tests). The few
/// in which redb shortens its file take more: 43 ms of 12,000 messages.
pub const UNFINISHED_PER_BATCH_MAX: usize = 32;
/// Own envelopes that one batch looks for in the mailbox after a start, or with the day's chores: an index is asked
/// for each, and nothing is read.
pub const RESTORED_PER_BATCH_MAX: usize = 1024;
/// How often it is tried to write again after the disk failed: each try may read the vault anew.
pub const STORAGE_RETRY_INTERVAL: Duration = Duration::from_secs(5);
/// How often it is logged that the disk still fails.
pub const STORAGE_LOG_INTERVAL: Duration = Duration::from_secs(60);
/// What a request that ends counts for among these messages: it has as many at most.
pub const REQUEST_COST: usize = REQUEST_MESSAGES_MAX + REQUEST_DEEDS_MAX;
/// Events that one batch forgets at most, of those beyond the bound: 32 bytes each, and more than it adds.
pub const EVENTS_TRIMMED_PER_BATCH_MAX: u64 = 4096;

// ---- identities --------------------------------------------------------------------------------

/// How long nodes tell on that a contact's identity ended: who was away for a season finds it.
pub const NOTICE_REPUBLISHED_FOR: Duration = Duration::from_secs(90 * 24 * 3600);
/// A notice that lasts at least so long need not be followed by another: two days' chores come before.
pub const NOTICE_LASTS_MIN: Duration = Duration::from_secs(2 * 24 * 3600);
/// Most stamp bits for which a node without a user makes a notice's stamp itself, in the engine's thread: a million hashes,
/// half a second.
pub const NOTICE_STAMP_BITS_MAX: u8 = 20;

/// How long a code is good by which a device is linked: time to go to the other device and back, twice.
pub const LINK_LIFE: Duration = Duration::from_secs(10 * 60);
/// How long a step of linking is of use to anyone: the code's life, and room for clocks that are wrong. By whole hours it ends
/// with the second next one.
pub const LINK_STEP_USE: Duration = Duration::from_secs(3600);
/// Codes that die before no more are made for a while: whoever disturbs them has one guess in 2^39 for each, so the number
/// matters little. It tells the user that something is wrong.
pub const LINK_DEAD_MAX: usize = 3;
/// How long codes count as dead, and none is made after so many.
pub const LINK_LOCKED_FOR: Duration = Duration::from_secs(3600);
/// How many who come by a code that has ended are told so: each is an envelope, and whoever saw the code can ask.
pub const LINK_REFUSALS_MAX: u8 = 3;
/// How many codes of before the device with the root still knows, so that who comes by one is told that it has ended: more than
/// anyone makes before one works (a guess). Who comes by an older one waits until its ten minutes are over.
pub const LINK_FORMER_MAX: usize = 4;

// ---- keys --------------------------------------------------------------------------------------

/// A bundle so many days old is replaced at once: half of the six days that it is on the network.
pub const BUNDLE_DAYS_MAX: u32 = 3;
/// How long after a start the day's bundle leaves at most, if the node was off when it was due: a random
/// part of it. Long enough that others come in between, and short enough for who is on for an evening.
pub const BUNDLE_DELAY_MAX: Duration = Duration::from_secs(3600);

/// How long a superseded prekey's private half is kept: an envelope's life and two days.
pub const PREKEY_KEPT_AFTER_SUPERSEDED: Duration = Duration::from_secs(8 * 24 * 3600);
/// Prekeys kept at most, while the clock says of none that it is old: more than five wrong days on each
/// of those eight.
pub const PREKEYS_KEPT_MAX: usize = 48;

/// Olm sessions with one device: both may begin one at once, and again after a loss; and who writes to a device that is away
/// begins one after each [`OLM_CHAIN_MAX`] keys of Megolm sessions, of which there is one for each opening of the vault. So many are
/// 512 keys: 85 a day for the six days that an envelope lives, as where a vault is locked and opened all day. What the oldest of more
/// carries opens no more (of 200 keys and four sessions 26 were lost).
pub const OLM_SESSIONS_PER_DEVICE_MAX: usize = 16;
/// Messages of an Olm chain, of which the other side has answered none. They come in any order, and Olm keeps 40 keys of those that
/// were overtaken: the first must open after the last.
pub const OLM_CHAIN_MAX: u64 = 32;
/// How long an Olm session is written with that has opened nothing: then a new one is begun, of newer keys.
pub const OLM_SESSION_UNHEARD_MAX: Duration = Duration::from_secs(14 * 24 * 3600);
/// How long an unused Olm session is kept to open with: whoever writes with one that opens nothing gives it up after so long, and
/// what they wrote last lives for an envelope's life, with a day for clocks.
pub const OLM_SESSION_UNUSED_MAX: Duration = Duration::from_secs((14 + 6 + 1) * 24 * 3600);
/// Envelopes of one device that are remembered as taken: more than come of it while its acks wait for their time. What comes again
/// later than that is answered as a loss, which costs an envelope.
pub const OLM_TAKEN_MAX: usize = 64;
/// How long a device that is told that something of its did not open is not told again: what it sends then crosses on the way.
pub const OLM_RENEWAL_INTERVAL: Duration = Duration::from_secs(3600);
/// The same where something of its opened since: that is another loss, as where a copy is put back twice. Long enough for what was on
/// its way by then.
pub const OLM_RENEWAL_INTERVAL_AFTER_OPENING: Duration = Duration::from_secs(300);
/// How often it is told before something of its opens; then once a day. More helps no one who can't hear it.
pub const OLM_RENEWALS_PENDING_MAX: u32 = 3;

/// What an opening of an envelope counts for that fails, or that shows one of someone unknown, of the time in which
/// all of them are paid for: 200 a second. A failed one takes 6 million instructions, about half a millisecond of a
/// desktop's or server's core: a tenth of it.
pub const FAILED_OPENING_COST: Duration = Duration::from_millis(5);
/// The same of those that one peer brought: 50 a second. As many envelopes as one peer may have in a mailbox
/// of the default size, all garbage, are through in an hour; an honest one among them lives for six days.
pub const FAILED_OPENING_COST_PER_PEER: Duration = Duration::from_millis(20);
/// Openings of the kind at once, before further ones wait: together about 140 ms.
pub const FAILED_OPENINGS_AT_ONCE: u32 = 256;
/// The same of one peer: a quarter, so that four must come together to use up what there is for all.
pub const FAILED_OPENINGS_AT_ONCE_PER_PEER: u32 = 64;
/// Peers whose failed openings are counted apart from each other: as many as a large node has, several
/// times; each takes 100 bytes. Further ones are counted as one.
pub const OPENING_PEERS_MAX: usize = 1024;
/// Envelopes that wait to be opened after others failed, 8 bytes each: half of what one peer may have in a
/// mailbox of the default size. For those beyond it the mailbox is looked through again.
pub const WAITING_OPENINGS_MAX: usize = 1 << 16;

// ---- people ------------------------------------------------------------------------------------

/// Contacts who are told the user's profile in one tick: a second has time for some hundred envelopes of 32 KiB, and
/// whoever changes a picture is in no hurry. As many contacts as there may be are told in 21 minutes; what is left of them when the
/// node is turned off is told after the next start.
pub const PROFILES_TOLD_PER_TICK_MAX: usize = 8;
/// Contacts in one vault.
pub const CONTACTS_MAX: usize = 10_000;
/// Unknown senders whose first messages wait for a decision: more than anyone looks through at a time, and
/// 50 MB of texts at most. The messages of others stay in the mailbox and are taken when there is room.
pub const REQUESTS_MAX: usize = 100;
/// Unknown senders of whom there is a session's key and no message yet. A message follows its key at once,
/// so this is what a flood must exceed within a second or so to push an honest one out; a node opens 200 keys
/// a second of unknown people. Each takes 10 KB of memory for its session.
pub const REQUEST_KEYS_MAX: usize = 512;
/// Messages that say something kept per unknown sender; later ones stay in the mailbox until the sender is a contact.
pub const REQUEST_MESSAGES_MAX: usize = 32;
/// Messages that do something (a profile, edits, recalls, timers) kept per unknown sender, likewise: as many, so that
/// whoever edits each of their messages once still has room for all. Of 20 messages with 60 edits half waited in the mailbox
/// until their sender was accepted, and none was missing then.
pub const REQUEST_DEEDS_MAX: usize = 32;
/// The same before the first message that says something has come: nobody sees who sends only these. Whose first message
/// was overtaken by a few of them loses none. More are neither kept nor acknowledged: of as many people as may have
/// sent only keys ([`REQUEST_KEYS_MAX`]) that is 64 MiB of envelopes at most.
pub const REQUEST_EARLY_DEEDS_MAX: usize = 4;
/// Inbound sessions kept per unknown sender. A session lasts a day or 128 messages; the keys of later ones stay in
/// the mailbox until the sender is a contact, or an older session has ended.
pub const REQUEST_SESSIONS_MAX: usize = 4;
/// Envelopes per unknown sender whose acks are kept, to be revealed when the sender is a contact: all
/// messages and session keys once a day for the six days that an envelope lives, should its sender send them
/// again each day. The oldest go.
pub const REQUEST_ENVELOPES_MAX: usize =
    6 * (REQUEST_MESSAGES_MAX + REQUEST_DEEDS_MAX + REQUEST_SESSIONS_MAX);
/// How long a request waits after its last message: a user who is away for a month finds it.
pub const REQUEST_AGE_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// Unknown senders who are remembered as dropped; the first goes. Each was dropped by the user, one by one,
/// so strangers can't fill it; 0.5 MB of memory.
pub const DROPPED_MAX: usize = 10_000;
/// People that can be blocked at a time: a million bytes of them.
pub const BLOCKED_MAX: usize = 10_000;
/// How long after someone was unblocked what had come before stays unread: all of it has ended then, also where a clock
/// was as far ahead as envelopes may end too late.
pub const DEAF_FOR: Duration = Duration::from_secs(2 * ENVELOPE_LIFETIME_MAX.as_secs());

// ---- the user's other devices ------------------------------------------------------------------

/// Settings in one vault: six for each of as many contacts as there may be, one for each room and each other who is blocked or
/// dropped, and those that this build doesn't know, with some over. So all that there may be to say has room. Past it the oldest goes
/// of those that say that there is nothing. Each has some 150 bytes of memory.
pub const SETTINGS_MAX: usize =
    6 * CONTACTS_MAX + ROOMS_MAX + BLOCKED_MAX + DROPPED_MAX + 2 * SETTINGS_UNKNOWN_MAX;
/// The same of those that this build doesn't know: it passes them on to devices that may.
pub const SETTINGS_UNKNOWN_MAX: usize = 1024;
/// Bytes of settings in one message, with room for what is around them in its 32 KiB.
pub const SETTINGS_PIECE_BYTES_MAX: usize = 24 * 1024;
/// Messages with settings that are sent to a device in one tick while it is given all of them.
pub const SETTINGS_PIECES_PER_TICK_MAX: usize = 4;
/// People of whom settings are made in one tick, when the user's first other device is given all of them.
pub const SETTINGS_PEOPLE_PER_TICK_MAX: usize = 256;
/// Own messages that got on and of which the user's other devices are told in one tick; further ones in the next. People are
/// far below it. A program at full speed is not: 5,900 a second were measured; and one recipient who comes back acknowledged
/// 10,000 in 1.1 s.
pub const PROGRESS_PER_TICK_MAX: usize = 2048;
/// The same of those that wait in the vault to be told, 50 bytes each. Past it the other devices stay behind with the oldest.
/// All that a device may have on its way at full speed in three minutes; they wait for so long only where no other device can
/// be written to.
pub const PROGRESS_UNTOLD_MAX: u64 = 1 << 20;
/// Copies of what was sent or read on another device that wait here for their contact: a new device is told whom the user
/// knows within seconds, of 10,000 contacts within a minute and a half. Nobody writes so much in that time, but for programs.
/// Past it the oldest goes.
pub const EARLY_COPIES_MAX: usize = 1 << 14;
/// Bytes of them: as many of a kilobyte, or 700 of the longest.
pub const EARLY_COPIES_BYTES_MAX: usize = 16 << 20;
/// How long they wait: settings that expired in six days are given once more, and that takes six days at most.
pub const EARLY_COPIES_KEPT: Duration = Duration::from_secs(2 * ENVELOPE_LIFETIME_MAX.as_secs());
/// How long what is for the user's other devices waits for the keys of one that was linked just now. They come within seconds;
/// where this device is off the network meanwhile, once it is back. Long enough for that on an evening, and no longer: the
/// others wait, too.
pub const NEW_SIBLING_AWAITED: Duration = Duration::from_secs(3600);
/// Messages that wait so at most: as many as the new device keeps of them.
pub const NEW_SIBLING_WAITING_MAX: usize = EARLY_COPIES_MAX;

// ---- mailbox -----------------------------------------------------------------------------------

/// To-device envelopes tried with the detection key in one second when there is no room for them:
/// an X25519 each, together a hundredth of a core.
pub const OWN_CHECKS_PER_SECOND_MAX: u32 = 200;
/// Envelopes refused for want of room that are remembered, so that sync does not fetch them again;
/// up to twice as many, the newest always. More than two mailboxes of the default size can differ
/// by when one peer's share is filled with short texts; 18 MB for each such number.
pub const REFUSED_MAX: usize = 7 << 17;
/// How long they are remembered at least, and at most twice as long: there may be room by then.
pub const REFUSED_KEPT: Duration = Duration::from_secs(30 * 60);
/// Peers to be synced with once there is room for what they brought: several times a large node's. The rounds of sync reach all.
pub const ROOM_AWAITED_MAX: usize = 1024;
/// Acks waiting in memory for the envelope they belong to: envelopes. Past it the peer with the
/// most loses its oldest.
pub const ORPHAN_ACKS_MAX: usize = 4096;
/// How long changes of the mailbox are gathered into one commit, unless someone waits for it: what
/// is acknowledged within that time never costs a page.
pub const MAILBOX_COMMIT_DELAY: Duration = Duration::from_millis(100);
/// How long after the first sync since a start the acks that a crash may have lost are revealed again with
/// their envelope: long enough for a sync with every neighbour.
pub const ACK_REPLAY_MAX: Duration = Duration::from_secs(10 * 60);
/// How long an ack waits on average where the network is `mixed`: ten times what 99 of 100 messages need to
/// get through a simulated network of 200 nodes (0.3 s), so that when an ack leaves tells little of when its
/// envelope came, and short enough that whoever looks for "delivered" still sees it come.
pub const LATE_ACK_MEAN: Duration = Duration::from_secs(3);
/// The longest that an ack waits: one of 22,000 would wait longer.
pub const LATE_ACK_MAX: Duration = Duration::from_secs(30);
/// Acks that wait; past it the one due first leaves at once, without the stem: those of all that one device of a
/// contact may have written while the user was away. Some hundred a second find a place on the stem
/// ([`STEM_OWN_MAX`]), so that most of as many wait for minutes. 10 MiB of memory (measured: 262,144 of them).
pub const LATE_ACKS_MAX: usize = INBOUND_SESSIONS_PER_DEVICE_MAX * SESSION_MESSAGES_MAX as usize;
/// How often expired envelopes are swept: the hour is the unit of expiry.
pub const SWEEP_INTERVAL: Duration = Duration::from_secs(60);
/// Envelopes dropped in one batch, so that a sweep never holds up delivery; the next batch goes on. Twice as many of 16 KiB
/// took 75 ms of a core in an unoptimized build.
pub const SWEEP_BATCH_MAX: usize = 1000;

/// How often what was deleted or overwritten is shredded by itself, where the node is used.
pub const SHRED_INTERVAL: Duration = Duration::from_secs(24 * 3600);
/// The same where nothing was written since it was seen last: each look through the vault reads all of its pages.
pub const SHRED_IDLE_INTERVAL: Duration = Duration::from_secs(3600);
/// How often it is seen whether a shred is to begin; so long nothing is written where a node is idle.
pub const SHRED_LOOKED_EVERY: Duration = Duration::from_secs(600);
/// How long a shred that nobody waits for rests after each slice: it takes a tenth of a disk's time.
pub const SHRED_PAUSE: Duration = Duration::from_millis(250);
/// Records that a slice looks at: a few milliseconds.
pub const SHRED_SLICE_RECORDS: usize = 2000;
/// Records that a slice seals anew, bytes: some hundred texts. Where each is in a page of its own, four times as much took 70 ms
/// on a busy machine, and nobody should wait longer than 50 for that.
pub const SHRED_SLICE_BYTES: usize = 64 << 10;
/// Bytes of records up to which the vault's file is written anew at the end of a shred that a user waits for: a few tenths
/// of a second, in which nothing else is done. A larger one is when the vault is opened next.
pub const REWRITTEN_AT_ONCE_BYTES_MAX: u64 = 16 << 20;

// ---- network -----------------------------------------------------------------------------------

/// How often the bundle of a contact is looked up whose keys are not known.
pub const LOOKUP_INTERVAL: Duration = Duration::from_secs(60);
/// How often the bundle of the day is looked up of a contact whose older one is known.
pub const LOOKUP_REFRESH_INTERVAL: Duration = Duration::from_secs(3600);
/// How long its answer counts.
pub const TIME_SAMPLE_KEPT: Duration = Duration::from_secs(3600);

// ---- control -----------------------------------------------------------------------------------

/// Events kept in the durable log; the oldest go first.
pub const EVENTS_MAX: u64 = 100_000;
/// Events over the bound before the log is trimmed: so that it isn't trimmed at every event, and that the message
/// whose turn it is doesn't wait for many to be forgotten. They fill three or four pages of the database.
pub const EVENTS_SLACK: u64 = 64;
/// Messages read from the vault at a time for an export: each may have [`VERSIONS_MAX`] texts, so that a page has 16 MiB at
/// most, and a hundred kilobytes usually.
pub const EXPORT_PAGE_MAX: usize = 64;
/// Events read from the log at a time for one follower.
pub const EVENTS_PAGE_MAX: usize = 512;
/// The user's own envelopes that are on the stem at a time, and as many acks: further ones wait. Each comes back
/// in a second or two, so that a hundred a second pass, many times what people write; with more, some would wait
/// for their neighbour longer than the stem's fail-safe does, and lose its cover. What waits is in the vault, and none is lost.
pub const STEM_OWN_MAX: usize = 256;

/// Invites that are good at a time (a guess): who makes one more is told to revoke one, and who needs more has a public page.
pub const INVITES_MAX: usize = 100;
/// Invites that are kept, those that ended too: one list shows them all. Over [`INVITES_MAX`], so that one that ended is
/// among them. Who comes by one that was forgotten is a request like anyone's.
pub const INVITES_KEPT_MAX: usize = 500;
/// How long an invite is good where nothing is said: the other may be away for some days.
pub const INVITE_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);
/// The least: it must get to the other, and their answer back.
pub const INVITE_LIFE_MIN: Duration = Duration::from_secs(60);
/// The most: a link that lies about is found.
pub const INVITE_LIFE_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long it is told what became of an invite, from the end of its time.
pub const INVITE_KEPT_FOR: Duration = Duration::from_secs(30 * 24 * 3600);
/// Of those who come by an invite that is no longer good, so many are remembered, and told of.
pub const INVITE_REFUSED_MAX: usize = 16;
