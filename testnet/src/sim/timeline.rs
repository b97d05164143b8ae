//! What happens, in order of time: events, contacts, messages, and looks at all nodes.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use martlet_engine::PeerKey;
use martlet_protocol::UnixMillis;
use martlet_protocol::network::NetworkDescriptor;
use martletd::net::peer_key::key_of;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use tokio::time::Instant;

use super::flood;
use super::net::Net;
use super::node::{Common, Node, Sighting};
use super::witness::{Brought, Witness};
use super::{SimError, Watch};
use crate::plan::{Event, NodeIndex, Plan, Runner};
use crate::report::recorder::{NodeSample, Recorder};
use crate::report::{Data, Report};

/// Looks at all nodes, at most, in a run.
const SAMPLES_MAX: u32 = 600;
/// From one node's first start to the next's, before the run begins: that a thousand nodes do not
/// publish their keys in the same instant, of which each would hold a copy for each neighbour.
const START_INTERVAL: Duration = Duration::from_millis(20);
/// Shortest time between two of them.
const SAMPLE_INTERVAL_MIN: Duration = Duration::from_secs(1);

/// Runs the plan to its end, or until it is stopped.
pub(super) async fn run(
    plan: &Plan,
    watch: &Watch,
    with_data: bool,
) -> Result<(Report, Option<Data>), SimError> {
    let mut world = World::new(plan);
    if with_data {
        world.recorder = Recorder::new(plan, Runner::Sim).with_data();
    }
    let (at, is_stopped) = world.live(watch).await?;
    Ok(world.finish(at, is_stopped))
}

/// Runs the plan to its end, and remembers what each node saw.
pub(super) async fn observe(plan: &Plan, watch: &Watch) -> Result<Witness, SimError> {
    let mut world = World::new(plan);
    world.witness = Some(Witness::new(world.places.clone()));
    world.live(watch).await?;
    world.note_sightings();
    world.witness.ok_or(SimError::Panicked)
}

impl World<'_> {
    /// Until the end of the plan, or until it is stopped: when that was, and whether it was stopped.
    async fn live(&mut self, watch: &Watch) -> Result<(Duration, bool), SimError> {
        let (plan, world) = (self.plan, self);
        let first: Vec<NodeIndex> =
            (0..plan.nodes.len()).filter(|node| plan.nodes[*node].starts).collect();
        for node in first {
            if watch.is_stopped() {
                break;
            }
            world.start(&[node]).await?;
            tokio::time::sleep(START_INTERVAL).await;
        }
        let sample_every = (plan.duration / SAMPLES_MAX).max(SAMPLE_INTERVAL_MIN);
        let (mut event, mut contact, mut message) = (0, 0, 0);
        let mut sample_at = Duration::ZERO;
        loop {
            let due = [
                plan.events.get(event).map(|event| event.at),
                plan.contacts.get(contact).map(|contact| contact.at),
                plan.messages.get(message).map(|message| message.at),
                Some(sample_at),
            ];
            // The first of those that are due at once: what happens comes before what is written.
            let (kind, at) = due
                .iter()
                .enumerate()
                .filter_map(|(kind, at)| Some((kind, (*at)?)))
                .min_by_key(|(kind, at)| (*at, *kind))
                .unwrap_or((3, plan.duration));
            let is_stopped = watch.is_stopped();
            if at > plan.duration || is_stopped {
                let end = if is_stopped { world.elapsed() } else { plan.duration };
                world.wait_until(end).await;
                return Ok((end, is_stopped));
            }
            world.wait_until(at).await;
            watch.reach(at);
            match kind {
                0 => {
                    world.happen(&plan.events[event].event).await?;
                    event += 1;
                }
                1 => {
                    let pair = plan.contacts[contact];
                    world.wanted.extend([(pair.a, pair.b), (pair.b, pair.a)]);
                    world.introduce().await;
                    contact += 1;
                }
                2 => {
                    world.write(message).await;
                    message += 1;
                }
                _ => {
                    world.introduce().await;
                    world.look();
                    sample_at += sample_every;
                }
            }
        }
    }
}

/// All nodes, and what is known of them.
struct World<'a> {
    plan: &'a Plan,
    common: Common,
    nodes: Vec<Node>,
    /// The IDs of users, once they have one.
    ids: Vec<Option<String>>,
    /// Who is still to be told whose ID.
    wanted: Vec<(NodeIndex, NodeIndex)>,
    /// The nodes by their keys.
    places: HashMap<PeerKey, NodeIndex>,
    recorder: Recorder<'a>,
    samples: Vec<NodeSample>,
    ages: Vec<Arrivals>,
    floods: usize,
    /// What all nodes see, where someone wants to know.
    witness: Option<Witness>,
}

/// When the envelopes of a mailbox arrived: the last arrival number at each look that saw a new
/// one.
#[derive(Debug, Default)]
struct Arrivals(Vec<(UnixMillis, u64)>);

impl<'a> World<'a> {
    fn new(plan: &'a Plan) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
        let count = plan.nodes.len();
        let nodes: Vec<Node> = plan
            .nodes
            .iter()
            .enumerate()
            .map(|(index, node)| Node::new(index, node, &mut rng))
            .collect();
        let started = plan.nodes.iter().filter(|node| node.starts).count();
        let started = u32::try_from(started).unwrap_or(u32::MAX);
        let shapes = plan.links.iter().map(|link| ((link.a, link.b), link.shape));
        let shapes: HashMap<_, _> = shapes.chain(flood::links(plan)).collect();
        let network = NetworkDescriptor {
            name: "simulated".into(),
            shard_bits: plan.network.shard_bits,
            stamp_bits: plan.network.stamp_bits,
            privacy: plan.network.privacy,
            ..NetworkDescriptor::default()
        };
        Self {
            common: Common {
                net: Net::new(
                    count + flood::count(plan),
                    shapes,
                    plan.settings.costs,
                    super::fork(&mut rng),
                ),
                network,
                peers: nodes.iter().map(Node::peer_id).collect(),
                sightings: Arc::default(),
                start: Instant::now() + START_INTERVAL * started,
            },
            ids: vec![None; count],
            wanted: Vec::new(),
            places: nodes
                .iter()
                .enumerate()
                .map(|(at, node)| (key_of(&node.peer_id()), at))
                .collect(),
            recorder: Recorder::new(plan, Runner::Sim),
            samples: vec![NodeSample::default(); count],
            ages: (0..count).map(|_| Arrivals::default()).collect(),
            floods: 0,
            witness: None,
            nodes,
            plan,
        }
    }

    fn elapsed(&self) -> Duration {
        self.common.start.elapsed()
    }

    async fn wait_until(&mut self, at: Duration) {
        tokio::time::sleep_until(self.common.start + at).await;
        self.note_sightings();
    }

    async fn start(&mut self, nodes: &[NodeIndex]) -> Result<(), SimError> {
        for index in nodes {
            let node = &mut self.nodes[*index];
            node.start(self.plan, &self.common)?;
            if let Some(id) = node.begin(&self.plan.nodes[*index]).await? {
                self.ids[*index] = Some(id);
            }
        }
        self.introduce().await;
        Ok(())
    }

    /// Adds contacts where both have an ID and the one who adds is on.
    async fn introduce(&mut self) {
        let mut left = Vec::new();
        for (whose, whom) in std::mem::take(&mut self.wanted) {
            let is_done = match (&self.ids[whose], &self.ids[whom]) {
                (Some(_), Some(id)) => {
                    let name = &self.plan.nodes[whom].name;
                    self.nodes[whose].add_contact(name, id).await.is_ok()
                }
                _ => false,
            };
            if !is_done {
                left.push((whose, whom));
            }
        }
        self.wanted = left;
    }

    async fn write(&mut self, index: usize) {
        let message = &self.plan.messages[index];
        let to = &self.plan.nodes[message.to].name;
        let text = text_of(index, message.bytes);
        match self.nodes[message.from].send(to, text).await {
            Ok(id) => {
                self.recorder.written(index, message.at);
                self.recorder.named(index, id.clone());
                if let Some(witness) = &mut self.witness {
                    witness.written(id, message.at);
                }
            }
            Err(_) => self.recorder.skipped(index),
        }
    }

    async fn happen(&mut self, event: &Event) -> Result<(), SimError> {
        self.recorder.happened(event, self.elapsed());
        match event {
            Event::Stop(nodes) => {
                for node in nodes {
                    self.nodes[*node].stop(&self.common.net).await;
                }
            }
            Event::Crash(nodes) => {
                nodes.iter().for_each(|node| self.nodes[*node].crash(&self.common.net));
            }
            Event::Start(nodes) => self.start(nodes).await?,
            Event::Leave(nodes) => {
                for node in nodes {
                    self.nodes[*node].stop(&self.common.net).await;
                    self.nodes[*node].erase();
                }
            }
            Event::Partition(groups) => self.common.net.partition(groups, self.nodes.len()),
            Event::Heal => self.common.net.partition(&[], self.nodes.len()),
            Event::Flood { at, envelopes_per_s, bytes, lasts } => {
                let guest = self.nodes.len() + self.floods;
                self.floods += 1;
                let flood = flood::Flood {
                    guest,
                    at: *at,
                    victim: self.common.peers[*at],
                    envelopes_per_s: *envelopes_per_s,
                    bytes: *bytes,
                    lasts: *lasts,
                };
                tokio::spawn(flood.run(Arc::clone(&self.common.net), self.common.network.clone()));
            }
            Event::ClockJump { nodes, by_ms } => {
                nodes.iter().for_each(|node| self.nodes[*node].shift_clock(*by_ms));
            }
            Event::DiskFull(nodes) => {
                nodes.iter().for_each(|node| self.nodes[*node].set_disk_full(true));
            }
            Event::DiskFree(nodes) => {
                nodes.iter().for_each(|node| self.nodes[*node].set_disk_full(false));
            }
        }
        Ok(())
    }

    /// Looks at all nodes.
    fn look(&mut self) {
        let connections = self.common.net.connections();
        for (index, node) in self.nodes.iter().enumerate() {
            let sample = &mut self.samples[index];
            sample.on = node.is_on();
            let bytes = self.common.net.bytes(index);
            (sample.received_bytes, sample.sent_bytes) = (bytes.received, bytes.sent);
            sample.stream_bytes = node.metrics.net.bytes_received.get();
            let envelopes = &node.metrics.envelopes;
            sample.envelopes_new = envelopes.new.get();
            sample.envelopes_new_bytes = envelopes.new_bytes.get();
            sample.envelopes_duplicate = envelopes.duplicate.get();
            sample.connections = connections.get(&index).copied().unwrap_or(0);
            let Some(view) = node.mailbox().and_then(|mailbox| mailbox.view().ok()) else {
                continue;
            };
            if let Ok(stats) = view.stats() {
                sample.mailbox_envelopes = stats.envelopes;
                sample.mailbox_bytes = stats.bytes;
                self.ages[index].note(node.now(), stats.last_arrival);
            }
            let oldest =
                view.arrived_after(0, 1).ok().and_then(|oldest| Some(oldest.first()?.arrival));
            sample.mailbox_oldest =
                oldest.and_then(|arrival| self.ages[index].age(arrival, node.now()));
        }
        self.recorder.sample(self.common.start.elapsed(), &self.samples);
    }

    fn note_sightings(&mut self) {
        let sightings = {
            let mut sightings =
                self.common.sightings.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *sightings)
        };
        for (at, sighting) in sightings {
            if let Some(witness) = &mut self.witness {
                witness.see(at, &sighting);
            }
            match sighting {
                Sighting::Made { node, id } => self.recorder.envelope_made(id, node, at),
                Sighting::Seen { node, id } => self.recorder.envelope_seen(id, node, at),
                Sighting::Brought { node, from, item, what } => match what {
                    Brought::Envelope | Brought::OnStem => {
                        let (from, stem) = (self.places.get(&from), what == Brought::OnStem);
                        self.recorder.envelope_brought(item, node, from.copied(), at, stem);
                    }
                    Brought::Ack => {}
                },
                Sighting::Sent { id } => self.recorder.told_sent(id, at),
                Sighting::Delivered { id } => self.recorder.told_delivered(id, at),
                Sighting::AckMade { .. } => {}
                Sighting::Shown { node, text } => {
                    let message = index_of(&text).filter(|message| {
                        self.plan.messages.get(*message).is_some_and(|plan| plan.to == node)
                    });
                    if let Some(message) = message {
                        // Daemons date what they show when they have taken it up.
                        let takes = self.plan.settings.costs.map_or(0, |costs| {
                            u64::from(costs.wake_us) + u64::from(costs.envelope_us)
                        });
                        self.recorder.delivered(message, at + Duration::from_micros(takes));
                    }
                }
            }
        }
    }

    fn finish(mut self, at: Duration, is_stopped: bool) -> (Report, Option<Data>) {
        self.note_sightings();
        self.look();
        self.recorder.finish_with_data(at, is_stopped)
    }
}

impl Arrivals {
    fn note(&mut self, now: UnixMillis, last_arrival: u64) {
        if self.0.last().is_none_or(|(_, last)| *last < last_arrival) {
            self.0.push((now, last_arrival));
        }
    }

    /// How long ago an envelope arrived, by the look before it: no less than in truth.
    fn age(&self, arrival: u64, now: UnixMillis) -> Option<Duration> {
        let after = self.0.partition_point(|(_, last)| *last < arrival);
        let (seen, _) = self.0.get(after)?;
        Some(Duration::from_millis(now.0.saturating_sub(seen.0)))
    }
}

/// The text of a message: its number, and what makes it as long as it should be.
fn text_of(index: usize, bytes: usize) -> String {
    let mut text = format!("#{index:08} ");
    text.extend(std::iter::repeat_n('.', bytes.saturating_sub(text.len())));
    text
}

/// The number of a message, by its text.
fn index_of(text: &str) -> Option<usize> {
    text.strip_prefix('#')?.get(..8)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_known_by_its_text() {
        let text = text_of(42, 200);
        assert_eq!((text.len(), index_of(&text)), (200, Some(42)));
        assert_eq!(index_of("hello"), None);
    }
}
