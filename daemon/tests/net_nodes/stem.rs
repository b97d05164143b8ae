//! The stem: what is the user's own leaves a node by one neighbour.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt;
use libp2p::request_response::{self, Message, ProtocolSupport};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{StreamProtocol, SwarmBuilder, identify, noise, tcp, yamux};
use martlet_engine::{Stemmed, ToNet};
use martlet_protocol::control::Role;
use martlet_protocol::network::{NetworkDescriptor, Privacy};
use martletd::limits::STEM_FAILSAFE_MAX;
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
