use super::*;

const START: UnixMillis = UnixMillis(1_793_500_000_000);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

impl Timekeeper {
    /// The times of the last batch.
    pub(crate) fn times(&self) -> Option<Times> {
        self.last.map(|last| last.times)
    }
}

/// A wall clock that can be set, and the steady one.
struct Clocks {
    keeper: Timekeeper,
    steady: Duration,
    ahead_ms: i64,
}

impl Clocks {
    fn new(kept: Option<UnixMillis>) -> Self {
        Self { keeper: Timekeeper::new(kept), steady: Duration::ZERO, ahead_ms: 0 }
    }

    fn truth(&self) -> UnixMillis {
        START.plus(self.steady)
    }

    fn read(&mut self, after: Duration) -> Times {
        self.steady += after;
        let wall = UnixMillis(self.truth().0.saturating_add_signed(self.ahead_ms));
        self.keeper.read(wall, self.steady)
    }

    fn hear(&mut self) {
        self.keeper.heard(self.truth());
    }
}

fn jumps() -> impl Iterator<Item = i64> {
    let hour = 3_600_000;
    [hour, 25 * hour, 7 * 24 * hour].into_iter().flat_map(|by| [by, -by]).chain([87_600 * hour])
}

#[test]
fn a_jump_after_someone_agreed_changes_nothing() {
    for by in jumps() {
        for lasts in [3 * SECOND, DAY] {
            let mut clocks = Clocks::new(None);
            clocks.read(SECOND);
            clocks.hear();
            assert!(clocks.read(SECOND).is_supported);
            clocks.ahead_ms = by;
            let times = clocks.read(SECOND);
            let truth = clocks.truth();
            assert_eq!((times.now, times.sure, times.has_stepped), (truth, truth, false), "{by}");
            let doubt = clocks.keeper.doubt().expect("told at once");
            assert_eq!((doubt.ahead_ms, doubt.jumped_ms), (by, by));
            let times = clocks.read(lasts);
            assert_eq!((times.now, times.sure), (clocks.truth(), clocks.truth()), "{by}");
            clocks.ahead_ms = 0;
            let times = clocks.read(SECOND);
            assert_eq!((times.now, times.has_stepped), (clocks.truth(), false));
            clocks.read(JUMP_TOLD);
            assert_eq!(clocks.keeper.doubt(), None);
        }
    }
}

#[test]
fn a_clock_that_nobody_vouched_for_is_followed_and_deletes_nothing() {
    for by in jumps() {
        let mut clocks = Clocks::new(None);
        clocks.read(SECOND);
        clocks.ahead_ms = by;
        let times = clocks.read(SECOND);
        assert!(times.has_stepped);
        assert_eq!(times.now.0, clocks.truth().0.saturating_add_signed(by));
        assert!(times.sure <= clocks.truth() && times.sure <= times.now, "{by}");
        clocks.ahead_ms = 0;
        let times = clocks.read(SECOND);
        assert!(times.has_stepped && times.now == clocks.truth() && times.sure <= times.now);
        // Someone agrees.
        clocks.hear();
        let times = clocks.read(SECOND);
        assert_eq!((times.sure, times.is_supported), (clocks.truth(), true));
    }
}

#[test]
fn a_clock_that_was_wrong_at_the_start_is_set_right_by_the_peers_or_by_itself() {
    for by in jumps() {
        // Off for eight hours since the moment that was kept.
        let mut clocks = Clocks::new(Some(START.minus(8 * HOUR)));
        clocks.ahead_ms = by;
        let times = clocks.read(SECOND);
        assert!(times.sure <= clocks.truth() && times.sure <= times.now, "{by}");
        assert!(times.now >= START.minus(8 * HOUR), "{by}: before what was sure");
        clocks.ahead_ms = 0;
        let times = clocks.read(SECOND);
        assert_eq!(times.now, clocks.truth(), "{by}: it came back by itself");

        let mut clocks = Clocks::new(Some(START.minus(8 * HOUR)));
        clocks.ahead_ms = by;
        clocks.read(SECOND);
        clocks.hear();
        let times = clocks.read(SECOND);
        assert!(times.sure <= clocks.truth(), "{by}");
        if by > 0 {
            assert!(
                agree(times.now, clocks.truth()),
                "{by}: what the peers and the kept moment say"
            );
        }
        clocks.ahead_ms = 0;
        clocks.hear();
        let times = clocks.read(SECOND);
        assert_eq!((times.now, times.sure), (clocks.truth(), clocks.truth()), "{by}");
    }
}

/// What a peer says decides between two times of this node's own, and is never one itself.
#[test]
fn a_peer_that_lies_moves_no_clock() {
    for lie in [0, START.0 / 2, START.0 * 2, u64::MAX] {
        for kept in [None, Some(START)] {
            let mut clocks = Clocks::new(kept);
            clocks.read(SECOND);
            for _ in 0..3 {
                clocks.keeper.heard(UnixMillis(lie));
                let times = clocks.read(HOUR);
                assert_eq!(times.now, clocks.truth(), "{lie}");
                assert!(times.sure <= times.now, "{lie}");
            }
        }
    }
}

#[test]
fn what_is_sure_is_kept_by_the_hour() {
    let mut clocks = Clocks::new(None);
    clocks.read(SECOND);
    assert_eq!(clocks.keeper.take_due(), None, "nobody vouches for it");
    clocks.hear();
    clocks.read(SECOND);
    assert_eq!(clocks.keeper.take_due(), Some(clocks.truth()));
    clocks.read(HOUR - SECOND);
    assert_eq!(clocks.keeper.take_due(), None);
    clocks.read(SECOND);
    assert_eq!(clocks.keeper.take_due(), Some(clocks.truth()));
}

/// It was kept with the next tick. A daemon that met someone for the first time, and was started again within two seconds
/// with a clock that was 20 days ahead, had nothing to doubt that by.
#[test]
fn a_moment_is_kept_as_soon_as_someone_agrees() {
    let mut clocks = Clocks::new(None);
    clocks.read(SECOND);
    assert_eq!(clocks.keeper.take_due(), None);
    clocks.hear();
    assert_eq!(clocks.keeper.take_due(), Some(clocks.truth()));
    for by in jumps() {
        let mut again = Clocks::new(Some(clocks.truth()));
        again.ahead_ms = by;
        again.read(SECOND);
        again.hear();
        let times = again.read(SECOND);
        assert!(
            times.now.0.abs_diff(again.truth().0) <= 2000 && times.is_supported,
            "{by}: {times:?}"
        );
    }
}

/// A node tells others what its wall clock shows once that has gone on by itself for hours, so one that is wrong is a source
/// for them. What it says moves nobody whose own clock is right: not who has just started, nor who was off, nor who goes on.
#[test]
fn a_peer_that_is_wrong_for_good_moves_nobody_whose_clock_is_right() {
    let starts = [None, Some(8 * HOUR), Some(30 * DAY)];
    for (by, kept) in jumps().flat_map(|by| starts.map(|kept| (by, kept))) {
        let mut clocks = Clocks::new(kept.map(|ago| START.minus(ago)));
        clocks.read(SECOND);
        for _ in 0..200 {
            let wrong = UnixMillis(clocks.truth().0.saturating_add_signed(by));
            clocks.keeper.heard(wrong);
            let times = clocks.read(HOUR / 4);
            let truth = clocks.truth();
            assert!(times.sure <= truth, "{by}, {kept:?}: what has not ended would be deleted");
            // Who was off and is told of a time before that can't tell who is right, for it may have been asleep.
            let is_led_back = kept.is_some() && by < 0;
            assert!(
                times.now == truth || is_led_back,
                "{by}, {kept:?}: {:?} of {truth:?}",
                times.now
            );
        }
    }
}
