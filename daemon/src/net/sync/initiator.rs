//! The side that begins a sync.

mod fetch;
mod parts;
mod push;

use std::collections::HashSet;
use std::sync::Arc;

use crate::limits::{
    SHORT_LIST_REGULAR_IDS_MAX, SYNC_LOOKED_THROUGH_BATCHES_MAX, SYNC_SESSION_IDS_MAX,
};
use libp2p::PeerId;
use martlet_protocol::control::Role;
use martlet_protocol::limits::{
    DIGESTS_MAX, SHORT_LIST_IDS_MAX, SYNC_BATCH_BYTES_MAX, SYNC_IDS_MAX,
};
use martlet_protocol::sync::{Bucket, BucketDigest, Refusal, Request, Response, ShardSet};
use martlet_protocol::{EnvelopeId, ExpiryHour, codec};
use rand::RngExt;
use tokio::time::Instant;

use super::schedule::Attempt;
use super::window::{live_digests, window};
use super::{Context, NetSink, SyncError, ToSwarm, blocking};
use parts::Scope;

use crate::metrics::{Ended, SyncMetrics};

/// What a sync did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::net) struct Summary {
    /// Envelopes fetched and stored here.
    pub(in crate::net) fetched: usize,
    /// Envelopes pushed and stored there.
    pub(in crate::net) pushed: usize,
    /// Whether something was left for another round.
    pub(in crate::net) is_partial: bool,
    /// Whether there was no room here for some of what was fetched.
    pub(in crate::net) lacks_room: bool,
    /// Bytes of the requests and responses that found what differs, both ways.
    pub(in crate::net) compared_bytes: usize,
    /// How many requests these were.
    pub(in crate::net) rounds: usize,
}

/// Syncs with a connected peer and reports the end to the swarm's task. After failures the batches
/// are smaller: over a slow link a large one does not come through in time, and what came through
/// is kept.
pub(in crate::net) async fn run<S: NetSink>(
    context: Arc<Context<S>>,
    peer: PeerId,
    attempt: Attempt,
) {
    let shrink = attempt.failures.min(4);
    let mut sync = Sync {
        context: &context,
        peer,
        summary: Summary::default(),
        short_list_max: match attempt {
            Attempt { is_first: true, failures: 0, .. } => Some(SHORT_LIST_IDS_MAX),
            Attempt { failures: 0 | 1, .. } => Some(SHORT_LIST_REGULAR_IDS_MAX),
            // However short the list, its answer may be too long for a slow link.
            Attempt { .. } => None,
        },
        much_differs: false,
        is_whole: true,
        batches_left: match context.role {
            Role::Full | Role::Edge => SYNC_LOOKED_THROUGH_BATCHES_MAX,
            // There is no user.
            Role::Mailbox => 1,
        },
        has_room_there: true,
        batch_ids: SYNC_IDS_MAX >> (2 * shrink),
        batch_bytes: SYNC_BATCH_BYTES_MAX >> shrink,
        tells_acks: attempt.tells_acks,
    };
    let begun = Instant::now();
    context.metrics.sync.started.inc();
    let result = match sync.run().await {
        Ok(()) => Ok(sync.summary),
        // It has had enough of this for now.
        Err(SyncError::Refused(Refusal::Busy))
            if sync.summary.fetched + sync.summary.pushed > 0 =>
        {
            Ok(Summary { is_partial: true, ..sync.summary })
        }
        Err(error) => Err(error),
    };
    ended(&context.metrics.sync, &result).observe(begun.elapsed());
    if context.swarm.send(ToSwarm::Ended { peer, result }).await.is_err() {
        tracing::trace!("the network stopped during a sync");
    }
}

/// Where a sync that ended like this is counted.
fn ended<'a>(metrics: &'a SyncMetrics, result: &Result<Summary, SyncError>) -> &'a Ended {
    match result {
        Ok(Summary { lacks_room: true, .. }) => &metrics.full,
        Ok(Summary { is_partial: false, .. }) => &metrics.complete,
        Ok(Summary { is_partial: true, .. }) => &metrics.partial,
        Err(SyncError::Refused(_)) => &metrics.refused,
        Err(error) if error.is_fault() => &metrics.fault,
        Err(_) => &metrics.failed,
    }
}

struct Sync<'a, S> {
    context: &'a Arc<Context<S>>,
    peer: PeerId,
    summary: Summary,
    /// Ids listed in one piece; more of them are compared by ranges. `None`: none is.
    short_list_max: Option<usize>,
    /// Whether so much differs that lists cost less than ranges.
    much_differs: bool,
    /// Whether all that both keep is compared, but for what ends in other hours.
    is_whole: bool,
    /// Batches that are still fetched though there is no room here.
    batches_left: usize,
    /// Whether the peer still takes what is pushed.
    has_room_there: bool,
    /// Ids asked for at a time.
    batch_ids: usize,
    /// Bytes of envelopes pushed at a time.
    batch_bytes: usize,
    /// Whether the peer is told acks of what is live here.
    tells_acks: bool,
}

/// What a comparison of digests found.
struct Comparison {
    /// The buckets that differ.
    differing: Vec<Bucket>,
    /// The shards that the peer keeps.
    theirs: ShardSet,
    /// The shards that were compared.
    compared: ShardSet,
}

impl<S: NetSink> Sync<'_, S> {
    async fn run(&mut self) -> Result<(), SyncError> {
        let now = self.context.clock.now();
        let kept = self.context.kept.get();
        let mailbox = Arc::clone(&self.context.mailbox);
        let shard_bits = self.context.network.shard_bits;
        let (up_to_arrival, (shards, digests), own) = blocking(move || {
            let view = mailbox.view()?;
            let up_to_arrival = view.stats()?.last_arrival;
            let mut digests = live_digests(view.digests()?, ExpiryHour::containing(now));
            // What is here of other shards is the user's own, on its way to their keepers.
            let mut own = Vec::new();
            for digest in digests.extract_if(.., |digest| !kept.contains(digest.bucket.shard)) {
                own.push((digest.bucket.shard, view.bucket_ids(digest.bucket)?));
            }
            let start = rand::rng().random_range(0..digests.len().max(1));
            Ok((up_to_arrival, window(&kept, digests, start, shard_bits), own))
        })
        .await?;
        let Comparison { differing, theirs, compared } = self.compare(shards, digests).await?;
        // The user's own first: the rest may be much.
        let own = own.into_iter().filter(|(shard, _)| theirs.contains(*shard));
        let mut own: Vec<EnvelopeId> =
            own.flat_map(|(_, ids)| ids).take(SYNC_SESSION_IDS_MAX).collect();
        own.extend(self.unseen_offers(&compared, &self.context.kept.get().and(&theirs)).await);
        self.offer(own).await?;
        let scope = Scope { shards: compared, up_to_arrival, ends_after: now };
        self.parts(differing, scope).await?;
        // Once what they are for is there.
        self.push_partial_acks(&theirs).await
    }

    /// The buckets of `shards` in which the two differ, of those that both keep.
    async fn compare(
        &mut self,
        shards: ShardSet,
        digests: Vec<BucketDigest>,
    ) -> Result<Comparison, SyncError> {
        let request = if shards.is_all() {
            Request::Digests(digests)
        } else {
            Request::Compare { shards: shards.clone(), digests }
        };
        let (mut differing, theirs, is_compared) = match self.compared(request).await? {
            Response::Differing(buckets) => (buckets, ShardSet::ALL, true),
            Response::Compared { buckets, kept, compared } => (buckets, kept, compared),
            _ => return Err(SyncError::Unexpected { asked: "Digests" }),
        };
        at_most("buckets", differing.len(), DIGESTS_MAX)?;
        // A list this long was perhaps cut: what it doesn't name may differ too.
        if differing.len() == DIGESTS_MAX {
            self.leave_rest();
        }
        let compared = if is_compared { shards.and(&theirs) } else { ShardSet::NONE };
        let now = self.context.clock.now();
        differing.retain(|bucket| compared.contains(bucket.shard) && !bucket.hour.is_past(now));
        differing.sort_unstable();
        differing.dedup();
        Ok(Comparison { differing, theirs, compared })
    }

    /// Something is left for another sync, which is made soon.
    fn leave_rest(&mut self) {
        self.is_whole = false;
        self.summary.is_partial = true;
    }

    /// To a peer that does not compare (an edge node) the user's own of the shards that `both`
    /// keep are offered unseen.
    async fn unseen_offers(&self, compared: &ShardSet, both: &ShardSet) -> Vec<EnvelopeId> {
        if compared.is_empty() && !both.is_empty() {
            self.context.outstanding(both.clone()).await
        } else {
            Vec::new()
        }
    }

    /// Of what the peer lacks (`have`), an edge node offers its user's own only: it relays nothing.
    async fn choose_offers(&self, have: &mut Vec<EnvelopeId>, compared: &ShardSet) {
        match self.context.role {
            Role::Edge if !have.is_empty() => {
                let own = self.context.outstanding(compared.clone()).await;
                let own: HashSet<EnvelopeId> = own.into_iter().collect();
                have.retain(|id| own.contains(id));
            }
            Role::Full | Role::Edge | Role::Mailbox => {}
        }
    }

    /// A request of the comparison, counted.
    async fn compared(&mut self, request: Request) -> Result<Response, SyncError> {
        self.summary.rounds += 1;
        self.summary.compared_bytes += codec::encode(&request).len();
        let response = self.context.request(self.peer, request).await?;
        self.summary.compared_bytes += codec::encode(&response).len();
        Ok(response)
    }
}

fn at_most(what: &'static str, found: usize, max: usize) -> Result<(), SyncError> {
    if found > max { Err(SyncError::TooMany { what, found, max }) } else { Ok(()) }
}
