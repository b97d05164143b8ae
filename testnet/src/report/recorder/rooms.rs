//! What came of messages in rooms, and how far members agreed on what a room is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::copies::Copies;
use super::reach::Reach;
use super::{MessageIndex, latency, seconds};
use crate::plan::{Addressee, Event, NodeIndex, Plan, RoomIndex};
use crate::report::{NodeReport, RoomReport};

/// How a node's user sees a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomSeen {
    /// Whether they hold themselves to be in it.
    pub is_in: bool,
    /// Whom they hold to be in it, by their first devices.
    pub members: Vec<NodeIndex>,
    /// What all have who know of the same operations.
    pub digest: String,
}

/// How each room is seen, over time.
#[derive(Debug)]
pub(super) struct RoomLog {
    rooms: Vec<Seen>,
    /// Devices that hear of nothing any more, and are nobody's.
    revoked: BTreeSet<NodeIndex>,
}

#[derive(Debug, Clone, Default)]
struct Seen {
    /// By each node that is in it.
    digests: BTreeMap<NodeIndex, String>,
    /// How many states there were from when on.
    states: Vec<(Duration, u64)>,
    now: u64,
    diverged: Duration,
    since: Duration,
}

impl RoomLog {
    pub(super) fn new(plan: &Plan) -> Self {
        Self { rooms: vec![Seen::default(); plan.rooms.len()], revoked: BTreeSet::new() }
    }

    pub(super) fn sees(
        &mut self,
        node: NodeIndex,
        room: RoomIndex,
        seen: &RoomSeen,
        at: Duration,
        reach: &Reach,
    ) {
        let Some(log) = self.rooms.get_mut(room) else { return };
        if seen.is_in && !self.revoked.contains(&node) {
            log.digests.insert(node, seen.digest.clone());
        } else {
            log.digests.remove(&node);
        }
        log.count(at, reach);
    }

    /// Nodes may have gone, come, or been revoked.
    pub(super) fn happened(&mut self, event: &Event, at: Duration, reach: &Reach) {
        if let Event::Revoke(nodes) = event {
            self.revoked.extend(nodes);
            for room in &mut self.rooms {
                nodes.iter().for_each(|node| drop(room.digests.remove(node)));
            }
        }
        self.count(at, reach);
    }

    fn count(&mut self, at: Duration, reach: &Reach) {
        self.rooms.iter_mut().for_each(|room| room.count(at, reach));
    }

    pub(super) fn finish(
        mut self,
        copies: &Copies<'_>,
        written: &[(MessageIndex, Duration)],
        nodes: &[NodeReport],
        (at, reach): (Duration, &Reach),
    ) -> Vec<RoomReport> {
        self.count(at, reach);
        let plan = copies.plan;
        let mut reports: Vec<RoomReport> = Vec::with_capacity(self.rooms.len());
        for (room, log) in self.rooms.into_iter().enumerate() {
            let members: BTreeSet<NodeIndex> = copies
                .memberships
                .iter()
                .filter(|one| one.room == room && one.to == Duration::MAX)
                .map(|one| one.person)
                .collect();
            let of_members = (0..plan.nodes.len()).filter(|it| members.contains(&plan.person(*it)));
            let received: u64 = of_members.map(|node| nodes[node].received_bytes).sum();
            let mut report = RoomReport {
                name: plan.rooms[room].name.clone(),
                members: members.len() as u64,
                received_bytes_per_member: received / (members.len() as u64).max(1),
                states_at_end: log.now,
                states_max: log.states.iter().map(|(_, states)| *states).max().unwrap_or_default(),
                diverged_s: seconds(log.diverged),
                states: log.states.iter().map(|(at, states)| (seconds(*at), *states)).collect(),
                ..RoomReport::default()
            };
            let (mut to_all, mut to_each) = (Vec::new(), Vec::new());
            let is_here =
                |message: MessageIndex| plan.messages[message].to == Addressee::Room(room);
            for (message, at) in written.iter().filter(|(message, _)| is_here(*message)) {
                let recipients = copies.recipients(*message);
                let first: Vec<Option<Duration>> =
                    recipients.iter().map(|who| copies.first_shown(*message, *who)).collect();
                report.written += 1;
                report.expected += first.len() as u64;
                report.shown += first.iter().flatten().count() as u64;
                to_each.extend(first.iter().flatten().map(|shown| shown.saturating_sub(*at)));
                let all: Option<Vec<Duration>> = first.into_iter().collect();
                // All of nobody have it, too.
                report.delivered += u64::from(all.is_some());
                let last = all.and_then(|all| all.into_iter().max());
                to_all.extend(last.map(|last| last.saturating_sub(*at)));
            }
            report.to_all = latency::distribution(to_all);
            report.to_each = latency::distribution(to_each);
            reports.push(report);
        }
        reports
    }
}

impl Seen {
    fn count(&mut self, at: Duration, reach: &Reach) {
        if self.now > 1 {
            self.diverged += at.saturating_sub(self.since);
        }
        self.since = at;
        let on = self.digests.iter().filter(|(node, _)| reach.is_on(**node));
        self.now = on.map(|(_, digest)| digest).collect::<BTreeSet<_>>().len() as u64;
        if self.states.last().is_some_and(|(_, last)| *last == self.now) {
            return;
        }
        // Of one second the most is told, and the last.
        match self.states.as_mut_slice() {
            [.., (then, most), (last_at, last)] if then.as_secs() == at.as_secs() => {
                *most = (*most).max(*last);
                (*last_at, *last) = (at, self.now);
            }
            _ => self.states.push((at, self.now)),
        }
    }
}
