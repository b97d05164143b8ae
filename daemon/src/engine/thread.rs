//! The engine's thread, and the task that carries its effects away.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use libp2p::PeerId;
use martlet_protocol::control::Event;
use martlet_protocol::limits::{ACK_DELAY, ACKS_PER_BATCH_MAX, ENGINE_BATCH_MAX, ENGINE_QUEUE_MAX};
use martlet_protocol::{Ack, UnixMillis};
use martlet_store::Mailbox;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use tokio::runtime::Handle;
use tokio::sync::{broadcast, mpsc};
use tokio::time::Instant;

use super::handle::{EngineHandle, Order};
use super::stamper::Stamper;
use super::turn::{Effects, Outlet};
use super::{Engine, EngineConfig, EngineError, Input, StoredFor};
use crate::metrics::Metrics;
use crate::net::{Interest, Lookup, NetHandle};

/// Events a follower may be behind before it reads the log instead.
const EVENTS_BUFFERED: usize = 4096;
/// Batches of effects on their way to the network before the engine waits.
const EFFECTS_BUFFERED: usize = 64;
/// How often the engine is told that time has passed.
const TICK: Duration = Duration::from_secs(1);

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
    let data_dir = config.data_dir.clone();
    let metrics = Arc::clone(&config.metrics);
    let stamp_bits = config.network.stamp_bits;
    let engine = Engine::open(config)?;
    let mailbox = engine.mailbox();
    let (orders, inbox) = mpsc::channel(ENGINE_QUEUE_MAX);
    let (events, _) = broadcast::channel(EVENTS_BUFFERED);
    let (outgoing, carried) = mpsc::channel(EFFECTS_BUFFERED);
    tokio::spawn(carry(carried));
    tokio::spawn(tick(orders.downgrade()));
    let stamper = (stamp_bits > 0).then(|| Stamper::spawn(orders.downgrade())).transpose()?;
    let outlet = ThreadOutlet {
        events: events.clone(),
        net: None,
        outgoing,
        stamper,
        interest: None,
        lookups: Vec::new(),
    };
    let runtime = Handle::current();
    std::thread::Builder::new()
        .name("engine".into())
        .spawn(move || run(engine, runtime, inbox, outlet, &metrics))?;
    Ok((EngineHandle { orders, events, data_dir }, mailbox))
}

/// The system's clock.
#[must_use]
pub(super) fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn run(
    mut engine: Engine,
    runtime: Handle,
    mut inbox: mpsc::Receiver<Order>,
    mut outlet: ThreadOutlet,
    metrics: &Metrics,
) {
    let mut rng = ChaCha20Rng::from_seed(rand::random());
    let mut orders = Vec::with_capacity(ENGINE_BATCH_MAX);
    loop {
        if engine.is_behind() {
            // Work is left in the mailbox: take what waits, but wait for nothing.
            while orders.len() < ENGINE_BATCH_MAX {
                match inbox.try_recv() {
                    Ok(order) => orders.push(order),
                    Err(_) => break,
                }
            }
        } else if !wait(&runtime, &mut inbox, &mut orders, engine.commit_due(now())) {
            return engine.close(&mut outlet);
        }
        let mut shutdown = Vec::new();
        let mut inputs = Vec::with_capacity(orders.len());
        for order in orders.drain(..) {
            match order {
                Order::Input(input) => inputs.push(input),
                Order::AttachNet(net) => outlet.attach(net),
                Order::Shutdown(done) => shutdown.push(done),
            }
        }
        if !inputs.is_empty() {
            metrics.engine.batch_inputs.observe(inputs.len() as f64);
        }
        engine.run_batch(inputs, now(), &mut rng, &mut outlet);
        if !shutdown.is_empty() {
            engine.close(&mut outlet);
            // Whoever waits for the end may have gone.
            for done in shutdown {
                let _ = done.send(());
            }
            return;
        }
    }
}

/// Waits for orders, at most until `due`; `false` when there will be none any more.
fn wait(
    runtime: &Handle,
    inbox: &mut mpsc::Receiver<Order>,
    orders: &mut Vec<Order>,
    due: Option<Duration>,
) -> bool {
    let received = inbox.recv_many(orders, ENGINE_BATCH_MAX);
    match due {
        None => runtime.block_on(received) > 0,
        // When the time is up, there is something to do as well.
        Some(due) => runtime
            .block_on(async { tokio::time::timeout(due, received).await })
            .map_or(true, |count| count > 0),
    }
}

struct ThreadOutlet {
    events: broadcast::Sender<Arc<Event>>,
    net: Option<NetHandle>,
    outgoing: mpsc::Sender<Outgoing>,
    /// Where the network asks for stamps.
    stamper: Option<Stamper>,
    /// What the network is to be told once there is one.
    interest: Option<Interest>,
    lookups: Vec<Lookup>,
}

impl ThreadOutlet {
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

    fn send(&self, outgoing: Outgoing) {
        // The task ends only with the runtime.
        let _ = self.outgoing.blocking_send(outgoing);
    }
}

impl Outlet for ThreadOutlet {
    fn release(&mut self, mut effects: Effects) {
        // Before a network is attached there is nobody to tell; sync brings it later.
        if let (Some(net), false) = (&self.net, effects.publish.is_empty()) {
            net.blocking_publish(std::mem::take(&mut effects.publish));
        }
        if let Some(stamper) = &self.stamper {
            effects.stamp.drain(..).for_each(|job| stamper.give(job));
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

async fn tick(orders: mpsc::WeakSender<Order>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let Some(orders) = orders.upgrade() else { return };
        if orders.send(Order::Input(Input::Tick)).await.is_err() {
            return;
        }
    }
}
