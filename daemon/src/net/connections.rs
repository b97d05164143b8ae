//! How many connections there are, and which are let go.
//!
//! Gossipsub keeps every connection alive (rust-libp2p issue 5190), so libp2p's idle time-out closes
//! none: without a rule of ours each node of a network would end up connected with all others.

use std::time::Duration;

use crate::limits::{CONNECTION_GRACE, CONNECTIONS_TARGET};
use libp2p::PeerId;
use tokio::time::Instant;

/// How many connections to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionPolicy {
    /// Connections aimed at, at least 1.
    pub target: usize,
    /// How long a connection is left alone after it came up or was last of use.
    pub grace: Duration,
}

impl Default for ConnectionPolicy {
    /// [`CONNECTIONS_TARGET`] and [`CONNECTION_GRACE`].
    fn default() -> Self {
        Self { target: CONNECTIONS_TARGET, grace: CONNECTION_GRACE }
    }
}

impl ConnectionPolicy {
    /// Below it peers are looked for, until the target is reached.
    #[must_use]
    pub fn low(&self) -> usize {
        self.target.div_ceil(2)
    }

    /// At it, peers that connect are refused.
    #[must_use]
    pub fn high(&self) -> usize {
        self.target.saturating_mul(2)
    }

    /// The most connections opened by others, two thirds of [`Self::high`]: however many identities
    /// someone joins with, places are left for peers that this node chose.
    #[must_use]
    pub fn inbound_max(&self) -> usize {
        (self.high() * 2 / 3).max(1)
    }

    /// Connections that others may have open, beside `others`: those opened here, and pinned ones.
    pub(super) fn inbound_room(&self, others: usize) -> usize {
        self.high().saturating_sub(others).min(self.inbound_max())
    }

    /// How often connections are looked over.
    pub(super) fn review_interval(&self) -> Duration {
        self.grace / 6
    }

    /// How long a peer may be connected without a gossip link before the connection is tried anew.
    pub(super) fn gossip_wait(&self) -> Duration {
        self.grace * 2
    }
}

/// A connected peer, as far as it matters to letting it go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) peer: PeerId,
    /// When it was last of use: in a mesh, or bringing what was new; at first when it connected.
    pub(super) useful_at: Instant,
    /// Whether it is in a gossip mesh.
    pub(super) in_mesh: bool,
    /// Whether the user wants it.
    pub(super) is_pinned: bool,
}

/// Whom to let go of those connected: what is over the target, neither in a mesh nor pinned nor
/// within its grace; the longest of no use first.
pub(super) fn surplus(
    connected: &[Candidate],
    policy: &ConnectionPolicy,
    now: Instant,
) -> Vec<PeerId> {
    let over = connected.len().saturating_sub(policy.target);
    let mut useless: Vec<&Candidate> = connected
        .iter()
        .filter(|one| !one.in_mesh && !one.is_pinned)
        .filter(|one| now.duration_since(one.useful_at) >= policy.grace)
        .collect();
    useless.sort_by_key(|one| (one.useful_at, one.peer));
    useless.into_iter().take(over).map(|one| one.peer).collect()
}

/// Whether peers are looked for: from when there are fewer than [`ConnectionPolicy::low`] until there
/// are as many as aimed at. Without the distance between the two, a node that let one go would
/// look for another, and the other way round for ever.
#[derive(Debug)]
pub(super) struct Search {
    is_on: bool,
}

impl Search {
    /// A node that starts looks for peers.
    pub(super) fn new() -> Self {
        Self { is_on: true }
    }

    /// The number of connections has changed.
    pub(super) fn count(&mut self, connected: usize, policy: &ConnectionPolicy) {
        if connected < policy.low() {
            self.is_on = true;
        } else if connected >= policy.target {
            self.is_on = false;
        }
    }

    /// How many more connections are wanted.
    pub(super) fn wanted(&self, connected: usize, policy: &ConnectionPolicy) -> usize {
        if self.is_on { policy.target.saturating_sub(connected) } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use crate::limits::CONNECTIONS_MAX;
    use proptest::prelude::*;

    use super::*;

    fn policy(target: usize) -> ConnectionPolicy {
        ConnectionPolicy { target, ..ConnectionPolicy::default() }
    }

    fn candidate(useful_at: Instant) -> Candidate {
        Candidate { peer: PeerId::random(), useful_at, in_mesh: false, is_pinned: false }
    }

    #[test]
    fn the_bounds_follow_from_the_target() {
        let of = |target| {
            let policy = policy(target);
            (policy.low(), policy.high(), policy.inbound_max())
        };
        assert_eq!(of(24), (12, 48, 32));
        let default = ConnectionPolicy::default();
        assert_eq!(Ok(CONNECTIONS_MAX), u32::try_from(default.high()));
        assert_eq!(of(2), (1, 4, 2));
        assert_eq!(of(1), (1, 2, 1));
        assert_eq!(policy(24).inbound_room(10), 32);
        assert_eq!(policy(24).inbound_room(40), 8);
        assert_eq!(policy(24).inbound_room(60), 0);
    }

    #[test]
    fn the_longest_of_no_use_go_first() {
        let start = Instant::now();
        let now = start + 10 * CONNECTION_GRACE;
        let mut all: Vec<Candidate> =
            (0..6).map(|age| candidate(now - CONNECTION_GRACE * (6 - age))).collect();
        all[0].in_mesh = true;
        all[1].is_pinned = true;
        all.push(candidate(now));
        assert_eq!(surplus(&all, &policy(5), now), [all[2].peer, all[3].peer]);
        assert_eq!(surplus(&all, &policy(1), now).len(), 4, "the newest has its grace");
        assert!(surplus(&all, &policy(7), now).is_empty());
    }

    #[test]
    fn peers_are_looked_for_below_low_and_up_to_the_target() {
        let (mut search, policy) = (Search::new(), policy(10));
        let wanted: Vec<usize> = [0, 5, 9, 10, 9, 5, 4, 5, 9, 12, 5]
            .into_iter()
            .map(|connected| {
                search.count(connected, &policy);
                search.wanted(connected, &policy)
            })
            .collect();
        assert_eq!(wanted, [10, 5, 1, 0, 0, 0, 6, 5, 1, 0, 0]);
    }

    proptest! {
        #[test]
        fn only_the_useless_are_let_go_and_never_below_the_target(
            target in 1..60_usize,
            peers in proptest::collection::vec((0..120_u64, any::<bool>(), any::<bool>()), 0..100),
        ) {
            let (start, policy) = (Instant::now(), policy(target));
            let now = start + Duration::from_secs(120);
            let all: Vec<Candidate> = peers
                .into_iter()
                .map(|(at, in_mesh, is_pinned)| Candidate {
                    in_mesh,
                    is_pinned,
                    ..candidate(start + Duration::from_secs(at))
                })
                .collect();
            let gone = surplus(&all, &policy, now);
            prop_assert!(gone.is_empty() || all.len() - gone.len() >= target);
            for one in &all {
                let goes = gone.contains(&one.peer);
                let may = !one.in_mesh && !one.is_pinned && now - one.useful_at >= policy.grace;
                prop_assert!(may || !goes);
                // Enough go, if there are enough.
                prop_assert!(goes || !may || all.len() - gone.len() == target || all.len() <= target);
            }
        }
    }
}
