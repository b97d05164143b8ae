//! What a keeper of blobs is told beside its directory: what others may learn, and who counts.

use std::sync::Arc;

use libp2p::PeerId;

use crate::metrics::Metrics;

/// What the configuration lets others learn of this node.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Whether others are answered what is here.
    pub serves: bool,
    /// Whether holders are dialled where their message says that they are, and others are told at once which of many blobs are here.
    pub is_lan: bool,
    /// Whether the network stays on one LAN: then it is told where depots are.
    pub is_lan_only: bool,
}

/// Counts what passes of blobs.
pub struct Meter {
    /// Where.
    pub metrics: Arc<Metrics>,
    /// Told of bytes that came from a peer, where somebody wants to know: a simulation.
    pub fetched: Option<Box<dyn Fn(PeerId, u64) + Send + Sync>>,
}

impl Meter {
    pub(super) fn count_sent(&self, bytes: u64) {
        self.metrics.blobs.sent_bytes.inc_by(bytes);
    }

    pub(super) fn count_received(&self, from: PeerId, bytes: u64) {
        self.metrics.blobs.received_bytes.inc_by(bytes);
        if let Some(fetched) = &self.fetched {
            fetched(from, bytes);
        }
    }
}

/// Hand-written: it has a function.
impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meter(…)")
    }
}
