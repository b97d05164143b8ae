//! The side that begins a sync.

mod push;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use crate::limits::{
    RECONCILE_ROUNDS_MAX, SHORT_LIST_REGULAR_IDS_MAX, SYNC_LOOKED_THROUGH_BATCHES_MAX,
    SYNC_SESSION_IDS_MAX,
};
use libp2p::PeerId;
use martlet_engine::FromNet;
use martlet_protocol::control::Role;
use martlet_protocol::limits::{
    DIGESTS_MAX, RECONCILE_FRAME_BYTES_MAX, SHORT_LIST_IDS_MAX, SYNC_BATCH_BYTES_MAX, SYNC_IDS_MAX,
};
use martlet_protocol::sync::{Bucket, BucketDigest, Refusal, Request, Response, ShardSet, ShortId};
use martlet_protocol::{Ack, EnvelopeId, ExpiryHour, codec};
use martlet_store::MailboxView;
use rand::RngExt;
use rand::seq::SliceRandom;
use tokio::time::Instant;

use super::reconcile::{self, Difference, Reconciliation, ShortList};
use super::schedule::Attempt;
use super::window::{live_digests, window};
use super::{Context, NetSink, RequestError, SyncError, ToSwarm, blocking};
use crate::metrics::{Ended, SyncMetrics};
use crate::net::peer_key::key_of;

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
    let sync = Sync {
        context: &context,
        peer,
        summary: Summary::default(),
        short_list_max: match attempt {
            Attempt { is_first: true, failures: 0 } => SHORT_LIST_IDS_MAX,
            Attempt { .. } => SHORT_LIST_REGULAR_IDS_MAX,
        },
        batch_ids: SYNC_IDS_MAX >> (2 * shrink),
        batch_bytes: SYNC_BATCH_BYTES_MAX >> shrink,
    };
    let begun = Instant::now();
    context.metrics.sync.started.inc();
    let result = sync.run().await;
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
    /// Ids listed in one piece; more of them are compared by ranges.
    short_list_max: usize,
    /// Ids asked for at a time.
    batch_ids: usize,
    /// Bytes of envelopes pushed at a time.
    batch_bytes: usize,
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
    async fn run(mut self) -> Result<Summary, SyncError> {
        let now = self.context.clock.now();
        let kept = self.context.kept.get();
        let mailbox = Arc::clone(&self.context.mailbox);
        let shard_bits = self.context.network.shard_bits;
        let (view, up_to_arrival, (shards, digests), own) = blocking(move || {
            let view = mailbox.view()?;
            let up_to_arrival = view.stats()?.last_arrival;
            let mut digests = live_digests(view.digests()?, ExpiryHour::containing(now));
            // What is here of other shards is the user's own, on its way to their keepers.
            let mut own = Vec::new();
            for digest in digests.extract_if(.., |digest| !kept.contains(digest.bucket.shard)) {
                own.push((digest.bucket.shard, view.bucket_ids(digest.bucket)?));
            }
            let start = rand::rng().random_range(0..digests.len().max(1));
            Ok((view, up_to_arrival, window(&kept, digests, start, shard_bits), own))
        })
        .await?;
        let Comparison { differing, theirs, compared } = self.compare(shards, digests).await?;
        let Difference { mut have, need } = self.difference(view, differing).await?;
        if !(self.summary.is_partial || compared.is_empty()) {
            let lacking = have.clone();
            let shards = Box::new(compared.clone());
            let peer = key_of(&self.peer);
            // Hours that came meanwhile were left out too.
            let after = ExpiryHour::containing(now.max(self.context.clock.now()));
            let event = FromNet::Reconciled { peer, shards, up_to_arrival, after, lacking };
            self.context.sink.deliver(event).await;
        }
        self.choose_offers(&mut have, &compared, &self.context.kept.get().and(&theirs)).await;
        let own = own.into_iter().filter(|(shard, _)| theirs.contains(*shard));
        have.extend(own.flat_map(|(_, ids)| ids).take(SYNC_SESSION_IDS_MAX));
        let (unknown, acks) = self.lacking(need).await?;
        self.fetch(unknown).await?;
        // That there is no room here keeps nothing from being kept there.
        self.push_acks(acks).await?;
        self.offer(have).await?;
        Ok(self.summary)
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
        self.summary.is_partial |= differing.len() == DIGESTS_MAX;
        let compared = if is_compared { shards.and(&theirs) } else { ShardSet::NONE };
        let now = self.context.clock.now();
        differing.retain(|bucket| compared.contains(bucket.shard) && !bucket.hour.is_past(now));
        differing.sort_unstable();
        differing.dedup();
        Ok(Comparison { differing, theirs, compared })
    }

    /// Of what the peer lacks (`have`), an edge node offers its user's own only: it relays nothing.
    /// To a peer that does not compare (an edge node) the user's own of the shards that `both`
    /// keep are offered unseen.
    async fn choose_offers(
        &self,
        have: &mut Vec<EnvelopeId>,
        compared: &ShardSet,
        both: &ShardSet,
    ) {
        match self.context.role {
            Role::Edge if !have.is_empty() => {
                let own = self.context.outstanding(compared.clone()).await;
                let own: HashSet<EnvelopeId> = own.into_iter().collect();
                have.retain(|id| own.contains(id));
            }
            Role::Full | Role::Edge | Role::Mailbox => {}
        }
        if compared.is_empty() && !both.is_empty() {
            *have = self.context.outstanding(both.clone()).await;
        }
    }

    /// What differs in `buckets`: by a short list where they hold few, else by reconciliation.
    async fn difference(
        &mut self,
        view: MailboxView,
        buckets: Vec<Bucket>,
    ) -> Result<Difference, SyncError> {
        if buckets.is_empty() {
            return Ok(Difference::default());
        }
        let (max, chosen) = (self.short_list_max, buckets.clone());
        let (view, list) = blocking(move || {
            let list = ShortList::collect(&view, &chosen, rand::random(), max)?;
            Ok((view, list))
        })
        .await?;
        let Some(list) = list else { return self.reconcile(view, buckets).await };
        let (key, ids) = list.encode();
        let request = Request::ShortList { buckets: buckets.clone(), key, ids };
        match self.compared(request).await {
            Ok(Response::Lacking { there, here }) => {
                at_most("ids there", here.len(), SHORT_LIST_IDS_MAX)?;
                let unexpected = SyncError::Unexpected { asked: "ShortList" };
                let there = ShortId::list(&there).ok_or(unexpected)?;
                Ok(list.difference(&there, here))
            }
            Ok(_) => Err(SyncError::Unexpected { asked: "ShortList" }),
            // It holds many more, or does not know short lists.
            Err(SyncError::Refused(_) | SyncError::Request(RequestError::Failed { .. })) => {
                self.reconcile(view, buckets).await
            }
            Err(error) => Err(error),
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

    /// Reconciles the ids of `buckets`, or of as many of them as both sides can hold.
    async fn reconcile(
        &mut self,
        view: MailboxView,
        mut buckets: Vec<Bucket>,
    ) -> Result<Difference, SyncError> {
        let view = Arc::new(view);
        let (mut reconciliation, mut response) = loop {
            let (reader, chosen) = (Arc::clone(&view), buckets.clone());
            let begun = blocking(move || {
                let items = reconcile::collect(&reader, &chosen, SYNC_SESSION_IDS_MAX)?;
                items.map(Reconciliation::begin).transpose()
            })
            .await?;
            if let Some((reconciliation, message)) = begun {
                match self.exchange(&buckets, message).await {
                    Ok(response) => break (reconciliation, response),
                    Err(SyncError::Refused(Refusal::TooLarge)) if buckets.len() > 1 => {}
                    Err(error) => return Err(error),
                }
            } else if buckets.len() == 1 {
                return Err(SyncError::TooMany {
                    what: "ids in one bucket",
                    found: SYNC_SESSION_IDS_MAX + 1,
                    max: SYNC_SESSION_IDS_MAX,
                });
            }
            buckets.truncate(buckets.len() / 2);
            self.summary.is_partial = true;
        };
        // What the snapshot was for is in memory now; kept, it would make the file grow.
        drop(view);
        for _ in 1..RECONCILE_ROUNDS_MAX {
            let step = move || {
                let next = reconciliation.step(&response)?;
                Ok((reconciliation, next))
            };
            let (stepped, next) = blocking(step).await?;
            reconciliation = stepped;
            match next {
                Some(message) => response = self.exchange(&buckets, message).await?,
                None => return Ok(reconciliation.difference()),
            }
        }
        Err(SyncError::TooManyRounds { rounds: RECONCILE_ROUNDS_MAX })
    }

    async fn exchange(
        &mut self,
        buckets: &[Bucket],
        message: Vec<u8>,
    ) -> Result<Vec<u8>, SyncError> {
        let request = Request::Reconcile { buckets: buckets.to_vec(), message };
        let Response::Reconcile(response) = self.compared(request).await? else {
            return Err(SyncError::Unexpected { asked: "Reconcile" });
        };
        let max = usize::try_from(RECONCILE_FRAME_BYTES_MAX).unwrap_or(usize::MAX);
        at_most("bytes of a reconciliation message", response.len(), max)?;
        Ok(response)
    }

    /// Of what is live there and not here: what is unknown here, and the acks of what was purged.
    async fn lacking(
        &self,
        need: Vec<EnvelopeId>,
    ) -> Result<(Vec<EnvelopeId>, Vec<Ack>), SyncError> {
        if need.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        self.context.read(move |view| view.lacking(&need)).await
    }

    /// Fetches what is unknown here, batch by batch, each stored before the next is asked for.
    /// Where there is no room any more, the user's own mail is kept all the same, and only who has
    /// it sees which it is: so the rest is looked through too, in any order, a part in each sync.
    async fn fetch(&mut self, unknown: Vec<EnvelopeId>) -> Result<(), SyncError> {
        let mut unknown = self.context.sift(self.peer, unknown).await?;
        unknown.shuffle(&mut rand::rng());
        let mut waiting = VecDeque::from(unknown);
        let mut batches_left = match self.context.role {
            Role::Full | Role::Edge => SYNC_LOOKED_THROUGH_BATCHES_MAX,
            // There is no user.
            Role::Mailbox => 1,
        };
        while !waiting.is_empty() {
            let asked: Vec<EnvelopeId> =
                waiting.drain(..waiting.len().min(self.batch_ids)).collect();
            let mut open: HashSet<EnvelopeId> = asked.iter().copied().collect();
            let Response::Envelopes { envelopes, gone } =
                self.context.request(self.peer, Request::Fetch(asked.clone())).await?
            else {
                return Err(SyncError::Unexpected { asked: "Fetch" });
            };
            at_most("ids gone", gone.len(), SYNC_IDS_MAX)?;
            if envelopes.is_empty() && gone.is_empty() {
                return Err(SyncError::NoProgress);
            }
            let received = self.context.check_kept(envelopes, |id| open.remove(id))?.good;
            for id in &gone {
                open.remove(id);
            }
            if open.len() == asked.len() {
                return Err(SyncError::NoProgress);
            }
            let count = received.len();
            match self.context.store(self.peer, received).await {
                Ok(()) => self.summary.fetched += count,
                Err(SyncError::Full | SyncError::OverShare) => {
                    self.summary.lacks_room = true;
                    batches_left -= 1;
                }
                Err(error) => return Err(error),
            }
            for id in asked.into_iter().rev().filter(|id| open.contains(id)) {
                waiting.push_front(id);
            }
            if batches_left == 0 {
                self.summary.is_partial |=
                    !waiting.is_empty() && self.context.role != Role::Mailbox;
                break;
            }
        }
        Ok(())
    }
}

fn at_most(what: &'static str, found: usize, max: usize) -> Result<(), SyncError> {
    if found > max { Err(SyncError::TooMany { what, found, max }) } else { Ok(()) }
}
