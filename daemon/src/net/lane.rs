//! Gossip that waits for one peer: whole frames, bounded in bytes.
//!
//! Gossipsub bounds its own queues by the number of messages alone, and looks at how old they are only when
//! the stream takes the next. Therefore its streams take all that it writes at once and put it here
//! ([`super::link`]). All connections with a peer take from one lane, so that what waits is not lost
//! with one of them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use crate::limits::{
    GOSSIP_CONTROL_QUEUED_MAX, GOSSIP_QUEUE_DEADLINE, GOSSIP_QUEUED_KEPT, GOSSIP_QUEUED_MAX,
    GOSSIP_QUEUED_PER_PEER_MAX,
};
use libp2p::swarm::ConnectionId;
use tokio::time::Instant;

use super::rpc;

/// The bytes that wait for all peers together.
#[derive(Debug, Default)]
pub(super) struct Pool {
    bytes: AtomicUsize,
}

impl Pool {
    /// How many there are.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// What waits for one peer.
#[derive(Debug)]
pub(super) struct Lane {
    pool: Arc<Pool>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What must not be lost: it goes first.
    control: VecDeque<Vec<u8>>,
    messages: VecDeque<Message>,
    /// Of both, and of what was taken and is not written yet.
    bytes: usize,
    control_bytes: usize,
    /// Messages that found no room, or waited for too long, and were not reported yet.
    lost: u64,
    /// Whether there was no room for what must not be lost.
    is_over: bool,
    writers: Vec<Writer>,
}

#[derive(Debug)]
struct Message {
    frame: Vec<u8>,
    since: Instant,
}

/// A connection whose stream takes from the lane.
#[derive(Debug)]
struct Writer {
    connection: ConnectionId,
    /// Whether it is about to be closed: it takes nothing while there is another.
    is_retired: bool,
    /// Whom to wake when there is something.
    waker: Option<Waker>,
}

impl Lane {
    /// An empty one.
    pub(super) fn new(pool: Arc<Pool>) -> Self {
        Self { pool, state: Mutex::default() }
    }

    /// Adds a frame that `from` brought; that connection looks for itself.
    pub(super) fn push(&self, frame: Vec<u8>, from: ConnectionId, now: Instant) {
        let mut state = self.lock();
        if rpc::may_be_dropped(&frame) {
            if !self.has_room(&state, frame.len()) {
                state.lost += 1;
                return;
            }
            self.count(&mut state, frame.len());
            state.messages.push_back(Message { frame, since: now });
        } else {
            if state.control_bytes + frame.len() > GOSSIP_CONTROL_QUEUED_MAX {
                state.is_over = true;
                return;
            }
            state.control_bytes += frame.len();
            self.count(&mut state, frame.len());
            state.control.extend(rpc::split(frame));
        }
        for writer in &mut state.writers {
            if writer.connection != from
                && let Some(waker) = writer.waker.take()
            {
                waker.wake();
            }
        }
    }

    /// Takes the next frame for a connection; the caller gives its bytes back by [`Self::written`]. Without
    /// one, `waker` is woken for the next.
    pub(super) fn next(
        &self,
        connection: ConnectionId,
        waker: &Waker,
        now: Instant,
    ) -> Option<Vec<u8>> {
        let mut state = self.lock();
        let is_retired = |writer: &Writer| writer.is_retired && writer.connection == connection;
        let steps_back = state.writers.iter().any(is_retired)
            && state.writers.iter().any(|writer| !writer.is_retired);
        if !steps_back {
            if let Some(frame) = state.control.pop_front() {
                state.control_bytes = state.control_bytes.saturating_sub(frame.len());
                return Some(frame);
            }
            while let Some(message) = state.messages.pop_front() {
                if now.duration_since(message.since) < GOSSIP_QUEUE_DEADLINE {
                    return Some(message.frame);
                }
                state.lost += 1;
                self.uncount(&mut state, message.frame.len());
            }
        }
        for writer in state.writers.iter_mut().filter(|writer| writer.connection == connection) {
            writer.waker = Some(waker.clone());
        }
        None
    }

    /// A frame that didn't wait here is about to be written: it counts until then.
    pub(super) fn taken(&self, bytes: usize) {
        self.count(&mut self.lock(), bytes);
    }

    /// A frame that was taken is written, or lost with its connection.
    pub(super) fn written(&self, bytes: usize) {
        self.uncount(&mut self.lock(), bytes);
    }

    /// A connection's stream takes from here now.
    pub(super) fn opened(&self, connection: ConnectionId) {
        let mut state = self.lock();
        state.writers.push(Writer { connection, is_retired: false, waker: None });
    }

    /// It no longer does.
    pub(super) fn closed(&self, connection: ConnectionId) {
        let mut state = self.lock();
        state.writers.retain(|writer| writer.connection != connection);
        wake_all(&mut state);
    }

    /// A connection is about to be closed: from now on others take what waits, once there is one.
    pub(super) fn retire(&self, connection: ConnectionId) {
        let mut state = self.lock();
        for writer in state.writers.iter_mut().filter(|writer| writer.connection == connection) {
            writer.is_retired = true;
        }
        wake_all(&mut state);
    }

    /// Whether any stream takes from here.
    pub(super) fn is_open(&self) -> bool {
        !self.lock().writers.is_empty()
    }

    /// How many messages were lost since this was last asked.
    pub(super) fn take_lost(&self) -> u64 {
        std::mem::take(&mut self.lock().lost)
    }

    /// Whether there was no room for what must not be lost.
    pub(super) fn is_over(&self) -> bool {
        self.lock().is_over
    }

    fn has_room(&self, state: &State, more: usize) -> bool {
        let here = state.bytes + more;
        here <= GOSSIP_QUEUED_KEPT
            || here <= GOSSIP_QUEUED_PER_PEER_MAX && self.pool.bytes() + more <= GOSSIP_QUEUED_MAX
    }

    fn count(&self, state: &mut State, bytes: usize) {
        state.bytes += bytes;
        self.pool.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn uncount(&self, state: &mut State, bytes: usize) {
        // Split frames are a few bytes longer than what was counted.
        let counted = bytes.min(state.bytes);
        state.bytes -= counted;
        self.pool.bytes.fetch_sub(counted, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.pool.bytes.fetch_sub(state.bytes, Ordering::Relaxed);
    }
}

fn wake_all(state: &mut State) {
    state.writers.iter_mut().filter_map(|writer| writer.waker.take()).for_each(Waker::wake);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const KIB: usize = 1024;

    fn message(bytes: usize) -> Vec<u8> {
        let mut frame = vec![0x12; bytes];
        // A length of two bytes, whatever it says.
        frame[..2].copy_from_slice(&[0x80, 0x01]);
        frame
    }

    fn one(number: usize) -> ConnectionId {
        ConnectionId::new_unchecked(number)
    }

    fn fill(lane: &Lane, frames: usize) {
        (0..frames).for_each(|_| lane.push(message(16 * KIB), one(1), Instant::now()));
    }

    /// Twelve peers that read nothing held 492 MiB: their queues were bounded by messages, not bytes.
    #[test]
    fn what_waits_is_bounded_for_a_peer_and_for_all_and_is_given_back() {
        let pool = Arc::new(Pool::default());
        let lanes: Vec<Lane> = (0..64).map(|_| Lane::new(Arc::clone(&pool))).collect();
        fill(&lanes[0], 2250);
        assert_eq!(pool.bytes(), GOSSIP_QUEUED_PER_PEER_MAX);
        assert_eq!(lanes[0].take_lost(), 2250 - 1024);
        lanes[1..].iter().for_each(|lane| fill(lane, 2250));
        assert!(pool.bytes() <= GOSSIP_QUEUED_MAX + 64 * GOSSIP_QUEUED_KEPT);
        // However many take nothing, there is some room for each.
        let late = Lane::new(Arc::clone(&pool));
        fill(&late, 2250);
        assert_eq!(2250 - late.take_lost(), (GOSSIP_QUEUED_KEPT / (16 * KIB)) as u64);
        drop((lanes, late));
        assert_eq!(pool.bytes(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_waited_too_long_is_lost_and_what_must_not_be_lost_goes_first() {
        let lane = Lane::new(Arc::default());
        fill(&lane, 3);
        tokio::time::advance(GOSSIP_QUEUE_DEADLINE / 2).await;
        lane.push(message(20), one(1), Instant::now());
        let subscription = vec![2, 0x0a, 0];
        lane.push(subscription.clone(), one(1), Instant::now());
        tokio::time::advance(GOSSIP_QUEUE_DEADLINE / 2 + Duration::from_secs(1)).await;
        let next = || lane.next(one(1), Waker::noop(), Instant::now());
        assert_eq!(next(), Some(subscription));
        assert_eq!(next(), Some(message(20)));
        assert_eq!((next(), lane.take_lost()), (None, 3));
    }

    /// What waited went with the connection that was closed, of two.
    #[test]
    fn a_connection_that_is_about_to_be_closed_leaves_what_waits_to_the_other() {
        let lane = Lane::new(Arc::default());
        let next = |of| lane.next(one(of), Waker::noop(), Instant::now());
        lane.opened(one(1));
        lane.retire(one(1));
        fill(&lane, 1);
        assert!(next(1).is_some(), "there is no other yet");
        lane.opened(one(2));
        fill(&lane, 1);
        assert!(next(1).is_none());
        assert!(next(2).is_some());
        fill(&lane, 1);
        lane.closed(one(2));
        assert!(next(1).is_some());
        assert!(lane.is_open());
        lane.closed(one(1));
        assert!(!lane.is_open());
    }

    #[test]
    fn too_much_of_what_must_not_be_lost_is_told() {
        let lane = Lane::new(Arc::default());
        let control = [&[0x82, 0x08, 0x1a, 0x00][..], &[0; 1022]].concat();
        for _ in 0..GOSSIP_CONTROL_QUEUED_MAX / control.len() {
            lane.push(control.clone(), one(1), Instant::now());
        }
        assert!(!lane.is_over());
        lane.push(control.clone(), one(1), Instant::now());
        assert!(lane.is_over());
    }
}
