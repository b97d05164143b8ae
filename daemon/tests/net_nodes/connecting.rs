//! Dialling, redialling, and which connection stays.

use std::time::{Duration, Instant};

use libp2p::core::transport::{DialOpts, PortUse};
use libp2p::core::upgrade::Version;
use libp2p::core::{Endpoint, Transport as _};
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, noise, tcp, yamux};
use martletd::limits::IDENTIFY_MAX;

use crate::support::{Node, SOON, Setup, Wire, WireState, envelope, network, until, until_within};

/// A port that nobody listens on now.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn tcp(port: u16) -> Multiaddr {
    format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap()
}

fn quic(port: u16) -> Multiaddr {
    format!("/ip4/127.0.0.1/udp/{port}/quic-v1").parse().unwrap()
}

async fn talk(one: &Node, other: &Node, number: u32) {
    one.send(&[envelope(number)]).await;
    other.send(&[envelope(number + 1)]).await;
    until("both have both", async || {
        one.holds(&envelope(number + 1)) && other.holds(&envelope(number))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_start_together_connect_within_a_second() {
    let (a, b) = (free_port(), free_port());
    let started = Instant::now();
    let one = Setup { listen: vec![tcp(a)], ..Setup::dialling(&tcp(b)) }.start();
    let other = Setup { listen: vec![tcp(b)], ..Setup::dialling(&tcp(a)) }.start();
    one.until_connected(&other).await;
    other.until_connected(&one).await;
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    talk(&one, &other, 1).await;
    talk(&one, &other, 3).await;
}

/// In 8 of 40 such bursts messages came some 3 s late, by sync: what gossip had given to the connection that is closed,
/// of the two, was lost with it. Here nothing can come by sync.
#[tokio::test(flavor = "multi_thread")]
async fn when_both_dial_at_once_gossip_loses_nothing() {
    const ROUNDS: u32 = 12;
    /// Envelopes of each side: until after the second connection is closed.
    const COUNT: u32 = 60;
    let rounds = (0..ROUNDS).map(|round| async move {
        let (a, b) = (free_port(), free_port());
        let one = Setup { listen: vec![tcp(a)], ..Setup::dialling(&tcp(b)) }.start();
        let other = Setup { listen: vec![tcp(b)], ..Setup::dialling(&tcp(a)) }.start();
        tokio::join!(one.until_connected(&other), other.until_connected(&one));
        let mut latest = Duration::ZERO;
        for number in 0..COUNT {
            let sent = Instant::now();
            let (there, back) = (envelope(2 * number), envelope(2 * number + 1));
            let (to_there, to_back) = ([there.clone()], [back.clone()]);
            tokio::join!(one.only_gossip(&to_there), other.only_gossip(&to_back));
            until(&format!("round {round}, number {number}"), async || {
                other.holds(&there) && one.holds(&back)
            })
            .await;
            latest = latest.max(sent.elapsed());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        latest
    });
    let latest: Vec<Duration> = futures::future::join_all(rounds).await;
    println!("the latest of each round: {latest:?}");
    assert!(latest.iter().all(|latest| *latest < Duration::from_secs(1)), "{latest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_starts_later_is_found() {
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = nobody.local_addr().unwrap().port();
    let one = Setup::dialling(&tcp(port)).start();
    // Tried twice in vain, so that the back-off has begun.
    for _ in 0..2 {
        drop(tokio::time::timeout(SOON, nobody.accept()).await.unwrap().unwrap());
    }
    drop(nobody);
    let other = Setup { listen: vec![tcp(port)], ..Setup::default() }.start();
    one.until_connected(&other).await;
    talk(&one, &other, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_vanished_is_redialled() {
    let port = free_port();
    let keypair = Keypair::generate_ed25519();
    let setup = Setup { listen: vec![tcp(port)], keypair: keypair.clone(), ..Setup::default() };
    let peer = tcp(port).with(Protocol::P2p(keypair.public().to_peer_id()));
    let one = Setup::dialling(&peer).start();

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let first = {
        let _inside = runtime.enter();
        setup.clone().start()
    };
    one.until_connected(&first).await;
    // As by SIGKILL: nothing is said, the sockets are closed by the system.
    runtime.shutdown_background();
    until("gone", async || one.connected().await.is_empty()).await;
    one.send(&[envelope(1)]).await;

    let second = setup.start();
    one.until_connected(&second).await;
    until("what was sent meanwhile came", async || second.holds(&envelope(1))).await;
    talk(&one, &second, 2).await;
}

/// What it sent was not: of the two connections the dead one was closed, and to gossip the peer had
/// never been gone, so that it was not told what is taken here.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_whose_old_connection_is_dead_and_unnoticed_hears_and_is_heard_at_once() {
    let one = Setup::default().start();
    let real = one.address().await;
    let wire = Wire::to(&real).await;
    let keypair = Keypair::generate_ed25519();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let first = {
        let _inside = runtime.enter();
        Setup { keypair: keypair.clone(), ..Setup::dialling(&wire.address) }.start()
    };
    one.until_connected(&first).await;
    talk(&one, &first, 1).await;
    wire.set(WireState::Cut);
    runtime.shutdown_background();
    assert_eq!(one.connected().await.len(), 1, "the death is not noticed");
    one.send(&[envelope(10)]).await;

    let started = Instant::now();
    let second = Setup { keypair, ..Setup::dialling(&real) }.start();
    until("what was sent into the dead connection came", async || second.holds(&envelope(10)))
        .await;
    for number in 11..31 {
        one.send(&[envelope(number)]).await;
    }
    until("all came", async || (10..31).all(|number| second.holds(&envelope(number)))).await;
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    // The same the other way, one by one: some are brought by the syncs that follow a connection.
    for number in 31..36 {
        second.send(&[envelope(number)]).await;
        until("it came", async || one.holds(&envelope(number))).await;
    }
}

/// It finishes the handshakes, opens no stream, and reads nothing of those that are opened: nothing is ever late, and it would
/// hold one of the places for connections until pings fail.
#[tokio::test(flavor = "multi_thread")]
async fn who_opens_no_stream_and_reads_none_is_let_go() {
    let one = Setup::default().start();
    let address = one.address().await;
    let keypair = Keypair::generate_ed25519();
    let mut transport = tcp::tokio::Transport::default()
        // Not lazily: else the last word of the handshakes would wait for the first stream.
        .upgrade(Version::V1)
        .authenticate(noise::Config::new(&keypair).unwrap())
        .multiplex(yamux::Config::default())
        .boxed();
    let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
    let socket: Multiaddr =
        address.iter().filter(|part| !matches!(part, Protocol::P2p(_))).collect();
    // Kept, and not looked at: so nothing is read.
    let _mute = transport.dial(socket, options).unwrap().await.unwrap();
    let id = keypair.public().to_peer_id().to_base58();
    let is_there = async || one.connected().await.iter().any(|peer| peer.peer_id == id);
    until("it is connected", is_there).await;
    let most = IDENTIFY_MAX + Duration::from_secs(5);
    until_within(most, "it is let go", async || !is_there().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_of_different_networks_part() {
    let one = Setup::default().start();
    let address = one.address().await;
    let foreign = Setup { network: network("other"), ..Setup::dialling(&address) }.start();
    let kin = Setup::dialling(&address).start();
    one.until_connected(&kin).await;
    until("parted", async || {
        foreign.connected().await.is_empty() && one.connected().await.len() == 1
    })
    .await;
    one.send(&[envelope(1)]).await;
    until("kin has it", async || kin.holds(&envelope(1))).await;
    assert!(foreign.seen().envelopes.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn dialled_by_command() {
    let one = Setup::default().start();
    let other = Setup::default().start();
    other.net.dial(one.address().await).await;
    one.until_connected(&other).await;
    let peers = other.connected().await;
    assert_eq!(peers[0].peer_id, one.net.peer_id().to_base58());
    one.net.shutdown().await;
    until("disconnected", async || other.connected().await.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_replaced() {
    let one = Setup::default().start();
    let address = one.address().await;
    let Some(Protocol::Tcp(port)) = address.iter().nth(1) else { panic!("a TCP address") };
    let other = Setup { listen: vec![tcp(port)], ..Setup::dialling(&address) }.start();
    assert_ne!(other.address().await.iter().nth(1), address.iter().nth(1));
    one.until_connected(&other).await;
}

/// A second daemon on one machine listened on no QUIC address: its transport hid that the error
/// was a port in use, so no other port was tried.
#[tokio::test(flavor = "multi_thread")]
async fn a_quic_port_that_is_taken_is_replaced() {
    let one = Setup { listen: vec![quic(0)], ..Setup::default() }.start();
    let address = one.address().await;
    let Some(Protocol::Udp(port)) = address.iter().nth(1) else { panic!("a UDP address") };
    let other = Setup { listen: vec![quic(port)], ..Setup::dialling(&address) }.start();
    assert_ne!(other.address().await.iter().nth(1), address.iter().nth(1));
    one.until_connected(&other).await;
}
