//! Who may run how far: sectors of nodes, each on a thread with a clock of its own, several of them at a time.
//!
//! What passes from one sector to another takes at least the *lookahead*, the shortest latency of a link between them.
//! So time goes by in windows that are no longer: from the first moment at which any sector has something to do, for as
//! long as the lookahead. Within a window no sector can bring another anything that is due in it, and each runs freely.
//! At its end all wait for each other, and what crosses is exchanged (conservative synchronization; Chandy, Misra 1979;
//! with windows: YAWNS, Nicol 1993).
//!
//! The invariant:
//!
//! 1. No sector's clock ever reaches the end of the window, and none is past the beginning of the next when that is opened.
//! 2. All that is due before the end of a window has been handed to its sector before any sector runs in the window.
//! 3. What a sector does in a window depends on nothing but its own state and what it was handed before.
//!
//! So how many sectors run at a time, and which first, changes nothing. Which nodes are in which sector does; that is the
//! plan's (`sectors.rs`), not the machine's.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::host::Tick;

/// A sector, by its place.
pub(super) type SectorIndex = usize;

/// What passes from one sector to another.
pub(super) trait Crossing {
    /// The sector that it is for.
    fn to(&self) -> SectorIndex;
    /// When it is due there: at least the lookahead after it was sent.
    fn due(&self) -> Tick;
}

/// Takes what sectors note, window after window, in order.
pub(super) trait Ledger<N> {
    /// A window has ended; `notes` are what each sector noted in it, and `next` is when the next one begins. `false`
    /// ends the simulation there.
    fn window(&mut self, notes: Vec<Vec<N>>, next: Tick) -> bool;

    /// All sectors have left; `over` is when the simulation was ended, if it did not come to its end by itself.
    fn end(&mut self, notes: Vec<Vec<N>>, over: Option<Tick>);
}

/// What a sector may do next.
#[derive(Debug)]
pub(super) enum Turn<C> {
    /// It is given what others sent it, and runs until before `end`.
    Run {
        /// What came.
        came: Vec<C>,
        /// The end of the window.
        end: Tick,
    },
    /// The simulation ends at this moment. Nothing is waited for any more.
    Over(Tick),
}

/// All sectors of a simulation.
pub(super) struct Lockstep<C, N, L> {
    state: Mutex<State<C, N, L>>,
    /// Each sector waits for its own.
    turns: Vec<Condvar>,
    lookahead: Tick,
    threads: usize,
}

struct State<C, N, L> {
    sectors: Vec<Sector<C>>,
    /// What each noted.
    notes: Vec<Vec<N>>,
    /// Those with something to do in this window, who did not begin yet.
    ready: VecDeque<SectorIndex>,
    /// How many run.
    running: usize,
    end: Tick,
    /// When the simulation ends, once that is known.
    over: Option<Tick>,
    /// Whether one ended as it should not.
    has_failed: bool,
    ledger: L,
}

struct Sector<C> {
    /// When it has something to do by itself.
    next: Option<Tick>,
    /// What others sent it.
    came: Vec<C>,
    is_running: bool,
    has_left: bool,
}

impl<C: Crossing> Sector<C> {
    /// When it has something to do.
    fn due(&self) -> Option<Tick> {
        let came = self.came.iter().map(Crossing::due);
        came.chain(self.next).min().filter(|_| !self.has_left)
    }
}

impl<C: Crossing, N, L: Ledger<N>> Lockstep<C, N, L> {
    /// So many sectors, at most `threads` of which run at a time. None does before [`Self::begin`].
    pub(super) fn new(sectors: usize, lookahead: Tick, threads: usize, ledger: L) -> Self {
        let sector =
            || Sector { next: Some(0), came: Vec::new(), is_running: false, has_left: false };
        let state = State {
            sectors: (0..sectors).map(|_| sector()).collect(),
            notes: (0..sectors).map(|_| Vec::new()).collect(),
            ready: VecDeque::new(),
            running: 0,
            end: 0,
            over: None,
            has_failed: false,
            ledger,
        };
        Self {
            state: Mutex::new(state),
            turns: (0..sectors).map(|_| Condvar::new()).collect(),
            lookahead: lookahead.max(1),
            threads: threads.max(1),
        }
    }

    /// Opens the first window, once every sector is there.
    pub(super) fn begin(&self) {
        self.open(&mut self.lock());
    }

    /// Waits for a sector's first turn.
    pub(super) fn enter(&self, sector: SectorIndex) -> Turn<C> {
        self.turn(sector, self.lock())
    }

    /// Ends a sector's part of a window, and waits for its next turn: it has nothing to do before `next`, and hands in
    /// what it sent and noted.
    pub(super) fn wait(
        &self,
        sector: SectorIndex,
        next: Option<Tick>,
        sent: Vec<C>,
        notes: Vec<N>,
    ) -> Turn<C> {
        let mut state = self.lock();
        state.sectors[sector].next = next;
        self.hand_in(&mut state, sector, sent, notes);
        self.turn(sector, state)
    }

    /// A sector has come to its end; if not in good order, that ends the others too.
    pub(super) fn leave(&self, sector: SectorIndex, notes: Vec<N>, in_order: bool) {
        let mut state = self.lock();
        state.sectors[sector].has_left = true;
        state.has_failed |= !in_order;
        self.hand_in(&mut state, sector, Vec::new(), notes);
    }

    fn lock(&self) -> MutexGuard<'_, State<C, N, L>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hand_in(
        &self,
        state: &mut State<C, N, L>,
        sector: SectorIndex,
        sent: Vec<C>,
        mut notes: Vec<N>,
    ) {
        for crossing in sent {
            let Some(to) = state.sectors.get_mut(crossing.to()) else { continue };
            debug_assert!(crossing.due() >= state.end, "something crosses faster than light");
            to.came.push(crossing);
        }
        state.notes[sector].append(&mut notes);
        if !std::mem::take(&mut state.sectors[sector].is_running) {
            // It left before it began.
            return;
        }
        state.running -= 1;
        if !self.start_ready(state) && state.running == 0 {
            self.open(state);
        }
    }

    /// Lets the next ready sector run. `false` if there is none.
    fn start_ready(&self, state: &mut State<C, N, L>) -> bool {
        let Some(sector) = state.ready.pop_front() else { return false };
        state.sectors[sector].is_running = true;
        state.running += 1;
        self.turns[sector].notify_one();
        true
    }

    /// Ends the window, and opens the next.
    fn open(&self, state: &mut State<C, N, L>) {
        let Some(begin) = state.sectors.iter().filter_map(Sector::due).min() else {
            if state.sectors.iter().all(|sector| sector.has_left) {
                let (notes, over) = (take_all(&mut state.notes), state.over);
                return state.ledger.end(notes, over);
            }
            // Nobody will ever have anything to do again.
            return self.end_all(state, state.end);
        };
        let notes = take_all(&mut state.notes);
        let goes_on = state.ledger.window(notes, begin);
        if !goes_on || state.has_failed {
            return self.end_all(state, begin);
        }
        state.end = begin + self.lookahead;
        let end = state.end;
        let ready = state.sectors.iter().enumerate();
        let is_ready = |sector: &Sector<C>| sector.due().is_some_and(|due| due < end);
        state.ready = ready.filter(|(_, sector)| is_ready(sector)).map(|(at, _)| at).collect();
        while state.running < self.threads && self.start_ready(state) {}
    }

    fn end_all(&self, state: &mut State<C, N, L>, at: Tick) {
        state.over.get_or_insert(at);
        // All at once: what is left to each is to end.
        for (sector, turn) in state.sectors.iter_mut().zip(&self.turns) {
            if !sector.has_left && !sector.is_running {
                sector.is_running = true;
                state.running += 1;
                turn.notify_one();
            }
        }
    }

    fn turn(&self, sector: SectorIndex, mut state: MutexGuard<'_, State<C, N, L>>) -> Turn<C> {
        while !state.sectors[sector].is_running {
            state = self.turns[sector].wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        match state.over {
            Some(at) => Turn::Over(at),
            None => {
                Turn::Run { came: std::mem::take(&mut state.sectors[sector].came), end: state.end }
            }
        }
    }
}

fn take_all<N>(notes: &mut [Vec<N>]) -> Vec<Vec<N>> {
    notes.iter_mut().map(std::mem::take).collect()
}

#[cfg(test)]
mod tests;
