use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use super::*;

const LOOKAHEAD: Tick = 10;

/// A number that one sector sends another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Ball {
    due: Tick,
    from: SectorIndex,
    to: SectorIndex,
    throws: u64,
}

impl Crossing for Ball {
    fn to(&self) -> SectorIndex {
        self.to
    }

    fn due(&self) -> Tick {
        self.due
    }
}

/// Tells of windows, and stops after some time.
struct Windows {
    tell: Sender<(Vec<Vec<Ball>>, Tick)>,
    until: Tick,
}

impl Ledger<Ball> for Windows {
    fn window(&mut self, notes: Vec<Vec<Ball>>, next: Tick) -> bool {
        self.tell.send((notes, next)).is_ok() && next < self.until
    }

    fn end(&mut self, notes: Vec<Vec<Ball>>, over: Option<Tick>) {
        let _ = self.tell.send((notes, over.unwrap_or(Tick::MAX)));
    }
}

type Sectors = Lockstep<Ball, Ball, Windows>;

/// Throws each ball on to another sector, after a time that is the ball's own; what it caught is noted. Returns whether
/// any came late, or before the clock.
fn play(sectors: &Sectors, sector: SectorIndex, count: usize, mut held: Vec<Ball>) -> bool {
    let (mut now, mut is_right) = (0, true);
    let (mut sent, mut notes) = (Vec::new(), Vec::new());
    let mut turn = sectors.enter(sector);
    loop {
        let Turn::Run { came, end } = turn else {
            sectors.leave(sector, notes, true);
            return is_right;
        };
        held.extend(came);
        held.sort_unstable();
        while let Some(ball) = held.first().copied().filter(|ball| ball.due < end) {
            held.remove(0);
            is_right &= ball.due >= now;
            now = ball.due;
            notes.push(ball);
            let takes = LOOKAHEAD + ball.throws * 7 % 23;
            let to = (sector + 1 + usize::try_from(ball.throws).unwrap_or(0) % (count - 1)) % count;
            sent.push(Ball { due: now + takes, from: sector, to, throws: ball.throws + 1 });
        }
        let next = held.first().map(|ball| ball.due);
        turn = sectors.wait(sector, next, std::mem::take(&mut sent), std::mem::take(&mut notes));
    }
}

/// What is told of a game of so many sectors with so many threads, of which one may give up.
fn game(
    count: usize,
    threads: usize,
    gives_up: Option<SectorIndex>,
) -> Vec<(Vec<Vec<Ball>>, Tick)> {
    let (tell, told) = channel();
    let sectors = Arc::new(Sectors::new(count, LOOKAHEAD, threads, Windows { tell, until: 2000 }));
    let players: Vec<_> = (0..count)
        .map(|sector| {
            let sectors = Arc::clone(&sectors);
            let held = vec![Ball { due: sector as Tick * 3, from: sector, to: sector, throws: 0 }];
            std::thread::spawn(move || {
                if gives_up == Some(sector) {
                    sectors.enter(sector);
                    sectors.leave(sector, Vec::new(), false);
                    return true;
                }
                play(&sectors, sector, count, held)
            })
        })
        .collect();
    sectors.begin();
    assert!(players.into_iter().all(|player| player.join().is_ok_and(|is_right| is_right)));
    drop(sectors);
    told.iter().collect()
}

#[test]
fn any_number_of_threads_gives_the_same_and_nothing_comes_late() {
    let alone = game(5, 1, None);
    assert!(alone.iter().flat_map(|(notes, _)| notes).flatten().count() > 300);
    for threads in [2, 3, 8] {
        assert_eq!(game(5, threads, None), alone, "with {threads} threads");
    }
}

#[test]
fn quiet_times_are_one_window() {
    // Nobody has anything to do between the balls.
    let told = game(2, 2, None);
    let begins: Vec<Tick> = told.iter().map(|(_, next)| *next).collect();
    assert!(begins.is_sorted() && begins.windows(2).any(|pair| pair[1] > pair[0] + LOOKAHEAD));
}

#[test]
fn a_sector_that_breaks_off_ends_the_others() {
    let told = game(4, 2, Some(2));
    assert!(told.len() < 6, "it went on for {} windows", told.len());
}
