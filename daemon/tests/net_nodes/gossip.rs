//! Gossip between nodes.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use martlet_engine::ToNet;
use martlet_protocol::ExpiryHour;
use martletd::limits::{
    ACK_DELAY, ACKS_APART_MAX, GOSSIP_BACKLOG_BYTES_MAX, GOSSIP_QUEUE_MAX, SILENCE_MAX,
};

use crate::support::{
    Setup, Wire, WireState, ack, envelope, envelope_of, envelopes, large_envelope, network, now,
    until, until_within,
};

/// How long tens of thousands of envelopes may take, on a machine with ten times as much to do as it can.
const BURST: Duration = Duration::from_secs(120);

async fn crosses(listen: &str) {
    let one = Setup { listen: vec![listen.parse().unwrap()], ..Setup::default() }.start();
    let other = Setup::dialling(&one.address().await).start();
    one.until_connected(&other).await;
    one.send(&[envelope(1)]).await;
    other.send(&[envelope(2)]).await;
    until("both have both", async || one.live() == 2 && other.live() == 2).await;
    until("each was told that the other stored it", async || {
        one.seen().stored_by.contains(&envelope(1).id())
            && other.seen().stored_by.contains(&envelope(2).id())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_envelope_crosses_by_tcp() {
    crosses("/ip4/127.0.0.1/tcp/0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_envelope_crosses_by_quic() {
    crosses("/ip4/127.0.0.1/udp/0/quic-v1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_between_forwards() {
    let middle = Setup::default().start();
    let address = middle.address().await;
    let left = Setup::dialling(&address).start();
    let right = Setup::dialling(&address).start();
    middle.until_connected(&left).await;
    middle.until_connected(&right).await;
    for number in 0..20 {
        left.send(&[envelope(number)]).await;
        until("it reached the far end", async || right.holds(&envelope(number))).await;
    }
    assert_eq!(right.connected().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn acks_are_gossiped() {
    let one = Setup { holds: vec![envelope(1)], ..Setup::default() }.start();
    let other = Setup::dialling(&one.address().await).start();
    until("synced", async || other.holds(&envelope(1))).await;
    other.net.tell(vec![ToNet::PublishAcks(vec![ack(1)])]).await;
    until("purged by the ack", async || !one.holds(&envelope(1))).await;
    assert_eq!(one.seen().acks, [ack(1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_20_000_arrives_whole() {
    const COUNT: u32 = 20_000;
    let one = Setup::default().start();
    let other = Setup::dialling(&one.address().await).start();
    one.until_connected(&other).await;
    let burst = envelopes(0..COUNT);
    let started = Instant::now();
    for part in burst.chunks(256) {
        one.net.tell(vec![ToNet::Publish(part.to_vec())]).await;
    }
    let published = started.elapsed();
    let count = burst.len();
    until_within(BURST, "all arrived", async || other.seen().envelopes.len() == count).await;
    let arrived = started.elapsed();
    println!("{COUNT} envelopes: handed over in {published:?}, arrived in {arrived:?}");
    // The sender's mailbox is empty, so that none of them came by sync.
    let ids: HashSet<_> = burst.iter().map(martlet_protocol::Envelope::id).collect();
    assert!(other.seen().envelopes.keys().all(|id| ids.contains(id)));
    assert!(other.seen().envelopes.values().all(|times| *times == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_larger_than_the_queues_arrives_whole_once_a_stalled_wire_moves() {
    let one = Setup::default().start();
    let wire = Wire::to(&one.address().await).await;
    let other = Setup::dialling(&wire.address).start();
    one.until_connected(&other).await;
    one.send(&[envelope(0)]).await;
    until("gossip works", async || other.holds(&envelope(0))).await;
    wire.set(WireState::Stalled);
    let began = Instant::now();
    let burst = envelopes(1..GOSSIP_QUEUE_MAX as u32 + 5_000);
    for part in burst.chunks(1000) {
        one.send(part).await;
    }
    // The task answers: it does not wait for the wire. On a busy machine so much may take longer than a silent connection
    // is kept; then the other dials anew.
    let connected = one.connected().await.len();
    assert!(connected == 1 || began.elapsed() > SILENCE_MAX, "{:?}", began.elapsed());
    wire.set(WireState::Open);
    let count = burst.len() as u64 + 1;
    until_within(BURST, "all arrived", async || other.live() == count).await;
}

#[expect(clippy::await_holding_lock, reason = "it holds the engine's thread, which is the test")]
#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_engine_sheds_gossip_and_catches_up_by_sync() {
    const COUNT: u32 = 1_500;
    assert!(COUNT as usize * large_envelope(0).content.len() > GOSSIP_BACKLOG_BYTES_MAX);
    let one = Setup::default().start();
    let other = Setup::dialling(&one.address().await).start();
    one.until_connected(&other).await;
    one.send(&[envelope(0)]).await;
    until("gossip works", async || other.holds(&envelope(0))).await;
    let stuck = other.seen();
    for number in 1..=COUNT {
        one.send(&[large_envelope(number)]).await;
    }
    assert_eq!(other.connected().await.len(), 1, "the network goes on");
    drop(stuck);
    until_within(BURST, "all arrived", async || other.live() == u64::from(COUNT) + 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_published_to_nobody_goes_to_the_first_who_comes() {
    let one = Setup::default().start();
    // Not in the mailbox: sync does not bring it.
    one.net.tell(vec![ToNet::Publish(vec![envelope(1)])]).await;
    let other = Setup::dialling(&one.address().await).start();
    until("arrived", async || other.holds(&envelope(1))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_far_future_and_foreign_envelopes_are_not_delivered() {
    let one = Setup::default().start();
    let other = Setup::dialling(&one.address().await).start();
    one.until_connected(&other).await;
    let test = network("test");
    let hour = ExpiryHour::containing(now());
    one.net
        .tell(vec![ToNet::Publish(vec![
            envelope_of(&test, 1, hour),
            envelope_of(&test, 2, ExpiryHour(hour.0 + 6 * 24 + 4)),
            envelope_of(&network("other"), 3, ExpiryHour::latest(now())),
            envelope(4),
        ])])
        .await;
    until("the good one arrived", async || other.holds(&envelope(4))).await;
    assert_eq!(other.seen().envelopes.len(), 1);
}

/// What an ack costs that leaves in a message of its own, and what it costs in one with others: of the work of two nodes, one
/// of which reveals it to the other.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures: cargo test --test net_nodes -- --ignored --nocapture what_acks_cost"]
async fn what_acks_cost_apart_and_together() {
    const COUNT: u32 = 4_000;
    let one = Setup::default().start();
    let other = Setup::dialling(&one.address().await).start();
    one.until_connected(&other).await;
    one.send(&[envelope(0)]).await;
    until("gossip works", async || other.holds(&envelope(0))).await;
    let ticks = || {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let fields = stat.rsplit(')').next().unwrap().split_whitespace();
        fields.skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum::<u64>()
    };
    let mut known = 0;
    for (name, at_once) in [("apart", ACKS_APART_MAX), ("together", COUNT as usize)] {
        let first = known as u32 + 1;
        let acks: Vec<_> = (first..first + COUNT).map(ack).collect();
        known += acks.len();
        let (began, before) = (Instant::now(), ticks());
        for part in acks.chunks(at_once) {
            one.net.tell(vec![ToNet::PublishAcks(part.to_vec())]).await;
            tokio::time::sleep(ACK_DELAY).await;
        }
        until_within(BURST, "all are heard", async || other.seen().acks.len() == known).await;
        // A tick is 10 ms.
        let work = (ticks() - before) * 10_000 / u64::from(COUNT);
        println!("{COUNT} acks {name}: {work} µs of work each, in {:.1?}", began.elapsed());
    }
}
