//! Takes down what a runner sees, and makes the report of it.
//!
//! What it keeps is bounded by the plan: some bytes for each message and event of it, at most
//! `spread::TRACKED_MAX` envelopes, at most `series::SAMPLES_MAX` samples.

use std::time::Duration;

use super::{Data, Made, Report, Retention, SCHEMA, Traffic};
use crate::plan::{Addressee, Event, NodeIndex, Plan, RoomDeed, RoomIndex, Runner};

mod convergence;
mod copies;
mod cut_off;
mod data;
mod devices;
mod expectations;
mod files;
mod happenings;
mod latency;
mod messages;
mod nodes;
mod reach;
mod rooms;
mod series;
mod spread;

use copies::Copies;
use cut_off::CutLog;
use data::DataLog;
use files::FileLog;
use happenings::Happenings;
pub(crate) use happenings::words as event_words;
use messages::MessageLog;
use nodes::{node_reports, traffic};
use reach::Reach;
use rooms::RoomLog;
pub use rooms::RoomSeen;
use series::SeriesLog;
use spread::SpreadLog;

/// A message of the plan, by its place in [`Plan::messages`].
pub type MessageIndex = usize;

/// How much longer than they may live envelopes are kept: the mailbox is swept once an hour.
pub const SWEEP: Duration = Duration::from_secs(3600);

/// Takes down what a runner sees. Times are from the start of the run.
#[derive(Debug)]
pub struct Recorder<'a> {
    plan: &'a Plan,
    runner: Runner,
    messages: MessageLog<'a>,
    copies: Copies<'a>,
    cuts: CutLog,
    rooms: RoomLog,
    files: FileLog,
    spread: SpreadLog,
    series: SeriesLog,
    reach: Reach,
    happenings: Happenings,
    nodes: Vec<NodeSample>,
    mailbox_envelopes_max: Vec<u64>,
    oldest: Option<Duration>,
    over_six_days: u64,
    /// Where the raw data is wanted.
    data: Option<DataLog>,
}

/// What a node is like at some time. Counts are since the start of the run, over restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NodeSample {
    /// Whether it is on. If not, what else is here is what was last seen.
    pub on: bool,
    /// Connections.
    pub connections: u64,
    /// Live envelopes in its mailbox.
    pub mailbox_envelopes: u64,
    /// Their bytes.
    pub mailbox_bytes: u64,
    /// How long ago the oldest of them arrived; where the runner can see it.
    pub mailbox_oldest: Option<Duration>,
    /// Bytes received.
    pub received_bytes: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Bytes received in streams, without what encryption, multiplexing and the transport add.
    pub stream_bytes: u64,
    /// Bytes of files fetched from others directly.
    pub files_received_bytes: u64,
    /// Bytes of files given to others directly.
    pub files_sent_bytes: u64,
    /// Envelopes taken into the mailbox.
    pub envelopes_new: u64,
    /// Bytes of these.
    pub envelopes_new_bytes: u64,
    /// Envelopes that were there already.
    pub envelopes_duplicate: u64,
}

impl<'a> Recorder<'a> {
    /// For a run of `plan`.
    #[must_use]
    pub fn new(plan: &'a Plan, runner: Runner) -> Self {
        Self {
            plan,
            runner,
            messages: MessageLog::new(&plan.messages),
            copies: Copies::new(plan),
            cuts: CutLog::new(plan),
            rooms: RoomLog::new(plan),
            files: FileLog::default(),
            spread: SpreadLog::default(),
            series: SeriesLog::default(),
            reach: Reach::new(&plan.nodes),
            happenings: Happenings::default(),
            nodes: vec![NodeSample::default(); plan.nodes.len()],
            mailbox_envelopes_max: vec![0; plan.nodes.len()],
            oldest: None,
            over_six_days: 0,
            data: None,
        }
    }

    /// Keeps the raw data too.
    #[must_use]
    pub fn with_data(self) -> Self {
        Self { data: Some(DataLog::default()), ..self }
    }

    /// The writer's daemon gave the message this id.
    pub fn named(&mut self, message: MessageIndex, id: String) {
        if let Some(data) = &mut self.data {
            data.named(message, id);
        }
    }

    /// A writer was told that the message of this id was sent.
    pub fn told_sent(&mut self, id: String, at: Duration) {
        if let Some(data) = &mut self.data {
            data.told_sent(id, at);
        }
    }

    /// A writer was told that the message of this id was delivered.
    pub fn told_delivered(&mut self, id: String, at: Duration) {
        if let Some(data) = &mut self.data {
            data.told_delivered(id, at);
        }
    }

    /// The writer's daemon took the message.
    pub fn written(&mut self, message: MessageIndex, at: Duration) {
        self.messages.written(message, at);
        self.copies.written(message);
        // Nobody else is there, as far as the writer knows.
        if self.copies.recipients(message).is_empty() && !self.messages.is_delivered(message) {
            self.messages.delivered(message, self.plan.messages[message].from, at);
        }
    }

    /// The writer's node was off, or refused.
    pub fn skipped(&mut self, message: MessageIndex) {
        self.messages.skipped(message);
    }

    /// A node showed the message to its user. That it did where it was written counts for nothing.
    pub fn shown(&mut self, message: MessageIndex, node: NodeIndex, at: Duration) {
        let Some(planned) = self.plan.messages.get(message).filter(|it| it.from != node) else {
            return;
        };
        if self.copies.shown(message, node, at) {
            self.messages.shown_again(message);
            return;
        }
        let is_last = match planned.to {
            Addressee::Person(person) => self.plan.person(node) == person,
            Addressee::Room(_) => self.copies.is_complete(message, node),
        };
        let is_on_another = self.copies.is_kept() && self.messages.is_delivered(message);
        if !is_last || is_on_another {
            return;
        }
        self.messages.delivered(message, node, at);
        if let Some(data) = &mut self.data {
            data.shown(message, planned.from, node, at);
        }
    }

    /// A file is whole on a node.
    pub fn file_whole(&mut self, message: MessageIndex, node: NodeIndex, at: Duration) {
        self.files.whole(self.plan, message, node, at);
    }

    /// A file could not be fetched or kept on a node.
    pub fn file_failed(&mut self, message: MessageIndex, node: NodeIndex) {
        self.files.failed(self.plan, message, node);
    }

    /// A node fetched so many bytes of a file from another.
    pub fn fetched(&mut self, by: NodeIndex, from: NodeIndex, bytes: u64) {
        self.files.fetched(by, from, bytes);
    }

    /// Messages delivered until now.
    #[must_use]
    pub fn delivered_count(&self) -> u64 {
        self.messages.delivered_count()
    }

    /// A device was linked: it has its person's identity.
    pub fn linked(&mut self, device: NodeIndex, at: Duration) {
        self.copies.linked(device, at);
    }

    /// A node's user knows from now on that a device was revoked.
    pub fn knows_cut(&mut self, node: NodeIndex, device: NodeIndex, at: Duration) {
        self.cuts.knows_revoked(node, device, at);
    }

    /// How a node's user sees a room from now on.
    pub fn sees_room(&mut self, node: NodeIndex, room: RoomIndex, seen: RoomSeen, at: Duration) {
        self.rooms.sees(node, room, &seen, at, &self.reach);
        self.copies.sees_members(node, room, &seen.members);
        if seen.is_in {
            self.cuts.sees_members(node, room, &seen.members, at);
        }
    }

    /// Someone could not do to a room what they were to do.
    pub fn hindered(&mut self, by: NodeIndex, room: RoomIndex, deed: RoomDeed, at: Duration) {
        let (by, room) = (&self.plan.nodes[by].name, self.plan.name_of(Addressee::Room(room)));
        let label = format!("{by} could not do to {room} what it was to do: {}", deed.word());
        self.noted("hindered", label, at);
    }

    /// An envelope was made by `node`'s user, or first seen anywhere. It is to spread to all nodes
    /// that are on.
    pub fn envelope_made(&mut self, id: [u8; 32], node: NodeIndex, at: Duration) {
        let nodes = self.plan.nodes.len();
        self.spread.made(id, node, at, nodes, |other| self.reach.is_on(other));
        if let Some(data) = &mut self.data {
            data.made(id, node, at);
        }
    }

    /// The same, where the network has shards and the runner knows who keeps the envelope's: it is
    /// to spread to those that are on and of whom `keeps` is true.
    pub fn envelope_made_for(
        &mut self,
        id: [u8; 32],
        node: NodeIndex,
        at: Duration,
        keeps: impl Fn(NodeIndex) -> bool,
    ) {
        let nodes = self.plan.nodes.len();
        let expected = |other| self.reach.is_on(other) && keeps(other);
        self.spread.made(id, node, at, nodes, expected);
        if let Some(data) = &mut self.data {
            data.made(id, node, at);
        }
    }

    /// A node was brought an envelope for the first time.
    pub fn envelope_seen(&mut self, id: [u8; 32], node: NodeIndex, at: Duration) {
        self.spread.seen(&id, node, at);
    }

    /// Who brought a node an envelope, where that is known; on the `stem` it was only passed on.
    pub fn envelope_brought(
        &mut self,
        id: [u8; 32],
        node: NodeIndex,
        from: Option<NodeIndex>,
        at: Duration,
        stem: bool,
    ) {
        if let Some(data) = &mut self.data {
            data.brought(id, node, from, at, stem);
        }
    }

    /// An event of the plan happened. Events come in order of time.
    pub fn happened(&mut self, event: &Event, at: Duration) {
        let was_on = |node: &NodeIndex| self.reach.is_on(*node);
        self.happenings.add(self.plan, event, at, was_on);
        self.reach.happened(event, at);
        self.copies.happened(event, at);
        self.rooms.happened(event, at, &self.reach);
    }

    /// Something happened that is no event of a plan, and marks no node.
    pub fn noted(&mut self, kind: &str, label: String, at: Duration) {
        self.happenings.note(kind, label, at);
    }

    /// What all nodes are like, in the plan's order.
    pub fn sample(&mut self, at: Duration, nodes: &[NodeSample]) {
        for (index, node) in nodes.iter().enumerate().take(self.nodes.len()) {
            self.nodes[index] = *node;
            let most = &mut self.mailbox_envelopes_max[index];
            *most = (*most).max(node.mailbox_envelopes);
            let Some(oldest) = node.mailbox_oldest.filter(|_| node.on) else { continue };
            self.oldest = self.oldest.max(Some(oldest));
            let lifetime = martlet_protocol::limits::ENVELOPE_LIFETIME_MAX;
            self.over_six_days += u64::from(oldest > lifetime + SWEEP);
        }
        let mut sample = series::Sample {
            at,
            written: self.messages.written_count(),
            delivered: self.messages.delivered_count(),
            ..series::Sample::default()
        };
        let mut connection_ends = 0;
        for (index, node) in self.nodes.iter().enumerate() {
            sample.nodes_on += u64::from(node.on);
            connection_ends += if node.on { node.connections } else { 0 };
            sample.received_bytes += node.received_bytes;
            // The disk of a node that left is erased.
            if !self.reach.has_left(index) {
                sample.mailbox_envelopes += node.mailbox_envelopes;
                sample.mailbox_bytes += node.mailbox_bytes;
            }
        }
        sample.connections = u64::div_ceil(connection_ends, 2);
        self.series.push(sample);
    }

    /// Ends the run at `at`. The raw data is there if it was kept.
    #[must_use]
    pub fn finish_with_data(mut self, at: Duration, interrupted: bool) -> (Report, Option<Data>) {
        self.messages.settle();
        let missing = |message| self.copies.missing(message);
        let data = self.data.take();
        let data = data.map(|data| data.finish(self.plan, &self.messages, at, missing));
        (self.finish(at, interrupted), data)
    }

    /// Ends the run at `at`.
    #[must_use]
    pub fn finish(mut self, at: Duration, interrupted: bool) -> Report {
        let plan = self.plan;
        let written = self.messages.written_at();
        let missing = |message| self.copies.missing(message);
        let (mut messages, told) = self.messages.finish(at, &self.reach, missing);
        messages.devices = self.copies.devices(&written);
        messages.cut_off = self.cuts.report(&self.copies, &written);
        if self.copies.is_kept() {
            messages.out_of_order = self.copies.out_of_order();
        }
        let files = self.files.finish(&self.copies, &written, &self.nodes);
        messages.files = files.map(|(report, all_have)| {
            messages.payload_bytes += all_have;
            report
        });
        let series = self.series.finish();
        let mut nodes =
            node_reports(plan, &self.nodes, &self.mailbox_envelopes_max, &told, &self.reach);
        if self.copies.is_kept() {
            let received = self.copies.received();
            nodes.iter_mut().zip(received).for_each(|(node, count)| node.delivered = count);
        }
        let end = (at, &self.reach);
        messages.rooms = self.rooms.finish(&self.copies, &written, &nodes, end);
        let seen_kept = self.oldest.is_some()
            || (!series.t_s.is_empty() && series.mailbox_envelopes.iter().all(|count| *count == 0));
        let mut report = Report {
            made: Made { schema: SCHEMA, origin: None },
            scenario: plan.name.clone(),
            description: plan.description.clone(),
            seed: plan.seed,
            runner: self.runner,
            duration_s: seconds(plan.duration),
            ran_s: seconds(at),
            interrupted,
            passed: false,
            expectations: Vec::new(),
            traffic: Traffic {
                stream_bytes: self.nodes.iter().map(|node| node.stream_bytes).sum(),
                ..traffic(&nodes, &messages)
            },
            messages,
            spread: self.spread.finish(at),
            retention: Retention {
                oldest_s: seconds(self.oldest.unwrap_or_default()),
                over_six_days: self.over_six_days,
                left_at_end: series.mailbox_envelopes.last().copied().unwrap_or_default(),
            },
            series,
            convergence: convergence::all(&self.happenings.restorations, &told, &self.reach),
            events: self.happenings.marks,
            nodes,
            links: plan.links.iter().map(|link| [link.a, link.b]).collect(),
        };
        let healed = plan.events.iter().any(|timed| matches!(timed.event, Event::Heal));
        let seen = expectations::Seen { kept: seen_kept, healed };
        report.expectations = plan
            .expectations
            .iter()
            .map(|wanted| expectations::judge(*wanted, &report, seen))
            .collect();
        report.passed = !interrupted && report.expectations.iter().all(|outcome| outcome.passed);
        report
    }
}

/// Whole microseconds, so that a sum in another order is the same.
pub(super) fn seconds(time: Duration) -> f64 {
    (time.as_micros() as f64) / 1e6
}

/// Ratios have six digits behind the point.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

#[cfg(test)]
mod tests;
