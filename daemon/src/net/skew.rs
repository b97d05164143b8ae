//! Whether this node's clock is wrong: what connected peers say the time is, against it.
//!
//! The engine decides by it which of two times of its own to go by, and people are warned. Peers may lie: it is
//! the median of them. One is enough, since a node that has just started often has no more.

use std::collections::HashMap;
use std::time::Duration;

use crate::limits::{CLOCK_SET_MIN, TIME_SAMPLES_MAX};
use libp2p::PeerId;
use martlet_engine::limits::TIME_SAMPLE_KEPT;
use martlet_protocol::UnixMillis;

/// What peers said, and when by the steady clock: it goes on while the machine sleeps.
#[derive(Default)]
pub(super) struct Skew {
    samples: HashMap<PeerId, (UnixMillis, Duration)>,
}

impl Skew {
    /// A peer said at `at` that it was `theirs`.
    pub(super) fn heard(&mut self, peer: PeerId, theirs: UnixMillis, at: Duration) {
        if self.samples.len() >= TIME_SAMPLES_MAX && !self.samples.contains_key(&peer) {
            let oldest = self.samples.iter().min_by_key(|(_, (_, at))| *at).map(|(peer, _)| *peer);
            if let Some(oldest) = oldest {
                self.samples.remove(&oldest);
            }
        }
        self.samples.insert(peer, (theirs, at));
    }

    /// Whether nobody has told the time.
    pub(super) fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// How far this node's clock, which says `ours` now, is ahead of the median of its peers',
    /// milliseconds; negative when it is behind. `None` when nobody has
    /// answered. A correction of this node's clock is seen at once: samples age by the monotonic one.
    pub(super) fn ahead_ms(&mut self, ours: UnixMillis, now: Duration) -> Option<i64> {
        self.samples.retain(|_, (_, at)| now.saturating_sub(*at) < TIME_SAMPLE_KEPT);
        if self.samples.is_empty() {
            return None;
        }
        let mut ahead: Vec<i64> = self
            .samples
            .values()
            .map(|(theirs, at)| {
                let since = u64::try_from(now.saturating_sub(*at).as_millis()).unwrap_or(u64::MAX);
                let theirs_now = theirs.0.saturating_add(since);
                ours.0.checked_signed_diff(theirs_now).unwrap_or(if ours.0 < theirs_now {
                    i64::MIN
                } else {
                    i64::MAX
                })
            })
            .collect();
        ahead.sort_unstable();
        // Of an even number the one nearer to 0: in doubt the clock is right.
        let (low, high) = (ahead[(ahead.len() - 1) / 2], ahead[ahead.len() / 2]);
        Some(if low.unsigned_abs() <= high.unsigned_abs() { low } else { high })
    }
}

/// Sees that the time that the node goes by was set: what was refused before, for its hour, may be good now.
pub(super) struct Settings {
    /// The time, and when that was by the steady clock.
    last: (UnixMillis, Duration),
}

impl Settings {
    /// It is `now`.
    pub(super) fn new(now: UnixMillis, steady: Duration) -> Self {
        Self { last: (now, steady) }
    }

    /// Whether it was set since the last look; it is `now`.
    pub(super) fn look(&mut self, now: UnixMillis, steady: Duration) -> bool {
        let (before, at) = std::mem::replace(&mut self.last, (now, steady));
        let expected = before.plus(steady.saturating_sub(at));
        u128::from(now.0.abs_diff(expected.0)) >= CLOCK_SET_MIN.as_millis()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
    const DAY: u64 = 24 * 3_600_000;

    #[test]
    fn one_is_enough_and_of_several_it_is_the_median() {
        let (mut skew, now) = (Skew::default(), Duration::from_secs(1000));
        assert_eq!(skew.ahead_ms(NOW, now), None);
        for ahead in [0, 1000] {
            skew.heard(PeerId::random(), UnixMillis(NOW.0 - DAY - ahead), now);
            assert_eq!(skew.ahead_ms(NOW, now), Some(DAY.cast_signed()));
        }
        skew.heard(PeerId::random(), UnixMillis(0), now);
        assert_eq!(skew.ahead_ms(NOW, now), Some((DAY + 1000).cast_signed()));
        // Two that lie, of four: the nearer of the two in the middle.
        skew.heard(PeerId::random(), UnixMillis(u64::MAX), now);
        assert_eq!(skew.ahead_ms(NOW, now), Some(DAY.cast_signed()));
    }

    #[test]
    fn a_clock_set_right_is_seen_at_once_and_old_answers_do_not_count() {
        let (mut skew, start) = (Skew::default(), Duration::from_secs(1000));
        for _ in 0..3 {
            skew.heard(PeerId::random(), NOW, start);
        }
        let later = start + Duration::from_secs(60);
        assert_eq!(skew.ahead_ms(UnixMillis(NOW.0 + DAY + 60_000), later), Some(DAY.cast_signed()));
        assert_eq!(skew.ahead_ms(UnixMillis(NOW.0 + 60_000), later), Some(0));
        assert_eq!(skew.ahead_ms(NOW, start + TIME_SAMPLE_KEPT), None);
    }

    #[test]
    fn samples_are_bounded() {
        let (mut skew, now) = (Skew::default(), Duration::from_secs(1000));
        for _ in 0..2 * TIME_SAMPLES_MAX {
            skew.heard(PeerId::random(), NOW, now);
        }
        assert_eq!(skew.samples.len(), TIME_SAMPLES_MAX);
    }

    #[test]
    fn a_clock_is_seen_to_be_set_and_not_to_go_on() {
        let hour = Duration::from_secs(3600);
        let mut settings = Settings::new(NOW, hour);
        assert!(!settings.look(NOW.plus(hour), 2 * hour), "time passes");
        assert!(!settings.look(NOW.plus(hour).plus(hour / 12), 2 * hour), "five minutes");
        for _ in 0..2 {
            assert!(settings.look(NOW.minus(hour), 2 * hour), "back");
            assert!(!settings.look(NOW.minus(hour), 2 * hour), "once");
            assert!(settings.look(NOW.plus(hour), 2 * hour), "ahead");
        }
    }
}
