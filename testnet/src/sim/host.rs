//! What a simulation puts in the operating system's place: the clocks, the randomness, and the wait for something to
//! happen.
//!
//! `std` and all libraries ask libc for the time and for random bytes, and tokio's runtime waits by `epoll_wait`. The
//! executable stands in for the three functions (`hooks.rs` beside `main.rs`) and asks here first. On a thread of a
//! simulation the answer is the simulation's; on every other it is libc's.
//!
//! A simulated clock stands on whole milliseconds, which tokio's timers are rounded up to. It moves only while the
//! runtime of its thread has nothing to do.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;

/// The wall clock at the start of a simulation, since the Unix epoch: 2027-01-15 08:00:00 UTC.
pub const EPOCH: Duration = Duration::from_secs(1_800_000_000);
/// The monotonic clock then: far from its beginning, so that times before now can be told.
const MONOTONIC_START: Duration = Duration::from_secs(1_000_000);

/// A time on a simulation's clock: milliseconds since its start.
pub(super) type Tick = u64;

/// Called when a runtime has nothing to do: it is given when its next timer is due, if it has any, and does not return
/// before there is something to do.
pub(super) type Idle = Box<dyn FnMut(Option<Tick>)>;

thread_local! {
    static NOW: Cell<Option<Tick>> = const { Cell::new(None) };
    static RNG: RefCell<Option<ChaCha20Rng>> = const { RefCell::new(None) };
    static IDLE: RefCell<Option<Idle>> = const { RefCell::new(None) };
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
    let now = NOW.try_with(Cell::get).ok()??;
    let start = if kind == ClockKind::Wall { EPOCH } else { MONOTONIC_START };
    Some(start + Duration::from_millis(now))
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

/// Waits until something happens in this thread's simulation, at most so many milliseconds of its time; -1: for ever.
/// `false` on a thread that has none.
pub fn wait(timeout_ms: i32) -> bool {
    let Some(now) = NOW.try_with(Cell::get).ok().flatten() else { return false };
    if timeout_ms == 0 {
        return true;
    }
    let due = u64::try_from(timeout_ms).ok().map(|timeout| now + timeout);
    IDLE.try_with(|idle| idle.borrow_mut().as_mut().map(|idle| idle(due))).is_ok()
}

/// Puts this thread into a simulation, for good, at its start.
pub(super) fn enter(rng: ChaCha20Rng) {
    RNG.set(Some(rng));
    NOW.set(Some(0));
}

/// For a thread that works in turns with this one: this thread's time, and at its first turn randomness of its own.
pub(super) fn lend() -> Box<dyn FnOnce() + Send> {
    let (now, mut seed) = (now(), [0; 32]);
    fill_random(&mut seed);
    Box::new(move || {
        if RNG.with_borrow(Option::is_none) {
            enter(ChaCha20Rng::from_seed(seed));
        }
        set(now);
    })
}

/// From now on `idle` is called where a runtime of this thread has nothing to do; `None`: it does not wait.
pub(super) fn on_idle(idle: Option<Idle>) {
    IDLE.set(idle);
}

/// The time of this thread's simulation.
pub(super) fn now() -> Tick {
    NOW.get().unwrap_or_default()
}

/// Moves this thread's clock.
pub(super) fn set(now: Tick) {
    NOW.set(Some(now));
}

/// Whether the executable asks here for the time, and so for all of this to work.
pub(super) fn is_hooked() -> bool {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.is_ok_and(|now| Some(now) == time(ClockKind::Wall))
}
