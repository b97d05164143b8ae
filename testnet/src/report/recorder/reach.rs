//! Who was on, and who reached whom, at any time of the run: what the events say.

use std::time::Duration;

use crate::plan::{Event, NodeIndex, NodePlan};

/// A stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    from: Duration,
    to: Duration,
}

impl Stretch {
    const fn open(from: Duration) -> Self {
        Self { from, to: Duration::MAX }
    }

    /// Whether anything from `from` on, until `to`, is within it.
    fn meets(self, from: Duration, to: Duration) -> bool {
        self.from <= to && from < self.to
    }
}

/// Who was on and who reached whom.
#[derive(Debug)]
pub(super) struct Reach {
    /// When each node was off.
    off: Vec<Vec<Stretch>>,
    left: Vec<bool>,
    /// Partitions, with the group of each node.
    splits: Vec<(Stretch, Vec<usize>)>,
}

impl Reach {
    pub(super) fn new(nodes: &[NodePlan]) -> Self {
        let off = |node: &NodePlan| {
            if node.starts { Vec::new() } else { vec![Stretch::open(Duration::ZERO)] }
        };
        Self {
            off: nodes.iter().map(off).collect(),
            left: vec![false; nodes.len()],
            splits: Vec::new(),
        }
    }

    pub(super) fn happened(&mut self, event: &Event, at: Duration) {
        match event {
            Event::Stop(nodes) | Event::Crash(nodes) => self.turn_off(nodes, at),
            Event::Leave(nodes) => {
                self.turn_off(nodes, at);
                nodes.iter().for_each(|node| self.left[*node] = true);
            }
            Event::Start(nodes) => {
                for node in nodes {
                    self.left[*node] = false;
                    if let Some(last) = self.off[*node].last_mut() {
                        last.to = last.to.min(at);
                    }
                }
            }
            Event::Partition(parts) => {
                self.mend(at);
                let mut groups = vec![0; self.off.len()];
                for (group, nodes) in parts.iter().enumerate() {
                    nodes.iter().for_each(|node| groups[*node] = group);
                }
                self.splits.push((Stretch::open(at), groups));
            }
            Event::Heal => self.mend(at),
            Event::Flood { .. }
            | Event::ClockJump { .. }
            | Event::DiskFull(_)
            | Event::DiskFree(_)
            | Event::Link(_)
            | Event::Revoke(_)
            | Event::Room { .. } => {}
        }
    }

    /// Whether it is on now.
    pub(super) fn is_on(&self, node: NodeIndex) -> bool {
        self.off[node].last().is_none_or(|last| last.to < Duration::MAX)
    }

    /// Whether it left for ever.
    pub(super) fn has_left(&self, node: NodeIndex) -> bool {
        self.left[node]
    }

    /// Whether it was on all the time.
    pub(super) fn was_on(&self, node: NodeIndex, from: Duration, to: Duration) -> bool {
        let off = &self.off[node];
        // They follow each other: only those that end after `from` and begin before `to` can meet
        // it.
        let first = off.partition_point(|stretch| stretch.to <= from);
        off.get(first).is_none_or(|stretch| !stretch.meets(from, to))
    }

    /// Whether no partition was between the two, all the time.
    pub(super) fn were_joined(
        &self,
        a: NodeIndex,
        b: NodeIndex,
        from: Duration,
        to: Duration,
    ) -> bool {
        let apart = |(stretch, groups): &(Stretch, Vec<usize>)| {
            stretch.meets(from, to) && groups[a] != groups[b]
        };
        !self.splits.iter().any(apart)
    }

    /// How much of the time the recipient was on and in no other group than the writer. The writer may
    /// be off: others keep what was sent.
    pub(super) fn connected(
        &self,
        writer: NodeIndex,
        recipient: NodeIndex,
        from: Duration,
        to: Duration,
    ) -> Duration {
        let off = self.off[recipient].iter();
        let apart = self.splits.iter().filter(|(_, groups)| groups[writer] != groups[recipient]);
        let mut hindered: Vec<Stretch> = off
            .chain(apart.map(|(stretch, _)| stretch))
            .filter(|stretch| stretch.meets(from, to))
            .map(|stretch| Stretch { from: stretch.from.max(from), to: stretch.to.min(to) })
            .collect();
        hindered.sort_unstable_by_key(|stretch| stretch.from);
        let mut connected = Duration::ZERO;
        let mut until = from;
        for stretch in hindered {
            connected += stretch.from.saturating_sub(until);
            until = until.max(stretch.to);
        }
        connected + to.saturating_sub(until)
    }

    /// The groups of the last partition.
    pub(super) fn last_groups(&self) -> Option<&[usize]> {
        self.splits.last().map(|(_, groups)| groups.as_slice())
    }

    fn turn_off(&mut self, nodes: &[NodeIndex], at: Duration) {
        for node in nodes {
            if self.is_on(*node) {
                self.off[*node].push(Stretch::open(at));
            }
        }
    }

    fn mend(&mut self, at: Duration) {
        if let Some((last, _)) = self.splits.last_mut() {
            last.to = last.to.min(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_node_is_off_from_its_crash_to_its_start() {
        let mut reach = Reach::new(&example::plan(3).nodes);
        reach.happened(&Event::Crash(vec![1]), s(10));
        assert!(!reach.is_on(1));
        reach.happened(&Event::Start(vec![1]), s(20));
        assert!(reach.is_on(1));
        assert!(reach.was_on(1, s(0), s(9)));
        assert!(!reach.was_on(1, s(0), s(11)));
        assert!(!reach.was_on(1, s(19), s(30)));
        assert!(reach.was_on(1, s(20), s(30)));
        assert!(reach.was_on(0, s(0), s(30)));
    }

    #[test]
    fn time_connected_is_without_what_the_recipient_was_off_or_apart_and_counts_nothing_twice() {
        let mut reach = Reach::new(&example::plan(3).nodes);
        reach.happened(&Event::Crash(vec![2]), s(10));
        reach.happened(&Event::Partition(vec![vec![0, 1], vec![2]]), s(20));
        reach.happened(&Event::Start(vec![2]), s(30));
        reach.happened(&Event::Heal, s(40));
        reach.happened(&Event::Crash(vec![0]), s(50));
        assert_eq!(reach.connected(0, 2, s(0), s(60)), s(30));
        assert_eq!(reach.connected(0, 2, s(5), s(45)), s(10));
        assert_eq!(reach.connected(0, 2, s(15), s(35)), s(0));
        assert_eq!(reach.connected(0, 1, s(5), s(45)), s(40));
        // The writer is off: another node has it.
        assert_eq!(reach.connected(0, 1, s(45), s(60)), s(15));
    }

    #[test]
    fn nodes_of_two_groups_are_apart_until_the_heal() {
        let mut reach = Reach::new(&example::plan(3).nodes);
        reach.happened(&Event::Partition(vec![vec![0, 1], vec![2]]), s(10));
        reach.happened(&Event::Heal, s(20));
        assert!(reach.were_joined(0, 1, s(0), s(30)));
        assert!(!reach.were_joined(0, 2, s(12), s(13)));
        assert!(!reach.were_joined(0, 2, s(0), s(30)));
        assert!(reach.were_joined(0, 2, s(20), s(30)));
        assert_eq!(reach.last_groups(), Some([0, 0, 1].as_slice()));
    }
}
