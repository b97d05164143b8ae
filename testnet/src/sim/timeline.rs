//! What happens in a sector, in order of time: events, contacts, messages, and looks at its nodes.
//!
//! Each sector goes through the whole plan, and does what is for its own nodes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use libp2p::identity::Keypair;
use martlet_engine::MemoryDisk;
use martlet_protocol::{Id, UnixMillis};
use tokio::sync::Notify;

use super::SimError;
use super::book::{Note, text_of};
use super::flood::Flood;
use super::node::{Common, Node};
use super::packet::Word;
use super::pipe::lock;
use crate::plan::{Event, NodeIndex, Plan};
use crate::report::recorder::NodeSample;

mod devices;
mod rooms;

use devices::Devices;
use rooms::Rooms;

/// Looks at all nodes, at most, in a run.
const SAMPLES_MAX: u32 = 600;
/// From one node's first start to the next's, before the run begins: that a thousand nodes do not
/// publish their keys in the same instant, of which each would hold a copy for each neighbour.
pub(super) const START_INTERVAL: Duration = Duration::from_millis(20);
/// Time between two looks of people at what they are about to do.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// Shortest time between two looks.
const SAMPLE_INTERVAL_MIN: Duration = Duration::from_secs(1);

/// The nodes of a sector, and what they know of others.
pub(super) struct Part<'a> {
    plan: &'a Plan,
    common: Common,
    nodes: BTreeMap<NodeIndex, Node>,
    /// The IDs of users, once they are known here.
    ids: Vec<Option<String>>,
    /// Told when there are new ones.
    news: Arc<Notify>,
    /// Who is still to be told whose ID.
    wanted: Vec<(NodeIndex, NodeIndex)>,
    /// What people are about to do with their devices, and to rooms.
    devices: Devices,
    rooms: Rooms,
    /// When they looked last how far that is.
    looked: Option<tokio::time::Instant>,
    samples: BTreeMap<NodeIndex, NodeSample>,
    ages: BTreeMap<NodeIndex, Arrivals>,
    floods: usize,
}

/// When the envelopes of a mailbox arrived: the last arrival number at each look that saw a new
/// one.
#[derive(Debug, Default)]
struct Arrivals(Vec<(UnixMillis, u64)>);

impl<'a> Part<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        common: Common,
        keypairs: &[Keypair],
        news: Arc<Notify>,
    ) -> Self {
        let here = (0..plan.nodes.len()).filter(|node| common.net.is_here(*node));
        let node = |index| {
            let disk = Arc::new(MemoryDisk::sharing(common.contents.clone()));
            let files = common.files.clone();
            (index, Node::new(index, &plan.nodes[index], keypairs[index].clone(), disk, files))
        };
        Self {
            nodes: here.map(node).collect(),
            plan,
            common,
            ids: vec![None; plan.nodes.len()],
            news,
            wanted: Vec::new(),
            devices: Devices::default(),
            rooms: Rooms::default(),
            looked: None,
            samples: BTreeMap::new(),
            ages: BTreeMap::new(),
            floods: 0,
        }
    }

    /// Until the end of the plan.
    pub(super) async fn live(&mut self) -> Result<(), SimError> {
        let plan = self.plan;
        let first = (0..plan.nodes.len()).filter(|node| plan.nodes[*node].starts);
        let began = tokio::time::Instant::now();
        for (place, node) in first.enumerate() {
            if self.common.net.is_here(node) {
                let place = u32::try_from(place).unwrap_or(u32::MAX);
                self.until(began + START_INTERVAL * place).await;
                self.start(&[node]).await?;
            }
        }
        let is_here = |node: &NodeIndex| self.common.net.is_here(*node);
        let contacts = plan.contacts.iter();
        let contacts: Vec<_> =
            contacts.filter(|pair| is_here(&pair.a) || is_here(&pair.b)).copied().collect();
        let messages = plan.messages.iter().enumerate();
        let messages: Vec<usize> = messages
            .filter_map(|(index, message)| is_here(&message.from).then_some(index))
            .collect();
        let sample_every = (plan.duration / SAMPLES_MAX).max(SAMPLE_INTERVAL_MIN);
        let (mut event, mut contact, mut message) = (0, 0, 0);
        let mut sample_at = Duration::ZERO;
        loop {
            let due = [
                plan.events.get(event).map(|event| event.at),
                contacts.get(contact).map(|contact| contact.at),
                messages.get(message).map(|message| plan.messages[*message].at),
                Some(sample_at),
            ];
            // The first of those that are due at once: what happens comes before what is written.
            let (kind, at) = due
                .iter()
                .enumerate()
                .filter_map(|(kind, at)| Some((kind, (*at)?)))
                .min_by_key(|(kind, at)| (*at, *kind))
                .unwrap_or((3, plan.duration));
            if at > plan.duration {
                self.until(self.common.start + plan.duration).await;
                return Ok(());
            }
            self.until(self.common.start + at).await;
            match kind {
                0 => {
                    self.happen(&plan.events[event].event).await?;
                    event += 1;
                }
                1 => {
                    let pair = contacts[contact];
                    self.want(pair.a, pair.b);
                    self.want(pair.b, pair.a);
                    self.introduce().await;
                    contact += 1;
                }
                2 => {
                    self.write(messages[message]).await;
                    message += 1;
                }
                _ => {
                    self.introduce().await;
                    self.look();
                    sample_at += sample_every;
                }
            }
        }
    }

    /// Looks at all nodes, and notes what they are like.
    pub(super) fn look(&mut self) {
        let connections = self.common.net.connections();
        for (index, node) in &self.nodes {
            let sample = self.samples.entry(*index).or_default();
            sample.on = node.is_on();
            let bytes = self.common.net.bytes(*index);
            (sample.received_bytes, sample.sent_bytes) = (bytes.received, bytes.sent);
            sample.stream_bytes = node.metrics.net.bytes_received.get();
            sample.files_received_bytes = node.metrics.blobs.received_bytes.get();
            sample.files_sent_bytes = node.metrics.blobs.sent_bytes.get();
            // They take more room, no more.
            node.share_files().unwrap_or_default();
            let envelopes = &node.metrics.envelopes;
            sample.envelopes_new = envelopes.new.get();
            sample.envelopes_new_bytes = envelopes.new_bytes.get();
            sample.envelopes_duplicate = envelopes.duplicate.get();
            sample.connections = connections.get(index).copied().unwrap_or(0);
            let Some(view) = node.mailbox().and_then(|mailbox| mailbox.view().ok()) else {
                continue;
            };
            let ages = self.ages.entry(*index).or_default();
            if let Ok(stats) = view.stats() {
                sample.mailbox_envelopes = stats.envelopes;
                sample.mailbox_bytes = stats.bytes;
                ages.note(node.now(), stats.last_arrival);
            }
            let oldest =
                view.arrived_after(0, 1).ok().and_then(|oldest| Some(oldest.first()?.arrival));
            sample.mailbox_oldest = oldest.and_then(|arrival| ages.age(arrival, node.now()));
        }
        let samples = self.samples.iter().map(|(node, sample)| (*node, *sample)).collect();
        self.note(Note::Looked(samples));
    }

    fn note(&self, note: Note) {
        lock(&self.common.notes).push((self.common.start.elapsed(), note));
    }

    /// Waits until then, and meanwhile introduces users, and does what people do with their devices.
    async fn until(&mut self, at: tokio::time::Instant) {
        loop {
            let news = Arc::clone(&self.news);
            let step = self.next_step();
            tokio::select! {
                biased;
                () = news.notified() => {
                    for word in self.common.net.take_words() {
                        match word {
                            Word::User { node, id } => self.know(node, id),
                            Word::Code { device, code } => self.devices.told(device, code),
                        }
                    }
                    self.introduce().await;
                }
                () = tokio::time::sleep_until(step.unwrap_or(at)), if step.is_some_and(|step| step < at) => {
                    self.looked = Some(tokio::time::Instant::now());
                    self.step_devices().await;
                    self.step_rooms().await;
                }
                () = tokio::time::sleep_until(at) => return,
            }
        }
    }

    async fn start(&mut self, nodes: &[NodeIndex]) -> Result<(), SimError> {
        for index in nodes {
            let Some(node) = self.nodes.get_mut(index) else { continue };
            node.start(self.plan, &self.common)?;
            if let Some(id) = node.begin(&self.plan.nodes[*index]).await? {
                self.learn(*index, id);
            }
        }
        self.introduce().await;
        Ok(())
    }

    /// There is a user's ID, of which all are told.
    fn learn(&mut self, node: NodeIndex, id: String) {
        self.common.net.tell(&Word::User { node, id: id.clone() });
        self.know(node, id);
    }

    fn know(&mut self, node: NodeIndex, id: String) {
        if let Ok(known) = id.parse::<Id>() {
            // Of several devices it is the person that is known by it.
            lock(&self.common.people).insert(known.identity, self.plan.person(node));
        }
        self.ids[node] = Some(id);
    }

    /// When people look next how far they are with what they are about to do; `None`: nobody is about to do anything.
    fn next_step(&self) -> Option<tokio::time::Instant> {
        let is_idle = self.devices.is_idle() && self.rooms.is_idle();
        let next = || self.looked.map_or_else(tokio::time::Instant::now, |at| at + LOOK_INTERVAL);
        (!is_idle).then(next)
    }

    fn want(&mut self, whose: NodeIndex, whom: NodeIndex) {
        if self.common.net.is_here(whose) {
            self.wanted.push((whose, whom));
        }
    }

    /// Adds contacts where both have an ID and the one who adds is on.
    async fn introduce(&mut self) {
        let mut left = Vec::new();
        for (whose, whom) in std::mem::take(&mut self.wanted) {
            let is_done = match (&self.ids[whose], &self.ids[whom], self.nodes.get(&whose)) {
                (Some(_), Some(id), Some(node)) => {
                    node.add_contact(&self.plan.nodes[whom].name, id).await.is_ok()
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
        let Some(node) = self.nodes.get(&message.from) else { return };
        let to = self.plan.name_of(message.to);
        let id = match message.file {
            Some(file) => {
                let way = self.plan.network.way_of(file.bytes);
                node.send_file(to, index, (file, way), self.plan.direct_files()).await
            }
            None => node.send(to, text_of(index, message.bytes)).await.ok(),
        };
        self.note(id.map_or(Note::Skipped(index), |id| Note::Written(index, id)));
    }

    async fn happen(&mut self, event: &Event) -> Result<(), SimError> {
        let (net, all) = (&self.common.net, self.plan.nodes.len());
        match event {
            Event::Stop(nodes) => {
                for node in nodes {
                    if let Some(node) = self.nodes.get_mut(node) {
                        node.stop(net).await;
                    }
                }
            }
            Event::Crash(nodes) => self.each(nodes, |node, common| node.crash(&common.net)),
            Event::Start(nodes) => self.start(nodes).await?,
            Event::Leave(nodes) => {
                for node in nodes {
                    if let Some(node) = self.nodes.get_mut(node) {
                        node.stop(net).await;
                        node.erase();
                    }
                }
            }
            Event::Partition(groups) => net.partition(groups, all),
            Event::Heal => net.partition(&[], all),
            Event::Flood { at, envelopes_per_s, bytes, lasts } => {
                let guest = all + self.floods;
                self.floods += 1;
                if net.is_here(guest) {
                    let flood = Flood {
                        guest,
                        at: *at,
                        victim: self.common.peers[*at],
                        envelopes_per_s: *envelopes_per_s,
                        bytes: *bytes,
                        lasts: *lasts,
                    };
                    tokio::spawn(flood.run(Arc::clone(net), self.common.network.clone()));
                }
            }
            Event::ClockJump { nodes, by_ms } => {
                self.each(nodes, |node, _| node.shift_clock(*by_ms));
            }
            Event::DiskFull(nodes) => self.each(nodes, |node, _| node.set_disk_full(true)),
            Event::DiskFree(nodes) => self.each(nodes, |node, _| node.set_disk_full(false)),
            Event::Room { room, by, deed, whom } => {
                self.rooms.want(&self.common, (*room, *by, *deed), whom)
            }
            Event::Link(nodes) => self.want_linked(nodes),
            Event::Revoke(nodes) => self.want_revoked(nodes),
        }
        Ok(())
    }

    /// Does something with those of the nodes that are here.
    fn each(&mut self, nodes: &[NodeIndex], mut what: impl FnMut(&mut Node, &Common)) {
        for index in nodes {
            if let Some(node) = self.nodes.get_mut(index) {
                what(node, &self.common);
            }
        }
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
