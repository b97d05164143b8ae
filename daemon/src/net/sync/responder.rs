//! The side that is asked.

mod sessions;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::limits::{LOOKUP_PER_TAG_MAX, SYNC_SESSION_IDS_MAX, SYNC_SESSIONS_STARTING_MAX};
use libp2p::PeerId;
use libp2p::request_response::ResponseChannel;
use martlet_engine::FromNet;
use martlet_protocol::control::Role;
use martlet_protocol::limits::{
    ACKS_PER_BATCH_MAX, DIGESTS_MAX, LOOKUP_TAGS_MAX, RECONCILE_FRAME_BYTES_MAX, SHARD_BITS_MAX,
    SHORT_LIST_IDS_MAX, SYNC_BATCH_BYTES_MAX, SYNC_IDS_MAX,
};
use martlet_protocol::sync::{Bucket, BucketDigest, Refusal, Request, Response, ShardSet, ShortId};
use martlet_protocol::{Ack, Envelope, EnvelopeId, ExpiryHour, Header, Shard, Tag};
use martlet_store::MailboxView;
use martlet_store::mailbox::Arrived;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use sessions::Sessions;

use super::reconcile::{self, ShortList};
use super::window::live_digests;
use super::{Checked, Context, NetSink, SyncError, ToSwarm, blocking};
use crate::net::peer_key::key_of;
use crate::net::shorten;

/// Serves the syncs of all peers.
pub(in crate::net) struct Responder<S> {
    context: Arc<Context<S>>,
    sessions: Mutex<Sessions>,
    /// Sessions whose ids are read at a time.
    starting: Semaphore,
}

/// A request that is not served as asked.
enum Unserved {
    /// Refused; nothing is wrong with the peer.
    Refused(Refusal),
    /// No honest peer asks that.
    Fault(Refusal),
    /// It failed here, or what the peer sent is bad.
    Failed(SyncError),
}

impl<S: NetSink> Responder<S> {
    /// A responder without sessions.
    pub(in crate::net) fn new(context: Arc<Context<S>>) -> Self {
        let starting = Semaphore::new(SYNC_SESSIONS_STARTING_MAX);
        Self { context, sessions: Mutex::default(), starting }
    }

    /// Serves one request and hands the answer to the swarm's task.
    pub(in crate::net) async fn serve(
        self: Arc<Self>,
        peer: PeerId,
        request: Request,
        channel: ResponseChannel<Response>,
    ) {
        let (response, fault) = self.respond(peer, request).await;
        let respond = ToSwarm::Respond { peer, channel, response, fault };
        if self.context.swarm.send(respond).await.is_err() {
            tracing::trace!("the network stopped before an answer was sent");
        }
    }

    /// Forgets what was kept for a peer that is gone.
    pub(in crate::net) fn forget(&self, peer: &PeerId) {
        self.lock().forget_gone(peer);
    }

    /// Forgets what was left idle.
    pub(in crate::net) fn expire(&self) {
        self.lock().expire(Instant::now());
    }

    /// The answer, and whether no honest peer asks that.
    pub(super) async fn respond(&self, peer: PeerId, request: Request) -> (Response, bool) {
        match self.answer(peer, request).await {
            Ok(response) => (response, false),
            Err(unserved) => {
                self.context.metrics.sync.requests_refused.inc();
                unserved.into_response(peer)
            }
        }
    }

    async fn answer(&self, peer: PeerId, request: Request) -> Result<Response, Unserved> {
        match request {
            Request::Digests(digests) => self.digests(peer, &ShardSet::ALL, digests).await,
            Request::Compare { shards, digests } => self.digests(peer, &shards, digests).await,
            Request::Lookup { shard, tags } => self.look_up(shard, tags).await,
            Request::Reconcile { buckets, message } => self.reconcile(peer, buckets, message).await,
            Request::ShortList { buckets, key, ids } => {
                self.short_list(&peer, buckets, key, ids).await
            }
            Request::Fetch(ids) => self.fetch(peer, ids).await,
            Request::Offer(ids) => self.offer(peer, ids).await,
            Request::Push { envelopes, acks } => self.push(peer, envelopes, acks).await,
            Request::Stored(ids) => self.stored(peer, ids).await,
            Request::Time => Ok(Response::Time(self.context.clock.told().0 / 1000)),
        }
    }

    async fn digests(
        &self,
        peer: PeerId,
        shards: &ShardSet,
        mut theirs: Vec<BucketDigest>,
    ) -> Result<Response, Unserved> {
        at_most(theirs.len(), DIGESTS_MAX)?;
        if !theirs.is_sorted_by(|a, b| a.bucket < b.bucket)
            || !theirs.iter().all(|digest| shards.contains(digest.bucket.shard))
        {
            return Err(Unserved::Fault(Refusal::Invalid));
        }
        let kept = self.context.kept.get();
        if self.context.role == Role::Edge {
            return Ok(Response::Compared { buckets: Vec::new(), kept, compared: false });
        }
        let is_whole = theirs.len() < DIGESTS_MAX;
        let both = kept.and(shards);
        theirs.retain(|digest| both.contains(digest.bucket.shard));
        // A new sync begins: what is kept of the last one is stale.
        self.lock().forget(&peer);
        let now = ExpiryHour::containing(self.context.clock.now());
        let (mut ours, up_to_arrival) = self
            .context
            .read(move |view| Ok((live_digests(view.digests()?, now), view.stats()?.last_arrival)))
            .await?;
        ours.retain(|digest| both.contains(digest.bucket.shard));
        let mut differing = differing(&ours, &theirs, is_whole);
        differing.truncate(DIGESTS_MAX);
        if differing.is_empty() && is_whole && !both.is_empty() {
            let shards = Box::new(both);
            let event = FromNet::Reconciled {
                peer: key_of(&peer),
                shards,
                up_to_arrival,
                after: now,
                lacking: Vec::new(),
            };
            self.context.sink.deliver(event).await;
        }
        Ok(if kept.is_all() {
            Response::Differing(differing)
        } else {
            Response::Compared { buckets: differing, kept, compared: true }
        })
    }

    async fn reconcile(
        &self,
        peer: PeerId,
        buckets: Vec<Bucket>,
        message: Vec<u8>,
    ) -> Result<Response, Unserved> {
        at_most(message.len(), usize::try_from(RECONCILE_FRAME_BYTES_MAX).unwrap_or(usize::MAX))?;
        self.check_buckets(&buckets)?;
        let known = self.lock().resume(peer, &buckets)?;
        let items = match known {
            Some(items) => items,
            None => {
                if !self.lock().may_begin(peer) {
                    return Err(Unserved::Refused(Refusal::Busy));
                }
                // An error: closed, which it never is.
                let _permit = self.starting.acquire().await;
                let mailbox = Arc::clone(&self.context.mailbox);
                let chosen = buckets.clone();
                let items = blocking(move || {
                    reconcile::collect(&mailbox.view()?, &chosen, SYNC_SESSION_IDS_MAX)
                })
                .await?
                .ok_or(Unserved::Refused(Refusal::TooLarge))?;
                let items = Arc::new(items);
                self.lock().begin(peer, buckets.into(), Arc::clone(&items));
                items
            }
        };
        let answer = blocking(move || reconcile::answer(&items, &message)).await?;
        Ok(Response::Reconcile(answer))
    }

    /// Buckets to be compared: ascending, and of shards kept here.
    fn check_buckets(&self, buckets: &[Bucket]) -> Result<(), Unserved> {
        at_most(buckets.len(), DIGESTS_MAX)?;
        let kept = self.context.kept.get();
        if buckets.is_empty()
            || !buckets.is_sorted_by(|a, b| a < b)
            || self.context.role == Role::Edge
            || !buckets.iter().all(|bucket| kept.contains(bucket.shard))
        {
            return Err(Unserved::Fault(Refusal::Invalid));
        }
        Ok(())
    }

    async fn short_list(
        &self,
        peer: &PeerId,
        buckets: Vec<Bucket>,
        key: [u8; 32],
        ids: Vec<u8>,
    ) -> Result<Response, Unserved> {
        at_most(ids.len(), SHORT_LIST_IDS_MAX * ShortId::BYTES)?;
        let theirs = ShortId::list(&ids).ok_or(Unserved::Fault(Refusal::Invalid))?;
        self.check_buckets(&buckets)?;
        let mailbox = Arc::clone(&self.context.mailbox);
        let compared = blocking(move || {
            // Of more than these too many would be missing there.
            let max = theirs.len() + SHORT_LIST_IDS_MAX;
            let list = ShortList::collect(&mailbox.view()?, &buckets, key, max)?;
            Ok(list.map(|list| list.compare(&theirs)))
        })
        .await?;
        match compared {
            Some((there, here)) if here.len() <= SHORT_LIST_IDS_MAX => {
                tracing::trace!(peer = %shorten::peer(peer), "compared by a short list");
                Ok(Response::Lacking { there, here })
            }
            Some(_) | None => Err(Unserved::Refused(Refusal::TooLarge)),
        }
    }

    async fn fetch(&self, peer: PeerId, ids: Vec<EnvelopeId>) -> Result<Response, Unserved> {
        at_most(ids.len(), SYNC_IDS_MAX)?;
        self.lock().end_reconciling(&peer);
        if self.context.role == Role::Edge {
            return Ok(Response::Envelopes { envelopes: Vec::new(), gone: ids });
        }
        let (mut envelopes, mut gone) =
            self.context.read(move |view| view.fetch(&ids, SYNC_BATCH_BYTES_MAX)).await?;
        let kept = self.context.kept.get();
        if !kept.is_all() {
            // What is here of other shards is the user's own: it is offered, not fetched.
            let foreign = envelopes.extract_if(.., |envelope| !is_of(&kept, envelope));
            gone.extend(foreign.map(|envelope| envelope.id()));
        }
        let sent = &self.context.metrics.envelopes.sent_by_sync;
        sent.inc_by(u64::try_from(envelopes.len()).unwrap_or(u64::MAX));
        Ok(Response::Envelopes { envelopes, gone })
    }

    /// Answers with the oldest envelopes of each tag: what others publish under a tag that they have
    /// seen is newer. Each tag has an equal share of the answer.
    async fn look_up(&self, shard: Shard, tags: Vec<Tag>) -> Result<Response, Unserved> {
        at_most(tags.len(), LOOKUP_TAGS_MAX)?;
        if tags.is_empty() {
            return Err(Unserved::Fault(Refusal::Invalid));
        }
        let envelopes = if self.context.kept.get().contains(shard) {
            let share = SYNC_BATCH_BYTES_MAX / tags.len();
            let read = move |view: &MailboxView| {
                let mut found = Vec::new();
                for tag in &tags {
                    let mut room = share;
                    for Arrived { envelope, .. } in view.by_tag(tag, LOOKUP_PER_TAG_MAX)? {
                        let bytes = envelope.content.len();
                        if bytes > room {
                            break;
                        }
                        if is_of(&ShardSet::of([shard], SHARD_BITS_MAX), &envelope) {
                            room -= bytes;
                            found.push(envelope);
                        }
                    }
                }
                Ok(found)
            };
            self.context.read(read).await?
        } else {
            Vec::new()
        };
        Ok(Response::Envelopes { envelopes, gone: Vec::new() })
    }

    async fn offer(&self, peer: PeerId, ids: Vec<EnvelopeId>) -> Result<Response, Unserved> {
        at_most(ids.len(), SYNC_IDS_MAX)?;
        self.lock().end_reconciling(&peer);
        let read = move |view: &MailboxView| Ok((view.lacking(&ids)?, view.dropped(&ids)?));
        let ((ids, acks), gone) = self.context.read(read).await?;
        self.lock().wanted.insert(peer, ids.iter().copied().collect());
        Ok(Response::Wanted { ids, acks, gone })
    }

    async fn push(
        &self,
        peer: PeerId,
        envelopes: Vec<Envelope>,
        acks: Vec<Ack>,
    ) -> Result<Response, Unserved> {
        at_most(envelopes.len(), SYNC_IDS_MAX)?;
        at_most(acks.len(), ACKS_PER_BATCH_MAX)?;
        let Checked { good, left_out } = {
            let mut wanted = self.lock().wanted.remove(&peer).unwrap_or_default();
            let checked = self.context.check_kept(envelopes, |id| wanted.remove(id))?;
            if !wanted.is_empty() {
                self.lock().wanted.insert(peer, wanted);
            }
            checked
        };
        if !acks.is_empty() {
            self.context.sink.deliver(FromNet::Acks { from: key_of(&peer), acks }).await;
        }
        self.context.store(peer, good).await?;
        Ok(Response::Pushed { refused: left_out })
    }

    async fn stored(&self, peer: PeerId, ids: Vec<EnvelopeId>) -> Result<Response, Unserved> {
        at_most(ids.len(), SYNC_IDS_MAX)?;
        self.context.sink.deliver(FromNet::StoredBy { from: key_of(&peer), ids }).await;
        Ok(Response::Done)
    }

    fn lock(&self) -> MutexGuard<'_, Sessions> {
        // Each change is whole before anything can panic.
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Unserved {
    fn into_response(self, peer: PeerId) -> (Response, bool) {
        let (refusal, fault) = match self {
            Self::Refused(refusal) => (refusal, false),
            Self::Fault(refusal) => (refusal, true),
            Self::Failed(error) => {
                tracing::debug!(peer = %shorten::peer(&peer), %error, "sync request not served");
                let refusal = match error {
                    SyncError::Full => Refusal::Full,
                    SyncError::OverShare => Refusal::OverShare,
                    ref error if error.is_fault() => Refusal::Invalid,
                    _ => Refusal::Busy,
                };
                (refusal, error.is_fault())
            }
        };
        (Response::Refused(refusal), fault)
    }
}

impl From<SyncError> for Unserved {
    fn from(error: SyncError) -> Self {
        Self::Failed(error)
    }
}

fn is_of(shards: &ShardSet, envelope: &Envelope) -> bool {
    Header::parse(&envelope.content).is_ok_and(|header| shards.contains(header.shard))
}

fn at_most(found: usize, max: usize) -> Result<(), Unserved> {
    if found > max { Err(Unserved::Fault(Refusal::TooLarge)) } else { Ok(()) }
}

/// The buckets in which two ascending lists differ. When theirs was cut at its bound, what comes
/// after its end was not compared.
fn differing(ours: &[BucketDigest], theirs: &[BucketDigest], is_whole: bool) -> Vec<Bucket> {
    let end = theirs.last().filter(|_| !is_whole).map(|digest| digest.bucket);
    let mut differing = Vec::new();
    let (mut ours, mut theirs) = (ours.iter().peekable(), theirs.iter().peekable());
    loop {
        match (ours.peek(), theirs.peek()) {
            (None, None) => return differing,
            (Some(our), Some(their)) if our.bucket == their.bucket => {
                if our != their {
                    differing.push(our.bucket);
                }
                ours.next();
                theirs.next();
            }
            (Some(our), their) if their.is_none_or(|their| our.bucket < their.bucket) => {
                if end.is_none_or(|end| our.bucket <= end) {
                    differing.push(our.bucket);
                }
                ours.next();
            }
            (_, Some(their)) => {
                differing.push(their.bucket);
                theirs.next();
            }
            // The guard above takes every `(Some, None)`.
            (Some(_), None) => return differing,
        }
    }
}

#[cfg(test)]
mod tests {
    use martlet_protocol::Shard;
    use martlet_protocol::sync::Fingerprint;

    use super::*;

    fn digest(hour: u32, count: u64) -> BucketDigest {
        BucketDigest {
            bucket: Bucket { shard: Shard(0), hour: ExpiryHour(hour) },
            count,
            fingerprint: Fingerprint::default(),
        }
    }

    fn hours(buckets: &[Bucket]) -> Vec<u32> {
        buckets.iter().map(|bucket| bucket.hour.0).collect()
    }

    #[test]
    fn buckets_differ_when_one_side_lacks_them_or_their_digests_differ() {
        let ours = [digest(1, 1), digest(2, 2), digest(4, 1), digest(6, 1)];
        let theirs = [digest(2, 2), digest(3, 1), digest(4, 2)];
        assert_eq!(hours(&differing(&ours, &theirs, true)), [1, 3, 4, 6]);
        assert_eq!(hours(&differing(&ours, &theirs, false)), [1, 3, 4]);
        assert_eq!(hours(&differing(&ours, &[], true)), [1, 2, 4, 6]);
        assert!(differing(&ours, &ours, true).is_empty());
    }
}
