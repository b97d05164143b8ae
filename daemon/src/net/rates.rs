//! How much a node takes from its peers, by the generic cell rate algorithm (`governor`), on tokio's
//! clock, which a simulator can hold.
//!
//! What one peer may bring by gossip in a minute, its *share* `S`, is configured; all else follows:
//!
//! | | a minute | past it |
//! | --- | --- | --- |
//! | the share of a peer dialled from here | `S` | ignored: neither kept nor passed on |
//! | of one that dialled this node | `3/4 S` | ignored |
//! | reserved for each peer | `S / 48` | taken from the pool |
//! | the pool of all peers | `S` | ignored |
//! | so a node takes, and passes on | `2 S` | |
//! | what no honest peer brings: twice that | `4 S` | the peer is cut off |
//!
//! So peers that flood, however many, can use up the pool but not the others' reserve; and a node that
//! passes on a flood is never cut off for it, since all honest nodes pass on `2 S` at most. Strangers dial;
//! so who dialled has less than the node can pass on to those who dialled it, and what one of them floods
//! leaves room for the others' messages on the next link too.
//! An envelope counts also by its bytes, at [`ENVELOPE_BYTES_MEAN`] for each; an ack as half an envelope.
//! Each of these may be used at once after a quiet minute.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::limits::{
    ACKS_PER_ENVELOPE, CONNECTIONS_MAX, CONNECTIONS_PER_PEER_PER_MINUTE_MAX, ENVELOPE_BYTES_MEAN,
    FALSE_ACKS_PER_PEER_PER_MINUTE_MAX, SYNC_REQUESTS_PER_PEER_PER_MINUTE_MAX,
};
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

/// At most so many of something a minute; all of them at once after a quiet minute.
#[derive(Debug)]
pub(super) struct Limiter(
    RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Duration>>,
);

/// What a peer, or the node, may bring by gossip.
#[derive(Debug)]
struct Allowance {
    envelopes: Limiter,
    bytes: Limiter,
    acks: Limiter,
}

/// The rates of one peer.
#[derive(Debug)]
pub(super) struct PeerRates {
    share: Allowance,
    reserved: Allowance,
    ceiling: Allowance,
    requests: Limiter,
    connections: Limiter,
    false_acks: Limiter,
}

/// The rates of the node: what all peers have in common.
#[derive(Debug)]
pub(super) struct NodeRates {
    share: u32,
    pool: Allowance,
}

/// What a peer's gossip is within.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Within {
    /// Its share.
    Share,
    /// What an honest peer may bring.
    Honest,
    /// Nothing: no honest peer brings so much.
    Nothing,
}

/// A gossiped load.
#[derive(Debug, Clone, Copy)]
pub(super) enum Load {
    /// One envelope of so many bytes.
    Envelope {
        /// Encoded.
        bytes: usize,
    },
    /// So many acks.
    Acks(usize),
}

impl Limiter {
    /// At most `count` a minute, at least one.
    pub(super) fn per_minute(count: u32) -> Self {
        let count = NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
        let clock = TokioClock { origin: Instant::now() };
        Self(RateLimiter::direct_with_clock(Quota::per_minute(count), clock))
    }

    /// Whether `count` more are within the limit; if so they are counted.
    pub(super) fn takes(&self, count: usize) -> bool {
        let Some(count) = NonZeroU32::new(u32::try_from(count).unwrap_or(u32::MAX)) else {
            return true;
        };
        matches!(self.0.check_n(count), Ok(Ok(())))
    }
}

impl Allowance {
    /// What belongs to so many envelopes a minute.
    fn of(envelopes: u32) -> Self {
        Self {
            envelopes: Limiter::per_minute(envelopes),
            bytes: Limiter::per_minute(envelopes.saturating_mul(ENVELOPE_BYTES_MEAN)),
            acks: Limiter::per_minute(envelopes.saturating_mul(ACKS_PER_ENVELOPE)),
        }
    }

    fn takes(&self, load: Load) -> bool {
        match load {
            Load::Envelope { bytes } => self.envelopes.takes(1) && self.bytes.takes(bytes),
            Load::Acks(count) => self.acks.takes(count),
        }
    }
}

impl NodeRates {
    /// For peers with a share of so many envelopes a minute.
    pub(super) fn new(share: u32) -> Self {
        Self { share, pool: Allowance::of(share) }
    }

    /// The rates of a new peer.
    pub(super) fn peer(&self, dialled_here: bool) -> PeerRates {
        let share = if dialled_here { self.share } else { self.share - self.share / 4 };
        PeerRates {
            share: Allowance::of(share),
            reserved: Allowance::of(self.share / CONNECTIONS_MAX),
            ceiling: Allowance::of(self.ceiling()),
            requests: Limiter::per_minute(SYNC_REQUESTS_PER_PEER_PER_MINUTE_MAX),
            connections: Limiter::per_minute(CONNECTIONS_PER_PEER_PER_MINUTE_MAX),
            false_acks: Limiter::per_minute(FALSE_ACKS_PER_PEER_PER_MINUTE_MAX),
        }
    }

    /// Messages that no honest peer brings in a minute: twice what a node passes on.
    fn ceiling(&self) -> u32 {
        self.share.saturating_mul(4)
    }

    /// Gossip frames that no honest peer sends in a minute: each message alone, and as many with acks
    /// and control messages.
    pub(super) fn frames(&self) -> u32 {
        self.ceiling()
    }

    /// Whether the node takes what `peer` brings, and passes it on.
    pub(super) fn takes(&self, peer: &PeerRates, load: Load) -> bool {
        peer.reserved.takes(load) || self.pool.takes(load)
    }
}

impl PeerRates {
    /// Counts what it brings, good or not.
    pub(super) fn brings(&self, load: Load) -> Within {
        if !self.ceiling.takes(load) {
            Within::Nothing
        } else if self.share.takes(load) {
            Within::Share
        } else {
            Within::Honest
        }
    }

    /// Whether one more sync request of its is served.
    pub(super) fn takes_request(&self) -> bool {
        self.requests.takes(1)
    }

    /// Counts a connection that it dialled; whether that is not too many.
    pub(super) fn takes_connection(&self) -> bool {
        self.connections.takes(1)
    }

    /// Counts acks of its that were false; whether they are few enough to come by mistake.
    pub(super) fn takes_false_acks(&self, count: usize) -> bool {
        self.false_acks.takes(count)
    }
}

/// tokio's clock, as the time since it was made.
#[derive(Debug, Clone, Copy)]
struct TokioClock {
    origin: Instant,
}

impl Clock for TokioClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARE: u32 = 4800;

    fn bring(peer: &PeerRates, count: u32) -> Within {
        let bytes = 700;
        (0..count).map(|_| peer.brings(Load::Envelope { bytes })).last().unwrap_or(Within::Share)
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_is_within_its_share_then_honest_then_neither() {
        let peer = NodeRates::new(SHARE).peer(true);
        assert_eq!(bring(&peer, SHARE), Within::Share);
        assert_eq!(bring(&peer, 1), Within::Honest);
        assert_eq!(bring(&peer, 3 * SHARE - 1), Within::Honest);
        assert_eq!(bring(&peer, 1), Within::Nothing);
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(bring(&peer, SHARE / 2), Within::Share, "half a minute, half a share");
        assert_eq!(bring(&peer, 1), Within::Honest);
    }

    #[tokio::test(start_paused = true)]
    async fn what_one_that_dialled_floods_fits_the_next_link_with_room_to_spare() {
        let (first, next) = (NodeRates::new(SHARE), NodeRates::new(SHARE));
        let load = Load::Envelope { bytes: 700 };
        let (stranger, honest) = (first.peer(false), first.peer(false));
        let dialled = next.peer(true);
        let passes = |rates: &NodeRates, from: &PeerRates| {
            from.brings(load) == Within::Share && rates.takes(from, load)
        };
        let flood = (0..10 * SHARE).filter(|_| passes(&first, &stranger)).count();
        assert_eq!(flood, (SHARE - SHARE / 4) as usize);
        assert!((0..flood).all(|_| passes(&next, &dialled)));
        for _ in 0..SHARE / 4 {
            assert!(passes(&first, &honest) && passes(&next, &dialled));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_floods_leaves_the_others_their_reserve() {
        let node = NodeRates::new(SHARE);
        let load = Load::Envelope { bytes: 700 };
        let (greedy, modest) = (node.peer(true), node.peer(true));
        let taken = (0..10 * SHARE).filter(|_| node.takes(&greedy, load)).count();
        assert_eq!(taken, (SHARE + SHARE / CONNECTIONS_MAX) as usize);
        let taken = (0..SHARE).filter(|_| node.takes(&modest, load)).count();
        assert_eq!(taken, (SHARE / CONNECTIONS_MAX) as usize);
    }

    /// A device that was killed and started again 70 times in a minute was cut off for ten: its messages, and those that its
    /// user's other device sent, did not reach it so long.
    #[tokio::test(start_paused = true)]
    async fn who_is_started_again_and_again_is_not_cut_off() {
        let node = NodeRates::new(SHARE);
        let killed = node.peer(false);
        for start in 0..300 {
            assert!(killed.takes_connection(), "start {start}");
            tokio::time::advance(Duration::from_secs(60) / 70).await;
        }
        let hostile = node.peer(false);
        let taken = (0..1000).filter(|_| hostile.takes_connection()).count();
        assert_eq!(taken, CONNECTIONS_PER_PEER_PER_MINUTE_MAX as usize);
    }

    #[tokio::test(start_paused = true)]
    async fn large_envelopes_count_by_their_bytes_and_acks_by_number() {
        let peer = NodeRates::new(SHARE).peer(true);
        let large = Load::Envelope { bytes: 40_960 };
        let within = (0..SHARE).filter(|_| peer.brings(large) == Within::Share).count();
        assert_eq!(within, (SHARE / 10) as usize);
        let within = (0..20).filter(|_| peer.brings(Load::Acks(960)) == Within::Share).count();
        assert_eq!(within, 10);
    }
}
