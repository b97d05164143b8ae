//! Gossip on its way out.

use std::time::Duration;

/// Gossip messages waiting for one connection: a burst of 20,000 fits.
pub const GOSSIP_QUEUE_MAX: usize = 32_768;
/// How long a gossip message may wait for a connection (libp2p's 1 s and 5 s drop under load).
pub const GOSSIP_QUEUE_DEADLINE: Duration = Duration::from_secs(30);
/// Bytes of gossip waiting for one peer before more is dropped, for sync to bring it: a burst of 20,000
/// texts fits.
pub const GOSSIP_QUEUED_PER_PEER_MAX: usize = 16 * 1024 * 1024;
/// Bytes of gossip waiting for all peers together before more is dropped for all but those for whom less
/// than [`GOSSIP_QUEUED_KEPT`] waits.
pub const GOSSIP_QUEUED_MAX: usize = 48 * 1024 * 1024;
/// Bytes that may wait for each peer in any case, so that peers who take nothing leave room for others: with
/// 64 connections 16 MiB.
pub const GOSSIP_QUEUED_KEPT: usize = 256 * 1024;
/// Bytes of gossip's control messages waiting for one peer before it is cut off: they can't be dropped, and
/// no peer that takes any has a hundredth of it waiting.
pub const GOSSIP_CONTROL_QUEUED_MAX: usize = 1024 * 1024;
/// Bytes handed on by gossip while a subscribed peer has no stream to take it before the peer is cut
/// off: they may all wait for it within libp2p. A stream is up after one round trip.
pub const GOSSIP_UNOPENED_MAX: u64 = 2 * 1024 * 1024;
/// How long a peer may take nothing of the gossip that waits for it before it is cut off: on the slowest
/// usable links something moves each second.
pub const GOSSIP_STALLED_MAX: Duration = Duration::from_secs(8);
/// How long the other side has to take what was written to a connection that is closed.
pub const CLOSING_MAX: Duration = Duration::from_secs(2);
