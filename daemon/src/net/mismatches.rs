//! Nodes whose handshake failed since their network key is another one, or one of the two has none.

use std::collections::VecDeque;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use tokio::time::Instant;

use crate::limits::{KEY_MISMATCHES_KEPT, KEY_MISMATCHES_MAX};

/// Where such nodes are.
#[derive(Debug, Default)]
pub(super) struct Mismatches(VecDeque<(Multiaddr, Instant)>);

impl Mismatches {
    /// A handshake failed with the node dialled at `address`.
    pub(super) fn note(&mut self, address: &Multiaddr, now: Instant) {
        let address: Multiaddr =
            address.iter().filter(|part| !matches!(part, Protocol::P2p(_))).collect();
        self.0.retain(|(known, _)| *known != address);
        self.0.push_back((address, now));
        if self.0.len() > KEY_MISMATCHES_MAX {
            self.0.pop_front();
        }
    }

    /// Those of late, the latest first.
    pub(super) fn list(&self, now: Instant) -> Vec<Multiaddr> {
        let late = self.0.iter().rev();
        let late = late.filter(|(_, at)| now.duration_since(*at) < KEY_MISMATCHES_KEPT);
        late.map(|(address, _)| address.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_is_dialled_again_and_again_is_told_once_and_forgotten_in_time() {
        let mut mismatches = Mismatches::default();
        let start = Instant::now();
        let one: Multiaddr = "/ip4/192.0.2.7/tcp/4177".parse().unwrap();
        let other: Multiaddr = "/ip4/192.0.2.8/tcp/4177".parse().unwrap();
        for _ in 0..100 {
            mismatches.note(&one, start);
        }
        mismatches.note(&other, start);
        assert_eq!(mismatches.list(start), [other, one]);
        assert_eq!(mismatches.list(start + KEY_MISMATCHES_KEPT), []);
        for port in 1..100 {
            mismatches.note(&format!("/ip4/192.0.2.9/tcp/{port}").parse().unwrap(), start);
        }
        assert_eq!(mismatches.list(start).len(), KEY_MISMATCHES_MAX);
    }
}
