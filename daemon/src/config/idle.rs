//! After how long without the user the vault is locked.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits::{AUTO_LOCK_MAX, AUTO_LOCK_MIN};

/// `off`, or a time from [`AUTO_LOCK_MIN`] to [`AUTO_LOCK_MAX`] in whole seconds, minutes or hours: `90s`, `15m`, `2h`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AutoLock(Option<Duration>);

/// Why a text is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AutoLockError {
    /// Not a number and a unit.
    #[error("{text:?} is no time; write it like \"15m\" (s, m or h), or \"off\"")]
    Malformed {
        /// What was given.
        text: String,
    },
    /// Out of bounds.
    #[error("{text:?} is too short or too long; give \"5s\" to \"168h\", or \"off\"")]
    OutOfBounds {
        /// What was given.
        text: String,
    },
}

impl AutoLock {
    /// The time; `None` for never.
    #[must_use]
    pub fn get(self) -> Option<Duration> {
        self.0
    }
}

impl FromStr for AutoLock {
    type Err = AutoLockError;

    fn from_str(text: &str) -> Result<Self, AutoLockError> {
        if text == "off" {
            return Ok(Self(None));
        }
        let malformed = || AutoLockError::Malformed { text: text.into() };
        let unit = text.char_indices().next_back().ok_or_else(malformed)?;
        let (number, seconds) = match unit {
            (at, 's') => (&text[..at], 1),
            (at, 'm') => (&text[..at], 60),
            (at, 'h') => (&text[..at], 60 * 60),
            (_, _) => return Err(malformed()),
        };
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(malformed());
        }
        let time = number.parse().ok().and_then(|number: u64| number.checked_mul(seconds));
        let time = time.map_or(Duration::MAX, Duration::from_secs);
        if !(AUTO_LOCK_MIN..=AUTO_LOCK_MAX).contains(&time) {
            return Err(AutoLockError::OutOfBounds { text: text.into() });
        }
        Ok(Self(Some(time)))
    }
}

impl TryFrom<String> for AutoLock {
    type Error = AutoLockError;

    fn try_from(text: String) -> Result<Self, AutoLockError> {
        text.parse()
    }
}

impl From<AutoLock> for String {
    fn from(time: AutoLock) -> Self {
        time.to_string()
    }
}

impl fmt::Display for AutoLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(time) = self.0 else { return f.write_str("off") };
        match time.as_secs() {
            seconds if seconds % 3600 == 0 => write!(f, "{}h", seconds / 3600),
            seconds if seconds % 60 == 0 => write!(f, "{}m", seconds / 60),
            seconds => write!(f, "{seconds}s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_taken_with_their_unit_and_within_bounds() {
        for (text, seconds) in
            [("5s", 5), ("90s", 90), ("15m", 900), ("2h", 7200), ("168h", 604_800)]
        {
            let time: AutoLock = text.parse().expect(text);
            assert_eq!(time.get(), Some(Duration::from_secs(seconds)));
            assert_eq!(time.to_string().parse(), Ok(time));
        }
        assert_eq!("off".parse::<AutoLock>().map(AutoLock::get), Ok(None));
        assert_eq!(AutoLock::default().to_string(), "off");
        for bad in ["", "15", "m", "15 m", "+5m", "-5m", "1.5h", "15d", "on", "5µ", "OFF"] {
            let error = bad.parse::<AutoLock>().expect_err(bad);
            assert!(matches!(error, AutoLockError::Malformed { .. }), "{error}");
        }
        for bad in ["0s", "4s", "169h", "99999999999999999999h", "18446744073709551615h"] {
            let error = bad.parse::<AutoLock>().expect_err(bad);
            assert!(matches!(error, AutoLockError::OutOfBounds { .. }), "{error}");
        }
    }
}
