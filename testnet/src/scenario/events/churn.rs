//! Nodes that go and come by chance.

use std::time::Duration;

use rand::seq::IndexedRandom;

use super::super::chance::{Purpose, chance, exponential};
use super::super::error::Fault;
use super::super::file::How;
use super::super::limits::{CHURN_DOWN_MIN, EVENTS_MAX};
use super::state::Timeline;
use crate::plan::{Event, NodeIndex, TimedEvent};

/// From `at` to `until` one of `nodes` goes down, once in `mean`, and comes back after about
/// `down`.
pub(super) struct Churn {
    pub(super) index: usize,
    pub(super) nodes: Vec<NodeIndex>,
    pub(super) at: Duration,
    pub(super) until: Duration,
    pub(super) mean: Duration,
    pub(super) down: Duration,
    pub(super) how: How,
}

impl Churn {
    /// Its crashes and starts. Whoever is off for another reason, or will be before it would be
    /// back, is left alone.
    pub(super) fn events(
        self,
        timeline: &mut Timeline,
        seed: u64,
        duration: Duration,
    ) -> Result<Vec<TimedEvent>, Fault> {
        let mut chance = chance(seed, Purpose::Events, self.index);
        let mut events = Vec::new();
        let mut at = self.at;
        loop {
            at += exponential(&mut chance, self.mean);
            let down = exponential(&mut chance, self.down).max(CHURN_DOWN_MIN);
            if at >= self.until {
                return Ok(events);
            }
            // At the end of churn all are back.
            let back = (at + down).min(self.until).max(at + CHURN_DOWN_MIN);
            let on: Vec<NodeIndex> = self
                .nodes
                .iter()
                .copied()
                .filter(|node| timeline.is_on_throughout(*node, at, back))
                .collect();
            let Some(node) = on.choose(&mut chance).copied() else { continue };
            timeline.take_down(node, at, back);
            let off = match self.how {
                How::Crash => Event::Crash,
                How::Stop => Event::Stop,
            };
            events.push(TimedEvent { at, event: off(vec![node]) });
            if back < duration {
                events.push(TimedEvent { at: back, event: Event::Start(vec![node]) });
            }
            if events.len() > EVENTS_MAX {
                let message = format!("this comes to more than {EVENTS_MAX} events; lower it");
                return Err(Fault::new(format!("events[{}].rate", self.index), message));
            }
        }
    }
}
