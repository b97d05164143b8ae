//! How often a node does what it does unasked.

use std::num::NonZeroU32;
use std::time::Duration;

/// How much rarer than usual a node does what it does unasked: gossip's heartbeat, pings, rounds of
/// sync, looking over its connections. 1 in every daemon; simulations of days use more, since this
/// is all that happens in quiet hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace(NonZeroU32);

impl Pace {
    /// As usual.
    pub const USUAL: Self = Self(NonZeroU32::MIN);

    /// So many times rarer; 0 is taken for 1.
    #[must_use]
    pub fn rarer(factor: u32) -> Self {
        Self(NonZeroU32::new(factor).unwrap_or(NonZeroU32::MIN))
    }

    /// What is usually `interval` apart.
    #[must_use]
    pub fn apply(self, interval: Duration) -> Duration {
        interval.saturating_mul(self.0.get())
    }
}
