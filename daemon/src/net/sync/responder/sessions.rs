//! What is kept between a peer's requests, within bounds.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use libp2p::PeerId;
use martlet_protocol::EnvelopeId;
use martlet_protocol::sync::{Bucket, Refusal};
use negentropy::NegentropyStorageVector;
use tokio::time::Instant;

use super::Unserved;
use crate::limits::{
    RECONCILE_ROUNDS_MAX, SYNC_SESSION_IDLE_MAX, SYNC_SESSIONS_MAX, SYNC_SESSIONS_PER_PEER_MAX,
    SYNC_SESSIONS_PER_PEER_PER_MINUTE_MAX,
};
use crate::net::rates::Limiter;

/// What is kept between requests. Losing it costs a peer nothing but time: the ids are read
/// again, an offer is made again.
#[derive(Default)]
pub(super) struct Sessions {
    reconciling: Vec<Session>,
    /// Sessions that a peer may still begin.
    begins: HashMap<PeerId, Limiter>,
    pub(super) wanted: HashMap<PeerId, HashSet<EnvelopeId>>,
}

struct Session {
    peer: PeerId,
    buckets: Arc<[Bucket]>,
    items: Arc<NegentropyStorageVector>,
    rounds: usize,
    used: Instant,
}

impl Sessions {
    /// The ids of a reconciliation under way, if they are still kept.
    pub(super) fn resume(
        &mut self,
        peer: PeerId,
        buckets: &[Bucket],
    ) -> Result<Option<Arc<NegentropyStorageVector>>, Unserved> {
        let Some(session) = self
            .reconciling
            .iter_mut()
            .find(|session| session.peer == peer && *session.buckets == *buckets)
        else {
            return Ok(None);
        };
        session.rounds += 1;
        session.used = Instant::now();
        if session.rounds > RECONCILE_ROUNDS_MAX {
            return Err(Unserved::Fault(Refusal::Invalid));
        }
        Ok(Some(Arc::clone(&session.items)))
    }

    /// Whether the peer may begin one more session.
    pub(super) fn may_begin(&mut self, peer: PeerId) -> bool {
        self.begins
            .entry(peer)
            .or_insert_with(|| Limiter::per_minute(SYNC_SESSIONS_PER_PEER_PER_MINUTE_MAX))
            .takes(1)
    }

    /// Keeps the ids of a new reconciliation; the one used longest ago makes room.
    pub(super) fn begin(
        &mut self,
        peer: PeerId,
        buckets: Arc<[Bucket]>,
        items: Arc<NegentropyStorageVector>,
    ) {
        let now = Instant::now();
        self.expire(now);
        let of_peer = |session: &Session| session.peer == peer;
        while self.reconciling.iter().filter(|session| of_peer(session)).count()
            >= SYNC_SESSIONS_PER_PEER_MAX
        {
            self.drop_oldest(of_peer);
        }
        while self.reconciling.len() >= SYNC_SESSIONS_MAX {
            self.drop_oldest(|_| true);
        }
        self.reconciling.push(Session { peer, buckets, items, rounds: 1, used: now });
    }

    fn drop_oldest(&mut self, which: impl Fn(&Session) -> bool) {
        let oldest = (0..self.reconciling.len())
            .filter(|at| which(&self.reconciling[*at]))
            .min_by_key(|at| self.reconciling[*at].used);
        if let Some(at) = oldest {
            self.reconciling.swap_remove(at);
        }
    }

    /// The peer knows what differs: up to 40 MB that it would be in vain to keep.
    pub(super) fn end_reconciling(&mut self, peer: &PeerId) {
        self.reconciling.retain(|session| session.peer != *peer);
    }

    pub(super) fn forget(&mut self, peer: &PeerId) {
        self.end_reconciling(peer);
        self.wanted.remove(peer);
    }

    /// The same, of a peer that is gone.
    pub(super) fn forget_gone(&mut self, peer: &PeerId) {
        self.forget(peer);
        self.begins.remove(peer);
    }

    pub(super) fn expire(&mut self, now: Instant) {
        self.reconciling.retain(|session| now - session.used < SYNC_SESSION_IDLE_MAX);
    }
}
