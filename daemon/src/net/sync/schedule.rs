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
    /// The repetition of the sync on connecting, once things have settled: apart from `due`, as one
    /// that begins before does not replace it.
    settle: Settle,
}

#[derive(Debug, Clone, Copy, Default)]
enum Settle {
    /// None has succeeded yet.
    #[default]
    Connecting,
    Due(Instant),
    Done,
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
    /// The peer is connected, or one of two connections with it is gone, or it was silent for a while.
    /// Of the two, one begins at once; the other only if it does not.
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
        if self.running {
            return None;
        }
        let settle = match self.settle {
            Settle::Due(at) => Some(at),
            Settle::Connecting | Settle::Done => None,
        };
        self.due.into_iter().chain(settle).min()
    }

    /// A sync begins.
    pub(in crate::net) fn started(&mut self, now: Instant) -> Attempt {
        self.due = None;
        self.running = true;
        if matches!(self.settle, Settle::Due(at) if at <= now) {
            self.settle = Settle::Done;
        }
        let is_first = matches!(self.settle, Settle::Connecting);
        Attempt { failures: self.failures, is_first }
    }

    /// It was done.
    pub(in crate::net) fn succeeded(&mut self, now: Instant) {
        self.running = false;
        self.failures = 0;
        if matches!(self.settle, Settle::Connecting) {
            self.settle = Settle::Due(now + SYNC_SETTLE_DELAY);
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
        begins.started(now);
        assert_eq!(begins.next(), None);
        begins.succeeded(now);
        let settled = now + SYNC_SETTLE_DELAY;
        assert_eq!(begins.next(), Some(settled));
        begins.started(settled);
        begins.succeeded(settled);
        assert_eq!(begins.next(), None);
    }

    /// Of two connections one was closed right after the first sync, so that a second began at once;
    /// the repetition was forgotten with it, and what the peer had put in its mailbox meanwhile,
    /// untold, came only with the next round.
    #[test]
    fn a_sync_before_things_have_settled_does_not_replace_the_repetition() {
        let now = Instant::now();
        let mut state = SyncState::default();
        state.connected(true, now);
        state.started(now);
        state.succeeded(now);
        state.connected(true, now);
        assert_eq!(state.next(), Some(now));
        state.started(now);
        state.succeeded(now);
        assert_eq!(state.next(), Some(now + SYNC_SETTLE_DELAY));
    }

    #[test]
    fn failures_wait_longer_each_time_and_a_gap_seen_meanwhile_is_kept() {
        let now = Instant::now();
        let mut state = SyncState::default();
        let mut wait = RETRY_MIN;
        for failures in 0..40 {
            assert_eq!(state.started(now), Attempt { failures, is_first: true });
            state.failed(true, now);
            assert_eq!(state.next(), Some(now + wait));
            wait = (wait * 2).min(SYNC_INTERVAL);
        }
        state.started(now);
        state.gap(now);
        state.failed(false, now);
        assert_eq!(state.next(), Some(now + SYNC_GAP_DELAY));
    }
}
