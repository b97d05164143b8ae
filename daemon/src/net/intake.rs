//! Gossip on its way in: validated, cheapest check first, gathered into batches per peer, and
//! handed to the sink without ever holding up the swarm.

mod clocks;
mod stemmed;
mod way;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::limits::{
    CLOCK_HOPELESS, GOSSIP_BACKLOG_BYTES_MAX, GOSSIP_BATCH_MAX, GOSSIP_BATCHES_MAX,
    INVALID_PER_PEER_PER_MINUTE_MAX, PEER_SHARES_MAX,
};
use libp2p::PeerId;
use libp2p::gossipsub::{MessageAcceptance, TopicHash};
use martlet_engine::{FromNet, Received};
use martlet_protocol::control::Role;
use martlet_protocol::limits::{ACKS_PER_BATCH_MAX, GOSSIP_BYTES_MAX};
use martlet_protocol::network::NetworkDescriptor;
use martlet_protocol::{Ack, Envelope, EnvelopeError, EnvelopeId, ExpiryHour, Header, codec};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::gossip::Topics;
use super::peer_key::key_of;
use super::rates::{Load, NodeRates, PeerRates, Within};
use super::{Clock, NetSink};
use crate::metrics::Metrics;
use clocks::PeerClock;
use way::{Way, forward};

const MINUTE: Duration = Duration::from_secs(60);

/// What is to be done with a gossiped message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Forwarded, and on its way to the engine.
    Accept,
    /// On its way to the engine, but not forwarded: this is an edge node.
    Keep,
    /// Neither forwarded nor held against the peer: expired, or acks of a peer whose acks were
    /// false.
    Ignore,
    /// More than is taken: neither forwarded nor kept. An honest peer may have brought it.
    OverShare,
    /// More than any honest peer brings: neither forwarded nor kept, and the peer is to be cut off.
    Excess,
    /// Good, but the engine is behind: sync fetches it later.
    Shed,
    /// No clock that is merely wrong for a while explains when it ends: neither forwarded nor kept, and the peer is to be
    /// asked what its own shows.
    Doubtful,
    /// Ends too late: not forwarded, but not held against the peer, since where a clock runs ahead
    /// an honest one passes it on.
    FarFuture,
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
            Self::Keep
            | Self::Ignore
            | Self::OverShare
            | Self::Excess
            | Self::Shed
            | Self::Doubtful => MessageAcceptance::Ignore,
            Self::FarFuture | Self::Reject | Self::RejectAndCut => MessageAcceptance::Reject,
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
    rates: NodeRates,
    shares: HashMap<PeerId, Share>,
    envelopes: HashMap<PeerId, Batch<Received>>,
    acks: HashMap<PeerId, Batch<Ack>>,
    /// Bytes of gossip that the sink has not taken yet.
    backlog: Arc<AtomicUsize>,
    queue: mpsc::Sender<(FromNet, usize)>,
    metrics: Arc<Metrics>,
    /// The way without the queue, for when nothing waits in it.
    direct: Direct,
}

type Direct = Box<dyn Fn(FromNet) -> Result<(), FromNet> + Send + Sync>;

/// What one peer has brought of one kind since the last flush.
struct Batch<T> {
    items: Vec<T>,
    bytes: usize,
}

/// What one peer may still bring, and how it behaved in the current minute.
struct Share {
    rates: PeerRates,
    /// When it last brought something.
    used: Instant,
    since: Instant,
    invalid: u32,
    /// Until when its acks are not passed on.
    acks_doubted_until: Option<Instant>,
    clock: PeerClock,
}

impl Intake {
    /// An intake that delivers to `sink`, by a task of its own.
    pub(super) fn new(
        network: NetworkDescriptor,
        rates: NodeRates,
        topics: Topics,
        role: Role,
        clock: Arc<dyn Clock>,
        sink: Arc<impl NetSink>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let (queue, waiting) = mpsc::channel(GOSSIP_BATCHES_MAX);
        let backlog = Arc::new(AtomicUsize::new(0));
        tokio::spawn(forward(waiting, Arc::clone(&backlog), Arc::clone(&sink)));
        Self {
            direct: Box::new(move |event| sink.try_deliver(event)),
            network,
            rates,
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
            metrics,
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
            self.ack_batch(from, data).inspect_err(|_| {
                self.metrics.acks.batches_invalid.inc();
            })
        } else {
            self.envelope(from, topic, id, data).inspect_err(|error| {
                self.metrics.envelopes.refused.by(error).inc();
            })
        };
        match verdict {
            Ok(verdict) => verdict,
            Err(reason) => {
                tracing::debug!(peer = %super::shorten::peer(&from), %reason, "gossip rejected");
                self.count_invalid(from)
            }
        }
    }

    /// A peer is connected. What it has brought lately under the same name still counts. Returns
    /// false when the peer has dialled more often than honest ones do.
    pub(super) fn connected(&mut self, peer: PeerId, dialled_here: bool) -> bool {
        if dialled_here && !self.shares.contains_key(&peer) {
            let rates = self.rates.peer(true);
            self.share(peer).rates = rates;
        }
        dialled_here || self.share(peer).rates.takes_connection()
    }

    /// Counts something that no honest peer sends.
    pub(super) fn count_invalid(&mut self, from: PeerId) -> Verdict {
        self.metrics.net.faults.inc();
        let share = self.share(from);
        share.invalid += 1;
        if share.invalid >= INVALID_PER_PEER_PER_MINUTE_MAX {
            Verdict::RejectAndCut
        } else {
            Verdict::Reject
        }
    }

    /// Counts acks that `from` brought and that don't open what is held here. Who brings many of
    /// them is not cut off, since an honest peer that lacks the envelope passes on what it can't
    /// check; but its acks go no further for a minute.
    pub(super) fn count_false_acks(&mut self, from: PeerId, count: usize) {
        let share = self.share(from);
        if !share.rates.takes_false_acks(count) {
            share.acks_doubted_until = Some(Instant::now() + MINUTE);
        }
    }

    /// Whether one more sync request of the peer's is served.
    pub(super) fn takes_request(&mut self, from: PeerId) -> bool {
        self.share(from).rates.takes_request()
    }

    /// Hands what was gathered to the sink, or, when that is behind, to the forwarding task. What
    /// does not fit its queue stays, and goes with the next flush; [`GOSSIP_BACKLOG_BYTES_MAX`]
    /// bounds it.
    pub(super) fn flush(&mut self) {
        let way = Way { direct: &self.direct, queue: &self.queue, backlog: &self.backlog };
        way.flush(&mut self.envelopes, |from, envelopes| FromNet::Envelopes {
            from: key_of(&from),
            envelopes,
            ticket: None,
        });
        way.flush(&mut self.acks, |from, acks| FromNet::Acks { from: key_of(&from), acks });
    }

    /// Whether something waits that the last flush could not hand over.
    pub(super) fn is_held_up(&self) -> bool {
        !(self.envelopes.is_empty() && self.acks.is_empty())
    }

    /// Batches that wait for the sink.
    pub(super) fn queued(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// Bytes that the sink has not taken yet.
    pub(super) fn backlog_bytes(&self) -> usize {
        self.backlog.load(Ordering::Relaxed)
    }

    /// Forgets the share of a peer that is gone for over a minute.
    pub(super) fn forget_old_shares(&mut self) {
        let now = Instant::now();
        self.shares.retain(|_, share| now.duration_since(share.used) < 2 * MINUTE);
    }

    fn envelope(
        &mut self,
        from: PeerId,
        topic: &TopicHash,
        id: Option<EnvelopeId>,
        data: &[u8],
    ) -> Result<Verdict, EnvelopeError> {
        Ok(match self.admit_envelope(from, Some(topic), id, data)? {
            Ok(received) => self.keep_envelope(from, received, data.len()),
            Err(verdict) => verdict,
        })
    }

    /// An envelope that a peer brought, by the topic where it was gossiped; or what is to be done with it.
    fn admit_envelope(
        &mut self,
        from: PeerId,
        topic: Option<&TopicHash>,
        id: Option<EnvelopeId>,
        data: &[u8],
    ) -> Result<Result<Received, Verdict>, EnvelopeError> {
        let load = Load::Envelope { bytes: data.len() };
        if let Some(verdict) = self.count(from, load) {
            self.metrics.envelopes.refused.rate.inc();
            return Ok(Err(verdict));
        }
        let envelope = Envelope::decode(data)?;
        let id = match id {
            // The message id is the envelope's, unless the stamp is bad.
            Some(id) if self.network.stamp_bits == 0 => id,
            _ => envelope.id(),
        };
        let now = self.clock.now();
        let header = match envelope.check(&id, &self.network, now) {
            Ok(header) => header,
            Err(error @ (EnvelopeError::Expired | EnvelopeError::FarFuture)) => {
                let expiry = Header::parse(&envelope.content)?.expiry;
                let hopeless = u32::try_from(CLOCK_HOPELESS.as_secs() / 3600).unwrap_or(u32::MAX);
                if expiry.0.abs_diff(ExpiryHour::containing(now).0) > hopeless {
                    return self.doubt(from).map(Err).ok_or(error);
                }
                self.metrics.envelopes.refused.by(&error).inc();
                // Not counted: where a clock is wrong, an honest peer passes it on.
                return Ok(Err(match error {
                    EnvelopeError::FarFuture => Verdict::FarFuture,
                    _ => Verdict::Ignore,
                }));
            }
            Err(error) => return Err(error),
        };
        let exists = self.topics.envelopes(header.shard);
        if exists.is_none() || topic.is_some_and(|topic| exists != Some(topic)) {
            return Err(EnvelopeError::WrongShard { found: header.shard.0 });
        }
        if !self.take(from, load) {
            self.metrics.envelopes.refused.rate.inc();
            return Ok(Err(Verdict::OverShare));
        }
        Ok(Ok(Received { id, envelope, header }))
    }

    fn keep_envelope(&mut self, from: PeerId, received: Received, bytes: usize) -> Verdict {
        if !self.reserve(bytes) {
            self.metrics.envelopes.refused.shed.inc();
            return Verdict::Shed;
        }
        self.metrics.envelopes.received_by_gossip.inc();
        let batch = self.envelopes.entry(from).or_default();
        batch.bytes += bytes;
        batch.items.push(received);
        if batch.items.len() >= GOSSIP_BATCH_MAX {
            self.flush();
        }
        self.good
    }

    fn ack_batch(&mut self, from: PeerId, data: &[u8]) -> Result<Verdict, EnvelopeError> {
        Ok(match self.admit_acks(from, data, ACKS_PER_BATCH_MAX)? {
            Ok(acks) => self.keep_acks(from, acks, data.len()),
            Err(verdict) => verdict,
        })
    }

    /// Acks that a peer brought, at most `max`; or what is to be done with them.
    fn admit_acks(
        &mut self,
        from: PeerId,
        data: &[u8],
        max: usize,
    ) -> Result<Result<Vec<Ack>, Verdict>, EnvelopeError> {
        let acks: Vec<Ack> = codec::decode(data, GOSSIP_BYTES_MAX)?;
        if acks.is_empty() || acks.len() > max {
            let found = acks.len();
            return Err(EnvelopeError::Codec(codec::CodecError::TooLong { found, max }));
        }
        let load = Load::Acks(acks.len());
        let within = self.count(from, load);
        let verdict = within.or_else(|| (!self.take(from, load)).then_some(Verdict::OverShare));
        if let Some(verdict) = verdict {
            self.metrics.acks.batches_rate.inc();
            return Ok(Err(verdict));
        }
        Ok(Ok(acks))
    }

    fn keep_acks(&mut self, from: PeerId, acks: Vec<Ack>, bytes: usize) -> Verdict {
        if !self.reserve(bytes) {
            self.metrics.acks.batches_shed.inc();
            return Verdict::Shed;
        }
        let batch = self.acks.entry(from).or_default();
        batch.bytes += bytes;
        batch.items.extend(acks);
        if self.are_acks_passed_on(from) { self.good } else { Verdict::Ignore }
    }

    /// Whether not too many of a peer's acks were false of late.
    fn are_acks_passed_on(&mut self, from: PeerId) -> bool {
        let now = Instant::now();
        self.share(from).acks_doubted_until.is_none_or(|until| until <= now)
    }

    /// Counts what a peer brings, good or not; the verdict if it is too much.
    fn count(&mut self, from: PeerId, load: Load) -> Option<Verdict> {
        match self.share(from).rates.brings(load) {
            Within::Share => None,
            Within::Honest => Some(Verdict::OverShare),
            Within::Nothing => Some(Verdict::Excess),
        }
    }

    /// Whether the node takes it, with what all peers bring.
    fn take(&mut self, from: PeerId, load: Load) -> bool {
        self.shares.get(&from).is_some_and(|share| self.rates.takes(&share.rates, load))
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
        if self.shares.len() >= PEER_SHARES_MAX && !self.shares.contains_key(&peer) {
            let oldest = self.shares.iter().min_by_key(|(_, share)| share.used);
            if let Some(oldest) = oldest.map(|(peer, _)| *peer) {
                self.shares.remove(&oldest);
            }
        }
        let rates = &self.rates;
        let share = self.shares.entry(peer).or_insert_with(|| Share::new(rates.peer(false), now));
        share.used = now;
        if now.duration_since(share.since) >= MINUTE {
            share.since = now;
            share.invalid = 0;
        }
        share
    }
}

impl Share {
    fn new(rates: PeerRates, now: Instant) -> Self {
        Self {
            rates,
            used: now,
            since: now,
            invalid: 0,
            acks_doubted_until: None,
            clock: PeerClock::Unknown,
        }
    }
}

impl<T> Default for Batch<T> {
    fn default() -> Self {
        Self { items: Vec::new(), bytes: 0 }
    }
}

#[cfg(test)]
mod tests;
