//! What those read who were cut off: revoked devices, and people who were removed from rooms.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::copies::Copies;
use super::{MessageIndex, seconds};
use crate::plan::{Addressee, Event, NodeIndex, Plan, RoomDeed, RoomIndex};
use crate::report::CutOff;

/// Who was cut off: from all, or from a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cut {
    Device(NodeIndex),
    Member(RoomIndex, NodeIndex),
}

/// Who knows of whom that they were cut off.
#[derive(Debug)]
pub(super) struct CutLog {
    /// When each was cut off, and until when: who was removed may be brought in again.
    cuts: BTreeMap<Cut, (Duration, Duration)>,
    /// When each writer's node knew of it: from and to.
    known: BTreeMap<(NodeIndex, Cut), Vec<(Duration, Duration)>>,
}

impl CutLog {
    pub(super) fn new(plan: &Plan) -> Self {
        let mut cuts: BTreeMap<Cut, (Duration, Duration)> = BTreeMap::new();
        for timed in &plan.events {
            match &timed.event {
                Event::Revoke(nodes) => {
                    let cut = |node: &NodeIndex| (Cut::Device(*node), (timed.at, Duration::MAX));
                    cuts.extend(nodes.iter().map(cut));
                }
                Event::Room { room, deed: RoomDeed::Remove, whom, .. } => {
                    for who in whom {
                        // The first time, if it is done twice.
                        let cut = cuts.entry(Cut::Member(*room, *who));
                        cut.or_insert((timed.at, Duration::MAX));
                    }
                }
                Event::Room {
                    room, deed: RoomDeed::Invite | RoomDeed::Moderator, whom, ..
                } => {
                    for who in whom {
                        if let Some((_, to)) = cuts.get_mut(&Cut::Member(*room, *who)) {
                            *to = timed.at.min(*to);
                        }
                    }
                }
                _ => {}
            }
        }
        Self { cuts, known: BTreeMap::new() }
    }

    /// A node's user knows that a device was revoked.
    pub(super) fn knows_revoked(&mut self, node: NodeIndex, device: NodeIndex, at: Duration) {
        self.knows(node, Cut::Device(device), true, at);
    }

    /// A node's user holds these to be in a room.
    pub(super) fn sees_members(
        &mut self,
        node: NodeIndex,
        room: RoomIndex,
        members: &[NodeIndex],
        at: Duration,
    ) {
        let of_room: Vec<Cut> = self.cuts.keys().copied().collect();
        for cut in of_room {
            if let Cut::Member(of, who) = cut
                && of == room
            {
                self.knows(node, cut, !members.contains(&who), at);
            }
        }
    }

    fn knows(&mut self, node: NodeIndex, cut: Cut, is_cut: bool, at: Duration) {
        if self.cuts.get(&cut).is_none_or(|(since, _)| at < *since) {
            return;
        }
        let known = self.known.entry((node, cut)).or_default();
        match known.last_mut().filter(|(_, to)| *to == Duration::MAX) {
            Some((_, to)) if !is_cut => *to = at,
            None if is_cut => known.push((at, Duration::MAX)),
            Some(_) | None => {}
        }
    }

    /// What those read who were cut off; `written` has the messages that were, and when.
    pub(super) fn report(
        &self,
        copies: &Copies<'_>,
        written: &[(MessageIndex, Duration)],
    ) -> Vec<CutOff> {
        let of_people = copies.devices_of_people();
        self.cuts
            .iter()
            .map(|(cut, (since, until))| {
                let (node, room) = match *cut {
                    Cut::Device(node) => (node, None),
                    Cut::Member(room, person) => (person, Some(room)),
                };
                let mut found = CutOff { node, room, at_s: seconds(*since), ..CutOff::default() };
                let nodes = match cut {
                    Cut::Device(node) => vec![*node],
                    Cut::Member(_, person) => {
                        of_people.get(person).cloned().unwrap_or_else(|| vec![*person])
                    }
                };
                // When the last writer knew of it: `None` if one never did.
                let mut heard: Option<Option<Duration>> = None;
                let after = written.iter().filter(|(_, at)| since < at && at < until);
                for (message, at) in after.filter(|(message, _)| is_for(copies, *cut, *message)) {
                    let from = copies.plan.messages[*message].from;
                    let known = self.known.get(&(from, *cut)).map_or(&[][..], Vec::as_slice);
                    let first = known.first().map(|(from, _)| *from);
                    let last = heard.unwrap_or(Some(Duration::ZERO)).zip(first);
                    heard = Some(last.map(|(last, first)| last.max(first)));
                    let was_read = u64::from(
                        nodes.iter().any(|it| copies.shown.contains_key(&(*message, *it))),
                    );
                    if known.iter().any(|(from, to)| from < at && at <= to) {
                        found.written_knowing += 1;
                        found.read_knowing += was_read;
                    } else {
                        found.written_unknowing += 1;
                        found.read_unknowing += was_read;
                    }
                }
                found.known_s = heard.flatten().map(seconds);
                found
            })
            .collect()
    }
}

/// Whether a message would have been for who was cut off.
fn is_for(copies: &Copies<'_>, cut: Cut, message: MessageIndex) -> bool {
    let planned = &copies.plan.messages[message];
    let author = copies.plan.person(planned.from);
    match cut {
        Cut::Member(room, person) => planned.to == Addressee::Room(room) && author != person,
        Cut::Device(node) => {
            let person = copies.plan.person(node);
            let recipients: BTreeSet<NodeIndex> = copies.recipients(message);
            planned.from != node && (author == person || recipients.contains(&person))
        }
    }
}
