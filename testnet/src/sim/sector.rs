//! A sector: some nodes of a simulation, on a thread and a clock of their own.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use libp2p::PeerId;
use libp2p::identity::Keypair;
use martlet_protocol::network::NetworkDescriptor;
use martlet_store::mailbox::SharedContents;
use martletd::blocking;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use tokio::sync::Notify;

use super::SimError;
use super::book::{Noted, Notes, Sender};
use super::host::{self, Tick};
use super::lockstep::{Lockstep, SectorIndex, Turn};
use super::net::{Net, World};
use super::node::{Common, People};
use super::packet::Packet;
use super::pipe::lock;
use super::timeline::Part;
use crate::plan::Plan;

/// The sectors of a simulation, and what they pass each other and note.
pub(super) type Sectors = Lockstep<Packet, Noted, Sender>;

/// What a sector is made of.
pub(super) struct Stage<'a> {
    pub(super) plan: &'a Plan,
    pub(super) world: &'a Arc<World>,
    pub(super) sectors: &'a Arc<Sectors>,
    pub(super) network: &'a NetworkDescriptor,
    /// The contents of all mailboxes.
    pub(super) contents: &'a SharedContents,
    /// Of all nodes.
    pub(super) keypairs: &'a [Keypair],
    pub(super) peers: &'a Arc<[PeerId]>,
    /// Where the disks are on which files are, if the plan has any.
    pub(super) files: Option<&'a Path>,
    /// When the run begins: all nodes that are there from the start have started by then.
    pub(super) start: Duration,
}

/// Simulates a sector to its end, on a thread of its own. Says when it is ready to begin.
///
/// Threads are made ready one after the other: what libraries count for the whole process, to seed chance of their own,
/// is then the same each time.
pub(super) fn live(
    stage: &Stage<'_>,
    sector: SectorIndex,
    is_ready: &SyncSender<()>,
) -> Result<(), SimError> {
    // First of all: whatever asks for randomness on this thread from now on gets the simulation's.
    let mut rng = ChaCha20Rng::seed_from_u64(stage.plan.seed);
    rng.set_stream(sector as u64);
    host::enter(rng);
    let mut leaving =
        Leaving { sectors: stage.sectors, sector, notes: Notes::default(), in_order: false };
    let ended = perform(stage, sector, is_ready, &leaving.notes);
    host::on_idle(None);
    leaving.in_order = ended.is_ok();
    ended
}

fn perform(
    stage: &Stage<'_>,
    sector: SectorIndex,
    is_ready: &SyncSender<()>,
    notes: &Notes,
) -> Result<(), SimError> {
    if !host::is_hooked() {
        return Err(SimError::NoHooks);
    }
    // What reads and writes files has this thread's clock.
    blocking::on_turn(Box::new(host::lend));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let net = Net::new(stage.world, sector);
    let common = Common {
        net: Arc::clone(&net),
        network: stage.network.clone(),
        contents: stage.contents.clone(),
        peers: Arc::clone(stage.peers),
        people: People::default(),
        notes: Arc::clone(notes),
        start: tokio::time::Instant::now() + stage.start,
        files: stage.files.map(Path::to_owned),
    };
    let (news, over) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let mut part = Part::new(stage.plan, common, stage.keypairs, Arc::clone(&news));
    let mut pace = Pace {
        sectors: Arc::clone(stage.sectors),
        sector,
        net,
        notes: Arc::clone(notes),
        news,
        over: Arc::clone(&over),
        end: 0,
        is_over: false,
    };
    // Whoever waits for it may have given up.
    let _ = is_ready.send(());
    pace.take(stage.sectors.enter(sector));
    host::on_idle(Some(Box::new(move |timer| pace.idle(timer))));
    runtime.block_on(async {
        tokio::select! {
            biased;
            () = over.notified() => {}
            ended = part.live() => ended?,
        }
        part.look();
        Ok(())
    })
}

/// Tells the others that this sector is gone, however that came.
struct Leaving<'a> {
    sectors: &'a Sectors,
    sector: SectorIndex,
    notes: Notes,
    in_order: bool,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        let notes = std::mem::take(&mut *lock(&self.notes));
        self.sectors.leave(self.sector, notes, self.in_order);
    }
}

/// How far a sector may run, and what it does when it has nothing to do.
struct Pace {
    sectors: Arc<Sectors>,
    sector: SectorIndex,
    net: Arc<Net>,
    notes: Notes,
    /// Told when users are to be introduced.
    news: Arc<Notify>,
    /// Told when the simulation is over.
    over: Arc<Notify>,
    /// The end of this window.
    end: Tick,
    is_over: bool,
}

impl Pace {
    /// Goes on to what comes next: a timer of the runtime, or something that arrives; waits for the other sectors where
    /// that is past the end of this window.
    fn idle(&mut self, timer: Option<Tick>) {
        while !self.is_over {
            let next = timer.into_iter().chain(self.net.next_due()).min();
            if let Some(next) = next.filter(|next| *next < self.end) {
                host::set(next.max(host::now()));
                if self.net.arrive(next) {
                    self.news.notify_one();
                }
                return;
            }
            let (sent, notes) = (self.net.take_leaving(), std::mem::take(&mut *lock(&self.notes)));
            let turn = self.sectors.wait(self.sector, next, sent, notes);
            self.take(turn);
        }
    }

    fn take(&mut self, turn: Turn<Packet>) {
        match turn {
            Turn::Run { came, end } => {
                self.net.bring(came);
                self.end = end;
            }
            Turn::Over(at) => {
                host::set(at.max(host::now()));
                self.is_over = true;
                self.over.notify_one();
            }
        }
    }
}
