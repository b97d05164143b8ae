//! A node with a mailbox and the least of an engine, and envelopes to send.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, identify};
use martlet_engine::{Answer, FromNet, NoRoom, PeerKey, Stemmed, Stored, ToNet};
use martlet_protocol::control::{Peer, Role};
use martlet_protocol::limits::{BODY_BYTES_MAX, BODY_BYTES_MIN};
use martlet_protocol::network::NetworkDescriptor;
use martlet_protocol::sync::ShardSet;
use martlet_protocol::{
    Ack, AckSecret, Envelope, EnvelopeId, ExpiryHour, Header, Kind, Shard, UnixMillis,
};
use martlet_store::Mailbox;
use martlet_store::mailbox::{Inserted, MailboxOptions, Source, SourceId};
use martletd::limits::PEER_ENVELOPES_PER_MINUTE_DEFAULT;
use martletd::metrics::Metrics;
use martletd::net::peer_key::key_of;
use martletd::net::{
    self, ConnectionPolicy, GossipPolicy, NetConfig, NetHandle, NetSink, NodeClock, Pace,
    WanOptions,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

/// How long a test waits for something that should happen at once.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// What tells by identify of which network a peer is.
pub(crate) fn identify(key: &Keypair, network: &str) -> identify::Behaviour {
    let version = format!("/martlet/{network}/2");
    identify::Behaviour::new(identify::Config::new(version, key.public()))
}

/// A running node.
pub(crate) struct Node {
    pub(crate) net: NetHandle,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) metrics: Arc<Metrics>,
    /// By how many milliseconds its clock is ahead; negative: behind.
    pub(crate) ahead_ms: Arc<AtomicI64>,
    seen: Arc<Mutex<Seen>>,
    _dir: TempDir,
}

/// What the network brought to a node.
#[derive(Default)]
pub(crate) struct Seen {
    /// How often each envelope was delivered.
    pub(crate) envelopes: HashMap<EnvelopeId, usize>,
    pub(crate) acks: Vec<Ack>,
    pub(crate) stored_by: Vec<EnvelopeId>,
    /// What of the user's own is to be published from here.
    pub(crate) off_stem: Vec<Stemmed>,
    /// What look-ups found.
    pub(crate) found: Vec<EnvelopeId>,
    /// `up_to_arrival` and the number lacking.
    pub(crate) reconciled: Vec<(u64, usize)>,
}

/// How a test's node differs from the default: a free TCP port on loopback, no peers, no mDNS.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) network: NetworkDescriptor,
    pub(crate) keypair: Keypair,
    pub(crate) listen: Vec<Multiaddr>,
    pub(crate) static_peers: Vec<Multiaddr>,
    pub(crate) wan: WanOptions,
    /// Envelopes in the mailbox at start.
    pub(crate) holds: Vec<Envelope>,
    /// Acks applied to them.
    pub(crate) acks: Vec<Ack>,
    pub(crate) bytes_max: u64,
    pub(crate) connections: ConnectionPolicy,
    /// Where remembered peers and bans are; its own temporary one if not given.
    pub(crate) data_dir: Option<PathBuf>,
    /// How far its clock is ahead.
    pub(crate) clock_ahead: Duration,
    pub(crate) bytes_per_source_max: u64,
    pub(crate) role: Role,
    pub(crate) kept: ShardSet,
    /// What the user has outstanding.
    pub(crate) own: Vec<EnvelopeId>,
    /// What the user waits for: kept even where there is no room.
    pub(crate) awaits: Vec<EnvelopeId>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            network: network("test"),
            keypair: Keypair::generate_ed25519(),
            listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
            static_peers: Vec::new(),
            wan: WanOptions::default(),
            holds: Vec::new(),
            acks: Vec::new(),
            bytes_max: 1 << 30,
            connections: ConnectionPolicy::default(),
            data_dir: None,
            clock_ahead: Duration::ZERO,
            bytes_per_source_max: 1 << 30,
            role: Role::Full,
            kept: ShardSet::ALL,
            own: Vec::new(),
            awaits: Vec::new(),
        }
    }
}

impl Setup {
    pub(crate) fn dialling(peer: &Multiaddr) -> Self {
        Self { static_peers: vec![peer.clone()], ..Self::default() }
    }

    pub(crate) fn start(self) -> Node {
        let dir = TempDir::new().unwrap();
        let options = MailboxOptions {
            bytes_max: self.bytes_max,
            bytes_per_source_max: self.bytes_per_source_max,
            cache_bytes: 1 << 20,
        };
        let mailbox = Arc::new(Mailbox::open(&dir.path().join("mailbox.redb"), options).unwrap());
        store(&mailbox, &self.holds, &self.acks);
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (events, inbox) = mpsc::channel(8192);
        let metrics: Arc<Metrics> = Arc::default();
        let config = NetConfig {
            gossip: GossipPolicy::default(),
            network: self.network,
            keypair: self.keypair,
            listen: self.listen,
            static_peers: self.static_peers,
            mdns: false,
            metrics: Arc::clone(&metrics),
            connections: self.connections,
            data_dir: Some(self.data_dir.unwrap_or_else(|| dir.path().to_owned())),
            peer_envelopes_per_minute: PEER_ENVELOPES_PER_MINUTE_DEFAULT,
            wan: self.wan,
            role: self.role,
            kept: self.kept,
            pace: Pace::USUAL,
            blobs: None,
            is_depot: false,
            memory_bytes_max: None,
        };
        let ahead = i64::try_from(self.clock_ahead.as_millis()).unwrap();
        let ahead_ms = Arc::new(AtomicI64::new(ahead));
        let ahead = Arc::clone(&ahead_ms);
        let clock =
            move || UnixMillis(now().0.saturating_add_signed(ahead.load(Ordering::Relaxed)));
        let clock = Arc::new(clock);
        let clock = Arc::new(NodeClock::new(clock));
        let transport = net::transport::system(&config.keypair, &config.network).unwrap();
        let sink = Sink { events };
        let net = net::spawn_on(config, Arc::clone(&mailbox), sink, clock, transport).unwrap();
        let engine = Engine {
            net: OnceLock::from(net.clone()),
            runtime: tokio::runtime::Handle::current(),
            mailbox: Arc::clone(&mailbox),
            seen: Arc::clone(&seen),
            own: self.own,
            awaits: self.awaits.into_iter().collect(),
        };
        std::thread::spawn(move || engine.run(inbox));
        Node { net, mailbox, metrics, ahead_ms, seen, _dir: dir }
    }
}

impl Node {
    /// An address to dial, with the peer id.
    pub(crate) async fn address(&self) -> Multiaddr {
        let mut addresses = Vec::new();
        until("listening", async || {
            addresses = self.net.listen_addresses().await;
            !addresses.is_empty()
        })
        .await;
        addresses.remove(0)
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    pub(crate) fn holds(&self, envelope: &Envelope) -> bool {
        self.mailbox.view().unwrap().get(&envelope.id()).unwrap().is_some()
    }

    /// What its engine's neighbours know it by.
    pub(crate) fn key(&self) -> PeerKey {
        key_of(&self.net.peer_id())
    }

    /// Gossips without storing: nothing of it comes by sync.
    pub(crate) async fn only_gossip(&self, envelopes: &[Envelope]) {
        self.net.tell(vec![ToNet::Publish(envelopes.to_vec())]).await;
    }

    pub(crate) fn live(&self) -> u64 {
        self.mailbox.view().unwrap().stats().unwrap().envelopes
    }

    /// Stores and gossips, as the engine does with a user's own.
    pub(crate) async fn send(&self, envelopes: &[Envelope]) {
        self.net.tell(vec![ToNet::Publish(envelopes.to_vec())]).await;
        store(&self.mailbox, envelopes, &[]);
    }

    pub(crate) async fn connected(&self) -> Vec<Peer> {
        self.net.peers().await.into_iter().filter(|peer| peer.connected).collect()
    }

    pub(crate) async fn until_connected(&self, other: &Node) {
        let id = other.net.peer_id().to_base58();
        until("connected", async || self.connected().await.iter().any(|peer| peer.peer_id == id))
            .await;
    }
}

/// A wire to a node that can stall, or be cut without either end noticing.
pub(crate) struct Wire {
    /// Where to dial instead of the node.
    pub(crate) address: Multiaddr,
    state: watch::Sender<WireState>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WireState {
    /// Bytes pass.
    Open,
    /// Nothing passes, nothing is lost.
    Stalled,
    /// The dialling end is closed; the node hears nothing of it.
    Cut,
}

impl Wire {
    pub(crate) async fn to(address: &Multiaddr) -> Self {
        let Some(Protocol::Tcp(port)) = address.iter().nth(1) else { panic!("a TCP address") };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wire_port = listener.local_addr().unwrap().port();
        let (state, states) = watch::channel(WireState::Open);
        tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                tokio::spawn(carry(near, far, states.clone()));
            }
        });
        let parts = address.iter().map(|part| match part {
            Protocol::Tcp(_) => Protocol::Tcp(wire_port),
            other => other,
        });
        Self { address: parts.collect(), state }
    }

    pub(crate) fn set(&self, state: WireState) {
        self.state.send_replace(state);
    }
}

async fn carry(mut near: TcpStream, mut far: TcpStream, mut states: watch::Receiver<WireState>) {
    let (mut there, mut back) = ([0; 64 * 1024], [0; 64 * 1024]);
    loop {
        let state = *states.borrow_and_update();
        match state {
            WireState::Open => {}
            WireState::Stalled => {
                if states.changed().await.is_err() {
                    return;
                }
                continue;
            }
            WireState::Cut => {
                drop(near);
                // The far end stays open until the test ends.
                while states.changed().await.is_ok() {}
                return;
            }
        }
        let passed = tokio::select! {
            // First, so that nothing passes that was sent after a change of the state.
            biased;
            changed = states.changed() => { if changed.is_err() { return } Ok(1) }
            read = near.read(&mut there) => match read {
                Ok(count) => far.write_all(&there[..count]).await.map(|()| count),
                Err(error) => Err(error),
            },
            read = far.read(&mut back) => match read {
                Ok(count) => near.write_all(&back[..count]).await.map(|()| count),
                Err(error) => Err(error),
            },
        };
        // The near end may have closed right after the wire was cut, in the midst of a read.
        if !matches!(passed, Ok(1..)) && *states.borrow() != WireState::Cut {
            return;
        }
    }
}

/// Waits for a condition.
pub(crate) async fn until(what: &str, condition: impl AsyncFnMut() -> bool) {
    until_within(SOON, what, condition).await;
}

/// Waits for a condition that may take longer.
pub(crate) async fn until_within(
    patience: Duration,
    what: &str,
    mut condition: impl AsyncFnMut() -> bool,
) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let in_time = tokio::time::timeout(patience, waiting).await.is_ok();
    assert!(in_time, "not within {patience:?}: {what}");
}

pub(crate) fn network(name: &str) -> NetworkDescriptor {
    NetworkDescriptor { name: name.into(), ..NetworkDescriptor::default() }
}

pub(crate) fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    UnixMillis(since.as_millis().try_into().unwrap())
}

/// A conversation envelope for the network `test`, all its bytes made of `number`.
pub(crate) fn envelope(number: u32) -> Envelope {
    envelope_of(&network("test"), number, ExpiryHour::latest(now()))
}

pub(crate) fn envelopes(numbers: std::ops::Range<u32>) -> Vec<Envelope> {
    numbers.map(envelope).collect()
}

/// One with the largest body.
pub(crate) fn large_envelope(number: u32) -> Envelope {
    sized_envelope(&network("test"), Shard(0), number, ExpiryHour::latest(now()), BODY_BYTES_MAX)
}

pub(crate) fn envelope_of(
    network: &NetworkDescriptor,
    number: u32,
    expiry: ExpiryHour,
) -> Envelope {
    sized_envelope(network, Shard(0), number, expiry, BODY_BYTES_MIN)
}

/// [`envelope`] in another shard.
pub(crate) fn sharded_envelope(shard: Shard, number: u32) -> Envelope {
    sized_envelope(&network("test"), shard, number, ExpiryHour::latest(now()), BODY_BYTES_MIN)
}

fn sized_envelope(
    network: &NetworkDescriptor,
    shard: Shard,
    number: u32,
    expiry: ExpiryHour,
    body: usize,
) -> Envelope {
    let kind = Kind::Conversation;
    let mut content = Header::encode_prefix(kind, network.tag(), shard, expiry, 1).to_vec();
    let mut bytes = blake3::Hasher::new().update(&number.to_be_bytes()).finalize_xof();
    let mut rest = vec![0; 16 + 16 + body];
    bytes.fill(&mut rest);
    rest[16..32].copy_from_slice(&secret(number).commit().0);
    content.extend(rest);
    Envelope::new(content)
}

/// The ack that purges [`envelope`].
pub(crate) fn ack(number: u32) -> Ack {
    ack_of(&envelope(number), number)
}

/// The ack that purges an envelope made of `number`.
pub(crate) fn ack_of(envelope: &Envelope, number: u32) -> Ack {
    Ack { envelope: envelope.id(), slot: 0, secret: secret(number) }
}

fn secret(number: u32) -> AckSecret {
    let mut secret = [7; 16];
    secret[..4].copy_from_slice(&number.to_be_bytes());
    AckSecret(secret)
}

fn store(mailbox: &Mailbox, envelopes: &[Envelope], acks: &[Ack]) {
    let mut txn = mailbox.begin().unwrap();
    for envelope in envelopes {
        let header = Header::parse(&envelope.content).unwrap();
        txn.insert(&envelope.id(), envelope, &header, Source::Own, now()).unwrap();
    }
    for ack in acks {
        txn.acknowledge(ack).unwrap();
    }
    txn.commit().unwrap();
}

struct Sink {
    events: mpsc::Sender<FromNet>,
}

impl NetSink for Sink {
    async fn deliver(&self, event: FromNet) {
        // A test that has ended needs no more events.
        let _ = self.events.send(event).await;
    }
}

/// The least of an engine: what comes is committed, batch by batch, and then told.
struct Engine {
    net: OnceLock<NetHandle>,
    runtime: tokio::runtime::Handle,
    mailbox: Arc<Mailbox>,
    seen: Arc<Mutex<Seen>>,
    own: Vec<EnvelopeId>,
    awaits: HashSet<EnvelopeId>,
}

impl Engine {
    fn run(self, mut inbox: mpsc::Receiver<FromNet>) {
        let mut events = Vec::new();
        let mut refused = HashSet::new();
        while inbox.blocking_recv_many(&mut events, 1024) > 0 {
            let mut txn = self.mailbox.begin().unwrap();
            let mut told = Vec::new();
            let mut answers = Vec::new();
            for event in events.drain(..) {
                let mut seen = self.seen.lock().unwrap();
                match event {
                    FromNet::Envelopes { from, envelopes, ticket } => {
                        let mut answer = Stored::default();
                        let source = Source::Peer(SourceId(hash_of(&from)));
                        let mut ids = Vec::new();
                        for received in envelopes {
                            let id = received.id;
                            assert_eq!(id, received.envelope.id());
                            *seen.envelopes.entry(id).or_default() += 1;
                            let inserted = txn
                                .insert(&id, &received.envelope, &received.header, source, now())
                                .unwrap();
                            answer.any_new |= matches!(inserted, Inserted::New { .. });
                            match inserted {
                                Inserted::Full | Inserted::OverShare
                                    if self.awaits.contains(&id) =>
                                {
                                    let (envelope, header) = (&received.envelope, &received.header);
                                    txn.insert(&id, envelope, header, Source::Own, now()).unwrap();
                                    ids.push(id);
                                }
                                Inserted::Full | Inserted::OverShare => {
                                    refused.insert(id);
                                    answer.refused = Some(match inserted {
                                        Inserted::Full => NoRoom::Full,
                                        _ => NoRoom::OverShare,
                                    });
                                }
                                _ => ids.push(id),
                            }
                        }
                        told.push((from, ids));
                        answers.extend(ticket.map(|ticket| (ticket, Answer::Stored(answer))));
                    }
                    FromNet::Acks { acks, .. } => {
                        for ack in &acks {
                            txn.acknowledge(ack).unwrap();
                        }
                        seen.acks.extend(acks);
                    }
                    FromNet::StoredBy { ids, .. } => seen.stored_by.extend(ids),
                    FromNet::Outstanding { ticket, .. } => {
                        answers.push((ticket, Answer::Ids(self.own.clone())));
                    }
                    FromNet::Sift { from, ids, ticket } => {
                        let source = SourceId(hash_of(&from));
                        let has_room = txn.has_room() && txn.has_room_for(&source);
                        let is_worth = |id: &EnvelopeId| has_room || !refused.contains(id);
                        let worth = ids.into_iter().filter(is_worth);
                        answers.push((ticket, Answer::Ids(worth.collect())));
                    }
                    FromNet::PeersTime { .. } => {}
                    FromNet::OffStem(mut items) => seen.off_stem.append(&mut items),
                    FromNet::Found { envelopes } => {
                        seen.found.extend(envelopes.iter().map(|found| found.id));
                    }
                    FromNet::Reconciled { up_to_arrival, lacking, .. } => {
                        seen.reconciled.push((up_to_arrival, lacking.len()));
                    }
                }
            }
            txn.commit().unwrap();
            let net = self.net.get().unwrap().clone();
            self.runtime.spawn(async move {
                let answers = answers.into_iter();
                let answers = answers.map(|(ticket, answer)| ToNet::Answer(ticket, answer));
                let stored = told.into_iter().map(|(peer, ids)| ToNet::Stored(peer, ids));
                net.tell(answers.chain(stored).collect()).await;
            });
        }
    }
}

/// A number of the peer's own.
fn hash_of(peer: &PeerKey) -> u64 {
    let mut hasher = DefaultHasher::new();
    peer.hash(&mut hasher);
    hasher.finish()
}
