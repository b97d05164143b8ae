//! Gossip on its way in: validated, cheapest check first, gathered into batches per peer, and
//! handed to the sink without ever holding up the swarm.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use libp2p::PeerId;
use libp2p::gossipsub::{MessageAcceptance, TopicHash};
use martlet_protocol::control::Role;
use martlet_protocol::limits::{
    ACKS_PER_BATCH_MAX, ACKS_PER_PEER_PER_MINUTE_MAX, ENVELOPES_PER_PEER_PER_MINUTE_MAX,
    GOSSIP_BACKLOG_BYTES_MAX, GOSSIP_BATCH_MAX, GOSSIP_BATCHES_MAX, GOSSIP_BYTES_MAX,
    INVALID_PER_PEER_PER_MINUTE_MAX,
};
use martlet_protocol::network::NetworkDescriptor;
use martlet_protocol::{Ack, Envelope, EnvelopeError, EnvelopeId, codec};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::gossip::Topics;
use super::{Clock, NetEvent, NetSink, Received};

const MINUTE: Duration = Duration::from_secs(60);

/// What is to be done with a gossiped message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Forwarded, and on its way to the engine.
    Accept,
    /// On its way to the engine, but not forwarded: this is an edge node.
    Keep,
    /// Neither forwarded nor held against the peer: expired, or more than the peer's share.
    Ignore,
    /// Good, but the engine is behind: sync fetches it later.
    Shed,
    /// No honest peer sends it.
    Reject,
    /// No honest peer sends it, and this one has sent so many that it is to be cut off.
    RejectAndCut,
}

impl Verdict {
    /// What gossipsub is told.
    pub(super) fn acceptance(self) -> MessageAcceptance {
        match self {
            Self::Accept => MessageAcceptance::Accept,
            Self::Keep | Self::Ignore | Self::Shed => MessageAcceptance::Ignore,
            Self::Reject | Self::RejectAndCut => MessageAcceptance::Reject,
        }
    }
}

/// Validates gossip and gathers it for the sink.
pub(super) struct Intake {
    network: NetworkDescriptor,
    topics: Topics,
    /// What becomes of what is good.
    good: Verdict,
    clock: Arc<dyn Clock>,
    shares: HashMap<PeerId, Share>,
    envelopes: HashMap<PeerId, Batch<Received>>,
    acks: HashMap<PeerId, Batch<Ack>>,
    /// Bytes of gossip that the sink has not taken yet.
    backlog: Arc<AtomicUsize>,
    queue: mpsc::Sender<(NetEvent, usize)>,
    /// The way without the queue, for when nothing waits in it.
    direct: Direct,
}

type Direct = Box<dyn Fn(NetEvent) -> Result<(), NetEvent> + Send + Sync>;

/// What one peer has brought of one kind since the last flush.
struct Batch<T> {
    items: Vec<T>,
    bytes: usize,
}

/// What one peer has brought in the current minute.
struct Share {
    since: Instant,
    envelopes: u32,
    acks: u32,
    invalid: u32,
}

impl Intake {
    /// An intake that delivers to `sink`, by a task of its own.
    pub(super) fn new(
        network: NetworkDescriptor,
        topics: Topics,
        role: Role,
        clock: Arc<dyn Clock>,
        sink: Arc<impl NetSink>,
    ) -> Self {
        let (queue, waiting) = mpsc::channel(GOSSIP_BATCHES_MAX);
        let backlog = Arc::new(AtomicUsize::new(0));
        tokio::spawn(forward(waiting, Arc::clone(&backlog), Arc::clone(&sink)));
        Self {
            direct: Box::new(move |event| sink.try_deliver(event)),
            network,
            topics,
            good: match role {
                Role::Full | Role::Mailbox => Verdict::Accept,
                Role::Edge => Verdict::Keep,
            },
            clock,
            shares: HashMap::new(),
            envelopes: HashMap::new(),
            acks: HashMap::new(),
            backlog,
            queue,
        }
    }

    /// Judges a gossiped message and, if it is good, takes it. `id` is what the message id says;
    /// see [`super::gossip`].
    pub(super) fn message(
        &mut self,
        from: PeerId,
        topic: &TopicHash,
        id: Option<EnvelopeId>,
        data: &[u8],
    ) -> Verdict {
        let verdict = if topic == self.topics.acks() {
            self.ack_batch(from, data)
        } else {
            self.envelope(from, topic, id, data)
        };
        match verdict {
            Ok(verdict) => verdict,
            Err(reason) => {
                tracing::debug!(peer = %super::shorten::peer(&from), %reason, "gossip rejected");
                self.count_invalid(from)
            }
        }
    }

    /// Counts something that no honest peer sends.
    pub(super) fn count_invalid(&mut self, from: PeerId) -> Verdict {
        let share = self.share(from);
        share.invalid += 1;
        if share.invalid >= INVALID_PER_PEER_PER_MINUTE_MAX {
            Verdict::RejectAndCut
        } else {
            Verdict::Reject
        }
    }

    /// Hands what was gathered to the sink, or, when that is behind, to the forwarding task. What does not fit its queue stays, and
    /// goes with the next flush; [`GOSSIP_BACKLOG_BYTES_MAX`] bounds it.
    pub(super) fn flush(&mut self) {
        let way = Way { direct: &self.direct, queue: &self.queue, backlog: &self.backlog };
        way.flush(&mut self.envelopes, |from, envelopes| NetEvent::Envelopes {
            from,
            envelopes,
            stored: None,
        });
        way.flush(&mut self.acks, |from, acks| NetEvent::Acks { from, acks });
    }

    /// Whether something waits that the last flush could not hand over.
    pub(super) fn is_held_up(&self) -> bool {
        !(self.envelopes.is_empty() && self.acks.is_empty())
    }

    /// Forgets the share of a peer that is gone for over a minute.
    pub(super) fn forget_old_shares(&mut self) {
        let now = Instant::now();
        self.shares.retain(|_, share| now.duration_since(share.since) < 2 * MINUTE);
    }

    fn envelope(
        &mut self,
        from: PeerId,
        topic: &TopicHash,
        id: Option<EnvelopeId>,
        data: &[u8],
    ) -> Result<Verdict, EnvelopeError> {
        let share = self.share(from);
        if share.envelopes >= ENVELOPES_PER_PEER_PER_MINUTE_MAX {
            return Ok(Verdict::Ignore);
        }
        share.envelopes += 1;
        let envelope = Envelope::decode(data)?;
        let id = match id {
            // The message id is the envelope's, unless the stamp is bad.
            Some(id) if self.network.stamp_bits == 0 => id,
            _ => envelope.id(),
        };
        let header = match envelope.check(&id, &self.network, self.clock.now()) {
            Ok(header) => header,
            Err(EnvelopeError::Expired) => return Ok(Verdict::Ignore),
            // Bad, but not counted: where a clock runs ahead, an honest peer passes it on.
            Err(EnvelopeError::FarFuture) => return Ok(Verdict::Reject),
            Err(error) => return Err(error),
        };
        if self.topics.envelopes(header.shard) != Some(topic) {
            return Err(EnvelopeError::WrongShard { found: header.shard.0 });
        }
        if !self.reserve(data.len()) {
            return Ok(Verdict::Shed);
        }
        let batch = self.envelopes.entry(from).or_default();
        batch.bytes += data.len();
        batch.items.push(Received { id, envelope, header });
        if batch.items.len() >= GOSSIP_BATCH_MAX {
            self.flush();
        }
        Ok(self.good)
    }

    fn ack_batch(&mut self, from: PeerId, data: &[u8]) -> Result<Verdict, EnvelopeError> {
        if self.share(from).acks >= ACKS_PER_PEER_PER_MINUTE_MAX {
            return Ok(Verdict::Ignore);
        }
        let acks: Vec<Ack> = codec::decode(data, GOSSIP_BYTES_MAX)?;
        if acks.is_empty() || acks.len() > ACKS_PER_BATCH_MAX {
            return Err(EnvelopeError::Codec(codec::CodecError::TooLong {
                found: acks.len(),
                max: ACKS_PER_BATCH_MAX,
            }));
        }
        let share = self.share(from);
        share.acks = share.acks.saturating_add(u32::try_from(acks.len()).unwrap_or(u32::MAX));
        if !self.reserve(data.len()) {
            return Ok(Verdict::Shed);
        }
        let batch = self.acks.entry(from).or_default();
        batch.bytes += data.len();
        batch.items.extend(acks);
        Ok(self.good)
    }

    fn reserve(&self, bytes: usize) -> bool {
        if self.backlog.load(Ordering::Relaxed) + bytes > GOSSIP_BACKLOG_BYTES_MAX {
            return false;
        }
        self.backlog.fetch_add(bytes, Ordering::Relaxed);
        true
    }

    fn share(&mut self, peer: PeerId) -> &mut Share {
        let now = Instant::now();
        let share = self.shares.entry(peer).or_insert_with(|| Share::new(now));
        if now.duration_since(share.since) >= MINUTE {
            *share = Share::new(now);
        }
        share
    }
}

impl Share {
    fn new(since: Instant) -> Self {
        Self { since, envelopes: 0, acks: 0, invalid: 0 }
    }
}

impl<T> Default for Batch<T> {
    fn default() -> Self {
        Self { items: Vec::new(), bytes: 0 }
    }
}

/// How gossip gets to the sink.
struct Way<'a> {
    direct: &'a Direct,
    queue: &'a mpsc::Sender<(NetEvent, usize)>,
    backlog: &'a AtomicUsize,
}

impl Way<'_> {
    fn flush<T>(
        &self,
        batches: &mut HashMap<PeerId, Batch<T>>,
        event: impl Fn(PeerId, Vec<T>) -> NetEvent,
    ) {
        batches.retain(|from, batch| match self.queue.try_reserve() {
            Ok(permit) => {
                let Batch { items, bytes } = std::mem::take(batch);
                let event = event(*from, items);
                // Only what nothing waits before may go past the queue.
                let is_first = self.backlog.load(Ordering::Relaxed) == bytes;
                match if is_first { (self.direct)(event) } else { Err(event) } {
                    Ok(()) => {
                        self.backlog.fetch_sub(bytes, Ordering::Relaxed);
                    }
                    Err(event) => permit.send((event, bytes)),
                }
                false
            }
            Err(mpsc::error::TrySendError::Full(())) => true,
            // The sink's task has ended with the runtime.
            Err(mpsc::error::TrySendError::Closed(())) => {
                self.backlog.fetch_sub(batch.bytes, Ordering::Relaxed);
                false
            }
        });
    }
}

async fn forward(
    mut waiting: mpsc::Receiver<(NetEvent, usize)>,
    backlog: Arc<AtomicUsize>,
    sink: Arc<impl NetSink>,
) {
    while let Some((event, bytes)) = waiting.recv().await {
        sink.deliver(event).await;
        backlog.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use martlet_protocol::{AckSecret, ExpiryHour, Header, Kind, Shard, UnixMillis};

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    /// Takes nothing until it is told to.
    struct Gate {
        open: tokio::sync::Semaphore,
        taken: Mutex<usize>,
    }

    impl NetSink for Arc<Gate> {
        async fn deliver(&self, event: NetEvent) {
            let permit = self.open.acquire().await;
            let count = match event {
                NetEvent::Envelopes { envelopes, .. } => envelopes.len(),
                NetEvent::Acks { acks, .. } => acks.len(),
                NetEvent::StoredBy { .. }
                | NetEvent::Reconciled { .. }
                | NetEvent::Outstanding { .. }
                | NetEvent::Found { .. } => 0,
            };
            if let Ok(mut taken) = self.taken.lock() {
                *taken += count;
            }
            drop(permit);
        }
    }

    fn intake() -> (Intake, Arc<Gate>, NetworkDescriptor) {
        let network = NetworkDescriptor { shard_bits: 1, ..Default::default() };
        let gate = Arc::new(Gate { open: tokio::sync::Semaphore::new(0), taken: Mutex::default() });
        let topics = Topics::new(&network);
        let intake = Intake::new(
            network.clone(),
            topics,
            Role::Full,
            Arc::new(|| NOW),
            Arc::new(Arc::clone(&gate)),
        );
        (intake, gate, network)
    }

    fn envelope(
        network: &NetworkDescriptor,
        shard: u16,
        expiry: ExpiryHour,
        seed: u32,
    ) -> Envelope {
        let mut content =
            Header::encode_prefix(Kind::Conversation, network.tag(), Shard(shard), expiry, 1)
                .to_vec();
        content.extend_from_slice(&[0; 32 + 512 - 4]);
        content.extend_from_slice(&seed.to_be_bytes());
        Envelope::new(content)
    }

    fn offer(intake: &mut Intake, from: PeerId, topic_of: u16, envelope: &Envelope) -> Verdict {
        let topic = intake.topics.envelopes(Shard(topic_of)).cloned();
        let topic = topic.unwrap_or_else(|| TopicHash::from_raw("none"));
        intake.message(from, &topic, Some(envelope.id()), &envelope.encode())
    }

    #[tokio::test]
    async fn only_what_no_honest_peer_sends_is_rejected() {
        let (mut intake, _gate, network) = intake();
        let from = PeerId::random();
        let latest = ExpiryHour::latest(NOW);
        let good = envelope(&network, 1, latest, 1);
        assert_eq!(offer(&mut intake, from, 1, &good), Verdict::Accept);
        let expired = envelope(&network, 1, ExpiryHour::containing(NOW), 2);
        assert_eq!(offer(&mut intake, from, 1, &expired), Verdict::Ignore);
        let far = envelope(&network, 1, ExpiryHour(latest.0 + 4), 3);
        assert_eq!(offer(&mut intake, from, 1, &far), Verdict::Reject);
        assert_eq!(offer(&mut intake, from, 0, &good), Verdict::Reject, "another shard's topic");
        let foreign = NetworkDescriptor { name: "other".into(), ..network.clone() };
        let foreign = envelope(&foreign, 1, latest, 4);
        assert_eq!(offer(&mut intake, from, 1, &foreign), Verdict::Reject);
    }

    #[tokio::test]
    async fn acks_come_in_batches_of_a_bounded_size() {
        let (mut intake, gate, _) = intake();
        let from = PeerId::random();
        let topic = intake.topics.acks().clone();
        let acks = |count| {
            let id = EnvelopeId([1; 32]);
            codec::encode(&vec![Ack { envelope: id, slot: 0, secret: AckSecret([2; 16]) }; count])
        };
        assert!(acks(ACKS_PER_BATCH_MAX).len() <= GOSSIP_BYTES_MAX);
        let full = intake.message(from, &topic, None, &acks(ACKS_PER_BATCH_MAX));
        assert_eq!(full, Verdict::Accept);
        for bad in [acks(0), acks(ACKS_PER_BATCH_MAX + 1), b"garbage".to_vec()] {
            assert_eq!(intake.message(from, &topic, None, &bad), Verdict::Reject);
        }
        intake.flush();
        gate.open.add_permits(1);
        while gate.taken.lock().is_ok_and(|taken| *taken < ACKS_PER_BATCH_MAX) {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_the_sink_does_not_take_is_shed_and_taken_again_once_it_does() {
        let (mut intake, gate, network) = intake();
        let latest = ExpiryHour::latest(NOW);
        let from = PeerId::random();
        let mut accepted = 0;
        loop {
            let next = envelope(&network, 0, latest, u32::try_from(accepted).unwrap_or(0));
            match offer(&mut intake, from, 0, &next) {
                Verdict::Accept => accepted += 1,
                verdict => {
                    assert_eq!(verdict, Verdict::Shed);
                    break;
                }
            }
        }
        let bytes = envelope(&network, 0, latest, 0).encode().len();
        assert_eq!(accepted, GOSSIP_BACKLOG_BYTES_MAX / bytes);
        gate.open.add_permits(1);
        while gate.taken.lock().is_ok_and(|taken| *taken < accepted) {
            intake.flush();
            tokio::task::yield_now().await;
        }
        let next = envelope(&network, 0, latest, u32::MAX);
        assert_eq!(offer(&mut intake, from, 0, &next), Verdict::Accept);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_over_its_share_is_ignored_for_the_rest_of_the_minute() {
        let (mut intake, _gate, network) = intake();
        let (greedy, modest) = (PeerId::random(), PeerId::random());
        let latest = ExpiryHour::latest(NOW);
        intake.share(greedy).envelopes = ENVELOPES_PER_PEER_PER_MINUTE_MAX;
        let next = envelope(&network, 0, latest, 1);
        assert_eq!(offer(&mut intake, greedy, 0, &next), Verdict::Ignore);
        assert_eq!(offer(&mut intake, modest, 0, &next), Verdict::Accept);
        tokio::time::advance(MINUTE).await;
        assert_eq!(offer(&mut intake, greedy, 0, &next), Verdict::Accept);
    }

    #[tokio::test]
    async fn a_peer_that_keeps_sending_garbage_is_cut_off() {
        let (mut intake, _gate, _) = intake();
        let from = PeerId::random();
        let topic = intake.topics.acks().clone();
        for _ in 1..INVALID_PER_PEER_PER_MINUTE_MAX {
            assert_eq!(intake.message(from, &topic, None, b"garbage"), Verdict::Reject);
        }
        assert_eq!(intake.message(from, &topic, None, b"garbage"), Verdict::RejectAndCut);
    }
}
