//! What is dialled, and how long is waited in between.

use std::time::Duration;

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use rand::RngExt;
use tokio::time::Instant;

use super::super::shorten;
use super::Origin;
use crate::limits::{
    DIAL_BACKOFF_MAX, DIAL_BACKOFF_MIN, FOUND_DIAL_BACKOFF_MIN, STATIC_DIAL_BACKOFF_MAX,
};

/// A peer, or an address where the peer's id is not known yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Peer(PeerId),
    Address(Multiaddr),
}

pub(super) struct Target {
    pub(super) addresses: Vec<Multiaddr>,
    pub(super) origin: Origin,
    /// Who answered at an address dialled without a peer id.
    pub(super) resolved: Option<PeerId>,
    pub(super) failures: u32,
    /// Why the last dial failed.
    pub(super) reason: String,
    /// When to dial next, unless connected then.
    pub(super) due: Instant,
    /// The longest wait told in the log: each step is told once.
    pub(super) told: Duration,
    /// Until when it is dialled often: its link was lost and may be back at any time.
    pub(super) eager_until: Option<Instant>,
    /// Failures in such a time: they say nothing of how long to wait later.
    pub(super) eager_failures: u32,
}

impl Key {
    /// The peer of a target, once it is known.
    pub(super) fn peer(&self, target: &Target) -> Option<PeerId> {
        match self {
            Self::Peer(peer) => Some(*peer),
            Self::Address(_) => target.resolved,
        }
    }

    pub(super) fn is(&self, peer: &PeerId, target: &Target) -> bool {
        self.peer(target).as_ref() == Some(peer)
    }

    pub(super) fn shortened(&self) -> String {
        match self {
            Self::Peer(peer) => shorten::peer(peer),
            Self::Address(address) => shorten::address(address),
        }
    }
}

/// An address and the peer id at its end, if any.
pub(super) fn split(mut address: Multiaddr) -> (Option<PeerId>, Multiaddr) {
    match address.iter().last() {
        Some(Protocol::P2p(peer)) => {
            address.pop();
            (Some(peer), address)
        }
        _ => (None, address),
    }
}

/// The wait after so many failures: doubling.
pub(super) fn backoff(failures: u32, origin: Origin) -> Duration {
    let (shortest, longest) = match origin {
        Origin::Static => (DIAL_BACKOFF_MIN, STATIC_DIAL_BACKOFF_MAX),
        Origin::Command => (DIAL_BACKOFF_MIN, DIAL_BACKOFF_MAX),
        Origin::Discovered | Origin::Cache => (FOUND_DIAL_BACKOFF_MIN, DIAL_BACKOFF_MAX),
    };
    let doublings = failures.saturating_sub(1).min(20);
    (shortest * (1 << doublings)).min(longest)
}

/// Up to a quarter more or less, so that nodes cut off together do not come back in step.
pub(super) fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(rand::rng().random_range(0.75..1.25))
}
