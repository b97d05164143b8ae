//! How long messages live. Each message may have timers of its own, in its frame; kind 34 sets those that the
//! conversation's messages have from now on if nothing else is said.
//!
//! Payload of kind 34: `{0: expire seconds or null, 1: burn seconds or null}`. Further fields are ignored. Of several,
//! the newest counts, by (sent at, author, message id): so both sides agree, whoever set it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::codec;
use crate::limits::TIMER_SECONDS_MAX;
use crate::time::UnixMillis;

use super::MessageError;

/// The kind's number.
pub const KIND: u16 = 34;
/// Longest payload, bytes: it has 13 at most, and room for fields to come.
pub const BYTES_MAX: usize = 256;

/// How long a message lives; `None` where a timer is off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Timers {
    /// Seconds from when it was sent, by the sender's clock.
    pub expire_s: Option<u32>,
    /// Seconds from when it was read, by the reader's. Never beyond the other.
    pub burn_s: Option<u32>,
}

/// A timer that no message can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a timer of {seconds} s: must be 1 to {TIMER_SECONDS_MAX}")]
pub struct TimerError {
    /// What was found.
    pub seconds: i64,
}

impl Timers {
    /// No timer: the message stays.
    pub const OFF: Self = Self { expire_s: None, burn_s: None };

    /// Whether the message stays.
    #[must_use]
    pub fn is_off(&self) -> bool {
        *self == Self::OFF
    }

    /// Within the bounds?
    ///
    /// # Errors
    /// [`TimerError`].
    pub fn check(self) -> Result<Self, TimerError> {
        for seconds in [self.expire_s, self.burn_s].into_iter().flatten() {
            timer(seconds.into())?;
        }
        Ok(self)
    }

    /// When a message that was sent, or came, then is over, read or not.
    #[must_use]
    pub fn expires_at(&self, sent_at: UnixMillis) -> Option<UnixMillis> {
        self.expire_s.map(|seconds| sent_at.plus(Duration::from_secs(seconds.into())))
    }

    /// When a message that was read then is over.
    #[must_use]
    pub fn burns_at(&self, read_at: UnixMillis) -> Option<UnixMillis> {
        self.burn_s.map(|seconds| read_at.plus(Duration::from_secs(seconds.into())))
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    pub(super) fn decode(payload: &[u8]) -> Result<Self, MessageError> {
        let timers: Self = codec::decode_lenient(payload, BYTES_MAX)?;
        Ok(timers.check()?)
    }
}

/// A timer of so many seconds.
///
/// # Errors
/// [`TimerError`].
pub fn timer(seconds: i64) -> Result<u32, TimerError> {
    let found = u32::try_from(seconds).ok();
    found.filter(|found| (1..=TIMER_SECONDS_MAX).contains(found)).ok_or(TimerError { seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_are_from_a_second_to_six_days() {
        assert_eq!((timer(1), timer(518_400)), (Ok(1), Ok(518_400)));
        for seconds in [0, -1, 518_401, i64::MAX, i64::MIN] {
            assert_eq!(timer(seconds), Err(TimerError { seconds }));
        }
        let timers = Timers { expire_s: Some(60), burn_s: Some(518_401) };
        assert!(timers.check().is_err() && Timers::OFF.check().is_ok());
        assert_eq!(timers.expires_at(UnixMillis(5)), Some(UnixMillis(60_005)));
        assert_eq!(timers.burns_at(UnixMillis(u64::MAX)), Some(UnixMillis(u64::MAX)));
    }
}
