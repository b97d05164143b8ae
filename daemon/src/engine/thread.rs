//! The loop that drives the engine, on a thread of its own or as a task, and the task that carries
//! its effects away.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use libp2p::PeerId;
use martlet_protocol::control::Event;
use martlet_protocol::limits::{ACK_DELAY, ACKS_PER_BATCH_MAX, ENGINE_BATCH_MAX, ENGINE_QUEUE_MAX};
use martlet_protocol::{Ack, Envelope};
use martlet_store::Mailbox;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use tokio::runtime::Handle;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{broadcast, mpsc};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::handle::{EngineHandle, Order};
use super::stamper::Stamper;
use super::turn::{Effects, Outlet};
use super::{Engine, EngineConfig, EngineError, Input, StampJob, StoredFor};
use crate::clock::{Clock, SystemClock};
use crate::metrics::Metrics;
use crate::net::{Interest, Lookup, NetHandle};

/// Events a follower may be behind before it reads the log instead.
const EVENTS_BUFFERED: usize = 4096;
/// Batches of effects on their way to the network before the engine waits.
const EFFECTS_BUFFERED: usize = 64;

/// What goes to the network, in order.
enum Outgoing {
    Net(NetHandle),
    Acks(Vec<Ack>),
    Stored(StoredFor),
    FalseAcks(HashMap<PeerId, usize>),
    Interest(Interest),
    LookUp(Vec<Lookup>),
}

/// Opens the databases and starts the engine's thread. Must be called inside a tokio runtime.
///
/// # Errors
/// [`EngineError`].
pub fn spawn(config: EngineConfig) -> Result<(EngineHandle, Arc<Mailbox>), EngineError> {
    let (handle, mailbox, looping) = prepare(config, Arc::new(SystemClock), StampsBy::Thread)?;
    let runtime = Handle::current();
    std::thread::Builder::new()
        .name("engine".into())
        .spawn(move || runtime.block_on(looping.run()))?;
    Ok((handle, mailbox))
}

/// The same on a task of the current runtime, by a clock of the caller's: an engine of many in a
/// simulation. While it works the whole runtime waits. `published` is shown each envelope of the
/// user's own before it is gossiped. Aborting the task is a crash.
///
/// # Errors
/// [`EngineError`].
pub fn spawn_task(
    config: EngineConfig,
    clock: Arc<dyn Clock>,
    published: impl FnMut(&Envelope) + Send + 'static,
) -> Result<(EngineHandle, Arc<Mailbox>, AbortHandle), EngineError> {
    let (handle, mailbox, mut looping) = prepare(config, clock, StampsBy::Engine)?;
    looping.outlet.published = Box::new(published);
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
    clock: Arc<dyn Clock>,
    stamps: StampsBy,
) -> Result<(EngineHandle, Arc<Mailbox>, Loop), EngineError> {
    let EngineConfig { storage, metrics, network, tick, .. } = config.clone();
    let engine = Engine::open(config)?;
    let mailbox = engine.mailbox();
    let (orders, inbox) = mpsc::channel(ENGINE_QUEUE_MAX);
    let (events, _) = broadcast::channel(EVENTS_BUFFERED);
    let (outgoing, carried) = mpsc::channel(EFFECTS_BUFFERED);
    tokio::spawn(carry(carried));
    tokio::spawn(send_ticks(orders.downgrade(), tick));
    let stamper = match stamps {
        StampsBy::Thread if network.stamp_bits > 0 => Some(Stamper::spawn(orders.downgrade())?),
        StampsBy::Thread | StampsBy::Engine => None,
    };
    let outlet = LoopOutlet {
        events: events.clone(),
        net: None,
        outgoing,
        waiting: VecDeque::new(),
        stamper,
        stamps: Vec::new(),
        interest: None,
        lookups: Vec::new(),
        published: Box::new(|_| {}),
    };
    let rng = ChaCha20Rng::from_seed(rand::random());
    let looping = Loop { engine, inbox, outlet, clock, rng, metrics };
    Ok((EngineHandle { orders, events, storage }, mailbox, looping))
}

/// The engine with all that it works with.
struct Loop {
    engine: Engine,
    inbox: mpsc::Receiver<Order>,
    outlet: LoopOutlet,
    clock: Arc<dyn Clock>,
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
            let mut inputs: Vec<Input> = self.outlet.stamps.drain(..).map(StampJob::run).collect();
            for order in orders.drain(..) {
                match order {
                    Order::Input(input) => inputs.push(input),
                    Order::AttachNet(net) => self.outlet.attach(net),
                    Order::Shutdown(done) => shutdown.push(done),
                }
            }
            if !inputs.is_empty() {
                self.metrics.engine.batch_inputs.observe(inputs.len() as f64);
            }
            self.engine.run_batch(inputs, self.clock.now(), &mut self.rng, &mut self.outlet);
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

    /// Waits for orders, at most until a commit is due; `false` when there will be none any more.
    async fn wait(&mut self, orders: &mut Vec<Order>) -> bool {
        let due = self.engine.commit_due(self.clock.now());
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
    outgoing: mpsc::Sender<Outgoing>,
    /// What found no place in a queue, in order: sent before the next batch.
    waiting: VecDeque<Waiting>,
    /// Where the network asks for stamps, and a thread makes them.
    stamper: Option<Stamper>,
    /// Stamps to be made here.
    stamps: Vec<StampJob>,
    /// What the network is to be told once there is one.
    interest: Option<Interest>,
    lookups: Vec<Lookup>,
    /// Shown what is gossiped.
    published: Box<dyn FnMut(&Envelope) + Send>,
}

/// What waits for a place in a queue.
enum Waiting {
    Publish(Vec<Envelope>),
    Outgoing(Outgoing),
}

impl LoopOutlet {
    fn attach(&mut self, net: NetHandle) {
        self.send(Outgoing::Net(net.clone()));
        self.net = Some(net);
        self.tell_wishes();
    }

    fn tell_wishes(&mut self) {
        if self.net.is_none() {
            return;
        }
        if let Some(interest) = self.interest.take() {
            self.send(Outgoing::Interest(interest));
        }
        if !self.lookups.is_empty() {
            let lookups = std::mem::take(&mut self.lookups);
            self.send(Outgoing::LookUp(lookups));
        }
    }

    fn send(&mut self, outgoing: Outgoing) {
        if !self.waiting.is_empty() {
            return self.waiting.push_back(Waiting::Outgoing(outgoing));
        }
        match self.outgoing.try_send(outgoing) {
            // The task ends only with the runtime.
            Ok(()) | Err(TrySendError::Closed(_)) => {}
            Err(TrySendError::Full(outgoing)) => {
                self.waiting.push_back(Waiting::Outgoing(outgoing));
            }
        }
    }

    fn publish(&mut self, envelopes: Vec<Envelope>) {
        let Some(net) = &self.net else { return };
        envelopes.iter().for_each(|envelope| (self.published)(envelope));
        if !self.waiting.is_empty() {
            return self.waiting.push_back(Waiting::Publish(envelopes));
        }
        if let Err(envelopes) = net.try_publish(envelopes) {
            self.waiting.push_back(Waiting::Publish(envelopes));
        }
    }

    /// Sends what found no place: the engine waits while the network is behind.
    async fn flush(&mut self) {
        while let Some(next) = self.waiting.pop_front() {
            match (next, &self.net) {
                (Waiting::Publish(envelopes), Some(net)) => net.publish(envelopes).await,
                (Waiting::Publish(_), None) => {}
                // The task ends only with the runtime.
                (Waiting::Outgoing(outgoing), _) => {
                    self.outgoing.send(outgoing).await.unwrap_or_default();
                }
            }
        }
    }
}

impl Outlet for LoopOutlet {
    fn release(&mut self, mut effects: Effects) {
        // Before a network is attached there is nobody to tell; sync brings it later.
        if !effects.publish.is_empty() {
            self.publish(std::mem::take(&mut effects.publish));
        }
        match &self.stamper {
            Some(stamper) => effects.stamp.drain(..).for_each(|job| stamper.give(job)),
            None => self.stamps.append(&mut effects.stamp),
        }
        for event in effects.events.drain(..) {
            // Nobody may be following.
            let _ = self.events.send(Arc::new(event));
        }
        effects.answer();
        if !effects.false_acks.is_empty() {
            self.send(Outgoing::FalseAcks(std::mem::take(&mut effects.false_acks)));
        }
        self.interest = effects.interest.take().or_else(|| self.interest.take());
        self.lookups.append(&mut effects.lookups);
        self.tell_wishes();
        if !effects.acks.is_empty() {
            self.send(Outgoing::Acks(std::mem::take(&mut effects.acks)));
        }
    }

    fn stored(&mut self, stored: StoredFor) {
        self.send(Outgoing::Stored(stored));
    }
}

/// Carries to the network what has time: acks, gathered, and word of what is stored.
async fn carry(mut outgoing: mpsc::Receiver<Outgoing>) {
    let mut net: Option<NetHandle> = None;
    let mut gathered = Vec::new();
    let mut due = Instant::now();
    loop {
        let is_gathering = !gathered.is_empty();
        let next = tokio::select! {
            biased;
            () = tokio::time::sleep_until(due), if is_gathering => None,
            next = outgoing.recv() => match next {
                Some(next) => Some(next),
                None => return,
            },
        };
        match (next, &net) {
            (Some(Outgoing::Net(handle)), _) => net = Some(handle),
            (Some(Outgoing::Acks(mut acks)), Some(_)) => {
                if gathered.is_empty() {
                    due = Instant::now() + ACK_DELAY;
                }
                gathered.append(&mut acks);
            }
            (Some(Outgoing::Stored(stored)), Some(net)) => {
                for (peer, ids) in stored {
                    net.stored(peer, ids).await;
                }
            }
            (Some(Outgoing::FalseAcks(counts)), Some(net)) => {
                for (peer, count) in counts {
                    net.false_acks(peer, count).await;
                }
            }
            (Some(Outgoing::Interest(interest)), Some(net)) => net.set_interest(interest).await,
            (Some(Outgoing::LookUp(lookups)), Some(net)) => net.look_up(lookups).await,
            (None, Some(net)) => net.publish_acks(std::mem::take(&mut gathered)).await,
            // Before there is a network there is nobody to tell; sync brings it later.
            (
                None
                | Some(
                    Outgoing::Acks(_)
                    | Outgoing::Stored(_)
                    | Outgoing::FalseAcks(_)
                    | Outgoing::Interest(_)
                    | Outgoing::LookUp(_),
                ),
                None,
            ) => gathered.clear(),
        }
        if gathered.len() >= ACKS_PER_BATCH_MAX {
            due = Instant::now();
        }
    }
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
