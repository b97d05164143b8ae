//! Who is sent blobs, and who waits: decided here, without waiting and without a clock.
//!
//! There are so many places, and so many for one peer. Whoever finds none is told so, and asks again: those who wait have their turn in the
//! order in which they came. Once somebody waits who has no place, the one that was had for longest ends, if that was long. So a few that
//! read slowly, or ask again and again, keep nobody from having a turn.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libp2p::PeerId;
use tokio::sync::watch;
use tokio::time::Instant;

use super::stream::Cancelled;
use crate::limits::{
    BLOB_TURN, BLOB_TURN_WAIT_MAX, BLOB_TURNS_WAITING_MAX, BLOB_UPLOADS_MAX,
    BLOB_UPLOADS_PER_PEER_MAX,
};

/// The places, and who waits for one.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    taken: Vec<Taken>,
    next: u64,
    /// Who was told to ask again, and when that was last.
    waiting: VecDeque<(PeerId, Instant)>,
}

#[derive(Debug)]
struct Taken {
    number: u64,
    peer: PeerId,
    since: Instant,
    ending: watch::Sender<bool>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Arc<Turns>,
    number: u64,
    ending: Cancelled,
}

impl Turns {
    /// A place for a peer, if it is its turn.
    pub(super) fn take(self: &Arc<Self>, peer: PeerId, now: Instant) -> Option<Turn> {
        let mut inner = self.lock();
        let is_fresh = |(_, at): &(PeerId, Instant)| now.duration_since(*at) <= BLOB_TURN_WAIT_MAX;
        inner.waiting.retain(is_fresh);
        let held = inner.held_by(&peer);
        if held >= BLOB_UPLOADS_PER_PEER_MAX {
            return None;
        }
        let before = inner.waiting.iter().position(|(other, _)| *other == peer);
        let free = BLOB_UPLOADS_MAX.saturating_sub(inner.taken.len());
        if free <= before.unwrap_or(inner.waiting.len()) {
            inner.wait(peer, before, now);
            if held == 0 {
                inner.end_oldest(now);
            }
            return None;
        }
        if let Some(before) = before {
            inner.waiting.remove(before);
        }
        let (number, ending) = (inner.next, watch::Sender::new(false));
        let turn = Turn { turns: Arc::clone(self), number, ending: ending.subscribe() };
        inner.next += 1;
        inner.taken.push(Taken { number, peer, since: now, ending });
        Some(turn)
    }

    /// Ends all.
    pub(super) fn end_all(&self) {
        self.lock().taken.iter().for_each(|taken| {
            taken.ending.send_replace(true);
        });
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn held_by(&self, peer: &PeerId) -> usize {
        self.taken.iter().filter(|taken| taken.peer == *peer).count()
    }

    fn wait(&mut self, peer: PeerId, before: Option<usize>, now: Instant) {
        if let Some((_, at)) = before.and_then(|before| self.waiting.get_mut(before)) {
            *at = now;
        } else if self.waiting.len() < BLOB_TURNS_WAITING_MAX {
            self.waiting.push_back((peer, now));
        }
    }

    /// Ends what was had for longest, if that was long; once for each who waits.
    fn end_oldest(&self, now: Instant) {
        let is_ending = |taken: &&Taken| *taken.ending.borrow();
        if self.taken.iter().filter(is_ending).count() >= self.waiting.len() {
            return;
        }
        let going = self.taken.iter().filter(|taken| !is_ending(taken));
        let oldest = going.min_by_key(|taken| taken.since);
        if let Some(oldest) = oldest.filter(|it| now.duration_since(it.since) >= BLOB_TURN) {
            oldest.ending.send_replace(true);
        }
    }
}

impl Turn {
    /// Told once it is over.
    pub(super) fn ending(&self) -> Cancelled {
        self.ending.clone()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.lock().taken.retain(|taken| taken.number != self.number);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::time::Duration;

    use super::*;

    fn full(turns: &Arc<Turns>, now: Instant) -> Vec<Turn> {
        let peers: Vec<_> = (0..BLOB_UPLOADS_MAX / 2).map(|_| PeerId::random()).collect();
        peers.iter().chain(&peers).map(|peer| turns.take(*peer, now).unwrap()).collect()
    }

    fn is_over(turn: &Turn) -> bool {
        *turn.ending.borrow()
    }

    #[test]
    fn no_peer_has_more_than_its_places_and_all_have_no_more_than_there_are() {
        let (turns, now) = (Arc::new(Turns::default()), Instant::now());
        let one = PeerId::random();
        let first = turns.take(one, now).unwrap();
        let second = turns.take(one, now).unwrap();
        assert!(turns.take(one, now).is_none(), "it has two");
        let mut others: Vec<_> =
            (2..BLOB_UPLOADS_MAX).map(|_| turns.take(PeerId::random(), now).unwrap()).collect();
        assert!(turns.take(PeerId::random(), now).is_none(), "there are no more");
        others.clear();
        drop((first, second));
        assert!(turns.lock().taken.is_empty(), "none is left");
    }

    /// Four that read as slowly as they may had all places for as long as they wished: whoever else asked found them busy.
    #[test]
    fn who_waits_has_a_turn_however_long_others_read() {
        let (turns, start) = (Arc::new(Turns::default()), Instant::now());
        let mut taken = full(&turns, start);
        let (waits, later) = (PeerId::random(), PeerId::random());
        assert!(turns.take(waits, start).is_none());
        assert!(!taken.iter().any(is_over), "nobody had a place for long");
        let now = start + BLOB_TURN;
        assert!(turns.take(waits, now).is_none());
        assert!(turns.take(waits, now).is_none());
        assert_eq!(taken.iter().filter(|it| is_over(it)).count(), 1, "one for one who waits");
        assert!(turns.take(later, now).is_none());
        // Whose turn was ended asks before who waits.
        let ended = taken.iter().position(is_over).unwrap();
        let again = turns.lock().taken[ended].peer;
        drop(taken.remove(ended));
        assert!(turns.take(again, now).is_none() && turns.take(later, now).is_none());
        let turn = turns.take(waits, now).unwrap();
        drop(turn);
        assert!(turns.take(later, now).is_some());
    }

    #[test]
    fn who_asks_no_more_keeps_nobody_waiting() {
        let (turns, start) = (Arc::new(Turns::default()), Instant::now());
        let taken = full(&turns, start);
        assert!(turns.take(PeerId::random(), start).is_none());
        drop(taken);
        let places: Vec<_> =
            (1..BLOB_UPLOADS_MAX).map(|_| turns.take(PeerId::random(), start).unwrap()).collect();
        assert!(turns.take(PeerId::random(), start).is_none(), "the last is for who waits");
        let later = start + BLOB_TURN_WAIT_MAX + Duration::from_secs(1);
        assert!(turns.take(PeerId::random(), later).is_some());
        drop(places);
    }
}
