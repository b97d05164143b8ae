//! How the network does, as the doctor and the status want to know it.

use std::net::IpAddr;
use std::time::Duration;

use libp2p::Multiaddr;
use tokio::time::Instant;

use super::NetHandle;
pub use super::dialer::Unreachable;
use super::task::Command;

/// How the network does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetReport {
    /// Peers connected.
    pub connected: usize,
    /// Addresses listened on.
    pub listening: usize,
    /// What discovery on the local network does.
    pub mdns: MdnsState,
    /// Static and bootstrap peers configured.
    pub configured: usize,
    /// Those of them that are not connected and could not be dialled.
    pub unreachable: Vec<Unreachable>,
    /// Where nodes with another network key were dialled lately; the latest first.
    pub key_mismatches: Vec<Multiaddr>,
    /// Hosts that lately began handshakes and hung up in their midst, again and again, and with which there is no
    /// connection: most likely their network key is another. The latest first.
    pub broken_off: Vec<IpAddr>,
    /// Peers banned.
    pub banned: usize,
    /// How far this node's clock is ahead of its peers', milliseconds, once one has told its time.
    pub clock_ahead_ms: Option<i64>,
    /// Gossiped envelopes refused lately because they end too late by this node's clock.
    pub far_future: u64,
    /// Gossiped envelopes taken in the same time.
    pub taken: u64,
    /// How long the network has been up.
    pub up: Duration,
}

impl NetHandle {
    /// How the network does; `None` once the task has ended.
    pub async fn report(&self) -> Option<NetReport> {
        self.ask(Command::Report).await
    }
}

/// What discovery on the local network does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MdnsState {
    /// It is switched off.
    Off,
    /// It could not be started.
    Unavailable,
    /// It has heard nobody yet.
    Silent,
    /// It has heard others.
    Heard,
}

/// How much gossip is refused for ending too late.
#[derive(Debug)]
pub(super) struct FarFuture {
    pub(super) since: Instant,
    pub(super) refused: u64,
    pub(super) taken: u64,
}

impl FarFuture {
    /// Nothing counted yet.
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, refused: 0, taken: 0 }
    }
}
