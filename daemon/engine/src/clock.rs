//! What time it is, and how far that is to be trusted.
//!
//! The host gives each batch two readings: the wall clock, which someone may set, and the time since the
//! host's start, which nobody can. `Timekeeper` makes two times of them:
//!
//! - **now**: what the node goes by, and the network with it. While nothing speaks against it, that is the wall
//!   clock. If the wall clock jumps after a second source had agreed with it, *now* goes on by the steady one,
//!   until the peers' clocks are nearer to the wall clock than to that, or it comes back by itself. If the wall
//!   clock is before what a second source vouched for, it is wrong, and *now* is that.
//! - **sure**: the latest moment that two sources agree has come: the wall clock and the peers, or a moment so
//!   vouched for (kept on disk over restarts) and the steady time since. It is never after *now*. What deletes
//!   or ends anything for good goes by it: so a clock that is wrong deletes nothing.
//!
//! A peer's word never sets the time: it decides between the two that this node has itself. A peer that lies
//! can so at most hold a node, whose clock has jumped or that has just started, at a time that it had before.
//!
//! Without a second source (a node that never met anyone) the wall clock is all there is, and is followed
//! wherever it goes; *sure* then goes by the steady clock from the start.

use std::time::Duration;

use crate::limits::TIME_SAMPLE_KEPT;
use martlet_protocol::UnixMillis;

/// How far two clocks may be apart and still agree, and what a clock may be set by without a word: far over
/// what a network and whole seconds make of it (a peer answers within half a minute), far under the hours that
/// envelopes count in. Where nobody sets them, the worst of crystals (200 millionths off, one ahead, one behind) are as
/// far apart after 17 days; a test lets them drift for 90, and that costs no message.
pub(crate) const CLOCKS_AGREE: Duration = Duration::from_secs(10 * 60);
/// How far the moment that is kept on disk may fall behind: an hour less is an hour that things are kept too
/// long where nobody is met after a start. Each costs an idle node a commit.
const KEPT_EVERY: Duration = Duration::from_secs(3600);
/// How long a jump is told after it.
const JUMP_TOLD: Duration = Duration::from_secs(3600);

/// Keeps the time.
#[derive(Debug, Default)]
pub(crate) struct Timekeeper {
    /// The moment kept on disk.
    kept: Option<UnixMillis>,
    last: Option<Reading>,
    /// What the peers say the time was when, by the steady clock.
    peers: Option<(UnixMillis, Duration)>,
    /// The last jump: by how many milliseconds, and when by the steady clock.
    jump: Option<(i64, Duration)>,
}

/// The times of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    /// What this node goes by.
    pub(crate) now: UnixMillis,
    /// It is at least so late: see the module.
    pub(crate) sure: UnixMillis,
    /// Since the host's start.
    pub(crate) steady: Duration,
    /// Whether a second source has agreed with *now*.
    pub(crate) is_supported: bool,
    /// Whether *now* is not what it would be had only time passed since the last batch.
    pub(crate) has_stepped: bool,
}

/// Why the clock is doubted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockDoubt {
    /// How far the wall clock is ahead of the time that the node goes by, milliseconds; negative when it is
    /// behind. 0 where it is followed.
    pub ahead_ms: i64,
    /// By how much it jumped within the last hour, milliseconds; 0 if it did not.
    pub jumped_ms: i64,
}

#[derive(Debug, Clone, Copy)]
struct Reading {
    wall: UnixMillis,
    times: Times,
    /// Whether *now* is not the wall clock.
    is_held: bool,
    /// Whether *sure* rests on a second source.
    is_vouched: bool,
}

impl Timekeeper {
    /// With the moment that was kept on disk.
    pub(crate) fn new(kept: Option<UnixMillis>) -> Self {
        Self { kept, ..Self::default() }
    }

    /// The peers say that it is `theirs`.
    pub(crate) fn heard(&mut self, theirs: UnixMillis) {
        let Some(last) = &mut self.last else { return };
        self.peers = Some((theirs, last.times.steady));
        // A moment that is vouched for at last is kept with this batch: after the next start it may be all there is.
        if !last.is_vouched && !last.is_held && agree(last.wall, theirs) {
            last.times.sure = last.times.now.min(theirs);
            last.is_vouched = true;
        }
    }

    /// What the time is, where the clocks show this.
    pub(crate) fn read(&mut self, wall: UnixMillis, steady: Duration) -> Times {
        let peers = self.peers.filter(|(_, at)| steady.saturating_sub(*at) < TIME_SAMPLE_KEPT);
        let peers = peers.map(|(theirs, at)| theirs.plus(steady.saturating_sub(at)));
        let reading = match self.last {
            None => self.first(wall, steady),
            Some(last) => self.next(last, wall, steady),
        };
        let reading = decide(reading, peers);
        self.last = Some(reading);
        reading.times
    }

    /// What was kept on disk is all that there is beside the wall clock.
    fn first(&self, wall: UnixMillis, steady: Duration) -> Reading {
        let sure = self.kept.unwrap_or(wall);
        let is_held = is_before(wall, sure);
        let now = if is_held { sure } else { wall };
        Reading {
            wall,
            times: Times {
                now,
                sure,
                steady,
                is_supported: self.kept.is_some() && agree(wall, sure),
                has_stepped: false,
            },
            is_held,
            is_vouched: self.kept.is_some(),
        }
    }

    fn next(&mut self, last: Reading, wall: UnixMillis, steady: Duration) -> Reading {
        let elapsed = steady.saturating_sub(last.times.steady);
        let (went_on, expected) = (last.wall.plus(elapsed), last.times.now.plus(elapsed));
        let has_jumped = !agree(wall, went_on);
        if has_jumped {
            self.jump = Some((difference(wall, went_on), steady));
        }
        let mut sure = last.times.sure.plus(elapsed);
        if !last.is_vouched {
            sure = sure.min(wall);
        }
        let is_wrong = last.is_vouched && is_before(wall, sure);
        let (now, is_held) = if last.is_held {
            // Held for want of any better: a wall clock that can be right is better.
            let is_over = agree(wall, expected) || !last.times.is_supported && !is_wrong;
            if is_over { (wall, false) } else { (expected, true) }
        } else if last.times.is_supported && has_jumped {
            (expected, true)
        } else if is_wrong {
            (sure, true)
        } else {
            (wall, false)
        };
        let is_supported = last.times.is_supported && agree(now, expected);
        Reading {
            wall,
            times: Times { now, sure, steady, is_supported, has_stepped: !agree(now, expected) },
            is_held,
            is_vouched: last.is_vouched,
        }
    }

    /// The moment to be kept on disk now, if one is.
    pub(crate) fn take_due(&mut self) -> Option<UnixMillis> {
        let last = self.last.filter(|last| last.is_vouched)?;
        let sure = last.times.sure;
        let is_due = self
            .kept
            .is_none_or(|kept| sure.since(kept) >= KEPT_EVERY || kept.since(sure) >= KEPT_EVERY);
        is_due.then(|| {
            self.kept = Some(sure);
            sure
        })
    }

    /// Why the clock is doubted, if it is.
    pub(crate) fn doubt(&self) -> Option<ClockDoubt> {
        let last = self.last?;
        let ahead_ms = if last.is_held { difference(last.wall, last.times.now) } else { 0 };
        let jump = self.jump.filter(|(_, at)| last.times.steady.saturating_sub(*at) < JUMP_TOLD);
        let jumped_ms = jump.map_or(0, |(by, _)| by);
        (ahead_ms != 0 || jumped_ms != 0).then_some(ClockDoubt { ahead_ms, jumped_ms })
    }

    /// The time that the node goes by, as of the last batch, and when that was by the steady clock.
    pub(crate) fn last(&self) -> Option<(UnixMillis, Duration)> {
        self.last.map(|last| (last.times.now, last.times.steady))
    }
}

/// What the peers make of it.
fn decide(mut reading: Reading, peers: Option<UnixMillis>) -> Reading {
    let Reading { wall, .. } = reading;
    let expected = reading.times.now;
    if let Some(theirs) = peers {
        let both = wall.min(theirs);
        if reading.is_vouched {
            reading.times.sure = reading.times.sure.max(both);
        } else if agree(wall, theirs) {
            reading.times.sure = both;
            reading.is_vouched = true;
        } else {
            reading.times.sure = reading.times.sure.min(both);
        }
        let other = match (reading.is_held, reading.is_vouched) {
            (true, _) => Some(reading.times.now),
            (false, true) => Some(reading.times.sure),
            (false, false) => None,
        };
        let held = other.filter(|other| {
            !agree(wall, *other) && theirs.0.abs_diff(wall.0) > theirs.0.abs_diff(other.0)
        });
        reading.is_held = held.is_some();
        reading.times.now = held.unwrap_or(wall);
        let has_stepped = !agree(reading.times.now, expected);
        reading.times.has_stepped |= has_stepped;
        reading.times.is_supported =
            agree(reading.times.now, theirs) || reading.times.is_supported && !has_stepped;
    }
    reading.times.sure = reading.times.sure.min(reading.times.now);
    reading
}

/// Whether two clocks agree.
fn agree(one: UnixMillis, other: UnixMillis) -> bool {
    u128::from(one.0.abs_diff(other.0)) <= CLOCKS_AGREE.as_millis()
}

fn is_before(one: UnixMillis, other: UnixMillis) -> bool {
    one < other && !agree(one, other)
}

fn difference(one: UnixMillis, other: UnixMillis) -> i64 {
    let far = if one < other { i64::MIN } else { i64::MAX };
    one.0.checked_signed_diff(other.0).unwrap_or(far)
}

#[cfg(test)]
mod tests;
