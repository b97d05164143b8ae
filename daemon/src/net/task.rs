//! The task that owns the swarm. It never waits for anything but events, commands and timers.

mod conduct;
mod connections;
mod events;
mod measure;
mod open;
mod publish;
mod timers;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::limits::{
    ACK_DELAY, LOOKUP_KEEPERS_MAX, NET_QUEUE_MAX, PEER_CACHE_SAVE_INTERVAL,
    PEER_LOG_LINES_PER_MINUTE_MAX, PUBLISH_BACKLOG_MAX, SYNC_INTERVAL,
};
use futures::{FutureExt, StreamExt};
use libp2p::request_response::OutboundRequestId;
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, Swarm};
use martlet_engine::{Interest, Lookup, ToNet};
use martlet_protocol::Shard;
use martlet_protocol::control::{Ban, Peer, Role};
use martlet_protocol::sync::{Refusal, Request, Response, ShardSet};
use martlet_store::Mailbox;
use rand::seq::IteratorRandom;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::bans::Bans;
use super::behaviour::{self, Behaviour};
use super::cache::PeerCache;
use super::dialer::{Dialer, Origin};
use super::files::{self, BANS_FILE, Files, PEER_CACHE_FILE};
use super::gossip::Topics;
use super::intake::Intake;
use super::open::{Open, Provider, Reach, Scope};
use super::peer_key::peer_of;
use super::peers::{self, Peers};
use super::rates::{Limiter, NodeRates};
use super::report::{FarFuture, NetReport};
use super::scores::Scores;
use super::shards::{Kept, Shards};
use super::skew::Skew;
use super::sync::responder::Responder;
use super::sync::{self, Context, RequestError, ToSwarm, initiator};
use super::tickets::Tickets;
use super::{
    Clock, NetConfig, NetError, NetSink, NodeClock, Pace, gossip, listen, shorten, transport,
};

use publish::Outgoing;
use timers::turn_wait;

/// Events taken in one go before what they brought is handed on.
const EVENTS_PER_TURN: usize = 256;
/// How long a stop waits for connections to close.
const CLOSE_WAIT: Duration = Duration::from_millis(500);

/// What the handle asks for.
#[derive(Debug)]
pub(super) enum Command {
    /// What the engine tells, in order.
    Engine(Vec<ToNet>),
    /// Tell which shards are kept.
    Kept(oneshot::Sender<ShardSet>),
    /// List peers.
    Peers(oneshot::Sender<Vec<Peer>>),
    /// Dial an address.
    Dial(Multiaddr),
    /// Ban a peer, for a time or until the ban is lifted.
    Ban {
        /// Whom.
        peer: PeerId,
        /// For how long.
        lasts: Option<Duration>,
        /// Why.
        reason: String,
        /// Gets the ban.
        reply: oneshot::Sender<Option<Ban>>,
    },
    /// Lift a ban.
    Unban(PeerId, oneshot::Sender<bool>),
    /// List bans.
    Bans(oneshot::Sender<Vec<Ban>>),
    /// Tell how the network does.
    Report(oneshot::Sender<NetReport>),
    /// List addresses listened on.
    ListenAddresses(oneshot::Sender<Vec<Multiaddr>>),
    /// Set the metrics that are states.
    Measure(oneshot::Sender<()>),
    /// Tell how far others reach this node.
    Reach(oneshot::Sender<Reach>),
    /// Tell the network whether this node keeps a shard.
    Provide(Shard, bool),
    /// Ask the network who keeps a shard.
    FindProviders(Shard, oneshot::Sender<Vec<Provider>>),
    /// Stop.
    Shutdown(oneshot::Sender<()>),
}

/// Sets the swarm up, listens, and spawns the task.
pub(super) fn start<S: NetSink>(
    config: NetConfig,
    mailbox: Arc<Mailbox>,
    sink: Arc<S>,
    clock: Arc<NodeClock>,
    transport: transport::Boxed,
    tickets: Arc<Tickets>,
    commands: mpsc::Receiver<Command>,
) -> Result<(), NetError> {
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
    let open = scope.map(|scope| Open::new(&config, scope)).transpose()?;
    let local = *swarm.local_peer_id();
    let mut dialer = Dialer::new(local);
    for address in configured {
        dialer.add(address, Origin::Static);
    }
    let directory = config.data_dir.as_deref();
    let bans = Bans::from_records(files::load(directory, BANS_FILE), clock.now());
    for peer in bans.peers() {
        swarm.behaviour_mut().blocked.block_peer(peer);
    }
    let cache = PeerCache::from_records(files::load(directory, PEER_CACHE_FILE), clock.now());
    listen::listen(&mut swarm, &config.listen)?;
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
        open,
        local,
        identify_protocol: behaviour::identify_protocol(&config.network.name),
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
        responder: Arc::new(Responder::new(Arc::clone(&context))),
        outgoing: Outgoing::new(topics),
        requests: HashMap::new(),
        peers: Peers::new(local, config.connections),
        pinned: HashSet::new(),
        scores: Scores::default(),
        refused: HashMap::new(),
        bans,
        cache,
        cache_save_at: now + PEER_CACHE_SAVE_INTERVAL,
        files: Files::start(config.data_dir),
        gossip_lost: HashMap::new(),
        skew: Skew::default(),
        clock,
        far_future: FarFuture::new(now),
        wants_mdns: config.mdns,
        mdns_heard: false,
        started: now,
        search_at: now,
        next_review: connections::first_review(
            config.pace.apply(config.connections.review_interval()),
        ),
        syncs_running: 0,
        news: 0,
        bridges: Vec::new(),
        news_reviewed: 0,
        news_compared: 0,
        next_comparison: Instant::now(),
        lines: Limiter::per_minute(PEER_LOG_LINES_PER_MINUTE_MAX),
        next_turn: now + turn_wait(config.pace),
        pace: config.pace,
        context,
        dialer,
        swarm,
    };
    task.search(now);
    task.admit_by_policy();
    task.announce(config.open.announce);
    task.provide_kept();
    tokio::spawn(task.run(commands, from_sync));
    Ok(())
}

/// Everything the loop works with.
struct Task<S: NetSink> {
    local: PeerId,
    identify_protocol: String,
    swarm: Swarm<Behaviour>,
    context: Arc<Context<S>>,
    responder: Arc<Responder<S>>,
    intake: Intake,
    outgoing: Outgoing,
    dialer: Dialer,
    peers: Peers,
    /// What reaches beyond the LAN, where the network does.
    open: Option<Open>,
    shards: Shards,
    /// Requests sent and not answered.
    requests: HashMap<OutboundRequestId, oneshot::Sender<Result<Response, RequestError>>>,
    /// Peers that the user wants: their connections are kept.
    pinned: HashSet<PeerId>,
    scores: Scores,
    /// Peers that were disconnected for their score, until when.
    refused: HashMap<PeerId, Instant>,
    bans: Bans,
    cache: PeerCache,
    cache_save_at: Instant,
    files: Files,
    /// How often connections were closed because gossip had lost them, in a row.
    gossip_lost: HashMap<PeerId, u32>,
    skew: Skew,
    clock: Arc<NodeClock>,
    far_future: FarFuture,
    wants_mdns: bool,
    /// Whether anyone was found by mDNS.
    mdns_heard: bool,
    started: Instant,
    /// When remembered peers are taken up again, if there are too few.
    search_at: Instant,
    next_review: Instant,
    syncs_running: usize,
    /// Envelopes that were new here, own ones included.
    news: u64,
    /// Peers to which gossip passes nothing on, and syncs carry much.
    bridges: Vec<PeerId>,
    /// How many of the news there were at the last review, and when they were last compared with those
    /// of peers to which gossip only announces them.
    news_reviewed: u64,
    news_compared: u64,
    next_comparison: Instant,
    /// Lines of the log that strangers cause.
    lines: Limiter,
    /// When a random peer is synced with.
    next_turn: Instant,
    pace: Pace,
}

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
        loop {
            let mut timers = tokio::select! {
                event = self.swarm.select_next_some() => self.on_swarm_event(event),
                command = commands.recv(), if self.outgoing.len() < PUBLISH_BACKLOG_MAX => {
                    match command {
                        Some(Command::Shutdown(reply)) => {
                            self.save_all().await;
                            self.close_all().await;
                            // Whoever asked need not wait for the answer.
                            reply.send(()).unwrap_or_default();
                            return;
                        }
                        Some(command) => self.on_command(command),
                        // Every handle is gone.
                        None => {
                            self.save_all().await;
                            return self.close_all().await;
                        }
                    }
                }
                Some(message) = from_sync.recv() => self.on_sync_message(message),
                () = timer.as_mut() => {
                    self.on_timer();
                    Timers::Changed
                }
                () = std::future::ready(()), if self.outgoing.has_due() => self.publish_some(),
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

    fn on_command(&mut self, command: Command) -> Timers {
        match command {
            Command::Engine(to_net) => {
                to_net.into_iter().for_each(|told| self.on_engine(told));
                if self.outgoing.has_due() {
                    self.publish_some();
                }
                Timers::Changed
            }
            Command::Kept(reply) => {
                // Whoever asked may have gone.
                reply.send(self.shards.kept()).unwrap_or_default();
                Timers::Same
            }
            Command::Peers(reply) => {
                // Whoever asked may have gone.
                reply.send(self.describe_peers()).unwrap_or_default();
                Timers::Same
            }
            Command::Dial(address) => {
                self.dialer.add(address, Origin::Command);
                self.admit_by_policy();
                Timers::Changed
            }
            Command::Ban { peer, lasts, reason, reply } => {
                reply.send(self.ban(peer, lasts, &reason)).unwrap_or_default();
                Timers::Changed
            }
            Command::Unban(peer, reply) => {
                reply.send(self.unban(peer)).unwrap_or_default();
                Timers::Changed
            }
            Command::Bans(reply) => {
                reply.send(self.bans.list()).unwrap_or_default();
                Timers::Same
            }
            Command::Report(reply) => {
                reply.send(self.report()).unwrap_or_default();
                Timers::Same
            }
            Command::ListenAddresses(reply) => {
                let local = self.local;
                let addresses = self
                    .swarm
                    .listeners()
                    .map(|address| {
                        // One through a relay has it already.
                        address.clone().with_p2p(local).unwrap_or_else(|address| address)
                    })
                    .collect();
                reply.send(addresses).unwrap_or_default();
                Timers::Same
            }
            Command::Measure(reply) => {
                self.measure();
                // Whoever asked may have gone.
                reply.send(()).unwrap_or_default();
                Timers::Same
            }
            Command::Reach(reply) => {
                reply.send(self.reach()).unwrap_or_default();
                Timers::Same
            }
            Command::Provide(shard, keeps) => self.provide(shard, keeps),
            Command::FindProviders(shard, reply) => self.find_providers(shard, reply),
            // Handled by the loop, which ends.
            Command::Shutdown(_) => Timers::Same,
        }
    }

    fn on_engine(&mut self, told: ToNet) {
        match told {
            ToNet::Publish(envelopes) => self.outgoing.add(envelopes),
            ToNet::PublishAcks(acks) => self.outgoing.add_acks(acks, Instant::now()),
            ToNet::Stored(peer, ids) => {
                let due = Instant::now() + ACK_DELAY;
                let state = peer_of(&peer).and_then(|peer| self.peers.get_mut(&peer));
                if let Some(state) = state {
                    state.stored.add(ids, due);
                }
            }
            ToNet::FalseAcks(peer, count) => {
                if let Some(peer) = peer_of(&peer) {
                    self.intake.count_false_acks(peer, count);
                }
            }
            ToNet::Interest(interest) => self.set_interest(&interest),
            ToNet::LookUp(lookups) => self.look_up(lookups),
            // Given to those who asked before it comes here.
            ToNet::Answer(..) => {}
        }
    }

    /// A shard kept from now on is gossiped in and synced at once.
    fn set_interest(&mut self, interest: &Interest) {
        let Some(shard) = self.shards.set_interest(interest) else { return };
        let topics = &self.outgoing.topics;
        if let Some(topic) = topics.envelopes(shard)
            && let Err(error) = gossip::subscribe(&mut self.swarm.behaviour_mut().gossip, topic)
        {
            tracing::warn!(%error, "gossip of the user's shard is not taken part in");
        }
        self.provide(shard, true);
        let now = Instant::now();
        for (_, state) in self.peers.iter_mut() {
            state.sync.turn(now);
        }
    }

    fn look_up(&mut self, lookups: Vec<Lookup>) {
        let now = Instant::now();
        for Lookup { shard, tags } in lookups {
            let keepers = self.shards.keepers(shard).sample(&mut rand::rng(), LOOKUP_KEEPERS_MAX);
            self.shards.lookups.add(shard, tags, now);
            for peer in keepers {
                self.shards.lookups.ask(peer, shard, now);
            }
        }
    }

    fn on_sync_message(&mut self, message: ToSwarm) -> Timers {
        match message {
            ToSwarm::Request { peer, request, reply } => {
                self.send_request(peer, request, reply);
                Timers::Same
            }
            ToSwarm::Respond { peer, channel, response, fault } => {
                let lacks_room =
                    matches!(response, Response::Refused(Refusal::Full | Refusal::OverShare));
                if let Some(state) = self.peers.get_mut(&peer) {
                    state.serving = state.serving.saturating_sub(1);
                    if lacks_room && self.context.role != Role::Mailbox {
                        // It stops to push, and the user's mail may be among the rest.
                        state.sync.over_share(Instant::now());
                    }
                }
                if self.swarm.behaviour_mut().sync.send_response(channel, response).is_err() {
                    tracing::debug!(peer = %shorten::peer(&peer), "too late to answer");
                }
                if fault {
                    self.count_fault(peer);
                }
                Timers::Changed
            }
            ToSwarm::Ended { peer, result } => {
                self.on_sync_ended(peer, result);
                Timers::Changed
            }
            ToSwarm::LookedUp { peer, fault } => {
                self.shards.lookups.asked(&peer, Instant::now());
                if fault {
                    self.count_fault(peer);
                }
                Timers::Changed
            }
            ToSwarm::News { from, few } => {
                self.pass_on(from, few);
                Timers::Changed
            }
            ToSwarm::StoredReported(peer) => {
                if let Some(state) = self.peers.get_mut(&peer) {
                    state.stored.in_flight = false;
                }
                Timers::Changed
            }
            ToSwarm::TimeHeard(peer, time) => {
                self.skew.heard(peer, time, self.clock.steady());
                self.tell_peers_time();
                Timers::Same
            }
        }
    }

    fn on_sync_ended(&mut self, peer: PeerId, result: Result<initiator::Summary, sync::SyncError>) {
        self.syncs_running = self.syncs_running.saturating_sub(1);
        let now = Instant::now();
        let name = shorten::peer(&peer);
        match result {
            Ok(summary) => {
                let initiator::Summary {
                    fetched,
                    pushed,
                    is_partial,
                    lacks_room,
                    compared_bytes,
                    rounds,
                } = summary;
                tracing::debug!(
                    peer = %name, fetched, pushed, is_partial, lacks_room, compared_bytes, rounds,
                    "synced"
                );
                self.count_useful(peer, fetched);
                if let Some(state) = self.peers.get_mut(&peer) {
                    state.sync.succeeded(now);
                    if state.sync.carried(fetched + pushed, self.news, now)
                        && !self.bridges.contains(&peer)
                    {
                        tracing::debug!(peer = %name, "gossip leaves it out; syncing when there is news");
                        self.bridges.push(peer);
                    }
                    match (is_partial, lacks_room) {
                        (true, true) => state.sync.over_share(now),
                        (true, false) => state.sync.gap(now),
                        // There may be room by then.
                        (false, true) => state.sync.turn(now + SYNC_INTERVAL),
                        (false, false) => {}
                    }
                }
            }
            Err(error) => {
                tracing::debug!(peer = %name, %error, "sync ended early");
                let unsupported =
                    matches!(error, sync::SyncError::Request(RequestError::Unsupported));
                if let Some(state) = self.peers.get_mut(&peer) {
                    state.sync.failed(!unsupported, now);
                }
                if error.is_fault() {
                    self.count_fault(peer);
                }
            }
        }
    }

    fn send_request(
        &mut self,
        peer: PeerId,
        request: Request,
        reply: oneshot::Sender<Result<Response, RequestError>>,
    ) {
        // Without a connection libp2p would dial; whom to dial is for the dialer to say.
        if self.peers.is_connected(&peer) {
            let id = self.swarm.behaviour_mut().sync.send_request(&peer, request);
            self.requests.insert(id, reply);
        } else {
            reply.send(Err(RequestError::Disconnected)).unwrap_or_default();
        }
    }

    fn describe_peers(&self) -> Vec<Peer> {
        let now = self.context.clock.now();
        let mut described = self.peers.describe(now, |peer, details| self.judge(peer, details));
        let mut known: Vec<Peer> = self
            .dialer
            .known()
            .filter(|(peer, _)| !self.peers.is_connected(peer))
            .map(|(peer, address)| Peer {
                peer_id: peer.to_base58(),
                connected: false,
                address: address.to_string(),
                transport: peers::transport(address),
                direction: None,
                latency_ms: None,
                details: None,
                ban: self.bans.get(&peer),
                upgraded: false,
            })
            .collect();
        described.sort_by(|a, b| a.peer_id.cmp(&b.peer_id));
        known.sort_by(|a, b| a.peer_id.cmp(&b.peer_id));
        known.dedup_by(|a, b| a.peer_id == b.peer_id);
        described.extend(known);
        described
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
