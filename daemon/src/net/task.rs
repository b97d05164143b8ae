//! The task that owns the swarm. It never waits for anything but events, commands and timers.

mod events;
mod publish;
mod timers;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use libp2p::multiaddr::Protocol;
use libp2p::request_response::OutboundRequestId;
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, Swarm};
use martlet_protocol::control::Peer;
use martlet_protocol::limits::{ACK_DELAY, LOOKUP_KEEPERS_MAX, NET_QUEUE_MAX, PUBLISH_BACKLOG_MAX};
use martlet_protocol::sync::{Request, Response, ShardSet};
use martlet_protocol::{Ack, Envelope, EnvelopeId};
use martlet_store::Mailbox;
use rand::seq::IteratorRandom;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::behaviour::{self, Behaviour};
use super::dialer::{Dialer, Origin};
use super::gossip::Topics;
use super::intake::Intake;
use super::peers::{self, Peers};
use super::shards::{Interest, Kept, Shards};
use super::sync::responder::Responder;
use super::sync::{self, Context, RequestError, ToSwarm, initiator};
use super::{Clock, Lookup, NetConfig, NetError, NetSink, gossip, listen, shorten, transport};

use publish::Outgoing;
use timers::turn_wait;

/// Events taken in one go before what they brought is handed on.
const EVENTS_PER_TURN: usize = 256;
/// How long a stop waits for connections to close.
const CLOSE_WAIT: Duration = Duration::from_millis(500);

/// What the handle asks for.
#[derive(Debug)]
pub(super) enum Command {
    /// Gossip envelopes.
    Publish(Vec<Envelope>),
    /// Gossip acks.
    PublishAcks(Vec<Ack>),
    /// Tell a peer that what it brought is on disk.
    Stored(PeerId, Vec<EnvelopeId>),
    /// Keep the user's shard, and stay near the contacts'.
    SetInterest(Interest),
    /// Look envelopes up by their tags.
    LookUp(Vec<Lookup>),
    /// Tell which shards are kept.
    Kept(oneshot::Sender<ShardSet>),
    /// List peers.
    Peers(oneshot::Sender<Vec<Peer>>),
    /// Dial an address.
    Dial(Multiaddr),
    /// List addresses listened on.
    ListenAddresses(oneshot::Sender<Vec<Multiaddr>>),
    /// Stop.
    Shutdown(oneshot::Sender<()>),
}

/// Sets the swarm up, listens, and spawns the task.
pub(super) fn start<S: NetSink>(
    config: NetConfig,
    mailbox: Arc<Mailbox>,
    sink: Arc<S>,
    clock: Arc<dyn Clock>,
    transport: transport::Boxed,
    commands: mpsc::Receiver<Command>,
) -> Result<(), NetError> {
    let topics = Topics::new(&config.network);
    let mut swarm = behaviour::swarm(&config, transport, &topics)?;
    let local = *swarm.local_peer_id();
    let mut dialer = Dialer::new(local);
    for address in &config.static_peers {
        dialer.add(address.clone(), Origin::Static);
    }
    for address in &config.network.bootstrap {
        let parsed = address.parse().map_err(|error: libp2p::multiaddr::Error| {
            NetError::Bootstrap { address: address.clone(), reason: error.to_string() }
        })?;
        dialer.add(parsed, Origin::Static);
    }
    listen::listen(&mut swarm, &config.listen)?;
    let (to_swarm, from_sync) = mpsc::channel(NET_QUEUE_MAX);
    let kept = Kept::new(config.kept.clone());
    let context = Arc::new(Context {
        role: config.role,
        kept: kept.clone(),
        mailbox,
        sink: Arc::clone(&sink),
        clock: Arc::clone(&clock),
        network: config.network.clone(),
        swarm: to_swarm,
    });
    let task = Task {
        local,
        identify_protocol: behaviour::identify_protocol(&config.network.name),
        shards: Shards::new(config.network.shard_bits, config.role, kept),
        intake: Intake::new(config.network, topics.clone(), config.role, clock, sink),
        responder: Arc::new(Responder::new(Arc::clone(&context))),
        outgoing: Outgoing::new(topics),
        requests: HashMap::new(),
        peers: Peers::new(local),
        refused: HashMap::new(),
        syncs_running: 0,
        next_turn: Instant::now() + turn_wait(),
        context,
        dialer,
        swarm,
    };
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
    shards: Shards,
    /// Requests sent and not answered.
    requests: HashMap<OutboundRequestId, oneshot::Sender<Result<Response, RequestError>>>,
    /// Peers that were cut off, until when.
    refused: HashMap<PeerId, Instant>,
    syncs_running: usize,
    /// When a random peer is synced with.
    next_turn: Instant,
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
                            self.close_all().await;
                            // Whoever asked need not wait for the answer.
                            reply.send(()).unwrap_or_default();
                            return;
                        }
                        Some(command) => self.on_command(command),
                        // Every handle is gone.
                        None => return self.close_all().await,
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
            Command::Publish(envelopes) => {
                self.outgoing.add(envelopes);
                if self.outgoing.has_due() { self.publish_some() } else { Timers::Same }
            }
            Command::PublishAcks(acks) => {
                self.publish_acks(&acks);
                Timers::Changed
            }
            Command::Stored(peer, ids) => {
                let due = Instant::now() + ACK_DELAY;
                match self.peers.get_mut(&peer) {
                    Some(state) => {
                        state.stored.add(ids, due);
                        Timers::Changed
                    }
                    None => Timers::Same,
                }
            }
            Command::SetInterest(interest) => {
                self.set_interest(&interest);
                Timers::Changed
            }
            Command::LookUp(lookups) => {
                self.look_up(lookups);
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
                Timers::Changed
            }
            Command::ListenAddresses(reply) => {
                let local = self.local;
                let addresses = self
                    .swarm
                    .listeners()
                    .map(|address| address.clone().with(Protocol::P2p(local)))
                    .collect();
                reply.send(addresses).unwrap_or_default();
                Timers::Same
            }
            // Handled by the loop, which ends.
            Command::Shutdown(_) => Timers::Same,
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
                if let Some(state) = self.peers.get_mut(&peer) {
                    state.serving = state.serving.saturating_sub(1);
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
            ToSwarm::StoredReported(peer) => {
                if let Some(state) = self.peers.get_mut(&peer) {
                    state.stored.in_flight = false;
                }
                Timers::Changed
            }
        }
    }

    fn on_sync_ended(&mut self, peer: PeerId, result: Result<initiator::Summary, sync::SyncError>) {
        self.syncs_running = self.syncs_running.saturating_sub(1);
        let now = Instant::now();
        let name = shorten::peer(&peer);
        match result {
            Ok(summary) => {
                let initiator::Summary { fetched, pushed, is_partial } = summary;
                tracing::debug!(peer = %name, fetched, pushed, is_partial, "synced");
                if let Some(state) = self.peers.get_mut(&peer) {
                    state.sync.succeeded(now);
                    if is_partial {
                        state.sync.gap(now);
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
        let mut described = self.peers.describe();
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
