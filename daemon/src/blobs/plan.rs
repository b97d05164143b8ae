//! Whom to ask for which groups of a blob: decided here, without waiting and without a clock.
//!
//! Each holder is asked for the next groups that nobody was asked for. At the end, when all that is missing was asked for, who is idle is
//! asked for what the slowest still owes: the first to send it wins. A holder that lied, or has nothing, is asked no more.

use std::time::Duration;

use martlet_protocol::file::ask::Groups;
use martlet_store::blobs::GroupSet;

use crate::limits::{BLOB_ASKED_ALONE_GROUPS, BLOB_ASKED_GROUPS};
use martlet_protocol::limits::BLOB_RANGES_MAX;

/// Groups of a blob, and who owes them.
#[derive(Debug)]
pub(super) struct Plan {
    have: GroupSet,
    holders: Vec<Asked>,
}

/// A holder.
#[derive(Debug, Default)]
struct Asked {
    /// What it was asked for.
    groups: Vec<u32>,
    since: Duration,
    is_out: bool,
}

impl Plan {
    /// Of a blob of which there is so much already.
    pub(super) fn new(have: GroupSet) -> Self {
        Self { have, holders: Vec::new() }
    }

    /// One more to ask: its number.
    pub(super) fn add_holder(&mut self) -> usize {
        self.holders.push(Asked::default());
        self.holders.len() - 1
    }

    /// What a holder, which owes nothing now, is to be asked for; `None` if nothing.
    pub(super) fn next(&mut self, holder: usize, now: Duration) -> Option<Groups> {
        if self.holders.get(holder).is_none_or(|asked| asked.is_out) {
            return None;
        }
        let is_alone = self.holders.iter().filter(|asked| !asked.is_out).count() == 1;
        let max = if is_alone { BLOB_ASKED_ALONE_GROUPS } else { BLOB_ASKED_GROUPS };
        let mut owed = GroupSet::none_of(self.have.of());
        for group in self.holders.iter().flat_map(|asked| &asked.groups) {
            owed.insert(*group);
        }
        let free = (0..self.have.of())
            .filter(|group| !self.have.contains(*group) && !owed.contains(*group));
        let mut groups = bounded(free, max);
        if groups.is_empty() {
            let slowest = self
                .holders
                .iter()
                .filter(|asked| asked.groups.iter().any(|group| !self.have.contains(*group)));
            let slowest = slowest.min_by_key(|asked| asked.since)?;
            let left = slowest.groups.iter().copied();
            groups = bounded(left.filter(|group| !self.have.contains(*group)), max);
        }
        let asked = self.holders.get_mut(holder)?;
        asked.since = now;
        asked.groups.clone_from(&groups);
        Groups::new(groups.into_iter().map(|group| (group, 1))).ok()
    }

    /// A group has come, proved.
    pub(super) fn arrived(&mut self, group: u32) {
        self.have.insert(group);
    }

    /// Whether a group is there.
    pub(super) fn has(&self, group: u32) -> bool {
        self.have.contains(group)
    }

    /// A holder's answer is over, whether it sent all or not.
    pub(super) fn ended(&mut self, holder: usize) {
        if let Some(asked) = self.holders.get_mut(holder) {
            asked.groups.clear();
        }
    }

    /// A holder is asked no more.
    pub(super) fn leave(&mut self, holder: usize) {
        self.ended(holder);
        if let Some(asked) = self.holders.get_mut(holder) {
            asked.is_out = true;
        }
    }

    /// Whether all groups are there.
    pub(super) fn is_done(&self) -> bool {
        self.have.is_whole()
    }
}

/// The first of these groups, as many as one question may ask for.
fn bounded(groups: impl Iterator<Item = u32>, max: usize) -> Vec<u32> {
    let (mut taken, mut ranges) = (Vec::new(), 0);
    for group in groups {
        let joins = taken.last().is_some_and(|last| last + 1 == group);
        if taken.len() == max || !joins && ranges == BLOB_RANGES_MAX {
            break;
        }
        ranges += usize::from(!joins);
        taken.push(group);
    }
    taken
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const START: Duration = Duration::ZERO;

    fn second(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn groups(asked: &Groups) -> Vec<u32> {
        asked.ranges().flat_map(|(first, count)| first..first + count).collect()
    }

    fn plan(total: u32, holders: usize) -> Plan {
        let mut plan = Plan::new(GroupSet::none_of(total));
        (0..holders).for_each(|_| {
            plan.add_holder();
        });
        plan
    }

    #[test]
    fn nobody_is_asked_for_what_another_owes_as_long_as_there_is_more() {
        let mut plan = plan(150, 2);
        let first = groups(&plan.next(0, START).unwrap());
        let second = groups(&plan.next(1, START).unwrap());
        assert_eq!(first, (0..64).collect::<Vec<_>>());
        assert_eq!(second, (64..128).collect::<Vec<_>>());
        second.iter().for_each(|group| plan.arrived(*group));
        plan.ended(1);
        assert_eq!(groups(&plan.next(1, START).unwrap()), (128..150).collect::<Vec<_>>());
    }

    #[test]
    fn who_is_idle_at_the_end_is_asked_for_what_the_slowest_owes() {
        let mut plan = plan(128, 3);
        plan.next(0, second(1)).unwrap();
        plan.next(1, second(2)).unwrap();
        plan.arrived(0);
        let again = groups(&plan.next(2, second(3)).unwrap());
        assert_eq!(again, (1..64).collect::<Vec<_>>(), "of the one that was asked first");
        (0..64).for_each(|group| plan.arrived(group));
        plan.ended(2);
        let again = groups(&plan.next(2, second(4)).unwrap());
        assert_eq!(again, (64..128).collect::<Vec<_>>());
        (64..128).for_each(|group| plan.arrived(group));
        assert!(plan.is_done());
        assert!(plan.next(0, second(5)).is_none());
    }

    #[test]
    fn who_lied_is_asked_no_more_and_others_are_asked_for_what_it_owed() {
        let mut plan = plan(10, 2);
        assert_eq!(groups(&plan.next(0, START).unwrap()).len(), 10);
        plan.arrived(3);
        plan.leave(0);
        assert!(plan.next(0, START).is_none());
        assert_eq!(groups(&plan.next(1, START).unwrap()), [0, 1, 2, 4, 5, 6, 7, 8, 9]);
        plan.leave(1);
        assert!(plan.next(1, START).is_none() && !plan.is_done());
        assert!(plan.has(3) && !plan.has(4));
    }

    #[test]
    fn one_holder_alone_is_asked_for_more_at_a_time_and_never_for_too_many_ranges() {
        let mut alone = plan(4000, 1);
        assert_eq!(alone.next(0, START).unwrap().count(), BLOB_ASKED_ALONE_GROUPS as u64);
        let mut holes = GroupSet::none_of(4000);
        (0..4000).filter(|group| group % 2 == 0).for_each(|group| {
            holes.insert(group);
        });
        let mut plan = Plan::new(holes);
        plan.add_holder();
        let asked = plan.next(0, START).unwrap();
        assert_eq!(asked.ranges().count(), BLOB_RANGES_MAX);
        let again = Groups::decode(&asked.encode(), 4000 * 65_536).unwrap();
        assert_eq!(again, asked, "a holder takes it for a question");
    }
}
