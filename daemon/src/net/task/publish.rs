//! Gossip on its way out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::limits::{ACK_DELAY, ACKS_APART_MAX, UNSENT_MAX};
use libp2p::PeerId;
use libp2p::gossipsub::{PublishError, TopicHash};
use martlet_protocol::control::Role;
use martlet_protocol::envelope::Header;
use martlet_protocol::limits::ACKS_PER_BATCH_MAX;
use martlet_protocol::{Ack, Envelope, EnvelopeId, codec};
use rand::RngExt;
use tokio::time::Instant;

use super::super::NetSink;
use super::super::gossip::Topics;
use super::{Task, Timers};

/// Envelopes published between two looks at the swarm.
const PUBLISH_PER_TURN: usize = 64;
/// How long publishing rests when every connection's queue is full.
const FULL_WAIT: Duration = Duration::from_millis(50);
/// How long those who publish are made to wait for that. Then gossip is left to sync: peers that
/// take nothing must not hold up the engine.
const FULL_PATIENCE: Duration = Duration::from_millis(500);

/// Envelopes to be gossiped.
pub(super) struct Outgoing {
    pub(super) topics: Topics,
    waiting: VecDeque<Envelope>,
    /// The newest that found no peer, and where they go.
    unsent: VecDeque<(TopicHash, Envelope)>,
    /// Until when publishing rests.
    rests_until: Option<Instant>,
    /// Since when every connection's queue is full.
    full_since: Option<Instant>,
    acks: Acks,
}

/// Acks of the user's own, on their way out. What leaves in one message is seen to be one device's, so each
/// leaves in a message of its own, at a time of its own, unless there are very many of them.
#[derive(Default)]
struct Acks {
    /// By when each leaves, and a number.
    apart: BTreeMap<(Instant, u64), Ack>,
    /// The number given last.
    last: u64,
    /// Past [`ACKS_APART_MAX`], gathered, and when they leave.
    together: Vec<Ack>,
    together_due: Option<Instant>,
}

impl Outgoing {
    /// Nothing to be gossiped yet.
    pub(super) fn new(topics: Topics) -> Self {
        Self {
            topics,
            waiting: VecDeque::new(),
            unsent: VecDeque::new(),
            rests_until: None,
            full_since: None,
            acks: Acks::default(),
        }
    }

    /// Adds envelopes.
    pub(super) fn add(&mut self, envelopes: Vec<Envelope>) {
        self.waiting.extend(envelopes);
    }

    /// Adds acks; they leave within [`ACK_DELAY`], or at once where they have waited `already`. Envelopes of the user's own
    /// that have one were taken back, and leave no more.
    pub(super) fn add_acks(&mut self, acks: Vec<Ack>, already: bool, now: Instant) {
        if !(self.waiting.is_empty() && self.unsent.is_empty()) {
            let ended: BTreeSet<EnvelopeId> = acks.iter().map(|ack| ack.envelope).collect();
            self.waiting.retain(|envelope| !ended.contains(&envelope.id()));
            self.unsent.retain(|(_, envelope)| !ended.contains(&envelope.id()));
        }
        let mut rng = rand::rng();
        let most = if already { Duration::ZERO } else { ACK_DELAY };
        self.acks.add(acks, now, || most.mul_f64(rng.random_range(0.0..=1.0)));
    }

    /// When acks leave.
    pub(super) fn acks_due(&self) -> Option<Instant> {
        self.acks.due()
    }

    /// Envelopes that found no peer.
    pub(super) fn unsent(&self) -> usize {
        self.unsent.len()
    }

    /// Envelopes waiting.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether something can be published now.
    pub(super) fn has_due(&self) -> bool {
        !self.waiting.is_empty() && self.rests_until.is_none_or(|until| until <= Instant::now())
    }

    /// When publishing goes on after a rest.
    pub(super) fn resumes_at(&self) -> Option<Instant> {
        self.rests_until.filter(|_| !self.waiting.is_empty())
    }

    /// Someone came who takes gossip of `topic`: what found no one is tried again, before the rest.
    pub(super) fn retry_unsent(&mut self, topic: &TopicHash) {
        for (of, envelope) in std::mem::take(&mut self.unsent).into_iter().rev() {
            if of == *topic {
                self.waiting.push_front(envelope);
            } else {
                self.unsent.push_front((of, envelope));
            }
        }
    }

    /// Every queue is full: waits a little, or gives what waits up. Returns how many it gave up.
    fn full(&mut self, now: Instant) -> usize {
        let since = *self.full_since.get_or_insert(now);
        if now - since < FULL_PATIENCE {
            self.rests_until = Some(now + FULL_WAIT);
            return 0;
        }
        let count = self.waiting.len();
        self.waiting.clear();
        count
    }

    /// Keeps an envelope for the next peer; returns how many older ones had to make room.
    pub(super) fn keep_unsent(&mut self, topic: TopicHash, envelope: Envelope) -> usize {
        self.unsent.push_back((topic, envelope));
        let too_many = self.unsent.len().saturating_sub(UNSENT_MAX);
        self.unsent.drain(..too_many).count()
    }
}

impl Acks {
    /// Adds acks; `draw` says how long one waits.
    fn add(&mut self, acks: Vec<Ack>, now: Instant, mut draw: impl FnMut() -> Duration) {
        for ack in acks {
            if self.apart.len() < ACKS_APART_MAX {
                self.last += 1;
                self.apart.insert((now + draw(), self.last), ack);
                continue;
            }
            self.together.push(ack);
            let is_full = self.together.len() >= ACKS_PER_BATCH_MAX;
            let due = if is_full { now } else { now + ACK_DELAY };
            self.together_due = Some(self.together_due.map_or(due, |earlier| earlier.min(due)));
        }
    }

    /// When something leaves.
    fn due(&self) -> Option<Instant> {
        let apart = self.apart.keys().next().map(|(due, _)| *due);
        [apart, self.together_due].into_iter().flatten().min()
    }

    /// What leaves now, message by message.
    fn take_due(&mut self, now: Instant) -> Vec<Vec<Ack>> {
        let mut batches = Vec::new();
        while let Some(first) = self.apart.first_entry()
            && first.key().0 <= now
        {
            batches.push(vec![first.remove()]);
        }
        if self.together_due.is_some_and(|due| due <= now) {
            self.together_due = None;
            let acks = std::mem::take(&mut self.together);
            batches.extend(acks.chunks(ACKS_PER_BATCH_MAX).map(<[Ack]>::to_vec));
        }
        batches
    }
}

impl<S: NetSink> Task<S> {
    /// Tells other peers what a sync brought: after a split it came by the one link that is up
    /// again, and without this it would go on from node to node with the rounds of sync, while what
    /// is written from then on comes everywhere at once, before it. Gossip drops what it has passed
    /// on.
    pub(super) fn pass_on(&mut self, from: PeerId, few: Option<Vec<Envelope>>, has_large: bool) {
        if self.context.role == Role::Edge {
            return;
        }
        let Some(envelopes) = few else {
            let now = Instant::now();
            let others = self.peers.iter_mut().filter(|(peer, _)| **peer != from);
            others.for_each(|(_, state)| state.sync.gap(now));
            return;
        };
        if has_large {
            // After what is gossiped.
            let now = Instant::now();
            let others = self.peers.iter_mut().filter(|(peer, _)| **peer != from);
            others.for_each(|(_, state)| state.sync.news(now));
        }
        for envelope in envelopes {
            let Ok(header) = Header::parse(&envelope.content) else { continue };
            let Some(topic) = self.outgoing.topics.envelopes(header.shard).cloned() else {
                continue;
            };
            let gossip = &mut self.swarm.behaviour_mut().gossip;
            // Gossipsub can't leave out the one who brought it: with others there, that one gets it too.
            let takes = |(peer, topics): (&PeerId, Vec<&TopicHash>)| {
                *peer != from && topics.contains(&&topic)
            };
            if !gossip.all_peers().any(takes) {
                continue;
            }
            // An error: gossip had it, or all are behind; then sync is left.
            if gossip.publish(topic, envelope.encode()).is_ok() {
                self.context.metrics.envelopes.forwarded.inc();
            }
        }
    }

    /// Publishes a part of what waits.
    pub(super) fn publish_some(&mut self) -> Timers {
        self.outgoing.rests_until = None;
        for _ in 0..PUBLISH_PER_TURN {
            let Some(envelope) = self.outgoing.waiting.pop_front() else { break };
            let Ok(header) = Header::parse(&envelope.content) else {
                tracing::warn!("an envelope of this node's own is malformed and not sent");
                continue;
            };
            let Some(topic) = self.outgoing.topics.envelopes(header.shard).cloned() else {
                tracing::warn!("an envelope of this node's own is for no shard here and not sent");
                continue;
            };
            self.count_news(None, 1);
            let bytes = envelope.encode();
            match self.swarm.behaviour_mut().gossip.publish(topic.clone(), bytes) {
                Ok(_) => {
                    self.context.metrics.envelopes.published.inc();
                    self.outgoing.full_since = None;
                }
                Err(error) => {
                    if self.on_publish_error(&error) {
                        let given_up = self.outgoing.keep_unsent(topic, envelope);
                        self.count_given_up(given_up);
                    }
                    if self.outgoing.rests_until.is_some() {
                        return Timers::Changed;
                    }
                }
            }
        }
        self.after_news()
    }

    /// Publishes the acks that are due, in as many messages as they need.
    pub(super) fn publish_acks(&mut self, now: Instant) {
        for batch in self.outgoing.acks.take_due(now) {
            let topic = self.outgoing.topics.acks().clone();
            let bytes = codec::encode(&batch);
            match self.swarm.behaviour_mut().gossip.publish(topic, bytes) {
                Ok(_) => {
                    let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
                    self.context.metrics.acks.sent.inc_by(count);
                }
                Err(error) => {
                    self.on_publish_error(&error);
                }
            }
        }
    }

    pub(super) fn count_given_up(&self, envelopes: usize) {
        let count = u64::try_from(envelopes).unwrap_or(u64::MAX);
        self.context.metrics.net.publish_failed.given_up.inc_by(count);
    }

    /// Returns whether nobody was there to take it.
    pub(super) fn on_publish_error(&mut self, error: &PublishError) -> bool {
        let metrics = &self.context.metrics.net;
        match error {
            PublishError::NoPeersSubscribedToTopic => {
                metrics.publish_failed.no_peer.inc();
                true
            }
            PublishError::Duplicate => {
                // It went round lately.
                metrics.publish_failed.duplicate.inc();
                false
            }
            PublishError::AllQueuesFull(_) => {
                // Gossipsub has noted its id, so that it cannot be published again: sync brings it.
                metrics.publish_failed.queues_full.inc();
                let now = Instant::now();
                let given_up = self.outgoing.full(now);
                self.count_given_up(given_up);
                for (_, state) in self.peers.iter_mut() {
                    state.sync.gap(now);
                }
                false
            }
            PublishError::MessageTooLarge
            | PublishError::SigningError(_)
            | PublishError::TransformFailed(_) => {
                metrics.publish_failed.invalid.inc();
                tracing::warn!(%error, "gossip of this node's own is not sent");
                false
            }
            #[expect(unreachable_patterns, reason = "variants of features that are off")]
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use martlet_protocol::AckSecret;

    use super::*;

    fn acks(count: usize) -> Vec<Ack> {
        let ack = Ack { envelope: EnvelopeId([1; 32]), slot: 0, secret: AckSecret([2; 16]) };
        vec![ack; count]
    }

    /// All acks of 20 ms left as one message: whoever saw it knew that all these were one device's.
    #[test]
    fn acks_leave_apart() {
        let (mut waiting, now) = (Acks::default(), Instant::now());
        let mut delay = Duration::ZERO;
        waiting.add(acks(ACKS_APART_MAX), now, || {
            delay += ACK_DELAY / 100;
            delay
        });
        let mut messages = 0;
        while let Some(due) = waiting.due() {
            let batches = waiting.take_due(due);
            assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [1]);
            messages += 1;
        }
        assert_eq!(messages, ACKS_APART_MAX);
    }

    #[test]
    fn very_many_acks_leave_together_and_none_is_lost() {
        let (mut waiting, now) = (Acks::default(), Instant::now());
        waiting.add(acks(10 * ACKS_PER_BATCH_MAX), now, || ACK_DELAY);
        let batches = waiting.take_due(now + ACK_DELAY);
        assert_eq!(batches.iter().map(Vec::len).sum::<usize>(), 10 * ACKS_PER_BATCH_MAX);
        assert!(batches.len() <= ACKS_APART_MAX + 11, "{}", batches.len());
        assert!(batches.iter().all(|batch| batch.len() <= ACKS_PER_BATCH_MAX));
        assert_eq!(waiting.due(), None);
    }

    /// A message that was taken back before anyone was there left all the same, once someone came.
    #[test]
    fn what_was_taken_back_leaves_no_more() {
        let envelope = |byte: u8| Envelope { content: [byte; 8].into(), nonce: 0 };
        let topics = Topics::new(&martlet_protocol::network::NetworkDescriptor::default());
        let topic = topics.acks().clone();
        let mut outgoing = Outgoing::new(topics);
        outgoing.add(vec![envelope(1), envelope(2)]);
        outgoing.keep_unsent(topic.clone(), envelope(3));
        outgoing.keep_unsent(topic, envelope(4));
        let ack = |byte| Ack { envelope: envelope(byte).id(), ..acks(1)[0].clone() };
        outgoing.add_acks(vec![ack(2), ack(3)], false, Instant::now());
        assert_eq!(outgoing.waiting, [envelope(1)]);
        assert_eq!(outgoing.unsent.iter().map(|(_, it)| it).collect::<Vec<_>>(), [&envelope(4)]);
        assert!(outgoing.acks_due().is_some());
    }
}
