//! The clocks, as arguments.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::limits::{CLOCK_SET_MIN, CLOCK_TOLD_AFTER};
use martlet_protocol::UnixMillis;

/// Tells the time of day, and how much time has passed. Timers are tokio's; the time of day is what expiry is
/// checked against.
pub trait Clock: Send + Sync + 'static {
    /// The time of day.
    fn now(&self) -> UnixMillis;

    /// What other nodes are told that it is.
    fn told(&self) -> UnixMillis {
        self.now()
    }

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
    going: Mutex<Going>,
}

/// Since when a wall clock goes on by itself.
struct Going {
    /// What it showed last, and when that was by the steady clock.
    last: (UnixMillis, Duration),
    /// By the steady clock.
    since: Duration,
}

impl NodeClock {
    /// On these clocks.
    #[must_use]
    pub fn new(clocks: Arc<dyn Clock>) -> Self {
        let (wall, steady) = (clocks.now(), clocks.steady());
        let going = Going { last: (wall, steady), since: steady };
        Self { clocks, set: Mutex::new(None), going: Mutex::new(going) }
    }

    /// The wall clock, right or wrong.
    #[must_use]
    pub fn wall(&self) -> UnixMillis {
        self.clocks.now()
    }

    /// The engine goes by this.
    pub(crate) fn set(&self, time: Option<(UnixMillis, Duration)>) {
        // A jump is seen as soon as the engine sees it, and one back, too.
        self.told();
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

    /// They decide by it which of two times of their own is right. Nodes whose clocks were behind together go by the
    /// time of before once these are right, and would for ever if each told the others that. So they are told what the
    /// wall clock shows, once that has gone on by itself for a while. One that is behind what this node goes by is wrong.
    fn told(&self) -> UnixMillis {
        let (wall, steady) = (self.wall(), self.steady());
        let mut going = self.going.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, at) = std::mem::replace(&mut going.last, (wall, steady));
        let expected = before.plus(steady.saturating_sub(at));
        if u128::from(wall.0.abs_diff(expected.0)) >= CLOCK_SET_MIN.as_millis() {
            going.since = steady;
        }
        let now = self.now();
        if steady.saturating_sub(going.since) >= CLOCK_TOLD_AFTER { now.max(wall) } else { now }
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const START: UnixMillis = UnixMillis(1_800_000_000_000);
    const DAY_MS: i64 = 24 * 3_600_000;

    /// What it shows, and the steady time.
    struct Shown(Mutex<(UnixMillis, Duration)>);

    impl Clock for Shown {
        fn now(&self) -> UnixMillis {
            self.0.lock().unwrap().0
        }

        fn steady(&self) -> Duration {
            self.0.lock().unwrap().1
        }
    }

    /// Two small computers started a day behind, and told each other that. Once both had the time, each went on a day
    /// behind, since the other did; and so did whoever was started beside them.
    #[test]
    fn others_are_told_what_the_clock_shows_once_it_goes_on_by_itself() {
        let shown = Arc::new(Shown(Mutex::new((START, Duration::ZERO))));
        let clocks: Arc<dyn Clock> = Arc::<Shown>::clone(&shown);
        let clock = NodeClock::new(clocks);
        let minute = Duration::from_secs(60);
        // The engine goes on by the time of before.
        let tick = |minutes: u32, ahead_ms: i64| {
            for _ in 0..minutes {
                let (_, steady) = *shown.0.lock().unwrap();
                let steady = steady + minute;
                let time = START.plus(steady);
                *shown.0.lock().unwrap() =
                    (UnixMillis(time.0.saturating_add_signed(ahead_ms)), steady);
                clock.set(Some((time, steady)));
            }
            clock.told().0.checked_signed_diff(clock.now().0).unwrap()
        };
        assert_eq!(tick(60, 0), 0);
        assert_eq!(tick(1, DAY_MS), 0, "it may be a glitch");
        assert_eq!(tick(1, 0), 0);
        assert_eq!(tick(60, DAY_MS), 0, "nor is an hour long");
        assert_eq!(tick(1, 0), 0);
        assert_eq!(tick(119, DAY_MS), 0);
        assert_eq!(tick(2, DAY_MS), DAY_MS);
        assert_eq!(tick(60, -DAY_MS), 0, "the node goes by what was vouched for");
    }
}
