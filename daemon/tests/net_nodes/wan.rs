//! Networks beyond the LAN, all of it on loopback.

use std::time::Duration;

use futures::StreamExt;
use libp2p::core::transport::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, Swarm, Transport as _, identify, noise, relay, tcp, yamux};
use martlet_protocol::Shard;
use martlet_protocol::control::{Reachability, Transport};
use martlet_protocol::network::NetworkDescriptor;
use martlet_protocol::sync::ShardSet;
use martletd::limits::CONNECTIONS_TARGET;
use martletd::net::WanOptions;

use crate::support::{Node, Setup, envelope, network, until_within};

/// AutoNAT asks every 5 s, look-ups follow, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// For one attempt at a direct connection.
const ONE_TRY: Duration = Duration::from_secs(20);

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn tcp_address(port: u16) -> Multiaddr {
    format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap()
}

fn open_network(bootstrap: &[&Multiaddr]) -> NetworkDescriptor {
    NetworkDescriptor {
        lan_only: false,
        bootstrap: bootstrap.iter().map(ToString::to_string).collect(),
        ..network("test")
    }
}

fn member(bootstrap: &Multiaddr) -> Setup {
    Setup { network: open_network(&[bootstrap]), ..Setup::default() }
}

/// A node whose operator says that it is public, and its address with its id.
fn public_node(wan: WanOptions, network: NetworkDescriptor) -> (Node, Multiaddr) {
    let address = tcp_address(free_port());
    let wan = WanOptions { announce: vec![address.clone()], ..wan };
    // Of several shards none, but for what a test has it keep.
    let kept = if network.shard_bits == 0 { ShardSet::ALL } else { ShardSet::NONE };
    let listen = vec![address.clone()];
    let node = Setup { listen, network, wan, kept, ..Setup::default() }.start();
    let id = node.net.peer_id();
    (node, address.with(Protocol::P2p(id)))
}

async fn until_reached(node: &Node, wanted: Reachability) -> Vec<Multiaddr> {
    let mut addresses = Vec::new();
    until_within(PATIENCE, "reachability and its addresses", async || {
        let reach = node.net.reach().await;
        addresses = reach.addresses;
        reach.state == Some(wanted) && !addresses.is_empty()
    })
    .await;
    addresses
}

async fn transport_to(node: &Node, other: &Node) -> Option<Transport> {
    let id = other.net.peer_id().to_base58();
    node.connected().await.into_iter().find(|peer| peer.peer_id == id)?.transport
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_know_one_bootstrap_node_find_each_other_and_need_it_no_longer() {
    let wan = WanOptions { autonat_server: true, ..WanOptions::default() };
    let (bootstrap, address) = public_node(wan, open_network(&[]));
    let nodes: Vec<Node> = (0..11).map(|_| member(&address).start()).collect();
    until_within(PATIENCE, "each has found some others", async || {
        for node in &nodes {
            if node.connected().await.len() < 5 {
                return false;
            }
        }
        true
    })
    .await;
    bootstrap.net.shutdown().await;
    nodes[0].send(&[envelope(1)]).await;
    until_within(PATIENCE, "gossip reached all", async || {
        nodes.iter().all(|node| node.holds(&envelope(1)))
    })
    .await;
    for node in &nodes {
        assert!(node.connected().await.len() <= CONNECTIONS_TARGET);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_others_reach_is_confirmed() {
    let wan = WanOptions { autonat_server: true, ..WanOptions::default() };
    let (tester, address) = public_node(wan, open_network(&[]));
    let node = member(&address).start();
    assert_eq!(node.net.reach().await.state, Some(Reachability::Unknown));
    let confirmed = until_reached(&node, Reachability::Public).await;
    assert_eq!(confirmed, [node.address().await]);
    // The connection that the test came by has gone, the one before has stayed.
    until_within(PATIENCE, "connected", async || {
        transport_to(&node, &tester).await == Some(Transport::Tcp)
    })
    .await;
    assert_eq!(tester.net.reach().await.addresses, [address]);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_lan_nothing_is_known_of_the_rest() {
    let wan = WanOptions { announce: vec![tcp_address(9)], ..WanOptions::default() };
    let node = Setup { wan, ..Setup::default() }.start();
    let reach = node.net.reach().await;
    assert_eq!((reach.state, reach.addresses), (None, Vec::new()));
    assert!(node.net.find_providers(Shard(0)).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_keeps_a_shard_is_found() {
    let sharded =
        |bootstrap: &[&Multiaddr]| NetworkDescriptor { shard_bits: 2, ..open_network(bootstrap) };
    let (bootstrap, address) = public_node(WanOptions::default(), sharded(&[]));
    let (keeper, keeper_address) = public_node(WanOptions::default(), sharded(&[&address]));
    let kept = ShardSet::NONE;
    let asking = Setup { network: sharded(&[&address]), kept, ..Setup::default() }.start();
    keeper.until_connected(&bootstrap).await;
    asking.until_connected(&bootstrap).await;
    keeper.net.provide(Shard(3), true).await;
    let mut found = Vec::new();
    until_within(PATIENCE, "the keeper is found", async || {
        found = asking.net.find_providers(Shard(3)).await;
        !found.is_empty()
    })
    .await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].peer, keeper.net.peer_id());
    let addresses = &found[0].addresses;
    assert!(addresses.contains(&keeper_address), "{addresses:?}");
    assert!(asking.net.find_providers(Shard(1)).await.is_empty(), "no one keeps it");
    assert!(asking.net.find_providers(Shard(4)).await.is_empty(), "there is no such shard");
}

/// What only relays: no gossip and no mailbox, so that what arrives has come through it.
#[derive(NetworkBehaviour)]
struct BareRelay {
    relay: relay::Behaviour,
    identify: identify::Behaviour,
}

async fn bare_relay() -> Multiaddr {
    let key = Keypair::generate_ed25519();
    let id = key.public().to_peer_id();
    let transport = tcp::tokio::Transport::new(tcp::Config::default())
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(&key).unwrap())
        .multiplex(yamux::Config::default())
        .boxed();
    let limits = relay::Config {
        max_circuit_bytes: 1 << 24,
        reservation_rate_limiters: Vec::new(),
        circuit_src_rate_limiters: Vec::new(),
        ..relay::Config::default()
    };
    let behaviour = BareRelay {
        relay: relay::Behaviour::new(id, limits),
        identify: identify::Behaviour::new(identify::Config::new(
            "/martlet/test/2".into(),
            key.public(),
        )),
    };
    let config = libp2p::swarm::Config::with_tokio_executor()
        .with_idle_connection_timeout(Duration::from_secs(600));
    let mut swarm = Swarm::new(transport, behaviour, id, config);
    swarm.listen_on(tcp_address(0)).unwrap();
    let address = loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            break address;
        }
    };
    swarm.add_external_address(address.clone());
    tokio::spawn(async move {
        loop {
            swarm.select_next_some().await;
        }
    });
    address.with(Protocol::P2p(id))
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_only_a_relay_reaches_talk_through_it() {
    let relay = bare_relay().await;
    let hidden = || Setup { listen: Vec::new(), ..member(&relay) };
    let (one, other) = (hidden().start(), hidden().start());
    let addresses = until_reached(&one, Reachability::Private).await;
    other.net.dial(addresses[0].clone()).await;
    other.until_connected(&one).await;
    assert_eq!(transport_to(&other, &one).await, Some(Transport::Relay));
    one.until_connected(&other).await;
    assert_eq!(transport_to(&one, &other).await, Some(Transport::Relay));
    one.send(&[envelope(1)]).await;
    other.send(&[envelope(2)]).await;
    until_within(PATIENCE, "both have both", async || {
        one.holds(&envelope(2)) && other.holds(&envelope(1))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_behind_nat_find_each_other_through_a_node_that_relays() {
    let wan = WanOptions { relay_server: true, ..WanOptions::default() };
    let (_relay, address) = public_node(wan, open_network(&[]));
    let hidden = || Setup { listen: Vec::new(), ..member(&address) };
    let (one, other) = (hidden().start(), hidden().start());
    until_within(PATIENCE, "found, and connected by the relay", async || {
        transport_to(&one, &other).await == Some(Transport::Relay)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_direct_connection_takes_the_relays_place_where_that_is_possible() {
    let relay = bare_relay().await;
    let one = member(&relay).start();
    // No one tests its address: after a while it asks the relay all the same.
    let mut addresses = Vec::new();
    until_within(PATIENCE, "reached through the relay", async || {
        addresses = one.net.reach().await.addresses;
        !addresses.is_empty()
    })
    .await;
    // Punching a hole is a matter of luck, on a busy machine too: some may try.
    let mut upgraded = None;
    for _ in 0..4 {
        let other = member(&relay).start();
        other.net.dial(addresses[0].clone()).await;
        other.until_connected(&one).await;
        let waiting = async {
            while !other.connected().await.iter().any(|peer| peer.upgraded) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(ONE_TRY, waiting).await.is_ok() {
            upgraded = Some(other);
            break;
        }
        other.net.shutdown().await;
    }
    let other = upgraded.unwrap();
    assert_eq!(transport_to(&other, &one).await, Some(Transport::Tcp));
    one.send(&[envelope(1)]).await;
    until_within(PATIENCE, "it came", async || other.holds(&envelope(1))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_nothing_reachable_a_node_works_with_its_neighbour() {
    let nobody = tcp_address(free_port());
    let neighbour = Setup { network: open_network(&[&nobody]), ..Setup::default() }.start();
    let node = Setup { static_peers: vec![neighbour.address().await], ..member(&nobody) }.start();
    node.until_connected(&neighbour).await;
    node.send(&[envelope(1)]).await;
    neighbour.send(&[envelope(2)]).await;
    until_within(PATIENCE, "both have both", async || {
        node.holds(&envelope(2)) && neighbour.holds(&envelope(1))
    })
    .await;
    assert_eq!(node.net.reach().await.state, Some(Reachability::Unknown));
}
