//! How much garbage, and what unknown people send, may cost.
//!
//! Who has a device's published keys can make envelopes that have its view tag and its prekey's hint and
//! garbage behind them; or good keys of any number of identities, which cost nothing. That an envelope is one of
//! these shows by a decapsulation only, so those that fail, and those of unknown people, are counted: for each
//! peer that brought them, and in all. What comes past the bound waits in the mailbox and is opened in its turn;
//! nothing is dropped. A peer that brought nothing of the kind of late never waits.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use martlet_store::mailbox::SourceId;

use crate::limits::{
    FAILED_OPENING_COST, FAILED_OPENING_COST_PER_PEER, FAILED_OPENINGS_AT_ONCE,
    FAILED_OPENINGS_AT_ONCE_PER_PEER, OPENING_PEERS_MAX, WAITING_OPENINGS_MAX,
};

/// Who brought an envelope; `None` for what came before the mailbox was opened.
pub(super) type Bringer = Option<SourceId>;

/// The openings of late that failed or were of unknown people, and what waits for them to be paid for.
#[derive(Default)]
pub(super) struct Openings {
    all: Debt,
    /// Those who have a debt, or whose envelopes wait.
    peers: HashMap<Bringer, Peer>,
    /// Envelopes that wait.
    waiting: usize,
    /// The first arrival that found no room among those that wait.
    passed_over: Option<u64>,
}

#[derive(Default)]
struct Peer {
    debt: Debt,
    /// Arrivals to be opened, ascending.
    waiting: VecDeque<u64>,
}

/// Such openings that are not paid for: when they will be, by the time since the host's start.
#[derive(Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Debt(Duration);

impl Openings {
    /// Whether an envelope that `bringer` brought may be opened now.
    pub(super) fn may_open(&self, bringer: Bringer, steady: Duration) -> bool {
        self.peers.get(&self.counted_as(bringer)).is_none_or(|peer| self.may(peer, steady))
    }

    /// It did not open, or is of someone unknown.
    pub(super) fn unwanted(&mut self, bringer: Bringer, steady: Duration) {
        let bringer = self.counted_as(bringer);
        self.all.add(FAILED_OPENING_COST, steady);
        self.peers.entry(bringer).or_default().debt.add(FAILED_OPENING_COST_PER_PEER, steady);
    }

    /// It is opened later.
    pub(super) fn wait(&mut self, bringer: Bringer, arrival: u64) {
        if self.waiting >= WAITING_OPENINGS_MAX {
            self.passed_over.get_or_insert(arrival);
            return;
        }
        let bringer = self.counted_as(bringer);
        self.peers.entry(bringer).or_default().waiting.push_back(arrival);
        self.waiting += 1;
    }

    /// The next one to be opened, if its turn has come: of the peer with the smallest debt.
    pub(super) fn next(&mut self, steady: Duration) -> Option<(Bringer, u64)> {
        if self.waiting == 0 {
            return None;
        }
        let ready = self.peers.iter().filter(|(_, peer)| self.may(peer, steady));
        let (bringer, _) = ready
            .filter_map(|(bringer, peer)| Some((*bringer, (peer.debt, *peer.waiting.front()?))))
            .min_by_key(|(_, order)| *order)?;
        let arrival = self.peers.get_mut(&bringer)?.waiting.pop_front()?;
        self.waiting -= 1;
        Some((bringer, arrival))
    }

    /// Once none waits any more: the first that found no room, from which the mailbox is to be looked at
    /// again.
    pub(super) fn take_passed_over(&mut self) -> Option<u64> {
        if self.waiting == 0 { self.passed_over.take() } else { None }
    }

    /// The first arrival that is not opened yet.
    pub(super) fn first_waiting(&self) -> Option<u64> {
        let fronts = self.peers.values().filter_map(|peer| peer.waiting.front().copied());
        fronts.chain(self.passed_over).min()
    }

    /// Forgets those who owe nothing and wait for nothing.
    pub(super) fn forget_paid(&mut self, steady: Duration) {
        self.peers.retain(|_, peer| !peer.debt.is_paid(steady) || !peer.waiting.is_empty());
    }

    /// Whether there is anyone to forget.
    pub(super) fn has_debtors(&self) -> bool {
        !self.peers.is_empty()
    }

    /// Past so many peers, further ones are counted as one.
    fn counted_as(&self, bringer: Bringer) -> Bringer {
        let has_room = self.peers.len() < OPENING_PEERS_MAX || self.peers.contains_key(&bringer);
        bringer.filter(|_| has_room)
    }

    fn may(&self, peer: &Peer, steady: Duration) -> bool {
        let (each, of_all) = (FAILED_OPENING_COST_PER_PEER, FAILED_OPENING_COST);
        peer.debt.is_paid(steady)
            || (peer.debt.is_below(each * FAILED_OPENINGS_AT_ONCE_PER_PEER, steady)
                && self.all.is_below(of_all * FAILED_OPENINGS_AT_ONCE, steady))
    }
}

impl Debt {
    fn add(&mut self, cost: Duration, steady: Duration) {
        self.0 = self.0.max(steady).saturating_add(cost);
    }

    fn is_paid(self, steady: Duration) -> bool {
        self.0 <= steady
    }

    fn is_below(self, bound: Duration, steady: Duration) -> bool {
        self.0.saturating_sub(steady) < bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Bringer = Some(SourceId(1));
    const B: Bringer = Some(SourceId(2));
    const START: Duration = Duration::from_secs(100);

    /// How many failures are let through at once.
    fn fail_while_allowed(openings: &mut Openings, bringer: Bringer, steady: Duration) -> u32 {
        let mut failed = 0;
        while openings.may_open(bringer, steady) {
            openings.unwanted(bringer, steady);
            failed += 1;
        }
        failed
    }

    #[test]
    fn each_peer_and_all_together_have_a_bound() {
        let mut openings = Openings::default();
        let at_once = FAILED_OPENINGS_AT_ONCE_PER_PEER;
        assert_eq!(fail_while_allowed(&mut openings, A, START), at_once);
        assert_eq!(fail_while_allowed(&mut openings, B, START), at_once);
        let second = START + Duration::from_secs(1);
        let per_second = fail_while_allowed(&mut openings, A, second);
        assert!((per_second as f64 * FAILED_OPENING_COST_PER_PEER.as_secs_f64() - 1.0).abs() < 0.1);

        let mut openings = Openings::default();
        let peers = 2 * FAILED_OPENINGS_AT_ONCE / at_once;
        let failed: u32 = (0..u64::from(peers))
            .map(|peer| fail_while_allowed(&mut openings, Some(SourceId(peer)), START))
            .sum();
        // Whoever has a clean record may bring one bad one.
        assert!(failed <= FAILED_OPENINGS_AT_ONCE + peers, "{failed}");
        assert!(openings.may_open(Some(SourceId(u64::MAX)), START));
    }

    #[test]
    fn what_waits_comes_in_its_turn_and_none_is_forgotten() {
        let mut openings = Openings::default();
        fail_while_allowed(&mut openings, A, START);
        let most = u64::try_from(WAITING_OPENINGS_MAX).unwrap_or(u64::MAX);
        (1..=most + 10).for_each(|arrival| openings.wait(A, arrival));
        assert_eq!((openings.next(START), openings.first_waiting()), (None, Some(1)));
        let mut later = START;
        for arrival in 1..=most {
            later += FAILED_OPENING_COST_PER_PEER;
            assert_eq!(openings.next(later), Some((A, arrival)));
            openings.unwanted(A, later);
            assert_eq!(openings.next(later), None);
        }
        assert_eq!(openings.first_waiting(), Some(most + 1));
        assert_eq!(openings.take_passed_over(), Some(most + 1));
        assert_eq!(openings.first_waiting(), None);
        openings.forget_paid(later);
        assert_eq!(openings.peers.len(), 1);
        openings.forget_paid(later + FAILED_OPENING_COST_PER_PEER * 1000);
        assert!(openings.peers.is_empty());
    }

    #[test]
    fn many_peers_are_counted_as_one() {
        let mut openings = Openings::default();
        for peer in 0..10_000 {
            openings.unwanted(Some(SourceId(peer)), START);
        }
        assert!(openings.peers.len() <= OPENING_PEERS_MAX + 1);
    }
}
