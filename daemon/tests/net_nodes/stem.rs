//! The stem: what is the user's own leaves a node by one neighbour.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt;
use libp2p::multiaddr::Protocol;
use libp2p::request_response::{self, Message, ProtocolSupport};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, StreamProtocol, SwarmBuilder, identify, noise, tcp, yamux};
use martlet_engine::{Stemmed, ToNet};
use martlet_protocol::control::Role;
use martlet_protocol::network::{NetworkDescriptor, Privacy};
use martletd::limits::STEM_FAILSAFE_MAX;
use martletd::metrics::StemMetrics;
use martletd::net::ConnectionPolicy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::hostile::Raw;
use crate::support::{Node, SOON, Setup, ack, envelope, envelopes, network, until, until_within};

fn mixed() -> NetworkDescriptor {
    NetworkDescriptor { privacy: Some(Privacy::Mixed), ..network("test") }
}

fn setup() -> Setup {
    Setup { network: mixed(), ..Setup::default() }
}

async fn setup_by(peer: &Node) -> Setup {
    Setup { static_peers: vec![peer.address().await], ..setup() }
}

async fn put_on_stem(node: &Node, number: u32) {
    node.net.tell(vec![ToNet::Stem(vec![Stemmed::Envelope(envelope(number))])]).await;
}

/// Own envelopes were published by their author: who brought one first had written it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_the_stem_is_published_by_another_and_comes_back() {
    let author = setup().start();
    let first = setup_by(&author).await.start();
    let second = setup_by(&first).await.start();
    let third =
        Setup { static_peers: vec![first.address().await, second.address().await], ..setup() }
            .start();
    author.until_connected(&first).await;
    first.until_connected(&second).await;
    second.until_connected(&third).await;
    third.until_connected(&first).await;
    for number in 0..10 {
        put_on_stem(&author, number).await;
    }
    until("all have all, the author included", async || {
        (0..10).all(|number| {
            [&author, &first, &second, &third].iter().all(|node| node.holds(&envelope(number)))
        })
    })
    .await;
    assert!(author.seen().off_stem.is_empty(), "nothing was lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn acks_go_by_the_stem_too() {
    let holds = envelopes(0..3);
    let author = Setup { holds: holds.clone(), ..setup() }.start();
    let first = Setup { holds: holds.clone(), ..setup_by(&author).await }.start();
    let second = Setup { holds, ..setup_by(&first).await }.start();
    author.until_connected(&first).await;
    first.until_connected(&second).await;
    author.net.tell(vec![ToNet::Stem(vec![Stemmed::Ack(ack(1))])]).await;
    until("purged everywhere", async || {
        [&author, &first, &second].iter().all(|node| !node.holds(&envelope(1)))
    })
    .await;
    assert_eq!(author.live(), 2);
}

/// While nobody is connected the user's own waits: published at once, it would be told to the first who comes,
/// by sync, as something that only this node has.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_before_anyone_came_goes_by_the_stem() {
    let author = setup().start();
    put_on_stem(&author, 1).await;
    let first = setup_by(&author).await.start();
    author.until_connected(&first).await;
    until("it came back", async || author.holds(&envelope(1)) && first.holds(&envelope(1))).await;
    assert!(author.seen().off_stem.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_neighbour_speaks_it_the_engine_is_told_to_publish() {
    let author = setup().start();
    let edge = Setup { role: Role::Edge, ..setup_by(&author).await }.start();
    author.until_connected(&edge).await;
    put_on_stem(&author, 1).await;
    let off = vec![Stemmed::Envelope(envelope(1))];
    until("given up", async || author.seen().off_stem == off).await;
    // An edge node's own goes by its neighbour, which passes things on.
    put_on_stem(&edge, 2).await;
    until("published", async || author.holds(&envelope(2))).await;
}

#[derive(NetworkBehaviour)]
struct BlackHole {
    identify: identify::Behaviour,
    stem: request_response::Behaviour<Raw>,
}

/// A neighbour of `node` that says that it passes on what it is given, and doesn't: how much it was given, and the
/// task that it is.
async fn black_hole(node: &Node) -> (Arc<AtomicUsize>, AbortHandle) {
    let address = node.address().await;
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|keypair| BlackHole {
            identify: identify::Behaviour::new(identify::Config::new(
                "/martlet/test/2".into(),
                keypair.public(),
            )),
            stem: request_response::Behaviour::new(
                [(StreamProtocol::new("/martlet/test/stem/2"), ProtocolSupport::Full)],
                request_response::Config::default(),
            ),
        })
        .unwrap()
        // It stays: who is alone keeps what is on the stem for the next neighbour.
        .with_swarm_config(|config| {
            config.with_idle_connection_timeout(STEM_FAILSAFE_MAX + 4 * SOON)
        })
        .build();
    swarm.dial(address).unwrap();
    let given = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&given);
    let task = tokio::spawn(async move {
        loop {
            if let SwarmEvent::Behaviour(BlackHoleEvent::Stem(request_response::Event::Message {
                message: Message::Request { channel, .. },
                ..
            })) = swarm.select_next_some().await
            {
                count.fetch_add(1, Ordering::Relaxed);
                // Taken.
                swarm.behaviour_mut().stem.send_response(channel, vec![0]).unwrap();
            }
        }
    });
    (given, task.abort_handle())
}

/// Whoever follows on the author may lose what it is given, and say that it has taken it.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_neighbour_swallows_is_given_back_to_the_engine_in_a_minute() {
    let author = setup().start();
    let (given, _) = black_hole(&author).await;
    put_on_stem(&author, 1).await;
    author.net.tell(vec![ToNet::Stem(vec![Stemmed::Ack(ack(2))])]).await;
    until("swallowed", async || given.load(Ordering::Relaxed) == 2).await;
    assert!(author.seen().off_stem.is_empty(), "it came back too soon to hide its author");
    until_within(STEM_FAILSAFE_MAX + SOON, "given up", async || author.seen().off_stem.len() == 2)
        .await;
    let seen = author.seen();
    assert!(seen.off_stem.contains(&Stemmed::Envelope(envelope(1))));
    assert!(seen.off_stem.contains(&Stemmed::Ack(ack(2))));
}

/// It left, and nobody is there any more: it is not the engine's to publish, which nobody would hear, but goes to
/// whoever comes next, or is published to them.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_swallowed_by_one_who_is_gone_is_not_lost() {
    let author = setup().start();
    let (given, task) = black_hole(&author).await;
    put_on_stem(&author, 1).await;
    until("swallowed", async || given.load(Ordering::Relaxed) == 1).await;
    task.abort();
    until("alone", async || author.connected().await.is_empty()).await;
    let next = setup_by(&author).await.start();
    until_within(STEM_FAILSAFE_MAX + SOON, "told to publish, or passed on", async || {
        !author.seen().off_stem.is_empty() || next.holds(&envelope(1))
    })
    .await;
}

/// What one neighbour holds of many: leaves that know a hub alone each put as much on the stem at once as
/// `MARTLET_ITEMS` says (100). The round trip to the hub is `MARTLET_DELAY_MS` (50).
#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures: cargo test --test net_nodes -- --ignored --nocapture what_a_hub_holds"]
async fn what_a_hub_holds_of_forty_leaves() {
    const LEAVES: u32 = 40;
    let given = |name: &str, default: u32| {
        std::env::var(name).map_or(default, |number| number.parse().unwrap())
    };
    let (items, delay) = (given("MARTLET_ITEMS", 100), given("MARTLET_DELAY_MS", 50));
    let policy = ConnectionPolicy { target: 64, ..ConnectionPolicy::default() };
    let hub = Setup { connections: policy, ..setup() }.start();
    let address = hub.address().await;
    let mut leaves = Vec::new();
    for _ in 0..LEAVES {
        let way = slow_way(&address, Duration::from_millis(u64::from(delay)) / 2).await;
        leaves.push(Setup { static_peers: vec![way], ..setup() }.start());
    }
    for leaf in &leaves {
        until_within(6 * SOON, "connected", async || !leaf.connected().await.is_empty()).await;
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    let began = Instant::now();
    for (leaf, first) in leaves.iter().zip((0..).step_by(10_000)) {
        let own = envelopes(first..first + items).into_iter().map(Stemmed::Envelope).collect();
        leaf.net.tell(vec![ToNet::Stem(own)]).await;
    }
    let all = u64::from(items * LEAVES);
    let mut reached = Vec::new();
    for tenths in [5, 9, 10] {
        until_within(10 * SOON, "come", async || hub.live() >= all * tenths / 10).await;
        reached.push(began.elapsed());
    }
    let sum = |count: fn(&StemMetrics) -> u64| {
        leaves.iter().map(|leaf| count(&leaf.metrics.stem)).sum::<u64>()
    };
    println!(
        "{LEAVES} leaves, {items} each, {delay} ms: at the hub half, 9 of 10, all after {reached:.1?}; the hub refused {}, \
         relayed {}, published {}; fail-safes {} of leaves, {} of the hub",
        sum(|stem| stem.refused.get()),
        hub.metrics.stem.relayed.get(),
        hub.metrics.stem.published.get(),
        sum(|stem| stem.failsafe.get()),
        hub.metrics.stem.failsafe.get(),
    );
}

/// An address by which bytes take so much longer each way.
async fn slow_way(address: &Multiaddr, delay: Duration) -> Multiaddr {
    let Some(Protocol::Tcp(port)) = address.iter().nth(1) else { panic!("a TCP address") };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (near, _) = listener.accept().await.unwrap();
            let far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            for socket in [&near, &far] {
                socket.set_nodelay(true).unwrap();
            }
            let ((near_read, near_write), (far_read, far_write)) =
                (near.into_split(), far.into_split());
            tokio::spawn(late(near_read, far_write, delay));
            tokio::spawn(late(far_read, near_write, delay));
        }
    });
    let parts = address.iter().map(|part| match part {
        Protocol::Tcp(_) => Protocol::Tcp(own),
        other => other,
    });
    parts.collect()
}

async fn late(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Duration) {
    let (sender, mut on_the_way) = mpsc::channel::<(Instant, Vec<u8>)>(4096);
    tokio::spawn(async move {
        while let Some((due, bytes)) = on_the_way.recv().await {
            tokio::time::sleep_until(due.into()).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    });
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if sender.send((Instant::now() + delay, buffer[..count].to_vec())).await.is_err() {
            return;
        }
    }
}
