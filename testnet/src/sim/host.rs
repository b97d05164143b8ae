//! What a simulation puts in the operating system's place: the clocks and the randomness.
//!
//! `std` and all libraries ask libc for the time and for random bytes. The executable stands in for
//! the two functions (`hooks.rs` beside `main.rs`) and asks here first. On the thread of a
//! simulation the answer is the simulation's; on every other it is libc's.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use rand::Rng;
use rand_chacha::ChaCha20Rng;

/// The wall clock at the start of a simulation, since the Unix epoch: 2027-01-15 08:00:00 UTC.
pub const EPOCH: Duration = Duration::from_secs(1_800_000_000);
/// The monotonic clock then: far from its beginning, so that times before now can be told.
const MONOTONIC_START: Duration = Duration::from_secs(1_000_000);

thread_local! {
    static TIME: Cell<Time> = const { Cell::new(Time::System) };
    static RNG: RefCell<Option<ChaCha20Rng>> = const { RefCell::new(None) };
}

/// Whose time it is on this thread.
#[derive(Clone, Copy)]
enum Time {
    /// libc's.
    System,
    /// The simulation's, which stands still: its runtime is being made, or asks for the time
    /// itself.
    Still,
    /// The simulation's, since this instant of tokio's clock.
    Running(tokio::time::Instant),
}

/// A clock that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockKind {
    /// `CLOCK_REALTIME` and its like.
    Wall,
    /// `CLOCK_MONOTONIC` and its like.
    Monotonic,
}

/// The time of this thread's simulation; `None` on a thread that has none.
#[must_use]
pub fn time(kind: ClockKind) -> Option<Duration> {
    // A thread that is ending has none.
    let elapsed = match TIME.try_with(Cell::get).ok()? {
        Time::System => return None,
        Time::Still => Duration::ZERO,
        Time::Running(start) => {
            TIME.set(Time::Still);
            let elapsed = start.elapsed();
            TIME.set(Time::Running(start));
            elapsed
        }
    };
    Some(elapsed + if kind == ClockKind::Wall { EPOCH } else { MONOTONIC_START })
}

/// Fills `bytes` with this thread's simulation's randomness; `false` on a thread that has none.
pub fn fill_random(bytes: &mut [u8]) -> bool {
    RNG.try_with(|rng| match &mut *rng.borrow_mut() {
        Some(rng) => {
            rng.fill_bytes(bytes);
            true
        }
        None => false,
    })
    .unwrap_or(false)
}

/// Puts this thread into a simulation, for good: its time stands still until [`run_clock`].
pub(super) fn enter(rng: ChaCha20Rng) {
    RNG.set(Some(rng));
    TIME.set(Time::Still);
}

/// Lets the time go with tokio's clock from now on. In a runtime whose clock is paused.
pub(super) fn run_clock() {
    TIME.set(Time::Running(tokio::time::Instant::now()));
}

/// Whether the executable asks here for the time, and so for all of this to work.
pub(super) fn is_hooked() -> bool {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.is_ok_and(|now| Some(now) == time(ClockKind::Wall))
}
