//! Every bound of a scenario, with its unit and its reason.

use std::time::Duration;

/// Longest scenario file, and longest list of edges, bytes: what a person or a generator of theirs
/// writes, and small enough to be read whole.
pub const FILE_BYTES_MAX: u64 = 1 << 20;
/// Most nodes: ten times what one machine is known to simulate.
pub const NODES_MAX: usize = 10_000;
/// Most links: a full mesh of 1,000 nodes. A plan holds each in 72 bytes.
pub const LINKS_MAX: usize = 500_000;
/// Most links of one node: twice the most connections that a daemon can aim at, past which it
/// refuses peers.
pub const LINKS_PER_NODE_MAX: usize = 2 * martletd::limits::CONNECTIONS_TARGET_MAX;
/// Most clusters or LANs: drawings and partitions have a colour for each.
pub const CLUSTERS_MAX: usize = 1000;
/// Most pairs of contacts: a full acquaintance of 1,400 users.
pub const CONTACT_PAIRS_MAX: usize = 1_000_000;
/// Most messages, texts and files: a plan holds each in 80 bytes, and a report remembers when each was delivered.
pub const MESSAGES_MAX: usize = 10_000_000;
/// Most events, those of churn counted singly.
pub const EVENTS_MAX: usize = 100_000;
/// Most tables of a kind in one file (`[[nodes]]`, `[[traffic]]`, `[[events]]`, …): more are
/// written by a program, which can write larger groups.
pub const TABLES_MAX: usize = 10_000;
/// Most devices of a person: as many of an identity's count.
pub const DEVICES_MAX: usize = martlet_protocol::limits::DEVICES_PER_IDENTITY_MAX;
/// Most people in a room: as many as it may have.
pub const ROOM_MEMBERS_MAX: usize = 256;
/// Most people in a room where nobody says that there may be more.
pub const ROOM_MEMBERS_DEFAULT: u16 = 64;
/// Longest run: what is kept six days is gone in ten, and a month leaves room for what comes back
/// late.
pub const DURATION_MAX: Duration = Duration::from_secs(31 * 24 * 3600);
/// Most occasions in a second, of one writer, of churn or of a flood: above that one asks for a
/// larger `burst`.
pub const RATE_PER_S_MAX: f64 = 10_000.0;
/// Fewest occasions in a second: one in a hundred days, which no run lasts.
pub const RATE_PER_S_MIN: f64 = 1e-7;
/// Most messages that a writer writes at once.
pub const BURST_MAX: usize = 10_000;
/// Shortest text, bytes: it begins with a number that tells it from all others.
pub const TEXT_BYTES_MIN: usize = 16;
/// Smallest bandwidth of a link, bytes a second: below it a handshake takes longer than the time it
/// is given.
pub const BANDWIDTH_BYTES_PER_S_MIN: u64 = 300;
/// Longest latency or jitter of a link: above it no connection comes about.
pub const LATENCY_MAX: Duration = Duration::from_secs(10);
/// Most packets lost, as a part of all: above it nothing gets through in the time that connections
/// are given.
pub const LOSS_MAX: f64 = 0.5;
/// Farthest a clock can be off, or jump, milliseconds: a year.
pub const CLOCK_OFFSET_MS_MAX: i64 = 365 * 24 * 3600 * 1000;
/// How much rarer than usual nodes may do what they do unasked, at most: above it connections are
/// taken for dead.
pub const QUIET_FACTOR_MAX: u32 = 1000;
/// Most peers of a mesh that are wanted, and of those told what there is: as many as a node has.
pub const GOSSIP_PEERS_MAX: usize = 24;
/// Most that a part of a node's work may take, microseconds: a second, over which connections would
/// not come about. Measured at 0.05 to 5 ms.
pub const COST_US_MAX: u32 = 1_000_000;
/// Longest name of a scenario or a node, characters: it becomes a directory, a host and a namespace
/// of the kernel.
pub const NAME_CHARS_MAX: usize = 40;
/// Shortest time that a node is off in churn: a process needs as much to go and come.
pub const CHURN_DOWN_MIN: Duration = Duration::from_secs(1);
/// Tries to make a random graph that is connected, before its numbers are held to be wrong.
pub const GRAPH_TRIES_MAX: usize = 200;
