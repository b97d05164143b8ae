//! A network is split, both sides go on, it is healed, and all that was sent across arrives.
//!
//! `MARTLET_SPLIT_S` makes the split last at least so many seconds: past 75 connections that died
//! silently have been noticed, past 120 hosts found by mDNS have been forgotten.

use std::time::{Duration, Instant};

use futures::future::{try_join, try_join_all};
use martlet_protocol::control::{Delivery, Direction};
use martlet_testnet::cluster::{ClusterError, Link, Node, NodeOptions, introduce, until};
use martletd::limits::SYNC_INTERVAL;

use super::traffic::{Flow, delivered};
use super::{TestResult, cluster, keep_if_failed, say};

/// Nodes on each side.
pub(crate) const NODES_PER_SIDE: usize = 10;
/// Users on each side; each has a contact on the other.
const USERS_PER_SIDE: usize = 5;
/// Messages sent on each side during the split, to the other.
const MESSAGES_PER_SIDE: usize = 500;
/// Messages sent on each side during the split, to the same side.
const MESSAGES_INSIDE: usize = 10;
/// Links between the sides, where they are counted.
const LINKS: usize = 5;
const DEADLINE: Duration = Duration::from_secs(60);

/// Twenty nodes, each connected to two others of its side. Between the sides there are five TCP
/// links, which are closed, and refuse to be dialled, during the split.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_across_a_split_arrives_once_it_heals() -> TestResult {
    let cluster = cluster()?;
    let outcome = async {
        let near = side(&cluster, "a", &[]).await?;
        let links = try_join_all(near[..LINKS].iter().map(Link::to)).await?;
        let far = side(&cluster, "b", &links).await?;
        for (near, far) in near.iter().zip(&far).take(LINKS) {
            near.wait_connected(&[far], DEADLINE).await?;
        }
        let cut = || {
            links.iter().for_each(Link::cut);
            Ok(())
        };
        let heal = || {
            links.iter().for_each(Link::mend);
            Ok(())
        };
        split_and_heal([&near, &far], cut, heal).await
    };
    let outcome = outcome.await;
    keep_if_failed(cluster, outcome)
}

/// Sends across and inside while the network is split, heals it, and checks that everything comes
/// within two rounds of sync.
pub(crate) async fn split_and_heal(
    [near, far]: [&[Node]; 2],
    cut: impl FnOnce() -> TestResult,
    heal: impl FnOnce() -> TestResult,
) -> TestResult {
    let (near, far) = (&near[..USERS_PER_SIDE], &far[..USERS_PER_SIDE]);
    let users = || near.iter().chain(far);
    try_join_all(users().map(Node::init)).await?;
    let across: Vec<(&Node, &Node)> =
        near.iter().zip(far).flat_map(|(near, far)| [(near, far), (far, near)]).collect();
    let inside = [(&near[0], &near[1]), (&far[0], &far[1])];
    let pairs = near.iter().zip(far).chain(inside);
    try_join_all(pairs.map(|(one, other)| introduce(one, other))).await?;
    let flow = |&(from, to): &(&Node, &Node)| Flow::new(from, to);
    let mut flows_across: Vec<Flow> = across.iter().map(flow).collect();
    let mut flows_inside: Vec<Flow> = inside.iter().map(flow).collect();

    // All have talked before: the first messages carry the keys.
    let all = flows_across.iter_mut().chain(&mut flows_inside);
    try_join_all(all.map(|flow| flow.send(1, 0, 0))).await?;
    for user in users() {
        delivered(user, DEADLINE).await?;
    }

    cut()?;
    let began = Instant::now();
    let each = MESSAGES_PER_SIDE / USERS_PER_SIDE;
    try_join(
        try_join_all(flows_across.iter_mut().map(|flow| flow.send(each, 0, 0))),
        try_join_all(flows_inside.iter_mut().map(|flow| flow.send(MESSAGES_INSIDE, 0, 0))),
    )
    .await?;
    for (from, to) in &inside {
        to.wait_received(from.name(), 1 + MESSAGES_INSIDE, DEADLINE).await?;
    }
    let longer = std::env::var("MARTLET_SPLIT_S").ok().and_then(|seconds| seconds.parse().ok());
    let longer = longer.map_or(Duration::ZERO, Duration::from_secs);
    tokio::time::sleep(longer.saturating_sub(began.elapsed())).await;
    for (from, to) in &across {
        is_waiting(from, to.name(), each).await?;
    }
    let split = began.elapsed();

    heal()?;
    let healed = Instant::now();
    let deadline = 2 * SYNC_INTERVAL;
    for user in users() {
        delivered(user, deadline.saturating_sub(healed.elapsed())).await?;
    }
    say(&format!(
        "split for {:.1} s, {MESSAGES_PER_SIDE} messages sent on each side; all delivered {:.1} s \
         after it healed ({:.2} rounds of sync)",
        split.as_secs_f64(),
        healed.elapsed().as_secs_f64(),
        healed.elapsed().as_secs_f64() / SYNC_INTERVAL.as_secs_f64(),
    ));
    let pairs = across.iter().chain(&inside);
    for (flow, (from, to)) in flows_across.iter().chain(&flows_inside).zip(pairs) {
        flow.check(from, to, DEADLINE).await?;
    }
    Ok(())
}

/// Waits until the last `count` messages to a contact are on disk at another node; none of them
/// can be delivered yet.
async fn is_waiting(from: &Node, to: &str, count: usize) -> Result<(), ClusterError> {
    until(format!("{}'s messages to {to} should be sent", from.name()), DEADLINE, async || {
        let history = from.history(to).await?.into_iter();
        let own = history.filter(|message| message.direction == Direction::Out);
        let states: Vec<Delivery> = own.map(|message| message.state).skip(1).collect();
        if states.contains(&Delivery::Delivered) {
            return Err(ClusterError::Wrong("something came across the split".into()));
        }
        Ok((states.len() >= count && states.iter().all(|s| *s == Delivery::Sent)).then_some(()))
    })
    .await
}

/// One side: a chain with shortcuts; its first nodes know one on the other side.
async fn side(
    cluster: &martlet_testnet::cluster::Cluster,
    name: &str,
    links: &[Link],
) -> Result<Vec<Node>, ClusterError> {
    let mut nodes: Vec<Node> = Vec::new();
    for number in 0..NODES_PER_SIDE {
        let neighbours = [1, 3].into_iter().filter_map(|back| number.checked_sub(back));
        let mut peers =
            neighbours.map(|index| nodes[index].address()).collect::<Result<Vec<_>, _>>()?;
        peers.extend(links.get(number).map(|link| link.address().to_owned()));
        let options = NodeOptions { peers, ..NodeOptions::default() };
        let mut node = cluster.node(&format!("{name}{number}"), options);
        node.start().await?;
        nodes.push(node);
    }
    Ok(nodes)
}
