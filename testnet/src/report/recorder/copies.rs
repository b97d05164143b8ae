//! Which message was shown on which node, where more than one is to show it.
//!
//! Some 50 bytes for each message on each of these nodes.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::{MessageIndex, latency, ratio, rounded, seconds};
use crate::plan::{Event, NodeIndex, Plan};
use crate::report::{CutOff, DeviceReport, Devices};

/// A message that a node showed.
#[derive(Debug, Clone, Copy)]
struct Shown {
    at: Duration,
    /// How many were shown before it.
    order: u64,
}

/// Which message was shown on which node.
#[derive(Debug)]
pub(super) struct Copies<'a> {
    plan: &'a Plan,
    /// Whether there is a message that more than one node is to show.
    is_kept: bool,
    shown: BTreeMap<(MessageIndex, NodeIndex), Shown>,
    /// When each device was to be linked, and was; the first devices of people from the start.
    to_link: Vec<Option<Duration>>,
    linked: Vec<Option<Duration>>,
    revoked: Vec<Option<Duration>>,
    /// Since when a writer's node knows that a device was revoked.
    known: BTreeMap<(NodeIndex, NodeIndex), Duration>,
}

impl<'a> Copies<'a> {
    pub(super) fn new(plan: &'a Plan) -> Self {
        let from_start = |node: &crate::plan::NodePlan| match node.device_of {
            Some(_) => None,
            None => Some(Duration::ZERO),
        };
        Self {
            plan,
            is_kept: plan.has_devices(),
            shown: BTreeMap::new(),
            to_link: vec![None; plan.nodes.len()],
            linked: plan.nodes.iter().map(from_start).collect(),
            revoked: vec![None; plan.nodes.len()],
            known: BTreeMap::new(),
        }
    }

    pub(super) fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Returns whether the node had shown it before.
    pub(super) fn shown(&mut self, message: MessageIndex, node: NodeIndex, at: Duration) -> bool {
        if !self.is_kept {
            return false;
        }
        let copy = Shown { at, order: self.shown.len() as u64 };
        let mut was_shown = true;
        self.shown.entry((message, node)).or_insert_with(|| {
            was_shown = false;
            copy
        });
        was_shown
    }

    pub(super) fn linked(&mut self, device: NodeIndex, at: Duration) {
        if let Some(linked) = self.linked.get_mut(device) {
            linked.get_or_insert(at);
        }
    }

    /// A node's user knows that a device was revoked.
    pub(super) fn knows(&mut self, node: NodeIndex, device: NodeIndex, at: Duration) {
        self.known.entry((node, device)).or_insert(at);
    }

    pub(super) fn happened(&mut self, event: &Event, at: Duration) {
        let (times, nodes) = match event {
            Event::Link(nodes) => (&mut self.to_link, nodes),
            Event::Revoke(nodes) => (&mut self.revoked, nodes),
            Event::Stop(_)
            | Event::Crash(_)
            | Event::Start(_)
            | Event::Leave(_)
            | Event::Partition(_)
            | Event::Heal
            | Event::Flood { .. }
            | Event::ClockJump { .. }
            | Event::DiskFull(_)
            | Event::DiskFree(_) => return,
        };
        nodes.iter().for_each(|node| times[*node] = Some(at));
    }

    /// Messages that a node showed before an earlier one of the same writer's node to the same person.
    pub(super) fn out_of_order(&self) -> u64 {
        let mut latest: HashMap<(NodeIndex, NodeIndex, NodeIndex), u64> = HashMap::new();
        let mut count = 0;
        for ((message, node), copy) in &self.shown {
            let planned = &self.plan.messages[*message];
            let latest = latest.entry((planned.from, planned.to, *node)).or_default();
            count += u64::from(copy.order < *latest);
            *latest = (*latest).max(copy.order);
        }
        count
    }

    /// How many messages of others each node showed.
    pub(super) fn received(&self) -> Vec<u64> {
        let mut received = vec![0; self.plan.nodes.len()];
        for (message, node) in self.shown.keys() {
            let from = self.plan.messages[*message].from;
            received[*node] += u64::from(self.plan.person(from) != self.plan.person(*node));
        }
        received
    }

    /// What came of it on each device; `written` has the messages that were, and when.
    pub(super) fn devices(&self, written: &[(MessageIndex, Duration)]) -> Option<Devices> {
        let of_people = self.devices_of_people();
        if of_people.is_empty() {
            return None;
        }
        let mut devices = Devices { people: of_people.len() as u64, ..Devices::default() };
        let mut each: BTreeMap<NodeIndex, DeviceReport> = BTreeMap::new();
        let (mut took, mut linking) = (Vec::new(), Vec::new());
        for (person, nodes) in &of_people {
            for node in nodes {
                let (linked, revoked) = (self.linked[*node], self.revoked[*node]);
                devices.devices += 1;
                devices.linked += u64::from(linked.is_some());
                devices.revoked += u64::from(revoked.is_some());
                let (linked_s, revoked_s) = (linked.map(seconds), revoked.map(seconds));
                linking.extend(self.to_link[*node].zip(linked).map(|(at, linked)| linked - at));
                let (node, person) = (*node, *person);
                let device =
                    DeviceReport { node, person, linked_s, revoked_s, ..DeviceReport::default() };
                each.insert(node, device);
            }
        }
        for (message, at) in written {
            for node in self.audience(*message, &of_people) {
                let is_linked = self.linked[node].is_some_and(|linked| linked <= *at);
                let Some(device) = each.get_mut(&node).filter(|_| is_linked) else { continue };
                if self.revoked[node].is_some_and(|revoked| revoked <= *at) {
                    continue;
                }
                let copy = self.shown.get(&(*message, node));
                device.expected += 1;
                device.shown += u64::from(copy.is_some());
                if self.revoked[node].is_none() {
                    devices.expected += 1;
                    devices.shown += u64::from(copy.is_some());
                    took.extend(copy.map(|copy| copy.at.saturating_sub(*at)));
                }
            }
        }
        devices.delivery_ratio = match devices.expected {
            0 => 1.0,
            expected => rounded(ratio(devices.shown, expected)),
        };
        devices.latency = latency::distribution(took);
        devices.linking = latency::distribution(linking);
        devices.each = each.into_values().collect();
        Some(devices)
    }

    /// What those read who were cut off.
    pub(super) fn cut_off(&self, written: &[(MessageIndex, Duration)]) -> Vec<CutOff> {
        let of_people = self.devices_of_people();
        let cut = self.revoked.iter().enumerate().filter_map(|(node, at)| Some((node, (*at)?)));
        let mut all: BTreeMap<NodeIndex, CutOff> = cut
            .map(|(node, at)| (node, CutOff { node, at_s: seconds(at), ..CutOff::default() }))
            .collect();
        // When the last writer knew of each: `None` if one never did.
        let mut heard: BTreeMap<NodeIndex, Option<Duration>> = BTreeMap::new();
        for (message, at) in written {
            let from = self.plan.messages[*message].from;
            for node in self.audience(*message, &of_people) {
                let Some(cut) = all.get_mut(&node) else { continue };
                if self.revoked[node].is_none_or(|revoked| *at <= revoked) {
                    continue;
                }
                let known = self.known.get(&(from, node)).copied();
                let last = heard.entry(node).or_insert(Some(Duration::ZERO));
                *last = last.zip(known).map(|(last, known)| last.max(known));
                let was_read = u64::from(self.shown.contains_key(&(*message, node)));
                if known.is_some_and(|known| known < *at) {
                    cut.written_knowing += 1;
                    cut.read_knowing += was_read;
                } else {
                    cut.written_unknowing += 1;
                    cut.read_unknowing += was_read;
                }
            }
        }
        for (node, last) in heard {
            if let Some(cut) = all.get_mut(&node) {
                cut.known_s = last.map(seconds);
            }
        }
        all.into_values().collect()
    }

    /// The devices of each person who has several, by the first of them.
    fn devices_of_people(&self) -> BTreeMap<NodeIndex, Vec<NodeIndex>> {
        let mut of_people: BTreeMap<NodeIndex, Vec<NodeIndex>> = BTreeMap::new();
        for (node, plan) in self.plan.nodes.iter().enumerate() {
            if let Some(person) = plan.device_of {
                of_people.entry(person).or_insert_with(|| vec![person]).push(node);
            }
        }
        of_people
    }

    /// The devices of the recipient and the writer, but the one that it was written on.
    fn audience(
        &self,
        message: MessageIndex,
        of_people: &BTreeMap<NodeIndex, Vec<NodeIndex>>,
    ) -> Vec<NodeIndex> {
        let planned = &self.plan.messages[message];
        let all = |person: NodeIndex| of_people.get(&person).into_iter().flatten().copied();
        all(planned.to)
            .chain(all(self.plan.person(planned.from)).filter(|node| *node != planned.from))
            .collect()
    }
}
