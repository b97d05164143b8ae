//! The bounds of the daemon's network, control socket and files, each with its unit and its reason.

mod blobs;
mod links;
mod outgoing;
mod stem;
mod wan;

use std::time::Duration;

pub use blobs::*;
pub use links::*;
pub use outgoing::*;
pub use stem::*;
pub use wan::*;

// ---- envelopes ---------------------------------------------------------------------------------

/// How far the end of an envelope may be from now before whoever brings it is held to be hostile, unless their clock is
/// as far from this node's: a small computer may start ten years off, until it has the time.
pub const CLOCK_HOPELESS: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long a peer that brings such an envelope has to say what its clock shows, before it is held to be right: some round
/// trips, also by satellite (a guess: 0.7 s each). Nothing that it brings so is kept; an honest one that is slower loses no
/// mail by it, only some of its score, and brings all again once its clock is right.
pub const CLOCK_ANSWER_MAX: Duration = Duration::from_secs(2);
/// By how much a clock must be set before that counts: what was refused meanwhile is asked for again, and others
/// are not told what it shows. Far under the hours that envelopes count in, far over what a time server makes of a good
/// clock.
pub const CLOCK_SET_MIN: Duration = Duration::from_secs(10 * 60);
/// How long the wall clock must have gone on by itself before other nodes are told what it shows, and not what this
/// node goes by: longer than a time server's operator may need to see a fault and mend it (a guess), for
/// where all clocks of a network jump ahead together they would have each other delete what has not ended. Nodes that started
/// behind together wait as long: meanwhile they go by the same time, and anyone whose clock is right sets them right.
pub const CLOCK_TOLD_AFTER: Duration = Duration::from_secs(2 * 3600);

// ---- mailbox -----------------------------------------------------------------------------------

/// Default quota of the mailbox, bytes of envelopes. Six days of a busy LAN.
pub const MAILBOX_BYTES_DEFAULT: u64 = 1 << 30;
/// The part of the mailbox that one peer may fill by default, as a divisor of the whole: a half. A
/// node whose only neighbour relays for the whole network still gets most of it, and no single peer
/// can leave the others without room.
pub const MAILBOX_PEER_SHARE_DEFAULT: u64 = 2;
/// Smallest quota of the mailbox, bytes: room for hundreds of messages; less is a mistake of units.
pub const MAILBOX_BYTES_MIN: u64 = 1 << 20;

// ---- network -----------------------------------------------------------------------------------

/// The longest that an ack, or the report of what is stored, waits here before it leaves: each ack for a
/// random part of it, reports until there are several. Less than a tenth of the time in which messages are
/// delivered over the internet.
pub const ACK_DELAY: Duration = Duration::from_millis(20);
/// Acks that wait to leave each in a message of its own; further ones leave together. With so many each [`ACK_DELAY`], 374 a
/// second were seen to leave apart, more than a user reads. Each cost 360 µs of the work of its author and one neighbour, and
/// together 2 µs (a development build on a busy machine; `what_acks_cost_apart_and_together` measures it): so a node that takes
/// thousands a second does not spend itself on a message for each.
pub const ACKS_APART_MAX: usize = 8;
/// Batches that one sync fetches although there is no room for them, since the user's own mail may
/// be among them; the rest is for the next sync, [`SYNC_OVER_SHARE_DELAY`] later. 25,000 texts, and
/// at most twice the bytes that a peer may bring by gossip in that time.
pub const SYNC_LOOKED_THROUGH_BATCHES_MAX: usize = 16;
/// Ids in one short list in the regular rounds, where few differ: 6 KiB, and one round trip.
pub const SHORT_LIST_REGULAR_IDS_MAX: usize = 1024;
/// Rounds of one reconciliation: what was found by then is brought across, and the rest is for another. They
/// find half a million ids that one side lacks, or 70,000 on each side that the other lacks.
pub const RECONCILE_ROUNDS_MAX: usize = 64;
/// The same where it has several buckets: 1,000 ids of a million are found in 6 rounds and 1.3 MB. What is not
/// done in two more costs less as short lists of fewer buckets: of 100,000 that each side lacks of the other's
/// 300,000 a third (7.7 MB, not 21 to 23).
pub const RECONCILE_PART_ROUNDS_MAX: usize = 8;
/// Shards derived from its peer id that a `full` node keeps by default: on a network of 2^12 shards
/// and as many nodes, all but one shard in three thousand then have a keeper without a user of
/// their own, and a node keeps a five-hundredth of what is sent.
pub const SHARDS_KEPT_DEFAULT: u16 = 8;
/// Envelopes answered for one tag of a look-up, the oldest: a bundle for each of 8 devices, with
/// room for what others published under the tag.
pub const LOOKUP_PER_TAG_MAX: usize = 32;
/// Keepers asked for one look-up: the first may be new and know nothing yet.
pub const LOOKUP_KEEPERS_MAX: usize = 2;
/// Tags remembered to be asked of keepers that connect later: the days of 2,048 contacts.
pub const LOOKUPS_STANDING_MAX: usize = 16_384;
/// How long they are remembered; the engine asks again before.
pub const LOOKUP_STANDING_FOR: Duration = Duration::from_secs(2 * 3600);
/// How long a search for a handle waits for keepers of another shard: a connection is made within a second or two, and the
/// first keeper asked mostly has the claim.
pub const HANDLE_AWAITED: Duration = Duration::from_secs(8);
/// How often it is seen meanwhile whether they have answered.
pub const HANDLE_LOOKED_AT_EVERY: Duration = Duration::from_millis(250);
/// How long a new keeper's announcements are gathered before it is asked: it announces its shards
/// one by one.
pub const LOOKUP_DELAY: Duration = Duration::from_millis(100);
/// Connections held to keepers of a shard that the user writes to: one may be lost.
pub const KEEPERS_PER_SHARD: usize = 2;
/// Sync sessions served to one peer at a time.
pub const SYNC_SESSIONS_PER_PEER_MAX: usize = 2;
/// How long a peer may leave its sync session idle.
pub const SYNC_SESSION_IDLE_MAX: Duration = Duration::from_secs(30);
/// How often a random peer is synced with, and each to which gossip passes nothing on.
pub const SYNC_INTERVAL: Duration = Duration::from_secs(60);
/// Ids in one reconciliation: 40 MB on each side. Buckets past it are left for the next sync.
pub const SYNC_SESSION_IDS_MAX: usize = 1_000_000;
/// Sync sessions one peer may begin in a minute: reading the ids is the dearest thing a peer can
/// ask for, and honest ones begin one a second at most, after gaps.
pub const SYNC_SESSIONS_PER_PEER_PER_MINUTE_MAX: u32 = 60;
/// Sync sessions whose ids are read at a time: each may take 40 MB.
pub const SYNC_SESSIONS_STARTING_MAX: usize = 2;
/// Sync requests of one peer in a minute before it is told to come later: a report of what is
/// stored every 20 ms, and as many batches.
pub const SYNC_REQUESTS_PER_PEER_PER_MINUTE_MAX: u32 = 6000;
/// Sync sessions whose ids are kept in memory for all peers together.
pub const SYNC_SESSIONS_MAX: usize = 8;
/// Sync requests of one peer that are worked on at a time: one sync, one push, and `Stored`.
pub const SYNC_REQUESTS_PER_PEER_MAX: u32 = 4;
/// Sync streams of one connection, both ways: each may hold one request in memory.
pub const SYNC_STREAMS_MAX: usize = 8;
/// Requests after which a sync of a peer is long: one of 10,000 envelopes has as many. While it goes on none is
/// begun with that peer.
pub const SYNC_LONG_REQUESTS: u32 = 16;
/// How long after the last of them it is taken to be over: what a batch takes at 4 Mbit/s. What waits for a sync of
/// our own, over a share or after a gap, waits no longer than that.
pub const SYNC_LONG_PAUSE: Duration = Duration::from_secs(2);
/// How long a sync request may take, the peer's commit included.
pub const SYNC_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a peer may take to send a sync request: so much less than the request may take in all that who gives
/// it up has been told slow before.
pub const SYNC_REQUEST_READ_MAX: Duration = Duration::from_secs(25);
/// Syncs this node runs as initiator at a time.
pub const SYNC_OUTGOING_MAX: usize = 4;
/// How long the peer with the larger id waits, once connected, for the other to start the sync.
pub const SYNC_FALLBACK_DELAY: Duration = Duration::from_secs(2);
/// Envelopes that a sync brought in one batch and that are gossiped on: those on their way, or of a
/// short gap. Of more, other peers are told by syncs, which cost nothing where they have them.
pub const SYNC_NEWS_MAX: usize = 64;
/// How long after envelopes of an honest peer went over a share it is synced with: not at once, for
/// a flood is passing; soon, for its messages may be among it.
pub const SYNC_OVER_SHARE_DELAY: Duration = Duration::from_secs(2);
/// When a sync follows news, over a link that gossip leaves out: they are on disk by then.
pub const SYNC_BRIDGE_DELAY: Duration = Duration::from_millis(500);
/// From one such sync to the next at least: what a burst of news costs.
pub const SYNC_BRIDGE_INTERVAL: Duration = Duration::from_secs(2);
/// From one time to the next that a node compares with peers to which gossip only announces what there
/// is: mostly the two have the same, and it costs some hundred bytes.
pub const SYNC_LEFT_OUT_INTERVAL: Duration = Duration::from_secs(10);
/// How long a link is taken for such a one after a sync that showed it: some regular rounds.
pub const SYNC_BRIDGE_KEPT: Duration = Duration::from_secs(600);
/// The same once a sync over it carried little of what is new: what it lacked may be on its way.
pub const SYNC_BRIDGE_DOUBTED: Duration = Duration::from_secs(30);
/// How often a peer is told, by a sync, acks of envelopes that others of their addressees have not acknowledged. Gossip brings
/// them at once; this is for what it lost.
pub const SYNC_ACKS_INTERVAL: Duration = Duration::from_secs(600);
/// Acks told so at a time: 60 bytes each, a megabyte. Messages of some days to people of whose devices one is off.
pub const PARTIAL_ACKS_TOLD_MAX: usize = 1 << 14;
/// Rows of the mailbox that are looked through for them, the newest: most are of what all acknowledged. So many take tens of
/// milliseconds.
pub const PARTIAL_ACK_ROWS_MAX: usize = 1 << 16;
/// When the sync on connecting is repeated: what was on its way to disk during it is then seen.
pub const SYNC_SETTLE_DELAY: Duration = Duration::from_secs(3);
/// How long after a known gap (gossip dropped or shed) the peer is synced with: the rest of a
/// burst is then over.
pub const SYNC_GAP_DELAY: Duration = Duration::from_secs(1);
/// Ids waiting to be reported to one peer as stored; beyond it a reconciliation tells.
pub const STORED_BACKLOG_MAX: usize = 65_536;
/// How long the ids of seen gossip are kept, so that a late copy is not forwarded again.
pub const GOSSIP_SEEN_KEPT: Duration = Duration::from_secs(600);
/// Size from which peers are told that a message has arrived already, bytes: below it the notice
/// costs more than the copy.
pub const IDONTWANT_BYTES_MIN: usize = 16 * 1024;
/// Peers of a topic to which gossip passes all on (gossipsub's D). At libp2p's 6, with up to 12, each
/// node gets twice the bytes, and messages come hardly sooner: docs/performance.md.
pub const GOSSIP_MESH: usize = 4;
/// The most peers of a mesh (gossipsub's D_high): each costs a copy of every message.
pub const GOSSIP_MESH_MAX: usize = 5;
/// Other peers of a topic that are told what there is, at each heartbeat (gossipsub's D_lazy). Sync
/// finds what they are not told.
pub const GOSSIP_LAZY: usize = 2;
/// Ids of one gossip announcement (IHAVE): 36 KB.
pub const GOSSIP_CONTROL_IDS_MAX: usize = 1000;
/// Gossip control messages of one RPC, bytes: an announcement and its frame.
pub const GOSSIP_CONTROL_BYTES_MAX: usize = 48 * 1024;
/// Bytes of gossip waiting for the engine before it is shed; sync fetches it later.
pub const GOSSIP_BACKLOG_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Batches of gossip waiting for the engine.
pub const GOSSIP_BATCHES_MAX: usize = 256;
/// Envelopes of one gossiped batch.
pub const GOSSIP_BATCH_MAX: usize = 512;
/// Envelopes waiting to be gossiped before those who publish have to wait.
pub const PUBLISH_BACKLOG_MAX: usize = 2048;
/// The newest envelopes that found no peer to go to; they go to the first that comes. Sync has
/// the rest.
pub const UNSENT_MAX: usize = 256;
/// Acks that go with one envelope, for the shares of peers: honest ones bring one for most.
pub const ACKS_PER_ENVELOPE: u32 = 2;
/// Acks of one peer, in a minute, that don't open what is held here before its acks are no longer
/// passed on: an honest peer that lacks the envelope can't tell a false ack, so it isn't cut off.
pub const FALSE_ACKS_PER_PEER_PER_MINUTE_MAX: u32 = 100;
/// Messages that no honest peer sends, in a minute, before the peer is cut off.
pub const INVALID_PER_PEER_PER_MINUTE_MAX: u32 = 20;
/// How long a peer that was cut off is refused.
pub const PEER_REFUSED_FOR: Duration = Duration::from_secs(600);
/// Peers whose shares are remembered, connected or not: who comes back soon has no new share.
pub const PEER_SHARES_MAX: usize = 4096;
/// Peers remembered as refused.
pub const REFUSED_PEERS_MAX: usize = 1024;
/// How long one peer waits for the ping of another; two such waits end a connection.
pub const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// How often a connection is probed.
pub const PING_INTERVAL: Duration = Duration::from_secs(15);
/// How often the local network is asked for peers.
pub const MDNS_QUERY_INTERVAL: Duration = Duration::from_secs(30);
/// How long a peer found on the local network is believed to be there without a new answer.
pub const MDNS_TTL: Duration = Duration::from_secs(120);
/// How long a connection may take to be set up: less than the 10 s that libp2p gives a test by AutoNAT,
/// so that who is behind a router that drops silently is told so in time.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);
/// How long a peer has, from the first connection on, to say what it is: who doesn't is let go. Two round
/// trips, on a machine that has much else to do.
pub const IDENTIFY_MAX: Duration = Duration::from_secs(9);
/// How long a connection without a stream is kept. Connections are closed by rule, not by idling.
pub const CONNECTION_IDLE_MAX: Duration = Duration::from_secs(24 * 3600);
/// Connections being set up, each way.
pub const CONNECTIONS_PENDING_MAX: u32 = 32;
/// Connections with one peer: one in use, the others about to be closed.
pub const CONNECTIONS_PER_PEER_MAX: u32 = 4;
/// Connections that one peer may dial in a minute before it is cut off. Honest ones, whose waits double, make eight; but one
/// that ends and is started again makes one each time. Killed as often as a test can, it made 70 a minute.
pub const CONNECTIONS_PER_PEER_PER_MINUTE_MAX: u32 = 120;
/// Lines of the log, in a minute, about strangers that come and go or are cut off: more would let
/// anyone fill the disk.
pub const PEER_LOG_LINES_PER_MINUTE_MAX: u32 = 120;
/// Connections that others dialled: the rest of the places is kept for peers dialled from here, so
/// that strangers can't take them all.
pub const CONNECTIONS_INBOUND_MAX: u32 = 32;
/// Handshakes from one IP address at a time: half of all, so that one that stalls its
/// own leaves room for others.
pub const HANDSHAKES_PER_ADDRESS_MAX: usize = 16;
/// Streams of one connection, both ways: gossip, ping and identify need six, sync and Kademlia
/// their own bounds. Each may hold 256 KiB in memory that nobody reads.
pub const STREAMS_PER_CONNECTION_MAX: usize = 64;
/// How long one of two connections with a peer is kept, for what is on its way over it, before who dialled it
/// closes it; the other side does if that took twice as long. Also how much later than the older one,
/// beside some round trips, the newer may come up if the two dialled each other at once.
pub const DUPLICATE_CONNECTION_GRACE: Duration = Duration::from_secs(1);
/// How long the peer with the larger id waits for the other's dial after a discovery.
pub const DISCOVERED_DIAL_DELAY: Duration = Duration::from_secs(1);
/// Peers known by discovery.
pub const DISCOVERED_PEERS_MAX: usize = 512;
/// Addresses kept per peer.
pub const ADDRESSES_PER_PEER_MAX: usize = 16;
/// Attempts at an address dialled by command before it is given up.
pub const DIAL_ATTEMPTS_MAX: u32 = 10;
/// Longest wait before a configured peer is dialled again: there are few of them and the user
/// expects them back soon.
pub const STATIC_DIAL_BACKOFF_MAX: Duration = Duration::from_secs(30);
/// Connections aimed at, unless configured: enough that gossip's meshes (up to 12 peers) have a
/// choice, and each costs about 100 KiB. Below half of it peers are looked for until it is reached;
/// above it, connections that carry nothing are closed; at twice it, peers that connect are
/// refused.
pub const CONNECTIONS_TARGET: usize = 24;
/// Most connections that may be aimed at: each is a file descriptor of 1,024.
pub const CONNECTIONS_TARGET_MAX: usize = 256;
/// Connections at most, with the default target.
pub const CONNECTIONS_MAX: u32 = 48;
/// Connections beyond twice the target that are left for configured peers whose id isn't known yet.
pub const CONNECTIONS_SPARE: u32 = 16;
/// How long a connection is left alone after it came up, or was last of use: meshes need some
/// heartbeats to form, and a peer that is let go too soon comes back.
pub const CONNECTION_GRACE: Duration = Duration::from_secs(30);
/// A connection that ends sooner is counted like a dial that failed: the peer had no place for it, which it says within a
/// round trip or two. One that lasted longer was of use, however it ended. On a path that breaks connections every few
/// seconds ten seconds here made nodes wait for eight of twelve.
pub const CONNECTION_SETTLED: Duration = Duration::from_secs(1);
/// How long a peer that was let go is not dialled.
pub const LET_GO_FOR: Duration = Duration::from_secs(600);
/// First wait before a discovered or remembered peer is dialled again after a failure.
pub const FOUND_DIAL_BACKOFF_MIN: Duration = Duration::from_secs(5);
/// Attempts at a remembered peer before it is left alone until peers are looked for anew.
pub const CACHED_DIAL_ATTEMPTS_MAX: u32 = 3;
/// Remembered peers dialled in one search, the best first.
pub const CACHED_PEERS_DIALLED_MAX: usize = 64;
/// How often remembered peers are tried again while there are too few connections.
pub const PEER_SEARCH_INTERVAL: Duration = Duration::from_secs(600);
/// Peers remembered across restarts.
pub const PEER_CACHE_MAX: usize = 500;
/// Remembered peers of one public IPv4 /16 or IPv6 /32: one operator can't fill the cache.
pub const PEER_CACHE_PER_PREFIX_MAX: usize = 16;
/// Addresses remembered per peer.
pub const PEER_CACHE_ADDRESSES_MAX: usize = 8;
/// How long a peer is remembered since it was last connected.
pub const PEER_CACHE_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);
/// How often the remembered peers are written to disk, if they have changed (and at a stop).
pub const PEER_CACHE_SAVE_INTERVAL: Duration = Duration::from_secs(180);
/// How soon a peer that was not known is written, with those that come meanwhile.
pub const PEER_CACHE_SAVE_SOON: Duration = Duration::from_secs(10);
/// How much later a peer must have been seen for that to be worth writing.
pub const PEER_CACHE_SEEN_STEP: Duration = Duration::from_secs(3600);
/// Largest file of remembered peers or bans, bytes: several times what the bounds above give.
pub const PEER_FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Writes of such files that may wait; a change that finds no place is written by the next look.
pub const PEER_FILE_QUEUE_MAX: usize = 8;
/// How long a stop waits for them.
pub const PEER_FILE_FLUSH_MAX: Duration = Duration::from_secs(2);
/// Half-life of a peer's score: what a peer did an hour ago hardly counts.
pub const SCORE_HALF_LIFE: Duration = Duration::from_secs(600);
/// Peers with a score; past it those with the best are forgotten.
pub const SCORES_MAX: usize = 4096;
/// First ban for misbehaviour; each further one lasts twice as long.
pub const BAN_MIN: Duration = Duration::from_secs(600);
/// Longest ban for misbehaviour.
pub const BAN_MAX: Duration = Duration::from_secs(24 * 3600);
/// How long after its end a ban counts as an earlier one.
pub const BAN_REMEMBERED: Duration = Duration::from_secs(7 * 24 * 3600);
/// Bans kept, those that ended and are remembered included.
pub const BANS_MAX: usize = 1024;
/// Longest reason of a ban, bytes.
pub const BAN_REASON_BYTES_MAX: usize = 200;
/// How long a peer that was disconnected for its score is refused.
pub const DISCONNECTED_FOR: Duration = Duration::from_secs(60);
/// Gossip messages of a throttled peer that are looked at in a second: a twentieth of a full share.
pub const THROTTLED_MESSAGES_PER_SECOND_MAX: u32 = 50;
/// Gossip messages a throttled peer may bring in a second before that, too, counts against it: more
/// than any honest node forwards.
pub const THROTTLED_FLOOD_PER_SECOND: u32 = 1000;
/// How often a connected peer is asked for the time.
pub const TIME_ASKED_INTERVAL: Duration = Duration::from_secs(900);
/// Answers kept.
pub const TIME_SAMPLES_MAX: usize = 64;
/// Gossiped envelopes in the last minutes from which the share refused as far in the future says
/// something.
pub const FAR_FUTURE_SAMPLE_MIN: u64 = 20;
/// Protocols shown of a peer.
pub const PEER_PROTOCOLS_SHOWN_MAX: usize = 32;
/// Longest agent version or protocol name shown of a peer, bytes.
pub const PEER_TEXT_BYTES_MAX: usize = 100;
/// First wait before a failed dial of a configured or asked-for peer is tried again.
pub const DIAL_BACKOFF_MIN: Duration = Duration::from_millis(250);
/// Longest wait before a failed dial is tried again.
pub const DIAL_BACKOFF_MAX: Duration = Duration::from_secs(30 * 60);
/// Default share of a peer: envelopes it may bring by gossip in a minute before they are ignored.
/// 1,000 a second is under a third of what a node of two slow cores can take, and a hundred times
/// what people write.
pub const PEER_ENVELOPES_PER_MINUTE_DEFAULT: u32 = 60_000;
/// Smallest share of a peer: ten for each peer are then reserved in a minute.
pub const PEER_ENVELOPES_PER_MINUTE_MIN: u32 = 480;
/// Largest share of a peer: its bytes still fit 32 bits.
pub const PEER_ENVELOPES_PER_MINUTE_MAX: u32 = 250_000;
/// Bytes of an envelope, for the shares of peers: four times what texts have, so that only who
/// sends large ones all the time is bounded by bytes.
pub const ENVELOPE_BYTES_MEAN: u32 = 4096;
/// How long a sync waits for the engine's answer. An engine that has ended gives none. Before it all that waits for the
/// engine is done, at most [`GOSSIP_BACKLOG_BYTES_MAX`] of gossip: in texts 0.8 s of a core in an unoptimized build, and 75 to
/// 94 MiB written (`how_long_a_full_queue_takes` in the engine's tests). A memory card that writes 2 MB/s takes 50 s for that.
pub const ENGINE_ANSWER_MAX: Duration = Duration::from_secs(60);
/// Inputs waiting for the engine's thread before those who bring them have to wait.
pub const ENGINE_QUEUE_MAX: usize = 8192;
/// Inputs the engine takes into one commit: bounds how long one commit lasts.
pub const ENGINE_BATCH_MAX: usize = 1024;
/// Commands waiting for the network task: each may carry a batch of the engine's.
pub const NET_QUEUE_MAX: usize = 64;

// ---- control -----------------------------------------------------------------------------------

/// Shortest time without the user after which the vault may be locked by itself: what a person needs to type.
pub const AUTO_LOCK_MIN: Duration = Duration::from_secs(5);
/// Longest: a week. Beyond it "off" is more honest.
pub const AUTO_LOCK_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How often it is looked at, where the vault may be locked by itself: so long after a machine has slept it is locked.
pub const AUTO_LOCK_CHECKED_EVERY: Duration = Duration::from_secs(5);
/// Characters of a message in its notification: two lines of a desktop's.
pub const NOTIFICATION_CHARS_MAX: usize = 200;
/// How long the program that shows a notification, or the desktop, may take.
pub const NOTIFICATION_TIME_MAX: Duration = Duration::from_secs(10);
/// Notifications that wait for the one before; more are left out.
pub const NOTIFICATIONS_WAITING_MAX: usize = 8;
/// How long nothing further is shown on a desktop after a notification: as long as it takes to see who wrote. What comes
/// then renews those that wait.
pub const NOTIFICATION_INTERVAL: Duration = Duration::from_secs(1);
/// Notifications on a desktop at a time, one for a conversation: more than anyone looks through. Of more the oldest is taken
/// back.
pub const NOTIFICATIONS_SHOWN_MAX: usize = 64;
/// Largest request body on the control socket, bytes: the longest text, escaped.
pub const CONTROL_BODY_BYTES_MAX: usize = 128 * 1024;
/// How long a client may take over a request's body: 100 kbit/s, should the socket be forwarded over a slow line.
pub const CONTROL_BODY_READ_MAX: Duration = Duration::from_secs(10);
/// Connections to the control socket at a time.
pub const CONTROL_CONNECTIONS_MAX: usize = 256;
/// Of them those of one process, so that none takes all the room: over the 100 that HTTP libraries keep at most
/// if they are not told otherwise (httpx, aiohttp).
pub const CONTROL_CONNECTIONS_OF_PROCESS_MAX: usize = 128;
/// Longest request line and headers, bytes: far over what any client sends.
pub const CONTROL_HEAD_BYTES_MAX: usize = 64 * 1024;
/// Most headers of a request: clients send a dozen.
pub const CONTROL_HEADERS_MAX: usize = 100;
/// How long a client may take over a request's head, which includes how long a kept connection may
/// be idle: longer than the pauses of a program that reuses its connection.
pub const CONTROL_HEAD_READ_MAX: Duration = Duration::from_secs(120);
/// Connections told that they are refused (another user's, or too many) at a time; further ones are
/// closed without a word.
pub const CONTROL_REFUSALS_MAX: usize = 16;
/// How long a refused connection is kept open so that its client can read the answer.
pub const CONTROL_REFUSAL_LINGER_MAX: Duration = Duration::from_secs(1);
/// How long a stopping daemon waits for requests that are being answered.
pub const CONTROL_STOP_MAX: Duration = Duration::from_secs(5);
/// How long a stopping daemon waits for a client that reads nothing of its answer: far over what one that reads
/// leaves between two reads.
pub const CONTROL_STOP_UNREAD_MAX: Duration = Duration::from_millis(250);
/// How long a scrape of the metrics waits for the network's part: it is most wanted when something
/// hangs, and Prometheus gives up after ten seconds.
pub const METRICS_ANSWER_MAX: Duration = Duration::from_secs(1);
/// Connections to the metrics' TCP port at a time: scrapers are few; more wait their turn.
pub const METRICS_CONNECTIONS_MAX: usize = 8;
/// How long one connection to the metrics' TCP port may last, request and answer: as long as
/// Prometheus waits.
pub const METRICS_CONNECTION_MAX: Duration = Duration::from_secs(10);
/// Longest request line and headers on the metrics' TCP port, bytes: no cookies are sent there.
pub const METRICS_HEAD_BYTES_MAX: usize = 16 * 1024;
/// How often a follower of events hears a comment when nothing happens: under the idle time-outs of
/// common proxies and clients.
pub const EVENTS_KEEP_ALIVE: Duration = Duration::from_secs(15);

// ---- files -------------------------------------------------------------------------------------

/// Largest transport key file, bytes: a protobuf of 68 bytes, and room.
pub const PEER_KEY_BYTES_MAX: u64 = 1024;
/// Free disk space below which the doctor warns, bytes: half of the default mailbox.
pub const DISK_FREE_LOW: u64 = 512 * 1024 * 1024;
/// Free disk space below which it reports an error, bytes: a few commits of the largest batches.
pub const DISK_FREE_CRITICAL: u64 = 64 * 1024 * 1024;
/// What the largest envelope takes of the mailbox's quota, bytes: with less room than this it is full.
pub const MAILBOX_CHARGE_MAX: u64 = martlet_protocol::limits::ENVELOPE_BYTES_MAX as u64
    + martlet_store::limits::MAILBOX_ENTRY_BYTES;
/// Share of the mailbox's quota from which the doctor warns, percent.
pub const MAILBOX_FULL_PERCENT: u64 = 90;
/// How long after its start a node may be without peers before the doctor says so.
pub const PEERS_EXPECTED_AFTER: Duration = Duration::from_secs(30);
