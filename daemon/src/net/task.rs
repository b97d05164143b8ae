//! The task that owns the swarm. It never waits for anything but events, commands and timers.

mod commands;
mod conduct;
mod connections;
mod events;
mod links;
mod measure;
mod publish;
mod reasons;
mod silence;
mod stem;
mod syncs;
mod timers;
mod wan;

use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::clock::Clock;
use crate::limits::{
    NET_QUEUE_MAX, PEER_CACHE_SAVE_INTERVAL, PEER_LOG_LINES_PER_MINUTE_MAX, PUBLISH_BACKLOG_MAX,
};
use futures::{FutureExt, StreamExt};
use libp2p::request_response::OutboundRequestId;
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{PeerId, StreamProtocol, Swarm};
use martlet_protocol::control::PeerEvent;
use martlet_protocol::sync::Response;
use martlet_store::Mailbox;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::{Instant, Sleep};

use super::bans::Bans;
use super::behaviour::{self, Behaviour};
use super::cache::PeerCache;
use super::dialer::{Dialer, Origin};
use super::gossip::Topics;
use super::intake::Intake;
use super::mismatches::{BrokenOff, Mismatches};
use super::peers::Peers;
use super::probes::Probes;
use super::rates::{Limiter, NodeRates};
use super::report::FarFuture;
use super::scores::Scores;
use super::shards::{Kept, Shards};
use super::skew::{Settings, Skew};
use super::state_files::{self, BANS_FILE, Files, PEER_CACHE_FILE};
use super::stem::Stem;
use super::sync::responder::Responder;
use super::sync::{Context, RequestError, ToSwarm};
use super::tickets::Tickets;
use super::wan::{Scope, Wan};
use super::{NetConfig, NetError, NetSink, NodeClock, Pace, listen, shorten, transport};

pub(super) use commands::Command;

use publish::Outgoing;
use timers::turn_wait;

/// Events taken in one go before what they brought is handed on.
const EVENTS_PER_TURN: usize = 256;
/// How long a stop waits for connections to close.
const CLOSE_WAIT: Duration = Duration::from_millis(500);

/// The task's ends of what the handle holds.
pub(super) struct Ends {
    /// Who asked what.
    pub(super) tickets: Arc<Tickets>,
    /// What is asked for.
    pub(super) commands: mpsc::Receiver<Command>,
    /// Peers that come and go.
    pub(super) changes: broadcast::Sender<PeerEvent>,
}

/// Sets the swarm up, listens, and spawns the task.
pub(super) fn start<S: NetSink>(
    config: NetConfig,
    mailbox: Arc<Mailbox>,
    sink: Arc<S>,
    clock: Arc<NodeClock>,
    transport: transport::Boxed,
    ends: Ends,
) -> Result<(), NetError> {
    let Ends { tickets, commands, changes } = ends;
    let topics = Topics::new(&config.network);
    let rates = NodeRates::new(config.peer_envelopes_per_minute);
    let mut configured = config.static_peers.clone();
    for address in &config.network.bootstrap {
        configured.push(address.parse().map_err(|error: libp2p::multiaddr::Error| {
            NetError::Bootstrap { address: address.clone(), reason: error.to_string() }
        })?);
    }
    let scope = (!config.network.lan_only).then(|| Scope::of(&config.listen, &configured));
    let mut swarm = behaviour::swarm(&config, scope, transport, &topics, &rates)?;
    let wan = scope.map(|scope| Wan::new(&config, scope)).transpose()?;
    let local = *swarm.local_peer_id();
    let mut dialer = Dialer::new(local);
    for address in configured {
        dialer.add(address, Origin::Static);
    }
    let directory = config.data_dir.as_deref();
    let bans = Bans::from_records(state_files::load(directory, BANS_FILE), clock.now());
    for peer in bans.peers() {
        swarm.behaviour_mut().blocked.block_peer(peer);
    }
    let cache = PeerCache::from_records(state_files::load(directory, PEER_CACHE_FILE), clock.now());
    let is_announced = wan.is_some() && !config.wan.announce.is_empty();
    listen::listen(&mut swarm, &config.listen, is_announced)?;
    let (to_swarm, from_sync) = mpsc::channel(NET_QUEUE_MAX);
    let kept = Kept::new(config.kept.clone());
    let context = Arc::new(Context {
        role: config.role,
        kept: kept.clone(),
        mailbox,
        sink: Arc::clone(&sink),
        tickets,
        clock: Arc::clone(&clock) as _,
        network: config.network.clone(),
        metrics: Arc::clone(&config.metrics),
        swarm: to_swarm,
    });
    let now = Instant::now();
    let mut task = Task {
        wan,
        local,
        protocols: Protocols {
            identify: behaviour::identify_protocol(&config.network.name),
            stem: behaviour::stem_protocol(&config.network.name)?,
            depot: behaviour::depot_protocol(&config.network.name)?,
        },
        stem: Stem::new(now),
        shards: Shards::new(config.network.shard_bits, config.role, kept),
        intake: Intake::new(
            config.network,
            rates,
            topics.clone(),
            config.role,
            Arc::clone(&clock) as _,
            sink,
            config.metrics,
        ),
        outgoing: Outgoing::new(topics),
        peers: Peers::new(local, config.connections),
        opinions: Opinions {
            pinned: HashSet::new(),
            scores: Scores::default(),
            refused: HashMap::new(),
            bans,
            gossip_lost: HashMap::new(),
            silent: HashSet::new(),
        },
        memory: Memory {
            cache,
            save_at: now + PEER_CACHE_SAVE_INTERVAL,
            files: Files::start(config.data_dir),
        },
        health: Health {
            skew: Skew::default(),
            settings: Settings::new(clock.now(), clock.steady()),
            clock,
            far_future: FarFuture::new(now),
            wants_mdns: config.mdns,
            mdns_heard: false,
            mismatches: Mismatches::default(),
            broken_off: BrokenOff::default(),
            mdns6: false,
            started: now,
            changes,
        },
        syncs: Syncs {
            responder: Arc::new(Responder::new(Arc::clone(&context))),
            requests: HashMap::new(),
            running: 0,
            next_turn: now + turn_wait(config.pace),
        },
        news: News {
            count: 0,
            bridges: Vec::new(),
            reviewed: 0,
            compared: 0,
            next_comparison: now,
        },
        reviews: Reviews {
            search_at: now,
            probes: Probes::default(),
            next: connections::first_review(
                config.pace.apply(config.connections.review_interval()),
            ),
        },
        lines: Limiter::per_minute(PEER_LOG_LINES_PER_MINUTE_MAX),
        pace: config.pace,
        context,
        dialer,
        swarm,
    };
    task.search(now);
    task.admit_by_policy();
    task.announce(config.wan.announce);
    task.provide_kept();
    tokio::spawn(task.run(commands, from_sync));
    Ok(())
}

/// Everything the loop works with.
struct Task<S: NetSink> {
    local: PeerId,
    protocols: Protocols,
    swarm: Swarm<Behaviour>,
    context: Arc<Context<S>>,
    intake: Intake,
    outgoing: Outgoing,
    /// What goes by the stem, where the network is `mixed`.
    stem: Stem,
    dialer: Dialer,
    peers: Peers,
    /// What reaches beyond the LAN, where the network does.
    wan: Option<Wan>,
    shards: Shards,
    opinions: Opinions,
    memory: Memory,
    health: Health,
    syncs: Syncs<S>,
    news: News,
    reviews: Reviews,
    /// Lines of the log that strangers cause.
    lines: Limiter,
    pace: Pace,
}

/// What this network's nodes are known by, and speak.
struct Protocols {
    identify: String,
    stem: StreamProtocol,
    depot: StreamProtocol,
}

/// When it is seen to who is connected.
struct Reviews {
    /// When remembered peers are taken up again, if there are too few.
    search_at: Instant,
    next: Instant,
    /// Of whom a word is waited for.
    probes: Probes,
}

/// What is thought of peers.
struct Opinions {
    /// Peers that the user wants: their connections are kept.
    pinned: HashSet<PeerId>,
    scores: Scores,
    /// Peers that were disconnected for their score, until when.
    refused: HashMap<PeerId, Instant>,
    bans: Bans,
    /// How often connections were closed because gossip had lost them, in a row.
    gossip_lost: HashMap<PeerId, u32>,
    /// Peers whose connections end since they were silent.
    silent: HashSet<PeerId>,
}

/// What is remembered of peers over a restart.
struct Memory {
    cache: PeerCache,
    save_at: Instant,
    files: Files,
}

/// What the user is told of, should something be wrong.
struct Health {
    skew: Skew,
    settings: Settings,
    clock: Arc<NodeClock>,
    far_future: FarFuture,
    wants_mdns: bool,
    /// Whether anyone was found by mDNS.
    mdns_heard: bool,
    /// Nodes with another network key.
    mismatches: Mismatches,
    /// Who hung up in the midst of the handshake: perhaps such nodes.
    broken_off: BrokenOff,
    /// Whether mDNS runs by IPv6; see `Behaviour::has_mdns` for IPv4.
    mdns6: bool,
    started: Instant,
    /// Peers that come and go.
    changes: broadcast::Sender<PeerEvent>,
}

/// The syncs under way, those of others included.
struct Syncs<S> {
    responder: Arc<Responder<S>>,
    /// Requests sent and not answered.
    requests: HashMap<OutboundRequestId, oneshot::Sender<Result<Response, RequestError>>>,
    /// How many this node began.
    running: usize,
    /// When a random peer is synced with.
    next_turn: Instant,
}

/// What is new here, and over which links gossip does not bring it.
struct News {
    /// Envelopes that were new here, own ones included.
    count: u64,
    /// Peers to which gossip passes nothing on, and syncs carry much.
    bridges: Vec<PeerId>,
    /// How many of the news there were at the last review, and when they were last compared with those
    /// of peers to which gossip only announces them.
    reviewed: u64,
    compared: u64,
    next_comparison: Instant,
}

/// What the task waits for.
#[expect(clippy::large_enum_variant, reason = "one at a time, and never moved far")]
enum Next {
    Event(SwarmEvent<<Behaviour as NetworkBehaviour>::ToSwarm>),
    /// `None`: every handle is gone.
    Command(Option<Command>),
    FromSync(ToSwarm),
    Timer,
    /// Something is to be published.
    Publish,
}

/// How many kinds of [`Next`] there are.
const SOURCES: usize = 5;

/// Whether something happened that may have changed when the next timer is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Timers {
    Same,
    Changed,
}

impl<S: NetSink> Task<S> {
    async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut from_sync: mpsc::Receiver<ToSwarm>,
    ) {
        let timer = tokio::time::sleep(Duration::ZERO);
        tokio::pin!(timer);
        let mut first = 0;
        loop {
            first = (first + 1) % SOURCES;
            let next = self.next(first, &mut commands, &mut from_sync, timer.as_mut()).await;
            let mut timers = match next {
                Next::Event(event) => self.on_swarm_event(event),
                Next::Command(Some(Command::Shutdown(reply))) => {
                    self.save_all().await;
                    self.close_all().await;
                    // Whoever asked need not wait for the answer.
                    reply.send(()).unwrap_or_default();
                    return;
                }
                Next::Command(Some(command)) => self.on_command(command),
                // Every handle is gone.
                Next::Command(None) => {
                    self.save_all().await;
                    return self.close_all().await;
                }
                Next::FromSync(message) => self.on_sync_message(message),
                Next::Timer => {
                    self.on_timer();
                    Timers::Changed
                }
                Next::Publish => self.publish_some(),
            };
            // What else is ready goes in the same batch.
            for _ in 0..EVENTS_PER_TURN {
                match self.swarm.next().now_or_never() {
                    Some(Some(event)) => {
                        if self.on_swarm_event(event) == Timers::Changed {
                            timers = Timers::Changed;
                        }
                    }
                    Some(None) | None => break,
                }
            }
            self.intake.flush();
            if timers == Timers::Changed || self.intake.is_held_up() {
                timer.as_mut().reset(self.next_wake());
            }
        }
    }

    /// Waits for what comes next; of several things that are ready, the first one from `first` on.
    ///
    /// Not by chance, as in `tokio::select!`: that draws a number at each poll, and a poll may be in vain. How many
    /// are is not the same each time in a simulation: libp2p numbers connections for the whole process, so
    /// nodes on several threads get other numbers. What nodes do must not depend on those.
    async fn next(
        &mut self,
        first: usize,
        commands: &mut mpsc::Receiver<Command>,
        from_sync: &mut mpsc::Receiver<ToSwarm>,
        mut timer: Pin<&mut Sleep>,
    ) -> Next {
        poll_fn(|context| {
            for source in 0..SOURCES {
                let ready = match (first + source) % SOURCES {
                    0 => self.swarm.select_next_some().poll_unpin(context).map(Next::Event),
                    1 if self.outgoing.len() < PUBLISH_BACKLOG_MAX => {
                        commands.poll_recv(context).map(Next::Command)
                    }
                    2 => match from_sync.poll_recv(context) {
                        Poll::Ready(Some(message)) => Poll::Ready(Next::FromSync(message)),
                        Poll::Ready(None) | Poll::Pending => Poll::Pending,
                    },
                    3 => timer.as_mut().poll(context).map(|()| Next::Timer),
                    4 if self.outgoing.has_due() => Poll::Ready(Next::Publish),
                    _ => Poll::Pending,
                };
                if ready.is_ready() {
                    return ready;
                }
            }
            Poll::Pending
        })
        .await
    }

    async fn close_all(&mut self) {
        let connected: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        for peer in connected {
            // An error: it has gone by itself.
            self.swarm.disconnect_peer_id(peer).unwrap_or_default();
        }
        let closing = async {
            while self.swarm.connected_peers().next().is_some() {
                if let SwarmEvent::ConnectionClosed { peer_id, .. } =
                    self.swarm.select_next_some().await
                {
                    tracing::debug!(peer = %shorten::peer(&peer_id), "closed");
                }
            }
        };
        if tokio::time::timeout(CLOSE_WAIT, closing).await.is_err() {
            tracing::debug!("some connections did not close in time");
        }
    }
}
