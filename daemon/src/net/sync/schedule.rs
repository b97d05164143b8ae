//! When to sync with a peer.

use std::time::Duration;

use crate::limits::{
    SYNC_ACKS_INTERVAL, SYNC_BRIDGE_DELAY, SYNC_BRIDGE_DOUBTED, SYNC_BRIDGE_INTERVAL,
    SYNC_BRIDGE_KEPT, SYNC_FALLBACK_DELAY, SYNC_GAP_DELAY, SYNC_INTERVAL, SYNC_LONG_PAUSE,
    SYNC_LONG_REQUESTS, SYNC_OVER_SHARE_DELAY, SYNC_SETTLE_DELAY,
};
use libp2p::PeerId;
use tokio::time::Instant;

/// First wait before a failed sync is tried again: it may have run over a connection that was
/// closed because there were two.
const RETRY_MIN: Duration = Duration::from_millis(100);

/// A sync that carried one in so many of the envelopes which came lately has shown that gossip doesn't
/// go that way. (A few are always on their way while a sync runs.)
const BRIDGE_PART: u64 = 4;

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
    /// Until when syncs go this way instead of gossip.
    bridge_until: Option<Instant>,
    /// When the two were last compared, or that failed.
    compared_at: Option<Instant>,
    /// Requests of the sync that the peer began last, and when the last of them came.
    asked: (u32, Option<Instant>),
    /// What had come to the node in all when the last one was done.
    news_before: u64,
    /// Whether gossip leaves the link out, when that was last looked at.
    left_out: bool,
    /// When the peer was last told acks of what is live here; `None` within a sync that tells them.
    acks_told_at: Option<Instant>,
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
    /// Whether the peer is told acks of what is live here.
    pub(in crate::net) tells_acks: bool,
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
    pub(in crate::net) fn served(&mut self, now: Instant) {
        self.compared_at = Some(now);
        if self.is_fallback {
            self.due = None;
        }
    }

    /// The peer asked for something in a sync that it began; `begins` if that was the first.
    pub(in crate::net) fn asked(&mut self, begins: bool, now: Instant) {
        let before = if begins { 0 } else { self.asked.0 };
        self.asked = (before.saturating_add(1), Some(now));
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
        let due = self.due.into_iter().chain(settle).min()?;
        // While the peer brings much across, a sync begun here would bring the same a second time.
        match self.asked {
            (SYNC_LONG_REQUESTS.., Some(last)) => Some(due.max(last + SYNC_LONG_PAUSE)),
            _ => Some(due),
        }
    }

    /// A sync begins.
    pub(in crate::net) fn started(&mut self, now: Instant) -> Attempt {
        self.due = None;
        self.running = true;
        // What was acknowledged while the two connected may have gone to nobody.
        let is_settling = !matches!(self.settle, Settle::Done);
        let is_old = |at: Instant| now.saturating_duration_since(at) >= SYNC_ACKS_INTERVAL;
        let tells_acks = is_settling || self.acks_told_at.is_none_or(is_old);
        if tells_acks {
            self.acks_told_at = None;
        }
        if matches!(self.settle, Settle::Due(at) if at <= now) {
            self.settle = Settle::Done;
        }
        let is_first = matches!(self.settle, Settle::Connecting);
        Attempt { failures: self.failures, is_first, tells_acks }
    }

    /// It was done.
    pub(in crate::net) fn succeeded(&mut self, now: Instant) {
        self.running = false;
        self.failures = 0;
        self.acks_told_at.get_or_insert(now);
        if matches!(self.settle, Settle::Connecting) {
            self.settle = Settle::Due(now + SYNC_SETTLE_DELAY);
        }
    }

    /// It carried so many envelopes, both ways; `news` is how many came to the node in all, its own
    /// included. If they are a good part of those since the last one, gossip doesn't go this way, and
    /// syncs do instead for a while; for a short one if others carry little (after a time away much
    /// comes once). Returns whether that is so.
    pub(in crate::net) fn carried(&mut self, envelopes: usize, news: u64, now: Instant) -> bool {
        self.compared_at = Some(now);
        let since = news.saturating_sub(std::mem::replace(&mut self.news_before, news));
        let envelopes = u64::try_from(envelopes).unwrap_or(u64::MAX);
        if envelopes > 0 && envelopes.saturating_mul(BRIDGE_PART) >= since {
            self.bridge_until = Some(now + SYNC_BRIDGE_KEPT);
        } else if since > 0 {
            self.bridge_until = self.bridge_until.min(Some(now + SYNC_BRIDGE_DOUBTED));
        }
        self.is_bridge(now)
    }

    /// Whether syncs go this way instead of gossip.
    pub(in crate::net) fn is_bridge(&self, now: Instant) -> bool {
        self.bridge_until.is_some_and(|until| until > now)
    }

    /// Whether gossip passes nothing on to the peer, looked at from time to time.
    pub(in crate::net) fn set_left_out(&mut self, left_out: bool) {
        self.left_out = left_out;
    }

    /// Whether gossip passes nothing on to the peer, when that was last looked at.
    pub(in crate::net) fn is_left_out(&self) -> bool {
        self.left_out
    }

    /// Something new came that the peer hasn't brought, and syncs go its way instead of gossip.
    pub(in crate::net) fn news(&mut self, now: Instant) {
        let soon = now + SYNC_BRIDGE_DELAY;
        self.hasten(self.compared_at.map_or(soon, |at| soon.max(at + SYNC_BRIDGE_INTERVAL)));
    }

    /// When the two were last compared, or that failed.
    pub(in crate::net) fn compared_at(&self) -> Option<Instant> {
        self.compared_at
    }

    /// It failed; `retry` where another attempt may help.
    pub(in crate::net) fn failed(&mut self, retry: bool, now: Instant) {
        self.running = false;
        self.failures = self.failures.saturating_add(1);
        // Else the turn would always be of one with which it never succeeds.
        self.compared_at = Some(now);
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

/// Of peers to which gossip only announces what there is, with the envelopes that each brought and
/// when it was last compared with, the two to compare with next: the one that brought most, since
/// others don't make up for its link, and the one whose turn it is.
pub(in crate::net) fn to_compare(
    peers: &[(PeerId, u64, Option<Instant>)],
) -> impl Iterator<Item = PeerId> + use<> {
    let most = peers.iter().max_by_key(|(peer, brought, _)| (*brought, *peer));
    let longest_ago = peers.iter().min_by_key(|(peer, _, compared_at)| (*compared_at, *peer));
    [most, longest_ago].map(|found| found.map(|(peer, ..)| *peer)).into_iter().flatten()
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
        waits.served(now);
        assert_eq!(waits.next(), None);
        waits.gap(now);
        waits.served(now);
        assert_eq!(waits.next(), Some(now + SYNC_GAP_DELAY));
    }

    /// Of a million envelopes that one lacked many came twice: in the midst of it came the other's turn to begin.
    #[test]
    fn nobody_begins_while_the_other_brings_much_across() {
        let now = Instant::now();
        let mut state = SyncState::default();
        state.turn(now);
        state.asked(true, now);
        state.asked(false, now);
        assert_eq!(state.next(), Some(now), "little");
        for _ in 0..SYNC_LONG_REQUESTS {
            state.asked(false, now);
        }
        assert_eq!(state.next(), Some(now + SYNC_LONG_PAUSE), "much");
        state.asked(true, now);
        assert_eq!(state.next(), Some(now), "it is done, and compares again");
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

    /// Of two villages with one link between them each had a mesh of its own; what one wrote came to the
    /// other with the rounds of sync, minutes later.
    #[test]
    fn a_link_that_gossip_leaves_out_is_synced_over_when_something_comes() {
        let mut now = Instant::now();
        let mut state = SyncState { settle: Settle::Done, ..SyncState::default() };
        assert!(!state.carried(0, 100, now));
        assert!(!state.carried(10, 200, now), "on their way as it ran");
        assert!(state.carried(50, 300, now));
        assert_eq!(state.next(), None, "nothing new yet");
        state.news(now);
        state.news(now + SYNC_BRIDGE_DELAY);
        assert_eq!(state.next(), Some(now + SYNC_BRIDGE_INTERVAL));
        now += SYNC_BRIDGE_INTERVAL * 2;
        state.started(now);
        state.news(now);
        assert!(state.carried(1, 301, now) && state.carried(0, 301, now));
        state.succeeded(now);
        assert_eq!(state.next(), Some(now + SYNC_BRIDGE_DELAY));
        assert!(!state.is_bridge(now + SYNC_BRIDGE_KEPT));
        assert!(state.carried(0, 302, now), "gossip may have brought it");
        assert!(!state.is_bridge(now + SYNC_BRIDGE_DOUBTED));
    }

    /// One announcement in a hundred came too late on a slow link that a mesh had left out, and what it
    /// was for came with a regular round, up to a minute later.
    #[test]
    fn who_is_only_told_what_there_is_is_compared_with() {
        let now = Instant::now();
        let [brings, other, new] = [(); 3].map(|()| PeerId::random());
        let compared = |peers: &[_]| to_compare(peers).collect::<Vec<_>>();
        assert_eq!(compared(&[]), []);
        let (earlier, later) = (Some(now), Some(now + RETRY_MIN));
        assert_eq!(compared(&[(other, 1, earlier), (brings, 9, later)]), [brings, other]);
        assert_eq!(compared(&[(other, 1, later), (brings, 9, earlier)]), [brings, brings]);
        assert_eq!(
            compared(&[(other, 1, later), (brings, 9, later), (new, 0, None)]),
            [brings, new]
        );
        let mut state = SyncState::default();
        state.started(now);
        state.failed(false, now);
        assert_eq!(state.compared_at(), Some(now), "it had its turn");
    }

    #[test]
    fn failures_wait_longer_each_time_and_a_gap_seen_meanwhile_is_kept() {
        let now = Instant::now();
        let mut state = SyncState::default();
        let mut wait = RETRY_MIN;
        for failures in 0..40 {
            assert_eq!(state.started(now), Attempt { failures, is_first: true, tells_acks: true });
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
