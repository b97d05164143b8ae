//! How envelopes spread.

use std::collections::HashMap;
use std::time::Duration;

use super::{latency, rounded};
use crate::plan::NodeIndex;
use crate::report::Spread;

/// Envelopes that are followed. When there are more, every second one is dropped, and so on: those
/// that stay are spread evenly over the run.
pub(super) const TRACKED_MAX: usize = 2_000;
/// Ages begin at `10^(-3)` seconds and are a factor of `10^(1/10)` apart; up to a thousand years if
/// need be.
const AGES: std::ops::Range<i32> = -30..105;
/// Envelopes that were made less than this before the end, or in the last tenth of a shorter run,
/// had no time to spread, and don't count.
const SETTLED: Duration = Duration::from_secs(60);

/// Follows envelopes.
#[derive(Debug)]
pub(super) struct SpreadLog {
    tracked: HashMap<[u8; 32], Tracked>,
    made: u64,
    /// Every so manieth is followed.
    stride: u64,
}

#[derive(Debug)]
struct Tracked {
    place: u64,
    made: Duration,
    /// Nodes it is to come to.
    audience: u32,
    /// Those of them that it did not come to yet, a bit each.
    waiting: Vec<u64>,
    /// After what time, seconds, it came to each of the others.
    ages_s: Vec<f32>,
}

impl Default for SpreadLog {
    fn default() -> Self {
        Self { tracked: HashMap::new(), made: 0, stride: 1 }
    }
}

impl SpreadLog {
    /// `expected`: whether it is to come to a node.
    pub(super) fn made(
        &mut self,
        id: [u8; 32],
        node: NodeIndex,
        at: Duration,
        nodes: usize,
        expected: impl Fn(NodeIndex) -> bool,
    ) {
        if self.tracked.contains_key(&id) {
            return;
        }
        let place = self.made;
        self.made += 1;
        if !place.is_multiple_of(self.stride) {
            return;
        }
        let mut waiting = vec![0; nodes.div_ceil(64)];
        let mut audience = 0;
        for node in (0..nodes).filter(|node| expected(*node)) {
            waiting[node / 64] |= 1 << (node % 64);
            audience += 1;
        }
        let ages_s = Vec::new();
        self.tracked.insert(id, Tracked { place, made: at, audience, waiting, ages_s });
        self.seen(&id, node, at);
        if self.tracked.len() > TRACKED_MAX {
            self.stride *= 2;
            self.tracked.retain(|_, tracked| tracked.place.is_multiple_of(self.stride));
        }
    }

    pub(super) fn seen(&mut self, id: &[u8; 32], node: NodeIndex, at: Duration) {
        let Some(tracked) = self.tracked.get_mut(id) else { return };
        let (word, bit) = (node / 64, 1 << (node % 64));
        if tracked.waiting[word] & bit != 0 {
            tracked.waiting[word] &= !bit;
            tracked.ages_s.push(at.saturating_sub(tracked.made).as_secs_f32());
        }
    }

    /// The curves; none of a run in which nothing was seen.
    pub(super) fn finish(self, end: Duration) -> Option<Spread> {
        let settled = end.saturating_sub(SETTLED.min(end / 10));
        let all: Vec<_> = self.tracked.into_values().filter(|one| one.audience > 0).collect();
        let any_settled = all.iter().any(|one| one.made <= settled);
        let mut followed: Vec<_> =
            all.into_iter().filter(|one| one.made <= settled || !any_settled).collect();
        if followed.is_empty() {
            return None;
        }
        for one in &mut followed {
            one.ages_s.sort_unstable_by(f32::total_cmp);
        }
        let oldest =
            followed.iter().filter_map(|one| one.ages_s.last()).copied().fold(0.0, f32::max);
        let mut spread = Spread { envelopes: followed.len() as u64, ..Spread::default() };
        for k in AGES {
            let age = latency::bound(k);
            let mut parts: Vec<_> = followed.iter().map(|one| one.part_at(age)).collect();
            parts.sort_unstable_by(f64::total_cmp);
            let quantile = |percent: usize| {
                let rank = (parts.len() * percent).div_ceil(100).max(1);
                rounded(parts.get(rank - 1).copied().unwrap_or_default())
            };
            spread.age_s.push(age);
            spread.p10.push(quantile(10));
            spread.median.push(quantile(50));
            spread.p90.push(quantile(90));
            if age >= f64::from(oldest) {
                break;
            }
        }
        Some(spread)
    }
}

impl Tracked {
    /// The part of those it is to come to that had it at an age, seconds.
    fn part_at(&self, age_s: f64) -> f64 {
        let reached = self.ages_s.partition_point(|age| f64::from(*age) <= age_s);
        reached as f64 / f64::from(self.audience)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn id(number: u64) -> [u8; 32] {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&number.to_be_bytes());
        id
    }

    #[test]
    fn the_part_is_of_the_nodes_that_were_to_get_it_and_each_counts_once() {
        let mut log = SpreadLog::default();
        // Node 3 was off.
        log.made(id(1), 0, Duration::from_secs(1), 4, |node| node != 3);
        for (node, at) in [(1, 1_010), (1, 1_020), (3, 1_030), (2, 3_000)] {
            log.seen(&id(1), node, Duration::from_millis(at));
        }
        let spread = log.finish(Duration::from_secs(100)).unwrap();
        let at = |age: f64| spread.median[spread.age_s.partition_point(|other| *other < age)];
        assert_eq!(
            (at(0.001), at(0.0126), at(1.0), at(2.0)),
            (0.333_333, 0.666_667, 0.666_667, 1.0)
        );
        assert_eq!(spread.age_s.last(), Some(&2.512));
        assert_eq!(spread.envelopes, 1);
    }

    #[test]
    fn of_many_envelopes_some_are_followed_from_all_of_the_run() {
        let mut log = SpreadLog::default();
        for number in 0..50_000 {
            log.made(id(number), 0, Duration::from_secs(number), 2, |_| true);
            log.seen(&id(number), 1, Duration::from_secs(number + number % 7));
        }
        assert!((TRACKED_MAX / 2..=TRACKED_MAX).contains(&log.tracked.len()));
        assert!(log.tracked.values().any(|one| one.place > 49_000));
        let spread = log.finish(Duration::from_secs(50_000)).unwrap();
        assert_eq!(spread.median.last(), Some(&1.0));
        assert!(spread.p10.iter().zip(&spread.p90).all(|(slow, fast)| slow <= fast));
    }

    #[test]
    fn envelopes_made_just_before_the_end_had_no_time_to_spread() {
        let mut log = SpreadLog::default();
        log.made(id(1), 0, Duration::from_secs(1), 2, |_| true);
        log.seen(&id(1), 1, Duration::from_secs(2));
        log.made(id(2), 0, Duration::from_secs(99), 2, |_| true);
        let spread = log.finish(Duration::from_secs(100)).unwrap();
        assert_eq!((spread.envelopes, spread.p10.last()), (1, Some(&1.0)));
    }
}
