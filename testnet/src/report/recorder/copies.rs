//! Which message was shown on which node, where more than one is to show it.
//!
//! Some 50 bytes for each message on each of these nodes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use super::MessageIndex;
use crate::plan::{Addressee, Event, Membership, NodeIndex, Plan, RoomIndex, memberships};

/// A message that a node showed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    pub(super) at: Duration,
    /// How many were shown before it.
    order: u64,
}

/// Which message was shown on which node.
#[derive(Debug)]
pub(super) struct Copies<'a> {
    pub(super) plan: &'a Plan,
    /// Whether there is a message that more than one node is to show.
    is_kept: bool,
    pub(super) shown: BTreeMap<(MessageIndex, NodeIndex), Shown>,
    /// When each device was to be linked, and was; the first devices of people from the start.
    pub(super) to_link: Vec<Option<Duration>>,
    pub(super) linked: Vec<Option<Duration>>,
    pub(super) revoked: Vec<Option<Duration>>,
    pub(super) memberships: Vec<Membership>,
    /// Whom the user of a node holds to be in a room.
    views: HashMap<(NodeIndex, RoomIndex), BTreeSet<NodeIndex>>,
    /// The same of the writer's node, when a message was written in a room.
    known: HashMap<MessageIndex, BTreeSet<NodeIndex>>,
    /// Who is still to be shown a message in a room that someone was shown.
    left: HashMap<MessageIndex, BTreeSet<NodeIndex>>,
}

impl<'a> Copies<'a> {
    pub(super) fn new(plan: &'a Plan) -> Self {
        let from_start = |node: &crate::plan::NodePlan| match node.device_of {
            Some(_) => None,
            None => Some(Duration::ZERO),
        };
        Self {
            plan,
            is_kept: plan.has_devices() || !plan.rooms.is_empty(),
            shown: BTreeMap::new(),
            to_link: vec![None; plan.nodes.len()],
            linked: plan.nodes.iter().map(from_start).collect(),
            revoked: vec![None; plan.nodes.len()],
            memberships: memberships(&plan.events),
            views: HashMap::new(),
            known: HashMap::new(),
            left: HashMap::new(),
        }
    }

    /// A node's user holds these to be in a room from now on.
    pub(super) fn sees_members(&mut self, node: NodeIndex, room: RoomIndex, who: &[NodeIndex]) {
        self.views.insert((node, room), who.iter().copied().collect());
    }

    /// A message is written: what its writer knows now counts.
    pub(super) fn written(&mut self, message: MessageIndex) {
        let planned = &self.plan.messages[message];
        if let Addressee::Room(room) = planned.to
            && let Some(view) = self.views.get(&(planned.from, room))
        {
            self.known.entry(message).or_insert_with(|| view.clone());
        }
    }

    /// Who is to be shown a message, by their first devices: who is in its room when it is written, as far as its writer
    /// knows, and stays.
    pub(super) fn recipients(&self, message: MessageIndex) -> BTreeSet<NodeIndex> {
        let planned = &self.plan.messages[message];
        let room = match planned.to {
            Addressee::Person(person) => return BTreeSet::from([person]),
            Addressee::Room(room) => room,
        };
        let author = self.plan.person(planned.from);
        let stays = |one: &&Membership| {
            one.room == room && one.from <= planned.at && one.to == Duration::MAX
        };
        let known = self.known.get(&message);
        let is_due = |person: &NodeIndex| {
            *person != author && known.is_none_or(|known| known.contains(person))
        };
        let members = self.memberships.iter().filter(stays).map(|one| one.person);
        members.filter(is_due).collect()
    }

    /// A node showed a message for the first time: whether now all have been shown it who are to be.
    pub(super) fn is_complete(&mut self, message: MessageIndex, node: NodeIndex) -> bool {
        let mut left = match self.left.remove(&message) {
            Some(left) => left,
            None => self.recipients(message),
        };
        let was_due = left.remove(&self.plan.person(node));
        let is_complete = was_due && left.is_empty();
        self.left.insert(message, left);
        is_complete
    }

    /// When a person was shown a message, on the first of their devices that did.
    pub(super) fn first_shown(&self, message: MessageIndex, person: NodeIndex) -> Option<Duration> {
        let of_message = self.shown.range((message, 0)..=(message, NodeIndex::MAX));
        let of_person = of_message.filter(|((_, node), _)| self.plan.person(*node) == person);
        of_person.map(|(_, copy)| copy.at).min()
    }

    /// Someone who was not shown a message that was to be.
    pub(super) fn missing(&self, message: MessageIndex) -> Option<NodeIndex> {
        match self.left.get(&message) {
            Some(left) => left.first().copied(),
            None => self.recipients(message).first().copied(),
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
            | Event::DiskFree(_)
            | Event::Room { .. } => return,
        };
        nodes.iter().for_each(|node| times[*node] = Some(at));
    }

    /// Messages that a node showed before an earlier one of the same writer's node to the same person.
    pub(super) fn out_of_order(&self) -> u64 {
        let mut latest: HashMap<(NodeIndex, Addressee, NodeIndex), u64> = HashMap::new();
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

    /// The devices of each person who has several, by the first of them.
    pub(super) fn devices_of_people(&self) -> BTreeMap<NodeIndex, Vec<NodeIndex>> {
        let mut of_people: BTreeMap<NodeIndex, Vec<NodeIndex>> = BTreeMap::new();
        for (node, plan) in self.plan.nodes.iter().enumerate() {
            if let Some(person) = plan.device_of {
                of_people.entry(person).or_insert_with(|| vec![person]).push(node);
            }
        }
        of_people
    }

    /// The devices of the recipients and the writer, but the one that it was written on, of those who have several.
    pub(super) fn audience(
        &self,
        message: MessageIndex,
        of_people: &BTreeMap<NodeIndex, Vec<NodeIndex>>,
    ) -> Vec<NodeIndex> {
        let from = self.plan.messages[message].from;
        let people = self.recipients(message).into_iter().chain([self.plan.person(from)]);
        let nodes = people.filter_map(|person| of_people.get(&person)).flatten().copied();
        nodes.filter(|node| *node != from).collect()
    }
}
