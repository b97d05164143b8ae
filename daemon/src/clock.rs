//! The wall clock, as an argument.

use std::time::{SystemTime, UNIX_EPOCH};

use martlet_protocol::UnixMillis;

/// Tells the time of day. Timers are tokio's; this is what expiry is checked against.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> UnixMillis;
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixMillis {
        // A clock before 1970 is as good as 1970.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

impl<F: Fn() -> UnixMillis + Send + Sync + 'static> Clock for F {
    fn now(&self) -> UnixMillis {
        self()
    }
}
