//! The clocks, as arguments.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use martlet_protocol::UnixMillis;

/// Tells the time of day, and how much time has passed. Timers are tokio's; the time of day is what expiry is
/// checked against.
pub trait Clock: Send + Sync + 'static {
    /// The time of day.
    fn now(&self) -> UnixMillis;

    /// Since some moment before the first call, by a clock that nobody sets.
    fn steady(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }
}

/// The system's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixMillis {
        // A clock before 1970 is as good as 1970.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// Goes on while the machine sleeps: a laptop that was closed for a night has no clock that jumped.
    #[cfg(target_os = "linux")]
    fn steady(&self) -> Duration {
        let since_boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::new(
            u64::try_from(since_boot.tv_sec).unwrap_or_default(),
            u32::try_from(since_boot.tv_nsec).unwrap_or_default(),
        )
    }
}

impl<F: Fn() -> UnixMillis + Send + Sync + 'static> Clock for F {
    fn now(&self) -> UnixMillis {
        self()
    }
}

/// The time that the engine goes by: the same for the network. Before the engine's first batch it is the wall
/// clock's.
pub struct NodeClock {
    clocks: Arc<dyn Clock>,
    /// The engine's time, and when that was by the steady clock.
    set: Mutex<Option<(UnixMillis, Duration)>>,
}

impl NodeClock {
    /// On these clocks.
    #[must_use]
    pub fn new(clocks: Arc<dyn Clock>) -> Self {
        Self { clocks, set: Mutex::new(None) }
    }

    /// The wall clock, right or wrong.
    #[must_use]
    pub fn wall(&self) -> UnixMillis {
        self.clocks.now()
    }

    /// The engine goes by this.
    pub(crate) fn set(&self, time: Option<(UnixMillis, Duration)>) {
        *self.set.lock().unwrap_or_else(PoisonError::into_inner) = time;
    }
}

impl Clock for NodeClock {
    fn now(&self) -> UnixMillis {
        let set = *self.set.lock().unwrap_or_else(PoisonError::into_inner);
        match set {
            Some((time, at)) => time.plus(self.steady().saturating_sub(at)),
            None => self.wall(),
        }
    }

    fn steady(&self) -> Duration {
        self.clocks.steady()
    }
}

impl std::fmt::Debug for NodeClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeClock").field("now", &self.now()).finish_non_exhaustive()
    }
}
