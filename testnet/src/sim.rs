//! Simulation: the daemon's engine and network, many times over in one process, under virtual
//! clocks.
//!
//! The nodes are real: the engine with its databases in memory, libp2p's swarms with Noise, Yamux
//! and gossipsub. What is simulated is what is around them: the links (`net.rs`, `pipe.rs`), the
//! clocks and the randomness (`host.rs`). Nodes are divided into sectors (`sectors.rs`), each with a
//! thread, a clock and a source of randomness of its own (`sector.rs`), which wait for each other
//! so that none sees what another has yet to do (`lockstep.rs`). When every task of a sector waits,
//! its clock goes to where the next timer is due, so quiet hours cost nothing but the timers in
//! them. What sectors note is put into one order (`book.rs`). So a run is the same each time, with
//! any number of threads.

pub mod host;

mod book;
mod flood;
mod lockstep;
mod net;
mod node;
mod packet;
mod pipe;
mod plain;
mod sector;
mod sectors;
mod timeline;
mod transport;
mod witness;
mod work;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use libp2p::PeerId;
use libp2p::identity::Keypair;
use martlet_store::mailbox::SharedContents;
use martletd::net::peer_key::key_of;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tempfile::TempDir;

use self::book::{Book, Post};
use self::lockstep::Lockstep;
use self::net::World;
use self::sector::Stage;
use self::sectors::{Division, lasting};
use self::timeline::START_INTERVAL;
use crate::plan::Plan;
use crate::report::{Data, Report};

pub use sectors::SECTORS_MAX;
pub use witness::{Group, Observed, Times};

/// Windows whose notes wait to be taken down, at most: sectors wait then.
const WINDOWS_WAITING: usize = 64;
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

/// Simulates a plan with so many threads, and waits for its end. The same plan gives the same report, with any number
/// of threads.
///
/// # Errors
/// [`SimError`].
pub fn run(plan: &Plan, watch: &Arc<Watch>, threads: NonZeroUsize) -> Result<Report, SimError> {
    run_with_data(plan, watch, threads, false).map(|(report, _)| report)
}

/// The same, and the raw data if it is wanted.
///
/// # Errors
/// [`SimError`].
pub fn run_with_data(
    plan: &Plan,
    watch: &Arc<Watch>,
    threads: NonZeroUsize,
    with_data: bool,
) -> Result<(Report, Option<Data>), SimError> {
    let prepare = if with_data { Book::with_data } else { std::convert::identity };
    let (book, over) = simulate(plan, watch, threads, prepare)?;
    Ok(book.recorder.finish_with_data(over.unwrap_or(plan.duration), over.is_some()))
}

/// Simulates a plan, and tells what groups of so many of its nodes could tell of who wrote what was made after
/// `since`.
///
/// # Errors
/// [`SimError`].
pub fn observe(
    plan: &Plan,
    observers: &[usize],
    since: Duration,
    watch: &Arc<Watch>,
    threads: NonZeroUsize,
) -> Result<Observed, SimError> {
    let (book, _) = simulate(plan, watch, threads, Book::with_witness)?;
    let witness = book.witness.ok_or(SimError::Panicked)?;
    Ok(witness.conclude(observers, since, plan.seed))
}

/// How many threads are of use for a plan, at most.
#[must_use]
pub fn threads_of_use(plan: &Plan) -> usize {
    Division::of(plan).count
}

/// What was taken down, and when the simulation was ended, if it did not come to the plan's end.
fn simulate<'a>(
    plan: &'a Plan,
    watch: &Arc<Watch>,
    threads: NonZeroUsize,
    prepare: impl FnOnce(Book<'a>) -> Book<'a>,
) -> Result<(Book<'a>, Option<Duration>), SimError> {
    let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
    let keypairs: Vec<Keypair> = plan.nodes.iter().map(|_| keypair(&mut rng)).collect();
    let peers: Arc<[PeerId]> = keypairs.iter().map(|key| key.public().to_peer_id()).collect();
    let places = peers.iter().enumerate().map(|(at, peer)| (key_of(peer), at)).collect();
    let mut book = prepare(Book::new(plan, places));
    let division = Division::of(plan);
    let (count, lookahead) = (division.count, division.lookahead);
    // Then all users are known everywhere.
    let started = plan.nodes.iter().filter(|node| node.starts).count();
    let start = START_INTERVAL * u32::try_from(started).unwrap_or(u32::MAX) + lasting(lookahead);
    let (post, taken) = sync_channel(WINDOWS_WAITING);
    let sender = book::Sender { post, watch: Arc::clone(watch), start };
    let sectors = Arc::new(Lockstep::new(count, lookahead, threads.get(), sender));
    let links = plan.links.iter().map(|link| ((link.a, link.b), link.shape));
    let world = Arc::new(World {
        shapes: links.chain(flood::links(plan)).collect(),
        division,
        transport: plan.settings.transport,
        costs: plan.settings.costs,
        seed: plan.seed,
    });
    let network = plan.network.descriptor("simulated");
    // Removed with all that is on them, at the end.
    let disks = plan.has_files().then(tempfile::tempdir).transpose()?;
    let stage = Stage {
        plan,
        world: &world,
        sectors: &sectors,
        network: &network,
        contents: &SharedContents::default(),
        keypairs: &keypairs,
        peers: &peers,
        files: disks.as_ref().map(TempDir::path),
        start,
    };
    std::thread::scope(|scope| {
        let mut running = Vec::new();
        for sector in 0..count {
            let (ready, is_ready) = sync_channel(1);
            let stage = &stage;
            let thread = std::thread::Builder::new()
                .name(format!("simulation-{sector}"))
                .stack_size(STACK_BYTES)
                .spawn_scoped(scope, move || sector::live(stage, sector, &ready));
            match thread {
                Ok(thread) => running.push(thread),
                Err(error) => {
                    // The others wait for it.
                    (sector..count).for_each(|missing| sectors.leave(missing, Vec::new(), false));
                    sectors.begin();
                    return Err(error.into());
                }
            }
            // If it ended, that is told where all do.
            let _ = is_ready.recv();
        }
        sectors.begin();
        let mut over = None;
        while let Ok(post) = taken.recv() {
            match post {
                Post::Window(notes) => book.take(notes),
                Post::End(notes, at) => {
                    book.take(notes);
                    over = at.map(|at| lasting(at).saturating_sub(start));
                    break;
                }
            }
        }
        for thread in running {
            thread.join().map_err(|_| SimError::Panicked)??;
        }
        book.happen(over.unwrap_or(plan.duration));
        Ok((book, over))
    })
}

fn keypair(rng: &mut ChaCha8Rng) -> Keypair {
    let mut seed = [0; 32];
    rng.fill_bytes(&mut seed);
    Keypair::ed25519_from_bytes(seed).expect("any 32 bytes are a key")
}
