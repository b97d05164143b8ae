//! The bounds of links that come and go, and of what is said of them.

use std::time::Duration;

/// How long a connection may go on while nothing that is sent is confirmed, before its link is taken for lost. Who pulls
/// out a cable expects to be told within 5 s: the kernel tells of it within 1 s, TCP counts from the first time that it
/// sends anew, and the rest is slack. A link that only stalls for so long costs a new connection.
pub const SILENCE_MAX: Duration = Duration::from_secs(3);
/// How long a word is waited for after something of the user's own was sent, before the peer is asked. With
/// [`SILENCE_MAX`] within 5 s.
pub const PROBE_AFTER: Duration = Duration::from_millis(500);
/// How long after a change of a network interface others are waited for: a cable makes several.
pub const LINK_CHANGES_SETTLE: Duration = Duration::from_millis(200);
/// How long a peer whose link was silently lost is dialled as often as [`RECONNECT_WAIT_MAX`].
pub const RECONNECT_EAGER_FOR: Duration = Duration::from_secs(600);
/// Longest wait between dials of such a peer. A dial has pauses of 4 s at most (a SYN is sent anew after 1, 2 and 4 s), so
/// it is back within 5 s of its link.
pub const RECONNECT_WAIT_MAX: Duration = Duration::from_secs(2);
/// How long peers that could not be reached are dialled so often after a network interface got a link or an address:
/// a router may take some seconds to let a new one through.
pub const HURRY_FOR: Duration = Duration::from_secs(30);
/// Lines a minute that dependencies may log at the default level. Some warn for each stream that a peer opens past a
/// bound, so that a peer could fill the disk; a healthy node logs none.
pub const FOREIGN_LOG_LINES_PER_MINUTE_MAX: u32 = 30;
/// First wait before others are asked for by mDNS again; doubled each time.
pub const MDNS_PROBE_INTERVAL: Duration = Duration::from_millis(500);
/// Least time between two answers by mDNS over IPv6: anyone on the link may ask, and each answer goes to all.
pub const MDNS_ANSWER_INTERVAL_MIN: Duration = Duration::from_millis(250);
/// The longest packet of mDNS (RFC 6762, section 17), bytes.
pub const MDNS_PACKET_BYTES_MAX: usize = 9000;
/// Nodes with another network key that are told of, the latest.
pub const KEY_MISMATCHES_MAX: usize = 8;
/// How often a host must have hung up in the midst of handshakes before it is told of: a node with another key dials again
/// after a second or two, while of addresses that are dialled at once and not needed each is given up once.
pub const BROKEN_OFF_MIN: u32 = 3;
/// How long after the last attempt of one.
pub const KEY_MISMATCHES_KEPT: Duration = Duration::from_secs(600);
/// Dials by command that are remembered once they are given up: to be looked at in the list of peers.
pub const GIVEN_UP_DIALS_MAX: usize = 16;
/// How long a client waits for what comes of a dial: [`super::CONNECT_TIMEOUT`], and some for who is there to say so.
pub const DIAL_WAITED_MAX: Duration = Duration::from_secs(10);
/// Peers that came or went, kept for who follows them slowly; what is over it they miss.
pub const PEER_EVENTS_KEPT: usize = 256;
