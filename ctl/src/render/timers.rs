//! Timers of messages: read from arguments, and told.

use martlet_protocol::UnixMillis;
use martlet_protocol::control::TimerSetting;
use martlet_protocol::message::timer as checked;

const UNITS: [(&str, i64); 7] = [
    ("s", 1),
    ("sec", 1),
    ("m", 60),
    ("min", 60),
    ("h", 3600),
    ("d", 86_400),
    // A number alone.
    ("", 1),
];

/// Reads a timer: `30s`, `5min`, `1h`, `6d`, or `off`.
pub(crate) fn timer(text: &str) -> Result<TimerSetting, String> {
    if text == "off" {
        return Ok(TimerSetting::OFF);
    }
    let Some(seconds) = seconds(text) else {
        return Err("a time such as 30s, 5min, 1h or 6d, or off".to_owned());
    };
    match checked(seconds) {
        Ok(_) => Ok(TimerSetting::Seconds(seconds)),
        Err(_) => {
            Err("a message lives 1 s to 6 d: no mailbox keeps it longer. For one that stays: off"
                .to_owned())
        }
    }
}

/// Reads how long something is good: `1min` to `30d`.
pub(crate) fn life(text: &str) -> Result<u32, String> {
    let seconds = seconds(text).filter(|seconds| (60..=30 * 86_400).contains(seconds));
    let seconds = seconds.and_then(|seconds| u32::try_from(seconds).ok());
    seconds.ok_or_else(|| "a time such as 30min, 12h or 7d, from 1min to 30d".to_owned())
}

/// A number and a unit.
fn seconds(text: &str) -> Option<i64> {
    let at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let (_, unit) = UNITS.iter().find(|(name, _)| *name == unit)?;
    Some(number.trim_end().parse::<i64>().ok()?.saturating_mul(*unit))
}

/// `1 d 2 h`: the two greatest units.
pub(crate) fn in_words(seconds: u64) -> String {
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let first = parts.iter().position(|(count, _)| *count > 0).unwrap_or(parts.len() - 1);
    let told = parts[first..].iter().take(2).filter(|(count, _)| *count > 0);
    let told: Vec<_> = told.map(|(count, unit)| format!("{count} {unit}")).collect();
    if told.is_empty() { "0 s".to_owned() } else { told.join(" ") }
}

/// How long there is left.
pub(super) fn left(ends_at: UnixMillis, now: UnixMillis) -> String {
    in_words(ends_at.since(now).as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_are_read_as_people_write_them() {
        let seconds = |text| match timer(text) {
            Ok(TimerSetting::Seconds(seconds)) => seconds,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!((seconds("30s"), seconds("5min"), seconds("5m")), (30, 300, 300));
        assert_eq!((seconds("1h"), seconds("6d"), seconds("90")), (3600, 518_400, 90));
        assert_eq!(timer("off"), Ok(TimerSetting::OFF));
        for refused in ["0s", "-5s", "7d", "9223372036854775807d"] {
            let reason = timer(refused).expect_err(refused);
            assert!(reason.contains("1 s to 6 d"), "{refused}: {reason}");
        }
        for refused in ["", "h", "1w", "1.5h", "soon", "1h30"] {
            assert!(timer(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn what_is_left_is_told_shortly() {
        assert_eq!((in_words(0), in_words(59)), ("0 s".into(), "59 s".into()));
        assert_eq!((in_words(3600), in_words(3_690)), ("1 h".into(), "1 h 1 min".into()));
        assert_eq!(in_words(518_399), "5 d 23 h");
        assert_eq!(left(UnixMillis(5), UnixMillis(9000)), "0 s");
    }
}
