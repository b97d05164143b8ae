//! Simulation: the daemon's engine and network, many times over in one thread, under a virtual
//! clock.
//!
//! The nodes are real: the engine with its databases in memory, libp2p's swarms with Noise, Yamux
//! and gossipsub. What is simulated is what is around them: the links (`net.rs`, `pipe.rs`), the
//! clocks and the randomness (`host.rs`). When every task of the runtime waits, tokio's paused
//! clock goes to where the next timer is due, so quiet hours cost nothing but the timers in them.
//! One thread and one source of randomness make a run the same each time.

pub mod host;

mod flood;
mod net;
mod node;
mod pipe;
mod timeline;
mod witness;
mod work;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rand_chacha::rand_core::{Rng, SeedableRng};
use rand_chacha::{ChaCha8Rng, ChaCha20Rng};

use crate::plan::Plan;
use crate::report::{Data, Report};

pub use witness::{Group, Observed, Times};

/// The simulation's stack: the futures of a thousand nodes are on the heap, but a poll goes deep.
const STACK_BYTES: usize = 64 << 20;

/// Why a simulation could not be run.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// The clocks are not the simulation's.
    #[error(
        "this program was built without the simulation's clocks; run the executable martlet-testnet"
    )]
    NoHooks,
    /// A node did not start, or did not do what it should.
    #[error("node {node}: {reason}")]
    Node {
        /// Its name.
        node: String,
        /// What it said.
        reason: String,
    },
    /// The thread or the runtime could not be made.
    #[error("cannot start the simulation: {0}")]
    Start(#[from] std::io::Error),
    /// The simulation's thread ended in a panic: a defect.
    #[error("the simulation broke off; please report this with the scenario and the seed")]
    Panicked,
}

/// How far a simulation has got, for those who watch, and whether it is to end early.
#[derive(Debug, Default)]
pub struct Watch {
    at_ms: AtomicU64,
    is_stopped: AtomicBool,
}

impl Watch {
    /// The virtual time reached.
    #[must_use]
    pub fn at(&self) -> Duration {
        Duration::from_millis(self.at_ms.load(Ordering::Relaxed))
    }

    /// Ends the simulation soon; its report is of what ran.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    fn reach(&self, at: Duration) {
        self.at_ms.store(u64::try_from(at.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }
}

/// Simulates a plan, on a thread of its own, and waits for its end. The same plan gives the same report.
///
/// # Errors
/// [`SimError`].
pub fn run(plan: &Arc<Plan>, watch: &Arc<Watch>) -> Result<Report, SimError> {
    run_with_data(plan, watch, false).map(|(report, _)| report)
}

/// The same, and the raw data if it is wanted.
///
/// # Errors
/// [`SimError`].
pub fn run_with_data(
    plan: &Arc<Plan>,
    watch: &Arc<Watch>,
    with_data: bool,
) -> Result<(Report, Option<Data>), SimError> {
    let watch = Arc::clone(watch);
    apart(plan, move |plan| simulate(plan, timeline::run(plan, &watch, with_data)))
}

/// Simulates a plan, and tells what groups of so many of its nodes could tell of who wrote what was made after
/// `since`.
///
/// # Errors
/// [`SimError`].
pub fn observe(
    plan: &Arc<Plan>,
    observers: &[usize],
    since: Duration,
    watch: &Arc<Watch>,
) -> Result<Observed, SimError> {
    let (observers, watch) = (observers.to_vec(), Arc::clone(watch));
    apart(plan, move |plan| {
        let witness = simulate(plan, timeline::observe(plan, &watch))?;
        Ok(witness.conclude(&observers, since, plan.seed))
    })
}

/// On a thread of its own.
fn apart<T: Send + 'static>(
    plan: &Arc<Plan>,
    run: impl FnOnce(&Plan) -> Result<T, SimError> + Send + 'static,
) -> Result<T, SimError> {
    let plan = Arc::clone(plan);
    std::thread::Builder::new()
        .name("simulation".into())
        .stack_size(STACK_BYTES)
        .spawn(move || run(&plan))?
        .join()
        .map_err(|_| SimError::Panicked)?
}

fn simulate<T>(plan: &Plan, run: impl Future<Output = Result<T, SimError>>) -> Result<T, SimError> {
    // First of all: whatever asks for randomness on this thread from now on gets the simulation's.
    host::enter(ChaCha20Rng::seed_from_u64(plan.seed));
    if !host::is_hooked() {
        return Err(SimError::NoHooks);
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    runtime.block_on(async {
        host::run_clock();
        run.await
    })
}

/// Another source of chance, that what is taken from this one later does not change.
fn fork(rng: &mut ChaCha8Rng) -> ChaCha8Rng {
    let mut seed = [0; 32];
    rng.fill_bytes(&mut seed);
    ChaCha8Rng::from_seed(seed)
}
