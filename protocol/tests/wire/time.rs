//! Times and their bounds.

use std::time::Duration;

use martlet_protocol::limits::{CLOCK_SKEW_MAX, ENVELOPE_LIFETIME_MAX};
use martlet_protocol::time::{Day, ExpiryHour, UnixMillis};
use proptest::prelude::*;

use crate::fixture::NOW;

const HOUR: Duration = Duration::from_secs(3600);

/// Times an honest clock may show: up to the year 12,000 or so.
fn any_now() -> impl Strategy<Value = UnixMillis> {
    (0..1u64 << 48).prop_map(UnixMillis)
}

#[test]
fn examples() {
    assert_eq!(ExpiryHour::containing(NOW), ExpiryHour(490_923));
    assert_eq!(ExpiryHour::latest(NOW), ExpiryHour(490_923 + 144));
    assert_eq!(ExpiryHour::latest_accepted(NOW), ExpiryHour(490_923 + 146));
    assert_eq!(ExpiryHour(490_923).instant(), UnixMillis(1_767_322_800_000));
    assert_eq!(NOW.day(), Day(20_455));
}

#[test]
fn nothing_overflows() {
    let end = UnixMillis(u64::MAX);
    assert_eq!(end.plus(Duration::MAX), end);
    assert_eq!(UnixMillis(0).minus(Duration::MAX), UnixMillis(0));
    assert_eq!(UnixMillis(0).since(end), Duration::ZERO);
    assert_eq!(ExpiryHour::latest_accepted(end), ExpiryHour(u32::MAX));
    assert!(ExpiryHour(u32::MAX).is_past(end));
    assert_eq!(end.day(), Day(u32::MAX));
    assert_eq!(ExpiryHour(u32::MAX).instant(), UnixMillis(u64::from(u32::MAX) * 3_600_000));
}

proptest! {
    /// Promise 4: at most 6 days, and no more than an hour is given away by rounding.
    #[test]
    fn an_envelope_made_now_lives_almost_six_days_and_no_longer(now in any_now()) {
        let life = ExpiryHour::latest(now).instant().since(now);
        prop_assert!(life <= ENVELOPE_LIFETIME_MAX);
        prop_assert!(life > ENVELOPE_LIFETIME_MAX - HOUR);
    }

    #[test]
    fn what_the_fastest_accepted_clock_makes_is_accepted(now in any_now(), ahead in 0..=CLOCK_SKEW_MAX.as_secs()) {
        let theirs = now.plus(Duration::from_secs(ahead));
        prop_assert!(ExpiryHour::latest(theirs) <= ExpiryHour::latest_accepted(now));
        let kept = ExpiryHour::latest_accepted(now).instant().since(now);
        prop_assert!(kept <= ENVELOPE_LIFETIME_MAX + CLOCK_SKEW_MAX);
    }

    #[test]
    fn an_envelope_ends_when_its_hour_begins(hour in 1u32..100_000_000) {
        let hour = ExpiryHour(hour);
        prop_assert!(hour.is_past(hour.instant()));
        prop_assert!(!hour.is_past(UnixMillis(hour.instant().0 - 1)));
        prop_assert_eq!(ExpiryHour::containing(hour.instant()), hour);
    }

    #[test]
    fn plus_minus_and_since_agree(now in any_now(), millis in 0..1u64 << 40) {
        let step = Duration::from_millis(millis);
        prop_assert_eq!(now.plus(step).minus(step), now);
        prop_assert_eq!(now.plus(step).since(now), step);
    }
}
