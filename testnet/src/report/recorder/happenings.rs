//! What happened, in words, and after what the network must come together again.

use std::time::Duration;

use super::seconds;
use crate::plan::{Addressee, Event, NodeIndex, Plan, RoomDeed};
use crate::report::EventMark;

/// Starts of nodes so shortly after one another are one.
const TOGETHER: Duration = Duration::from_secs(1);

/// A heal, or the start of nodes that were off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Restoration {
    pub(super) at: Duration,
    pub(super) label: String,
    /// The nodes that were started; none: a heal.
    started: Vec<NodeIndex>,
    first: Duration,
}

/// All that happened.
#[derive(Debug, Default)]
pub(super) struct Happenings {
    pub(super) marks: Vec<EventMark>,
    pub(super) restorations: Vec<Restoration>,
}

impl Happenings {
    pub(super) fn add(
        &mut self,
        plan: &Plan,
        event: &Event,
        at: Duration,
        was_on: impl Fn(&NodeIndex) -> bool,
    ) {
        let (kind, mut label) = words(&name_in(plan), event);
        if let Event::Room { room, .. } = event {
            label = format!("{}: {label}", plan.name_of(Addressee::Room(*room)));
        }
        let mut groups = Vec::new();
        match event {
            Event::Heal => self.restorations.push(Restoration {
                at,
                label: label.clone(),
                started: Vec::new(),
                first: at,
            }),
            Event::Start(nodes) => {
                let started = nodes.iter().copied().filter(|node| !was_on(node)).collect();
                self.started(plan, started, at);
            }
            Event::Partition(parts) => {
                groups = vec![0; plan.nodes.len()];
                for (group, nodes) in parts.iter().enumerate() {
                    nodes.iter().for_each(|node| groups[*node] = group);
                }
            }
            Event::Stop(_)
            | Event::Crash(_)
            | Event::Leave(_)
            | Event::Flood { .. }
            | Event::ClockJump { .. }
            | Event::DiskFull(_)
            | Event::DiskFree(_)
            | Event::Link(_)
            | Event::Revoke(_)
            | Event::Room { .. } => {}
        }
        self.marks.push(EventMark { at_s: seconds(at), kind: kind.to_owned(), label, groups });
    }

    pub(super) fn note(&mut self, kind: &str, label: String, at: Duration) {
        let groups = Vec::new();
        self.marks.push(EventMark { at_s: seconds(at), kind: kind.to_owned(), label, groups });
    }

    fn started(&mut self, plan: &Plan, started: Vec<NodeIndex>, at: Duration) {
        if started.is_empty() {
            return;
        }
        let last = self.restorations.last_mut();
        let joined = last
            .filter(|last| !last.started.is_empty() && at.saturating_sub(last.first) <= TOGETHER);
        if let Some(last) = joined {
            last.at = at;
            last.started.extend(started);
            last.label = format!("start of {}", names(&name_in(plan), &last.started));
            return;
        }
        let label = format!("start of {}", names(&name_in(plan), &started));
        self.restorations.push(Restoration { at, label, started, first: at });
    }
}

/// The word of the scenario file, and what happened, for a person.
pub(crate) fn words(name: &impl Fn(NodeIndex) -> String, event: &Event) -> (&'static str, String) {
    match event {
        Event::Stop(nodes) => ("stop", format!("stop of {}", names(name, nodes))),
        Event::Crash(nodes) => ("crash", format!("crash of {}", names(name, nodes))),
        Event::Start(nodes) => ("start", format!("start of {}", names(name, nodes))),
        Event::Leave(nodes) => ("leave", format!("{} left for ever", names(name, nodes))),
        Event::Partition(parts) => {
            let sizes: Vec<_> = parts.iter().map(|part| part.len().to_string()).collect();
            let sizes = match sizes.split_last() {
                Some((last, [])) => last.clone(),
                Some((last, others)) if sizes.len() <= 6 => {
                    format!("{} and {last}", others.join(", "))
                }
                Some(_) | None => {
                    let largest = parts.iter().map(Vec::len).max().unwrap_or_default();
                    format!("at most {largest}")
                }
            };
            ("partition", format!("split into {} groups of {sizes} nodes", parts.len()))
        }
        Event::Heal => ("heal", "heal".to_owned()),
        Event::Flood { at, envelopes_per_s, bytes, lasts } => {
            let (victim, lasts) = (names(name, &[*at]), seconds(*lasts));
            let rate = format!("{envelopes_per_s} envelopes a second of {bytes} bytes");
            ("flood", format!("flood of {victim}: {rate}, for {lasts} s"))
        }
        Event::ClockJump { nodes, by_ms } => {
            let way = if *by_ms < 0 { "back" } else { "forward" };
            let by = by_ms.unsigned_abs() as f64 / 1e3;
            ("clock-jump", format!("clock of {} set {way} by {by} s", names(name, nodes)))
        }
        Event::DiskFull(nodes) => ("disk-full", format!("disk of {} full", names(name, nodes))),
        Event::DiskFree(nodes) => {
            ("disk-free", format!("disk of {} has room again", names(name, nodes)))
        }
        Event::Room { by, deed, whom, room: _ } => {
            let (by, whom) = (names(name, &[*by]), names(name, whom));
            let said = match deed {
                RoomDeed::Create => format!("{by} makes the room, and adds {whom}"),
                RoomDeed::Invite => format!("{by} adds {whom}"),
                RoomDeed::Remove => format!("{by} removes {whom}"),
                RoomDeed::Moderator => format!("{by} makes moderators of {whom}"),
                RoomDeed::Demote => format!("{by} makes members again of {whom}"),
            };
            (deed.word(), said)
        }
        Event::Link(nodes) => ("link", format!("{} to be linked", names(name, nodes))),
        Event::Revoke(nodes) => ("revoke", format!("{} lost, and revoked", names(name, nodes))),
    }
}

fn name_in(plan: &Plan) -> impl Fn(NodeIndex) -> String {
    |node| plan.nodes.get(node).map_or_else(|| "?".to_owned(), |node| node.name.clone())
}

fn names(name: &impl Fn(NodeIndex) -> String, nodes: &[NodeIndex]) -> String {
    match nodes {
        [] => "no node".to_owned(),
        [_] | [_, _] | [_, _, _] => {
            let names: Vec<_> = nodes.iter().map(|node| name(*node)).collect();
            names.join(", ")
        }
        nodes => format!("{} nodes", nodes.len()),
    }
}
