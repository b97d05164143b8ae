//! The loop that drives the engine, on a thread of its own or as a task.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::limits::{ENGINE_BATCH_MAX, ENGINE_QUEUE_MAX};
use martlet_engine::{
    Effects, Engine, EngineConfig, EngineError, Input, Interest, Lookup, Outlet, StampJob, Stemmed,
    ToBlobs, ToNet,
};
use martlet_protocol::control::Event;
use martlet_store::Mailbox;
use rand::rngs::SysRng;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng, UnwrapErr};
use tokio::runtime::Handle;
use tokio::sync::{broadcast, mpsc};
use tokio::task::AbortHandle;
use zeroize::Zeroizing;

use super::handle::{EngineHandle, Order};
use super::stamper::Stamper;
use crate::clock::{Clock, NodeClock, SystemClock};
use crate::metrics::Metrics;
use crate::net::NetHandle;
use crate::stack;

/// Events a follower may be behind before it reads the log instead: those of a batch of the engine. A place takes 32 bytes,
/// used or not.
const EVENTS_BUFFERED: usize = 1024;

/// Opens the databases and starts the engine's thread. Must be called inside a tokio runtime.
///
/// # Errors
/// [`EngineError`].
pub fn spawn(
    config: EngineConfig,
    metrics: Arc<Metrics>,
) -> Result<(EngineHandle, Arc<Mailbox>), EngineError> {
    let (handle, mailbox, looping) =
        prepare(config, metrics, Arc::new(SystemClock), StampsBy::Thread)?;
    let runtime = Handle::current();
    std::thread::Builder::new()
        .name("engine".into())
        .spawn(move || runtime.block_on(looping.run()))?;
    Ok((handle, mailbox))
}

/// The same on a task of the current runtime, by a clock of the caller's: an engine of many in a
/// simulation. While it works the whole runtime waits. `told` is shown what the network is told,
/// before it is. Aborting the task is a crash.
///
/// # Errors
/// [`EngineError`].
pub fn spawn_task(
    config: EngineConfig,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    told: impl FnMut(&ToNet) + Send + 'static,
) -> Result<(EngineHandle, Arc<Mailbox>, AbortHandle), EngineError> {
    let (handle, mailbox, mut looping) = prepare(config, metrics, clock, StampsBy::Engine)?;
    looping.outlet.told = Box::new(told);
    Ok((handle, mailbox, tokio::spawn(looping.run()).abort_handle()))
}

/// Who makes stamps.
enum StampsBy {
    /// A thread of its own.
    Thread,
    /// The engine, at once.
    Engine,
}

fn prepare(
    config: EngineConfig,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    stamps: StampsBy,
) -> Result<(EngineHandle, Arc<Mailbox>, Loop), EngineError> {
    let EngineConfig { storage, network, tick, .. } = config.clone();
    // A vault without a passphrase is read at once.
    let engine = stack::apart(|| Engine::open(config));
    stack::wipe();
    let engine = engine?;
    let mailbox = engine.mailbox();
    let (orders, inbox) = mpsc::channel(ENGINE_QUEUE_MAX);
    let (events, _) = broadcast::channel(EVENTS_BUFFERED);
    tokio::spawn(send_ticks(orders.downgrade(), tick));
    let stamper = match stamps {
        StampsBy::Thread if network.stamp_bits > 0 => Some(Stamper::spawn(orders.downgrade())?),
        StampsBy::Thread | StampsBy::Engine => None,
    };
    let outlet = LoopOutlet {
        events: events.clone(),
        net: None,
        waiting: VecDeque::new(),
        stamper,
        keeper: None,
        blobs: VecDeque::new(),
        stamps: Vec::new(),
        interest: None,
        lookups: Vec::new(),
        stem: Vec::new(),
        held: Vec::new(),
        told: Box::new(|_| {}),
    };
    let rng = fresh_rng();
    let clock = Arc::new(NodeClock::new(clock));
    let handle = EngineHandle { orders, events, storage, clock: Arc::clone(&clock) };
    let looping = Loop { engine, inbox, outlet, clock, rng, metrics };
    Ok((handle, mailbox, looping))
}

/// The engine with all that it works with.
struct Loop {
    engine: Engine,
    inbox: mpsc::Receiver<Order>,
    outlet: LoopOutlet,
    clock: Arc<NodeClock>,
    /// Of the next batch. Each has its own: what is in memory later doesn't tell what keys were made of.
    rng: ChaCha20Rng,
    metrics: Arc<Metrics>,
}

impl Loop {
    async fn run(mut self) {
        let mut orders = Vec::new();
        loop {
            if self.engine.is_behind() || !self.outlet.stamps.is_empty() {
                // Work is left: take what waits, but wait for nothing.
                while orders.len() < ENGINE_BATCH_MAX {
                    match self.inbox.try_recv() {
                        Ok(order) => orders.push(order),
                        Err(_) => break,
                    }
                }
            } else if !self.wait(&mut orders).await {
                self.engine.close(&mut self.outlet);
                return self.outlet.flush().await;
            }
            let mut shutdown = Vec::new();
            let mut inputs: Vec<Input> =
                self.outlet.stamps.drain(..).map(|job| Input::Stamped(job.run())).collect();
            for order in orders.drain(..) {
                match order {
                    Order::Input(input) => inputs.push(input),
                    Order::AttachNet(net) => self.outlet.attach(net),
                    Order::AttachBlobs(keeper) => self.outlet.keeper = Some(keeper),
                    Order::Shutdown(done) => shutdown.push(done),
                }
            }
            if !inputs.is_empty() {
                self.metrics.engine.batch_inputs.observe(inputs.len() as f64);
            }
            let (wall, steady) = (self.clock.wall(), self.clock.steady());
            // A command may open the vault, too, and another close it.
            let may_have_keys = self.engine.is_unlocked()
                || inputs.iter().any(|input| matches!(input, Input::Command(_)));
            stack::apart(|| {
                self.engine.run_batch(inputs, wall, steady, &mut self.rng, &mut self.outlet);
            });
            let held = std::mem::take(&mut self.outlet.held);
            if !held.is_empty() || may_have_keys && !self.engine.is_unlocked() {
                stack::wipe();
            }
            // Over the old one's state, in its place.
            self.rng = fresh_rng();
            renew_thread_rng();
            held.into_iter().for_each(|mut effects| effects.answer());
            self.clock.set(self.engine.time());
            self.outlet.flush().await;
            if !shutdown.is_empty() {
                self.engine.close(&mut self.outlet);
                self.outlet.flush().await;
                // Whoever waits for the end may have gone.
                for done in shutdown {
                    let _ = done.send(());
                }
                return;
            }
        }
    }

    /// Waits for orders, at most until something is due; `false` when there will be none any more.
    async fn wait(&mut self, orders: &mut Vec<Order>) -> bool {
        let due = self.engine.due_in(self.clock.steady());
        let received = self.inbox.recv_many(orders, ENGINE_BATCH_MAX);
        match due {
            None => received.await > 0,
            // When the time is up, there is something to do as well.
            Some(due) => tokio::time::timeout(due, received).await.map_or(true, |count| count > 0),
        }
    }
}

struct LoopOutlet {
    events: broadcast::Sender<Arc<Event>>,
    net: Option<NetHandle>,
    /// What found no place in the network's queue, in order: sent before the next batch.
    waiting: VecDeque<Vec<ToNet>>,
    /// Where the network asks for stamps, and a thread makes them.
    stamper: Option<Stamper>,
    /// Who keeps blobs; nobody in a simulation without files.
    keeper: Option<mpsc::Sender<ToBlobs>>,
    /// What that is to be told, in order: sent before the next batch.
    blobs: VecDeque<ToBlobs>,
    /// Stamps to be made here.
    stamps: Vec<StampJob>,
    /// What the network is to be told once there is one.
    interest: Option<Interest>,
    lookups: Vec<Lookup>,
    stem: Vec<Stemmed>,
    /// Of a batch that left keys behind which are to be gone: answered once that is wiped.
    held: Vec<Effects>,
    /// Shown what the network is told.
    told: Box<dyn FnMut(&ToNet) + Send>,
}

impl LoopOutlet {
    fn attach(&mut self, net: NetHandle) {
        self.net = Some(net);
        let mut wishes: Vec<ToNet> =
            self.interest.take().map(ToNet::Interest).into_iter().collect();
        if !self.lookups.is_empty() {
            wishes.push(ToNet::LookUp(std::mem::take(&mut self.lookups)));
        }
        if !self.stem.is_empty() {
            wishes.push(ToNet::Stem(std::mem::take(&mut self.stem)));
        }
        self.send(wishes);
    }

    /// Keeps what the network must hear once there is one. Of the rest sync takes care.
    fn keep(&mut self, to_net: Vec<ToNet>) {
        for told in to_net {
            match told {
                ToNet::Interest(interest) => self.interest = Some(interest),
                ToNet::LookUp(mut lookups) => self.lookups.append(&mut lookups),
                // Of this sync takes no care.
                ToNet::Stem(mut stemmed) => self.stem.append(&mut stemmed),
                ToNet::Publish(_)
                | ToNet::PublishAcks(_)
                | ToNet::Stored(..)
                | ToNet::HasRoom(_)
                | ToNet::HasUngossiped
                | ToNet::FalseAcks(..)
                | ToNet::Answer(..) => {}
            }
        }
    }

    fn send(&mut self, to_net: Vec<ToNet>) {
        if to_net.is_empty() {
            return;
        }
        let Some(net) = &self.net else { return self.keep(to_net) };
        to_net.iter().for_each(|told| (self.told)(told));
        if !self.waiting.is_empty() {
            return self.waiting.push_back(to_net);
        }
        if let Err(to_net) = net.try_tell(to_net) {
            self.waiting.push_back(to_net);
        }
    }

    /// Sends what found no place: the engine waits while the network is behind.
    async fn flush(&mut self) {
        if let Some(keeper) = &self.keeper {
            while let Some(told) = self.blobs.pop_front() {
                if keeper.send(told).await.is_err() {
                    tracing::debug!("the keeper of blobs has stopped");
                }
            }
        }
        let Some(net) = &self.net else { return };
        while let Some(to_net) = self.waiting.pop_front() {
            net.tell(to_net).await;
        }
    }
}

impl Outlet for LoopOutlet {
    fn release(&mut self, mut effects: Effects) {
        self.send(std::mem::take(&mut effects.to_net));
        self.blobs.extend(effects.blobs.drain(..));
        match &self.stamper {
            Some(stamper) => effects.stamp.drain(..).for_each(|job| stamper.give(job)),
            None => self.stamps.append(&mut effects.stamp),
        }
        for event in effects.events.drain(..) {
            // Nobody may be following.
            let _ = self.events.send(Arc::new(event));
        }
        if effects.wipes {
            self.held.push(effects);
        } else {
            effects.answer();
        }
    }

    fn tell(&mut self, to_net: Vec<ToNet>) {
        self.send(to_net);
    }
}

/// A generator with a seed from the system, of which no copy is kept.
fn fresh_rng() -> ChaCha20Rng {
    let mut seed = Zeroizing::new([0; 32]);
    UnwrapErr(SysRng).fill_bytes(&mut *seed);
    ChaCha20Rng::from_seed(*seed)
}

/// Puts another state in the place of the thread's own generator, and other numbers in that of those it gave. Olm draws the keys of
/// its sessions from it, and with its state these could be drawn again: of sessions that are long past.
fn renew_thread_rng() {
    let mut rng = rand::rng();
    rng.reseed().expect("the system has randomness: a generator was made of it just now");
    // All that it keeps at hand is made at once.
    rng.next_u32();
}

async fn send_ticks(orders: mpsc::WeakSender<Order>, every: Duration) {
    let mut interval = tokio::time::interval(every);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let Some(orders) = orders.upgrade() else { return };
        if orders.send(Order::Input(Input::Tick)).await.is_err() {
            return;
        }
    }
}
