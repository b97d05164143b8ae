//! Times for people: short, in their time zone.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use martlet_protocol::UnixMillis;

/// Now, and where.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    now: UnixMillis,
    zone: TimeZone,
}

impl Clock {
    /// The system's clock and time zone.
    pub(crate) fn system() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            now: UnixMillis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)),
            zone: TimeZone::system(),
        }
    }

    /// What the clock shows.
    pub(crate) fn now(&self) -> UnixMillis {
        self.now
    }

    #[cfg(test)]
    pub(crate) fn at(now: UnixMillis) -> Self {
        Self { now, zone: TimeZone::UTC }
    }

    /// How long ago `at` was: `just now`, `5 min ago`, `3 h ago`, `2 d ago`.
    pub(crate) fn ago(&self, at: UnixMillis) -> String {
        let minutes = self.now.since(at).as_secs() / 60;
        match minutes {
            0 => "just now".to_owned(),
            1..60 => format!("{minutes} min ago"),
            60..1440 => format!("{} h ago", minutes / 60),
            _ => format!("{} d ago", minutes / 1440),
        }
    }

    /// `14:05`.
    pub(crate) fn minute(&self, at: UnixMillis) -> String {
        self.zoned(at).strftime("%H:%M").to_string()
    }

    /// `14:05:12`.
    pub(crate) fn second(&self, at: UnixMillis) -> String {
        self.zoned(at).strftime("%H:%M:%S").to_string()
    }

    /// `today`, `yesterday` or `Mon 23 Nov 2026`.
    pub(crate) fn day(&self, at: UnixMillis) -> String {
        let (today, day) = (self.zoned(self.now), self.zoned(at));
        if day.date() == today.date() {
            return "today".to_owned();
        }
        if today.date().yesterday().is_ok_and(|yesterday| day.date() == yesterday) {
            return "yesterday".to_owned();
        }
        day.strftime("%a %-d %b %Y").to_string()
    }

    /// `today 14:05`.
    pub(crate) fn day_and_minute(&self, at: UnixMillis) -> String {
        format!("{} {}", self.day(at), self.minute(at))
    }

    fn zoned(&self, at: UnixMillis) -> Zoned {
        // A time past the year 9999 comes from a broken clock; the last one shows it.
        let at = i64::try_from(at.0)
            .ok()
            .and_then(|at| Timestamp::from_millisecond(at).ok())
            .unwrap_or(Timestamp::MAX);
        at.to_zoned(self.zone.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: UnixMillis = UnixMillis(1_795_435_200_000);
    const HOUR_MS: u64 = 3_600_000;

    #[test]
    fn ages_are_short() {
        let clock = Clock::at(NOON);
        let ago = |seconds: u64| clock.ago(UnixMillis(NOON.0 - seconds * 1000));
        assert_eq!(ago(59), "just now");
        assert_eq!(ago(60), "1 min ago");
        assert_eq!(ago(3599), "59 min ago");
        assert_eq!(ago(3600), "1 h ago");
        assert_eq!(ago(24 * 3600), "1 d ago");
        assert_eq!(clock.ago(UnixMillis(u64::MAX)), "just now");
    }

    #[test]
    fn days_have_names() {
        let clock = Clock::at(NOON);
        assert_eq!(clock.day_and_minute(NOON), "today 12:00");
        assert_eq!(clock.day(UnixMillis(NOON.0 - 13 * HOUR_MS)), "yesterday");
        assert_eq!(clock.day(UnixMillis(NOON.0 - 37 * HOUR_MS)), "Sat 21 Nov 2026");
        assert_eq!(clock.second(UnixMillis(NOON.0 + 12_999)), "12:00:12");
    }

    #[test]
    fn times_of_broken_clocks_are_shown() {
        assert_eq!(Clock::at(NOON).day(UnixMillis(u64::MAX)), "Thu 30 Dec 9999");
        assert_eq!(Clock::at(UnixMillis(0)).day(UnixMillis(0)), "today");
    }
}
