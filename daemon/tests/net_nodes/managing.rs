//! How many connections there are, who is let go, who stays out, and who is remembered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, SwarmBuilder, gossipsub, identify, noise, ping, tcp, yamux};
use martletd::net::ConnectionPolicy;
use tempfile::TempDir;

use crate::support::{Node, Setup, envelope, identify, until};

#[derive(NetworkBehaviour)]
struct Behaviour {
    ping: ping::Behaviour,
    identify: identify::Behaviour,
    gossip: Toggle<gossipsub::Behaviour>,
}

/// A peer that connects, and is of no use.
struct Bystander {
    peer_id: String,
    closed: Arc<AtomicBool>,
}

impl Bystander {
    /// `speaks_gossip`: it takes part in no topic, though it could.
    async fn connect(to: &Node, speaks_gossip: bool) -> Self {
        let address = to.address().await;
        let mut swarm = SwarmBuilder::with_new_identity()
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
            .unwrap()
            .with_behaviour(|key| {
                let gossip = gossipsub::Behaviour::new(
                    gossipsub::MessageAuthenticity::Anonymous,
                    gossipsub::ConfigBuilder::default()
                        .validation_mode(gossipsub::ValidationMode::Anonymous)
                        .build()
                        .unwrap(),
                )
                .unwrap();
                let gossip = Toggle::from(speaks_gossip.then_some(gossip));
                Behaviour {
                    ping: ping::Behaviour::default(),
                    identify: identify(key, "test"),
                    gossip,
                }
            })
            .unwrap()
            .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::MAX))
            .build();
        let peer_id = swarm.local_peer_id().to_base58();
        let (closed, open) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (is_closed, is_open) = (Arc::clone(&closed), Arc::clone(&open));
        swarm.dial(address).unwrap();
        tokio::spawn(async move {
            loop {
                match swarm.select_next_some().await {
                    SwarmEvent::ConnectionEstablished { .. } => {
                        is_open.store(true, Ordering::SeqCst)
                    }
                    SwarmEvent::ConnectionClosed { .. }
                    | SwarmEvent::OutgoingConnectionError { .. } => {
                        is_open.store(true, Ordering::SeqCst);
                        is_closed.store(true, Ordering::SeqCst);
                    }
                    _ => {}
                }
            }
        });
        until("the bystander was heard", async || open.load(Ordering::SeqCst)).await;
        Self { peer_id, closed }
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }
}

/// Low 2, high 6, at most 4 opened by others.
fn few(grace: Duration) -> ConnectionPolicy {
    ConnectionPolicy { target: 3, grace }
}

async fn connected(node: &Node) -> Vec<String> {
    node.connected().await.into_iter().map(|peer| peer.peer_id).collect()
}

fn with_id(address: &str, keypair: &Keypair) -> Multiaddr {
    let address: Multiaddr = address.parse().unwrap();
    address.with(Protocol::P2p(keypair.public().to_peer_id()))
}

#[tokio::test(flavor = "multi_thread")]
async fn when_it_is_full_a_node_refuses_who_connects_and_takes_who_is_wanted() {
    let keypair = Keypair::generate_ed25519();
    // Wanted, and not to be reached there.
    let elsewhere = with_id("/ip4/127.0.0.1/tcp/1", &keypair);
    let hub = Setup {
        connections: few(Duration::from_secs(30)),
        static_peers: vec![elsewhere],
        ..Setup::default()
    }
    .start();
    let mut in_time = Vec::new();
    for number in 1..=4 {
        in_time.push(Bystander::connect(&hub, false).await);
        until("connected", async || connected(&hub).await.len() == number).await;
    }
    let late = Bystander::connect(&hub, false).await;
    until("refused", async || late.is_closed()).await;
    assert_eq!(connected(&hub).await.len(), 4);
    assert!(in_time.iter().all(|one| !one.is_closed()));

    let kin = Setup { keypair, ..Setup::dialling(&hub.address().await) }.start();
    kin.until_connected(&hub).await;
    let dialled = Setup::default().start();
    hub.net.dial(dialled.address().await).await;
    hub.until_connected(&dialled).await;
    hub.send(&[envelope(1)]).await;
    until("they get gossip", async || kin.holds(&envelope(1)) && dialled.holds(&envelope(1))).await;
    assert_eq!(connected(&hub).await.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn above_its_target_a_node_lets_go_of_who_is_of_no_use_the_oldest_first() {
    let kin = Setup::default().start();
    let hub = Setup {
        connections: few(Duration::from_millis(1500)),
        ..Setup::dialling(&kin.address().await)
    }
    .start();
    hub.until_connected(&kin).await;
    let mut bystanders = Vec::new();
    for _ in 0..4 {
        let one = Bystander::connect(&hub, false).await;
        until("known", async || one.is_closed() || connected(&hub).await.contains(&one.peer_id))
            .await;
        bystanders.push(one);
    }
    until("two are let go", async || connected(&hub).await.len() == 3).await;
    let left = connected(&hub).await;
    assert!(left.contains(&kin.net.peer_id().to_base58()), "it is wanted, and in the mesh");
    let is_left = |one: &Bystander| left.contains(&one.peer_id);
    assert_eq!(bystanders.iter().map(is_left).collect::<Vec<_>>(), [false, false, true, true]);
    let details = hub.connected().await.into_iter().find(|peer| is_kin(peer, &kin)).unwrap();
    assert!(details.details.unwrap().pinned);
}

fn is_kin(peer: &martlet_protocol::control::Peer, kin: &Node) -> bool {
    peer.peer_id == kin.net.peer_id().to_base58()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_gossip_has_lost_is_closed_to_be_tried_anew() {
    let policy = ConnectionPolicy { grace: Duration::from_millis(600), ..few(Duration::ZERO) };
    let node = Setup { connections: policy, ..Setup::default() }.start();
    let deaf = Bystander::connect(&node, true).await;
    let mute = Bystander::connect(&node, false).await;
    until("closed", async || deaf.is_closed()).await;
    // One that does not speak it at all has lost nothing.
    assert!(!mute.is_closed());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_banned_stays_out_until_the_ban_is_lifted() {
    let dir = TempDir::new().unwrap();
    let (here, theirs) = (Keypair::generate_ed25519(), Keypair::generate_ed25519());
    let setup = Setup { keypair: here, data_dir: Some(dir.path().to_owned()), ..Setup::default() };
    let first = setup.clone().start();
    let other = Setup { keypair: theirs.clone(), ..Setup::dialling(&first.address().await) };
    let other = other.start();
    first.until_connected(&other).await;
    let ban = first.net.ban(other.net.peer_id(), None, "mine".into()).await.unwrap().unwrap();
    until("disconnected", async || first.connected().await.is_empty()).await;
    first.net.shutdown().await;

    let second = setup.start();
    assert_eq!(second.net.bans().await, [ban]);
    let address = second.address().await;
    let again = Setup { keypair: theirs, ..Setup::dialling(&address) }.start();
    let kin = Setup::dialling(&address).start();
    second.until_connected(&kin).await;
    assert!(!connected(&second).await.contains(&again.net.peer_id().to_base58()));
    assert!(second.net.unban(again.net.peer_id()).await.unwrap());
    second.until_connected(&again).await;
    let none = second.net.unban(again.net.peer_id()).await;
    assert!(!none.unwrap(), "there is none any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_are_remembered_across_a_restart_whoever_dialled() {
    let dirs = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let [one_dir, other_dir] = dirs.each_ref().map(|dir| Some(dir.path().to_owned()));
    let other_setup = Setup { data_dir: other_dir, ..Setup::default() };
    let other = other_setup.clone().start();
    let one_setup = Setup { data_dir: one_dir, ..Setup::default() };
    let dialling = Setup { static_peers: vec![other.address().await], ..one_setup.clone() };
    let one = dialling.start();
    until("each knows what the other is", async || {
        let (a, b) = (one.connected().await, other.connected().await);
        a.iter()
            .chain(&b)
            .filter(|peer| peer.details.as_ref().is_some_and(|details| details.agent.is_some()))
            .count()
            == 2
    })
    .await;
    one.net.shutdown().await;
    until("gone", async || other.connected().await.is_empty()).await;

    // Nobody is configured here.
    let one = one_setup.start();
    one.until_connected(&other).await;
    until("known again", async || {
        let peers = other.connected().await;
        peers.iter().any(|peer| peer.details.as_ref().is_some_and(|of| of.agent.is_some()))
    })
    .await;
    other.net.shutdown().await;
    until("gone", async || one.connected().await.is_empty()).await;

    // At another port, where the first does not look for it: it was only ever dialled.
    let other = other_setup.start();
    other.until_connected(&one).await;
    one.send(&[envelope(1)]).await;
    until("it crosses", async || other.holds(&envelope(1))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_files_are_set_aside() {
    let dir = TempDir::new().unwrap();
    for name in ["peers.json", "bans.json"] {
        std::fs::write(dir.path().join(name), b"{\"peers\": [").unwrap();
    }
    let node = Setup { data_dir: Some(dir.path().to_owned()), ..Setup::default() }.start();
    assert!(node.net.bans().await.is_empty());
    node.net.shutdown().await;
    assert!(dir.path().join("bans.json.damaged").exists());
    assert!(dir.path().join("peers.json.damaged").exists());
}

/// Nobody was asked for the time in a node's first ten seconds, in which a clock that jumped was followed.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_peer_is_asked_for_the_time_at_once() {
    // Connections are looked over for the first time after 100 s.
    let grace = Duration::from_secs(600);
    let connections = ConnectionPolicy { grace, ..ConnectionPolicy::default() };
    let one = Setup { connections, ..Setup::default() }.start();
    let other = Setup { connections, ..Setup::dialling(&one.address().await) }.start();
    for node in [one, other] {
        let knows = async || node.net.report().await.unwrap().clock_ahead_ms.is_some();
        until("the other has told its time", knows).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_wrong_by_a_day_is_seen_by_what_peers_say() {
    let day = Duration::from_secs(24 * 3600);
    let policy = ConnectionPolicy { grace: Duration::from_secs(1), ..ConnectionPolicy::default() };
    let wrong = Setup { clock_ahead: day, connections: policy, ..Setup::default() }.start();
    let address = wrong.address().await;
    let kin: Vec<Node> = (0..3).map(|_| Setup::dialling(&address).start()).collect();
    until("one has told its time", async || {
        wrong.net.report().await.unwrap().clock_ahead_ms.is_some()
    })
    .await;
    let ahead = wrong.net.report().await.unwrap().clock_ahead_ms.unwrap();
    let day = i64::try_from(day.as_millis()).unwrap();
    assert!((ahead - day).abs() < 30_000, "{ahead}");
    // One is enough for a warning: who of the two is wrong, people see.
    until("it has told its time", async || {
        kin[0].net.report().await.unwrap().clock_ahead_ms.is_some_and(|ahead| ahead < 0)
    })
    .await;
}
