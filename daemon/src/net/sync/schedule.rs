//! When to sync with a peer.

use std::time::Duration;

use martlet_protocol::limits::{
    SYNC_FALLBACK_DELAY, SYNC_GAP_DELAY, SYNC_INTERVAL, SYNC_OVER_SHARE_DELAY, SYNC_SETTLE_DELAY,
};
use tokio::time::Instant;

/// First wait before a failed sync is tried again: it may have run over a connection that was
/// closed because there were two.
const RETRY_MIN: Duration = Duration::from_millis(100);

/// When and how to sync with one connected peer.
#[derive(Debug, Default)]
pub(in crate::net) struct SyncState {
    due: Option<Instant>,
    /// Due only if the peer does not begin itself.
    is_fallback: bool,
    running: bool,
    failures: u32,
    /// Whether the sync on connecting was repeated once things had settled.
    is_settled: bool,
}

/// What is known of a sync that begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::net) struct Attempt {
    /// How many have failed in a row.
    pub(in crate::net) failures: u32,
    /// Whether none has succeeded since the peer was connected: then much may differ.
    pub(in crate::net) is_first: bool,
}

impl SyncState {
    /// The peer is connected, or one of two connections with it is gone. Of the two, one begins at
    /// once; the other only if it does not.
    pub(in crate::net) fn connected(&mut self, begins: bool, now: Instant) {
        if begins {
            self.hasten(now);
        } else if self.due.is_none() {
            self.due = Some(now + SYNC_FALLBACK_DELAY);
            self.is_fallback = true;
        }
    }

    /// The peer began a sync.
    pub(in crate::net) fn served(&mut self) {
        if self.is_fallback {
            self.due = None;
        }
    }

    /// Gossip with the peer was lost, or may have been.
    pub(in crate::net) fn gap(&mut self, now: Instant) {
        self.hasten(now + SYNC_GAP_DELAY);
    }

    /// Some of what the peer brought was over a share.
    pub(in crate::net) fn over_share(&mut self, now: Instant) {
        self.hasten(now + SYNC_OVER_SHARE_DELAY);
    }

    /// It is this peer's turn in the regular round.
    pub(in crate::net) fn turn(&mut self, now: Instant) {
        self.hasten(now);
    }

    /// When it is due.
    pub(in crate::net) fn next(&self) -> Option<Instant> {
        self.due.filter(|_| !self.running)
    }

    /// A sync begins.
    pub(in crate::net) fn started(&mut self) -> Attempt {
        self.due = None;
        self.running = true;
        Attempt { failures: self.failures, is_first: !self.is_settled }
    }

    /// It was done.
    pub(in crate::net) fn succeeded(&mut self, now: Instant) {
        self.running = false;
        self.failures = 0;
        if !self.is_settled {
            self.is_settled = true;
            self.hasten(now + SYNC_SETTLE_DELAY);
        }
    }

    /// It failed; `retry` where another attempt may help.
    pub(in crate::net) fn failed(&mut self, retry: bool, now: Instant) {
        self.running = false;
        self.failures = self.failures.saturating_add(1);
        if retry {
            let wait = RETRY_MIN * (1 << self.failures.saturating_sub(1).min(16));
            self.hasten(now + wait.min(SYNC_INTERVAL));
        }
    }

    fn hasten(&mut self, at: Instant) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
        self.is_fallback = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_who_waits_does_not_begin_once_the_other_did() {
        let now = Instant::now();
        let mut waits = SyncState::default();
        waits.connected(false, now);
        assert_eq!(waits.next(), Some(now + SYNC_FALLBACK_DELAY));
        waits.served();
        assert_eq!(waits.next(), None);
        waits.gap(now);
        waits.served();
        assert_eq!(waits.next(), Some(now + SYNC_GAP_DELAY));
    }

    #[test]
    fn the_first_sync_is_repeated_once() {
        let now = Instant::now();
        let mut begins = SyncState::default();
        begins.connected(true, now);
        assert_eq!(begins.next(), Some(now));
        begins.started();
        assert_eq!(begins.next(), None);
        begins.succeeded(now);
        assert_eq!(begins.next(), Some(now + SYNC_SETTLE_DELAY));
        begins.started();
        begins.succeeded(now);
        assert_eq!(begins.next(), None);
    }

    #[test]
    fn failures_wait_longer_each_time_and_a_gap_seen_meanwhile_is_kept() {
        let now = Instant::now();
        let mut state = SyncState::default();
        let mut wait = RETRY_MIN;
        for failures in 0..40 {
            assert_eq!(state.started(), Attempt { failures, is_first: true });
            state.failed(true, now);
            assert_eq!(state.next(), Some(now + wait));
            wait = (wait * 2).min(SYNC_INTERVAL);
        }
        state.started();
        state.gap(now);
        state.failed(false, now);
        assert_eq!(state.next(), Some(now + SYNC_GAP_DELAY));
    }
}
