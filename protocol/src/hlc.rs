//! Hybrid logical clock (Kulkarni, Demirbas, Madappa, Avva and Leone: *Logical Physical Clocks and Consistent Snapshots in
//! Globally Distributed Databases*, 2014): a stamp that is close to the time, and later than whatever its maker had seen.
//!
//! A stamp is the greatest time that its maker knew of, and a count of the stamps that have this same time. Of two stamps
//! the greater is the later one. Between two stamps of which neither maker knew the other's, the clocks decide.
//!
//! The paper drops stamps that are too far ahead. That would let two devices disagree for ever, by when each of them got a
//! stamp. Here each stamp is taken, whatever it says, and only the clock of who takes it does not follow one that is too far
//! ahead ([`Hlc::follow`]). Whoever changes what has such a stamp makes a later one ([`Hlc::after`]), so a clock that was
//! wrong has the last word on nothing that anyone changes afterwards.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::UnixMillis;

/// A stamp of a hybrid logical clock. Encoded `{0: ms u64, 1: count u32}`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Hlc {
    /// The greatest time that its maker knew of.
    pub at: UnixMillis,
    /// How many stamps its maker knew of that have this time.
    pub count: u32,
}

impl Hlc {
    /// The latest one that is taken: at the end of the year 9999.
    pub const LAST: Self = Self { at: UnixMillis(253_402_300_799_999), count: u32::MAX };

    /// A stamp made at `now`, after this one.
    #[must_use]
    pub fn after(self, now: UnixMillis) -> Self {
        if now > self.at {
            return Self { at: now, count: 0 };
        }
        match self.count.checked_add(1) {
            Some(count) => Self { at: self.at, count },
            None => Self { at: UnixMillis(self.at.0.saturating_add(1)), count: 0 },
        }
    }

    /// The clock, once a stamp of another device was seen at `now`. It does not follow one that is further ahead than
    /// `skew`.
    #[must_use]
    pub fn follow(self, seen: Self, now: UnixMillis, skew: Duration) -> Self {
        if seen.at > now.plus(skew) { self } else { self.max(seen) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_767_323_045_678);
    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_stamp_is_after_all_that_its_maker_saw_whatever_the_clocks_say() {
        let mut clock = Hlc::default();
        let ahead = Hlc { at: NOW.plus(HOUR), count: 7 };
        for now in [NOW, NOW, NOW.minus(HOUR), NOW.plus(HOUR), NOW] {
            let stamp = clock.after(now);
            assert!(stamp > clock, "{stamp:?}");
            clock = stamp;
        }
        clock = clock.follow(ahead, NOW, HOUR);
        assert_eq!(clock.after(NOW), Hlc { count: 8, ..ahead });
        assert_eq!(clock.after(NOW.plus(2 * HOUR)), Hlc { at: NOW.plus(2 * HOUR), count: 0 });
        let full = Hlc { at: NOW, count: u32::MAX };
        assert!(full.after(NOW) > full && Hlc::LAST.after(NOW) > Hlc::LAST);
    }

    #[test]
    fn a_clock_does_not_follow_one_that_is_far_ahead() {
        let clock = Hlc { at: NOW, count: 3 };
        let far = Hlc { at: NOW.plus(2 * HOUR), count: 0 };
        assert_eq!(clock.follow(far, NOW, HOUR), clock);
        assert!(far.after(NOW) > far, "who changes the same thing has the last word all the same");
    }
}
