//! Devices that are linked, and that are lost.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::error::Fault;
use super::super::file::Deed;
use super::super::roster::{Roster, spread};
use super::{One, Step};
use crate::plan::{Event, NodeIndex, TimedEvent};

/// The linking of each further device that no event links: as soon as it is there.
pub(super) fn links(roster: &Roster, steps: &[Step]) -> Vec<Step> {
    let is_linked = |device: &NodeIndex| {
        let links =
            |step: &Step| matches!(&step.event, Event::Link(nodes) if nodes.contains(device));
        steps.iter().any(links)
    };
    let further = (0..roster.nodes.len()).filter(|node| roster.nodes[*node].device_of.is_some());
    let mut by_time: BTreeMap<Duration, Vec<NodeIndex>> = BTreeMap::new();
    for device in further.filter(|device| !is_linked(device)) {
        by_time.entry(roster.joins[device].unwrap_or_default()).or_default().push(device);
    }
    let step = |(at, devices)| Step { at, key: "nodes".to_owned(), event: Event::Link(devices) };
    by_time.into_iter().map(step).collect()
}

impl One<'_> {
    /// Each device by itself, evenly within `over`.
    pub(super) fn of_devices(&self, roster: &Roster, steps: &mut Vec<Step>) -> Result<(), Fault> {
        let nodes = self.nodes(roster)?;
        let over = self.table.over.map_or(Duration::ZERO, |over| over.0);
        self.check_time("over", self.table.at.0 + over)?;
        if let Some(node) = nodes.iter().find(|node| roster.nodes[**node].device_of.is_none()) {
            let name = &roster.nodes[*node].name;
            let message = match roster.nodes.iter().find(|other| other.device_of == Some(*node)) {
                Some(other) => format!(
                    "{name} has the root of its person, who links and revokes with it; name further devices, such as {}",
                    other.name
                ),
                None => {
                    format!("{name} is its person's only device; give them devices = 2 or more")
                }
            };
            return Err(self.fault("nodes", message));
        }
        for (number, node) in nodes.iter().enumerate() {
            let at = self.table.at.0 + spread(over, number, nodes.len());
            let happens = if self.table.deed == Deed::Link { Event::Link } else { Event::Revoke };
            let event = happens(vec![*node]);
            steps.push(Step { at, key: format!("{}.at", self.key), event });
        }
        Ok(())
    }
}

/// From when to when each node is its person's, as far as the plan says.
#[derive(Debug)]
pub(crate) struct InUse(Vec<(Duration, Duration)>);

impl InUse {
    pub(crate) fn new(roster: &Roster, events: &[TimedEvent]) -> Self {
        let mut all = vec![(Duration::ZERO, Duration::MAX); roster.nodes.len()];
        for timed in events {
            match &timed.event {
                Event::Link(nodes) => nodes.iter().for_each(|node| all[*node].0 = timed.at),
                Event::Revoke(nodes) => nodes.iter().for_each(|node| all[*node].1 = timed.at),
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
                | Event::Room { .. } => {}
            }
        }
        Self(all)
    }

    pub(crate) fn is_in_use(&self, node: NodeIndex, at: Duration) -> bool {
        let (from, to) = self.0[node];
        (from..to).contains(&at)
    }
}
