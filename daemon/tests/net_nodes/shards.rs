//! Nodes that keep different shards, and edge nodes.

use martlet_engine::{Interest, Lookup, ToNet};
use martlet_protocol::control::Role;
use martlet_protocol::network::NetworkDescriptor;
use martlet_protocol::sync::{Request, Response, ShardSet};
use martlet_protocol::{Envelope, Shard, Tag};

use crate::hostile::{Hostile, silent};
use crate::support::{Setup, ack_of, envelope, network, sharded_envelope, until};

const BITS: u8 = 4;

fn shards(numbers: &[u16]) -> ShardSet {
    ShardSet::of(numbers.iter().copied().map(Shard), BITS)
}

/// A node of a network of 16 shards that keeps these.
fn keeping(numbers: &[u16]) -> Setup {
    let network = NetworkDescriptor { shard_bits: BITS, ..network("test") };
    Setup { network, kept: shards(numbers), ..Setup::default() }
}

fn tag_of(envelope: &Envelope) -> Tag {
    let header = martlet_protocol::Header::parse(&envelope.content).unwrap();
    header.tag(&envelope.content).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_both_keep_is_reconciled_and_ones_own_goes_to_its_keepers() {
    let in_shard = |shard, number| sharded_envelope(Shard(shard), number);
    // In the mailbox but of a shard not kept: the user's own, for shards 2 and 9.
    let (own, nobodys) = (in_shard(2, 30), in_shard(9, 31));
    let holds = vec![in_shard(0, 1), in_shard(1, 2), own.clone(), nobodys.clone()];
    let one = Setup { holds, ..keeping(&[0, 1]) }.start();
    let holds = vec![in_shard(1, 3), in_shard(2, 4)];
    let dialling = Setup::dialling(&one.address().await).static_peers;
    let other = Setup { static_peers: dialling, holds, ..keeping(&[1, 2]) }.start();
    until("what both keep is with both", async || {
        one.holds(&in_shard(1, 3)) && other.holds(&in_shard(1, 2))
    })
    .await;
    until("the own envelope is with its keeper", async || other.holds(&own)).await;
    until("and that is known", async || one.seen().stored_by.contains(&own.id())).await;
    assert!(!one.holds(&in_shard(2, 4)) && !other.holds(&in_shard(0, 1)));
    assert!(!other.holds(&nobodys) && !one.seen().stored_by.contains(&nobodys.id()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_author_learns_from_a_keeper_that_an_envelope_was_acknowledged() {
    let own = sharded_envelope(Shard(2), 1);
    let one = Setup { holds: vec![own.clone()], ..keeping(&[0]) }.start();
    let peers = vec![one.address().await];
    let purged = Setup {
        static_peers: peers,
        holds: vec![own.clone()],
        acks: vec![ack_of(&own, 1)],
        ..keeping(&[2])
    };
    let _other = purged.start();
    until("acknowledged", async || one.seen().acks.contains(&ack_of(&own, 1))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gossip_reaches_the_keepers_of_another_shard_and_waits_for_one() {
    let one = keeping(&[0]).start();
    let address = one.address().await;
    let bystander = Setup { static_peers: vec![address.clone()], ..keeping(&[5]) }.start();
    one.until_connected(&bystander).await;
    // Not in the mailbox: sync does not bring it.
    let for_three = sharded_envelope(Shard(3), 1);
    one.net.tell(vec![ToNet::Publish(vec![for_three.clone()])]).await;
    let keeper = Setup { static_peers: vec![address], ..keeping(&[3]) }.start();
    until("arrived", async || keeper.holds(&for_three)).await;
    until("told", async || one.seen().stored_by.contains(&for_three.id())).await;
    let more = sharded_envelope(Shard(3), 2);
    one.net.tell(vec![ToNet::Publish(vec![more.clone()])]).await;
    until("arrived", async || keeper.holds(&more)).await;
    assert!(!bystander.holds(&for_three) && !bystander.holds(&more));
    assert!(!one.holds(&more), "of another shard, and nobody's own here");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_shard_is_kept_from_the_unlocking_on() {
    let held = sharded_envelope(Shard(7), 1);
    let keeper = Setup { holds: vec![held.clone()], ..keeping(&[7]) }.start();
    let peers = vec![keeper.address().await];
    let node = Setup { static_peers: peers, ..keeping(&[1]) }.start();
    node.until_connected(&keeper).await;
    let interest = Interest { user: Shard(7), contacts: ShardSet::NONE };
    node.net.tell(vec![ToNet::Interest(interest)]).await;
    assert_eq!(node.net.kept().await, shards(&[1, 7]));
    until("synced", async || node.holds(&held)).await;
    let gossiped = sharded_envelope(Shard(7), 2);
    keeper.net.tell(vec![ToNet::Publish(vec![gossiped.clone()])]).await;
    until("gossiped", async || node.holds(&gossiped)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn envelopes_are_looked_up_by_tag_of_those_who_keep_them_now_or_later() {
    let (first, second) = (sharded_envelope(Shard(2), 1), sharded_envelope(Shard(2), 2));
    let tags = vec![tag_of(&first), tag_of(&second)];
    let early = Setup { holds: vec![first.clone()], ..keeping(&[2]) }.start();
    let peers = vec![early.address().await];
    let node = Setup { static_peers: peers, ..keeping(&[0]) }.start();
    node.until_connected(&early).await;
    node.net.tell(vec![ToNet::LookUp(vec![Lookup { shard: Shard(2), tags }])]).await;
    until("found", async || node.seen().found.contains(&first.id())).await;
    let peers = vec![node.address().await];
    let _late = Setup { static_peers: peers, holds: vec![second.clone()], ..keeping(&[2]) }.start();
    until("found later", async || node.seen().found.contains(&second.id())).await;
    assert_eq!(node.live(), 0, "they are not kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_kept_is_neither_told_nor_taken() {
    let own = sharded_envelope(Shard(2), 1);
    let kept = sharded_envelope(Shard(0), 2);
    let holds = vec![own.clone(), kept.clone()];
    let victim = Setup { holds, ..keeping(&[0]) }.start();
    let hostile = Hostile::connect(&victim, silent()).await;
    let lookup = |shard, tags| Request::Lookup { shard: Shard(shard), tags };
    let found = |envelopes| Response::Envelopes { envelopes, gone: Vec::new() };
    assert_eq!(hostile.ask(&lookup(2, vec![tag_of(&own)])).await, found(Vec::new()));
    assert_eq!(hostile.ask(&lookup(0, vec![tag_of(&own)])).await, found(Vec::new()));
    assert_eq!(hostile.ask(&lookup(0, vec![tag_of(&kept)])).await, found(vec![kept.clone()]));
    let fetched = hostile.ask(&Request::Fetch(vec![own.id(), kept.id()])).await;
    assert_eq!(fetched, Response::Envelopes { envelopes: vec![kept], gone: vec![own.id()] });
    let compare = Request::Compare { shards: ShardSet::ALL, digests: Vec::new() };
    let Response::Compared { buckets, kept, compared } = hostile.ask(&compare).await else {
        panic!("compared");
    };
    assert!(compared && kept == shards(&[0]));
    assert!(buckets.len() == 1 && buckets[0].shard == Shard(0), "{buckets:?}");
    // An envelope of a shard that is not kept is wanted by its id, and not taken.
    let foreign = sharded_envelope(Shard(5), 3);
    hostile.ask(&Request::Offer(vec![foreign.id()])).await;
    let push = Request::Push { envelopes: vec![foreign.clone()], acks: Vec::new() };
    assert!(matches!(hostile.ask(&push).await, Response::Refused(_)));
    assert!(!victim.holds(&foreign));
}

/// A – edge – B, then C: what A gossips stays at the edge node; what is its user's own goes on.
#[tokio::test(flavor = "multi_thread")]
async fn an_edge_node_takes_what_is_for_it_and_passes_nothing_on() {
    let own = envelope(100);
    let edge = Setup { role: Role::Edge, own: vec![own.id()], ..Setup::default() }.start();
    let address = edge.address().await;
    let a = Setup::dialling(&address).start();
    let b = Setup::dialling(&address).start();
    edge.until_connected(&a).await;
    edge.until_connected(&b).await;
    let passing = envelope(1);
    a.send(std::slice::from_ref(&passing)).await;
    until("it came to the edge node", async || edge.holds(&passing)).await;
    edge.send(std::slice::from_ref(&own)).await;
    until("its own goes on", async || a.holds(&own) && b.holds(&own)).await;

    // By sync as well: what C has for it comes, and its own goes, and that is all.
    let to_edge = envelope(2);
    let holds = vec![to_edge.clone()];
    let c = Setup { holds, own: vec![to_edge.id()], ..Setup::dialling(&address) }.start();
    until("C's own came", async || edge.holds(&to_edge)).await;
    until("C was told", async || c.seen().stored_by.contains(&to_edge.id())).await;
    until("the edge node's own went to C", async || c.holds(&own)).await;
    assert!(!b.holds(&passing) && !c.holds(&passing) && !b.holds(&to_edge));
}
