//! Time as it stands on the wire and in records. Nothing here reads a clock.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::limits::{CLOCK_SKEW_MAX, ENVELOPE_LIFETIME_MAX};

/// Milliseconds since the Unix epoch (UTC, leap seconds not counted).
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    ToSchema,
)]
#[serde(transparent)]
pub struct UnixMillis(pub u64);

/// Hours since the Unix epoch: when an envelope ends. Coarse, so that it tells little of when the
/// envelope was made.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ExpiryHour(pub u32);

/// Days since the Unix epoch: bundles are published by the day.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Day(pub u32);

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

impl UnixMillis {
    /// This time plus `duration`, saturating.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// This time minus `duration`, not before the epoch.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long after `earlier` this is; zero if it is before.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The day this falls in.
    #[must_use]
    pub fn day(self) -> Day {
        Day(u32::try_from(self.0 / DAY_MS).unwrap_or(u32::MAX))
    }
}

impl ExpiryHour {
    /// The hour in which an envelope made `now` with the longest life ends.
    #[must_use]
    pub fn latest(now: UnixMillis) -> Self {
        // Rounded down, so that it is not kept a minute longer than the lifetime.
        Self::containing(now.plus(ENVELOPE_LIFETIME_MAX))
    }

    /// The hour in which an envelope made `now` ends that is of no use after `end`: not before it, and as soon after it
    /// as hours allow.
    #[must_use]
    pub fn of_use_until(end: UnixMillis, now: UnixMillis) -> Self {
        let hours = u32::try_from(end.0.div_ceil(HOUR_MS)).unwrap_or(u32::MAX);
        Self(hours).min(Self::latest(now))
    }

    /// The last hour an envelope from an honest peer with a skewed clock may name.
    #[must_use]
    pub fn latest_accepted(now: UnixMillis) -> Self {
        Self::containing(now.plus(ENVELOPE_LIFETIME_MAX + CLOCK_SKEW_MAX))
    }

    /// The hour `at` falls in: an envelope that ends in it has ended once it has begun.
    #[must_use]
    pub fn containing(at: UnixMillis) -> Self {
        Self(u32::try_from(at.0 / HOUR_MS).unwrap_or(u32::MAX))
    }

    /// Whether an envelope with this expiry has ended.
    #[must_use]
    pub fn is_past(self, now: UnixMillis) -> bool {
        self <= Self::containing(now)
    }

    /// The instant the hour begins, when the envelope ends.
    #[must_use]
    pub fn instant(self) -> UnixMillis {
        UnixMillis(u64::from(self.0) * HOUR_MS)
    }
}
