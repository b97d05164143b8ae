//! Peers that are no daemons: of other implementations, or made to harm.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::StreamExt;
use libp2p::identity::Keypair;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, SwarmBuilder, gossipsub, identify, noise, ping, tcp, yamux};
use martlet_protocol::codec;
use martlet_protocol::limits::ENVELOPE_BYTES_MAX;
use martlet_protocol::{Envelope, EnvelopeId};
use martletd::limits::{
    DUPLICATE_CONNECTION_GRACE, GOSSIP_QUEUED_KEPT, GOSSIP_QUEUED_MAX,
    INVALID_PER_PEER_PER_MINUTE_MAX,
};
use tokio::sync::mpsc;

use crate::support::{Node, Setup, envelope, identify, large_envelope, until, until_within};

const TOPIC: &str = "/martlet/test/envelopes/2/0";

#[derive(NetworkBehaviour)]
struct Behaviour {
    gossip: gossipsub::Behaviour,
    identify: Toggle<identify::Behaviour>,
    ping: ping::Behaviour,
}

/// How a peer differs from one that keeps to everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Usual,
    /// Its gossip is signed, as gossipsub's is by default.
    Signs,
    /// It does not say what it is.
    Unidentified,
    /// It is of another network.
    Elsewhere,
}

/// A peer made of libp2p's own parts.
struct Foreign {
    peer_id: PeerId,
    orders: mpsc::Sender<Order>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    connections: usize,
    /// How often the last of them ended.
    parted: usize,
    heard: HashSet<EnvelopeId>,
    /// How often the other side said what it is, and where it said that it listens.
    identified: usize,
    addresses: HashSet<Multiaddr>,
}

enum Order {
    Dial(Multiaddr),
    Gossip(Vec<u8>),
    /// Looks at nothing any more.
    Stall,
}

impl Foreign {
    /// Connects to `node`.
    async fn connect(node: &Node, kind: Kind) -> Self {
        let mut swarm = SwarmBuilder::with_new_identity()
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
            .unwrap()
            .with_behaviour(|key| Behaviour {
                gossip: gossip(key, kind),
                identify: match kind {
                    Kind::Usual | Kind::Signs => Some(identify(key, "test")),
                    Kind::Elsewhere => Some(identify(key, "other")),
                    Kind::Unidentified => None,
                }
                .into(),
                ping: ping::Behaviour::default(),
            })
            .unwrap()
            .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::MAX))
            .build();
        let (orders, mut inbox) = mpsc::channel(64);
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let (peer_id, told) = (*swarm.local_peer_id(), Arc::clone(&seen));
        tokio::spawn(async move {
            let mut waiting: Vec<Vec<u8>> = Vec::new();
            loop {
                tokio::select! {
                    order = inbox.recv() => match order {
                        None => return,
                        Some(Order::Dial(address)) => {
                            let peer = address.iter().find_map(|part| match part {
                                libp2p::multiaddr::Protocol::P2p(peer) => Some(peer),
                                _ => None,
                            });
                            let options = DialOpts::peer_id(peer.unwrap())
                                .condition(PeerCondition::Always)
                                .addresses(vec![address])
                                .build();
                            swarm.dial(options).unwrap();
                        }
                        Some(Order::Gossip(data)) => waiting.push(data),
                        Some(Order::Stall) => {
                            while inbox.recv().await.is_some() {}
                            return;
                        }
                    },
                    event = swarm.select_next_some() => note(&told, event),
                }
                // What found no one subscribed yet is tried again.
                waiting.retain(|data| {
                    let topic = gossipsub::IdentTopic::new(TOPIC);
                    swarm.behaviour_mut().gossip.publish(topic, data.clone()).is_err()
                });
            }
        });
        let foreign = Self { peer_id, orders, seen };
        foreign.order(Order::Dial(node.address().await)).await;
        if kind != Kind::Elsewhere {
            until("connected", async || foreign.connections() == 1).await;
        }
        foreign
    }

    async fn order(&self, order: Order) {
        self.orders.send(order).await.map_err(|_| ()).unwrap();
    }

    async fn gossip(&self, data: Vec<u8>) {
        self.order(Order::Gossip(data)).await;
    }

    fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }

    fn hears(&self, envelope: &Envelope) -> bool {
        self.seen.lock().unwrap().heard.contains(&envelope.id())
    }

    /// Waits until gossip goes both ways.
    async fn until_heard(&self, node: &Node, number: u32) {
        self.gossip(envelope(number).encode()).await;
        until("it is heard", async || node.holds(&envelope(number))).await;
        until("it hears", async || {
            node.only_gossip(&[envelope(number + 1)]).await;
            self.hears(&envelope(number + 1))
        })
        .await;
    }
}

fn note(seen: &Mutex<Seen>, event: SwarmEvent<BehaviourEvent>) {
    let mut seen = seen.lock().unwrap();
    match event {
        SwarmEvent::ConnectionEstablished { .. } => seen.connections += 1,
        SwarmEvent::ConnectionClosed { num_established, .. } => {
            seen.connections -= 1;
            seen.parted += usize::from(num_established == 0);
        }
        SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received {
            info, ..
        })) => {
            seen.identified += 1;
            seen.addresses.extend(info.listen_addrs);
        }
        SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Message {
            message,
            ..
        })) => {
            let envelope: Envelope = codec::decode(&message.data, ENVELOPE_BYTES_MAX).unwrap();
            seen.heard.insert(envelope.id());
        }
        _ => {}
    }
}

fn gossip(key: &Keypair, kind: Kind) -> gossipsub::Behaviour {
    let mut config = gossipsub::ConfigBuilder::default();
    config
        .max_transmit_size(1 << 20)
        .message_id_fn(|message: &gossipsub::Message| {
            gossipsub::MessageId::new(blake3::hash(&message.data).as_bytes())
        })
        .heartbeat_initial_delay(Duration::from_millis(100));
    let authenticity = if kind == Kind::Signs {
        config.validation_mode(gossipsub::ValidationMode::None);
        gossipsub::MessageAuthenticity::Signed(key.clone())
    } else {
        config.validation_mode(gossipsub::ValidationMode::Anonymous);
        gossipsub::MessageAuthenticity::Anonymous
    };
    let mut gossip = gossipsub::Behaviour::new(authenticity, config.build().unwrap()).unwrap();
    gossip.subscribe(&gossipsub::IdentTopic::new(TOPIC)).unwrap();
    gossip
}

async fn queued(node: &Node) -> u64 {
    node.net.measure().await;
    node.metrics.net.gossip.queued_bytes.get()
}

/// Twelve that subscribed and stopped reading held 492 MiB after 2,250 messages of 16 KB, and stayed connected:
/// gossipsub's queues are bounded by messages, and looked at when the stream takes the next.
#[tokio::test(flavor = "multi_thread")]
async fn who_reads_nothing_is_cut_off_within_ten_seconds_and_what_waited_is_given_back() {
    const DEAF: usize = 4;
    let node = Setup::default().start();
    let kin = Setup::dialling(&node.address().await).start();
    node.until_connected(&kin).await;
    let mut deaf = Vec::new();
    for number in 0..DEAF {
        let peer = Foreign::connect(&node, Kind::Usual).await;
        peer.until_heard(&node, 2 * u32::try_from(number).unwrap()).await;
        deaf.push(peer);
    }
    for peer in &deaf {
        peer.order(Order::Stall).await;
    }
    let stalled = Instant::now();
    let mut most = 0;
    for number in 100..2100 {
        node.only_gossip(&[large_envelope(number)]).await;
        if number % 50 == 0 {
            most = queued(&node).await.max(most);
        }
    }
    println!("at most {most} bytes waited; {:?} to gossip", stalled.elapsed());
    assert!(most > 1 << 20, "{most}: they take nothing");
    let bound = GOSSIP_QUEUED_MAX + (DEAF + 1) * GOSSIP_QUEUED_KEPT;
    assert!(most <= bound as u64, "{most}");
    until_within(Duration::from_secs(12), "they are cut off", async || {
        node.connected().await.len() == 1
    })
    .await;
    println!("cut off after {:?}", stalled.elapsed());
    assert_eq!(node.metrics.net.gossip.stalled.get(), DEAF as u64);
    until("what waited is given back", async || queued(&node).await == 0).await;
    // Who reads goes on as if nothing were.
    node.only_gossip(&[envelope(50)]).await;
    until("gossip goes on", async || kin.holds(&envelope(50))).await;
}

/// The stream was closed here, and nothing told: the peer was never heard again, and stood in the mesh.
#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_is_too_long_is_a_fault_of_the_peer_and_ends_its_connection() {
    let node = Setup::default().start();
    let peer = Foreign::connect(&node, Kind::Usual).await;
    peer.until_heard(&node, 0).await;
    let faults = node.metrics.net.faults.get();
    peer.gossip(vec![1; 70 * 1024]).await;
    until("the connection ends", async || peer.connections() == 0).await;
    assert_eq!(node.metrics.net.gossip.unreadable.get(), 1);
    assert_eq!(node.metrics.net.faults.get(), faults + 1);
    // Over the next connection it is heard as if nothing had been.
    peer.order(Order::Dial(node.address().await)).await;
    until("connected again", async || peer.connections() == 1).await;
    peer.until_heard(&node, 10).await;
}

/// A hundred signed messages left the score at 0, and no metric knew of them.
#[tokio::test(flavor = "multi_thread")]
async fn signed_gossip_is_counted_and_who_goes_on_is_cut_off() {
    let node = Setup::default().start();
    let peer = Foreign::connect(&node, Kind::Signs).await;
    peer.gossip(envelope(1).encode()).await;
    until("counted", async || node.metrics.net.gossip.signed.get() == 1).await;
    let known = node.connected().await;
    let details = known[0].details.as_ref().unwrap();
    assert_eq!((details.invalid, details.score < 0.0), (1, true));
    for number in 1..INVALID_PER_PEER_PER_MINUTE_MAX {
        assert_eq!(peer.connections(), 1);
        peer.gossip(envelope(1 + number).encode()).await;
    }
    until("cut off", async || peer.connections() == 0).await;
    assert!(!node.holds(&envelope(1)));
}

/// Both were closed. Other implementations have several on purpose, and their gossip has its streams on the first.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_connections_from_one_peer_one_stays() {
    let node = Setup::default().start();
    let peer = Foreign::connect(&node, Kind::Usual).await;
    peer.until_heard(&node, 0).await;
    for number in 1..3 {
        // So long that it must know of the first.
        tokio::time::sleep(2 * DUPLICATE_CONNECTION_GRACE).await;
        let before = node.connected().await;
        peer.order(Order::Dial(node.address().await)).await;
        until("there are two", async || peer.connections() == 2).await;
        until("one is closed", async || peer.connections() == 1).await;
        let since = |peers: &[martlet_protocol::control::Peer]| {
            peers.iter().map(|one| one.details.as_ref().unwrap().since.0).next().unwrap()
        };
        let after = node.connected().await;
        assert_eq!(after[0].peer_id, peer.peer_id.to_base58());
        assert!(since(&after).abs_diff(since(&before)) < 500, "it was connected all the time");
        peer.until_heard(&node, 10 * number).await;
    }
    assert_eq!(peer.seen.lock().unwrap().parted, 0);
}

/// It counted as a peer, and could hold a place for a day.
#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_say_what_it_is_is_let_go_within_ten_seconds() {
    let node = Setup::default().start();
    let peer = Foreign::connect(&node, Kind::Unidentified).await;
    let polite = Foreign::connect(&node, Kind::Usual).await;
    let connected = Instant::now();
    until("let go", async || peer.connections() == 0).await;
    assert!(connected.elapsed() < Duration::from_secs(10), "{:?}", connected.elapsed());
    assert_eq!(polite.connections(), 1);
}

/// It was told loopback and private addresses, before it was known to be of another network.
#[tokio::test(flavor = "multi_thread")]
async fn only_peers_of_this_network_are_told_where_a_node_listens() {
    let node = Setup::default().start();
    let elsewhere = Foreign::connect(&node, Kind::Elsewhere).await;
    let mut dials = 1;
    // It may be shown out before it is told anything.
    until("told something, and shown out", async || {
        let (identified, parted) = {
            let seen = elsewhere.seen.lock().unwrap();
            (seen.identified, seen.parted)
        };
        if parted == dials && identified == 0 {
            dials += 1;
            elsewhere.order(Order::Dial(node.address().await)).await;
        }
        parted == dials && identified > 0
    })
    .await;
    assert!(elsewhere.seen.lock().unwrap().addresses.is_empty());
    let kin = Foreign::connect(&node, Kind::Usual).await;
    let address = node.address().await;
    let socket: Multiaddr = address.iter().take(2).collect();
    until("told", async || kin.seen.lock().unwrap().addresses.contains(&socket)).await;
    // On a second connection as on the first.
    kin.seen.lock().unwrap().addresses.clear();
    kin.order(Order::Dial(address)).await;
    until("told again", async || kin.seen.lock().unwrap().addresses.contains(&socket)).await;
}
