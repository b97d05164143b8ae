//! What a room costs: how soon its last member has a message, beside a direct message's, and what a change of who is in it
//! takes at the sender.
//!
//! The nodes are on loopback, one for each member. The sender is linked with all, as one is on a switch.

use std::time::{Duration, Instant};

use futures::future::try_join_all;
use martlet_protocol::control::{Delivery, Room, RoomCreate, RoomMemberRequest};
use martletctl::client::encode;
use rand::RngExt;

use super::latency::percentile;
use super::report::{RoomFigures, rounded};
use super::{WAIT_MAX, flow};
use crate::cluster::{Cluster, ClusterError, Node, NodeOptions, introduce, until};

/// Longest pause before a message; the mean is half of it.
const PAUSE_MAX: Duration = Duration::from_millis(50);
/// The room's name.
const ROOM: &str = "room";
/// How many envelopes others brought a node.
const ENVELOPES_NEW: &str = r#"martlet_envelopes_taken_total{result="new"}"#;

/// How much of everything.
#[derive(Debug, Clone, Copy)]
pub(super) struct RoomCounts {
    /// People in the room, each with a device.
    pub(super) members: usize,
    /// Messages to one, and to the room. Fewer than a session's key is used for.
    pub(super) messages: usize,
    /// How often who is in the room changes.
    pub(super) changes: usize,
}

/// Measures a room.
pub(super) async fn run(
    cluster: &Cluster,
    counts: RoomCounts,
) -> Result<RoomFigures, ClusterError> {
    let nodes = members(cluster, counts.members).await?;
    let (Some((sender, others)), Some(last)) = (nodes.split_first(), nodes.last()) else {
        return Err(ClusterError::Wrong("a room has two members or more".into()));
    };
    introduce(sender, &others[0]).await?;
    flow::first_messages(sender, &others[0]).await?;
    let direct = latencies(sender, others[0].name(), &others[..1], counts.messages).await?;

    fill(sender, others).await?;
    // What began with the room is over.
    tokio::time::sleep(super::idle::SETTLING).await;
    let brought = others[0].metrics().await?.get(ENVELOPES_NEW)?;
    let room = latencies(sender, ROOM, others, counts.messages).await?;
    let brought = others[0].metrics().await?.get(ENVELOPES_NEW)? - brought;

    let messages = f64::from(u32::try_from(counts.messages).unwrap_or(u32::MAX));
    let of_message = cpu_of_changes(sender, others, last, counts.changes, false).await?;
    let of_change = cpu_of_changes(sender, others, last, counts.changes, true).await?;
    Ok(RoomFigures {
        members: counts.members,
        direct_p50_ms: rounded(percentile(&direct, 50)),
        to_last_p50_ms: rounded(percentile(&room, 50)),
        to_last_p99_ms: rounded(percentile(&room, 99)),
        to_last_factor: rounded(percentile(&room, 50) / percentile(&direct, 50)),
        envelopes_per_message: rounded(brought / messages),
        key_change_cpu_ms: rounded((of_change - of_message).max(0.0)),
    })
}

/// So many users, the first of them linked with all others.
async fn members(cluster: &Cluster, count: usize) -> Result<Vec<Node>, ClusterError> {
    let mut nodes: Vec<Node> = Vec::with_capacity(count);
    for number in 0..count {
        let peers = nodes.first().map(Node::address).transpose()?.into_iter().collect();
        // A node refuses peers beyond twice what it wants.
        let config = vec![format!("connections_target = {}", count.max(2))];
        let options = NodeOptions { peers, config, ..NodeOptions::default() };
        let mut node = cluster.node(&format!("n{number}"), options);
        node.start().await?;
        node.init().await?;
        nodes.push(node);
    }
    Ok(nodes)
}

/// Makes the room, and waits until all who are in it have read a message of it.
async fn fill(sender: &Node, others: &[Node]) -> Result<(), ClusterError> {
    sender.post::<_, Room>("/v1/rooms", &RoomCreate { name: ROOM.to_owned() }).await?;
    for (number, other) in others.iter().enumerate() {
        // The first is a contact since the messages to them alone.
        if number > 0 {
            introduce(sender, other).await?;
        }
        add(sender, other.name()).await?;
    }
    let all = others.len() as u64 + 1;
    for other in others {
        wait_for(other, all).await?;
    }
    let first = sender.send(ROOM, "first").await?;
    sender.wait_state(&first.id, Delivery::Sent, WAIT_MAX).await?;
    try_join_all(others.iter().map(async |other| {
        until(format!("{} should have a message", other.name()), WAIT_MAX, async || {
            Ok((!other.received(ROOM).await?.is_empty()).then_some(()))
        })
        .await
    }))
    .await
    .map(drop)
}

async fn add(sender: &Node, who: &str) -> Result<(), ClusterError> {
    let request = RoomMemberRequest { who: who.to_owned() };
    sender.post::<_, Room>(&format!("/v1/rooms/{ROOM}/members"), &request).await.map(drop)
}

async fn remove(sender: &Node, who: &str) -> Result<(), ClusterError> {
    let path = format!("/v1/rooms/{ROOM}/members/{}", encode(who));
    let removed = sender.client().delete(&path).await;
    removed.map_err(|source| sender.error(source))
}

/// Waits until a node knows of so many operations.
async fn wait_for(node: &Node, operations: u64) -> Result<(), ClusterError> {
    until(format!("{} should know of the room", node.name()), WAIT_MAX, async || {
        let room = node.get::<Room>(&format!("/v1/rooms/{ROOM}")).await;
        Ok(room.ok().filter(|room| room.operations >= operations).map(drop))
    })
    .await
}

/// From just before each send request to the event at the last of `recipients`, milliseconds, sorted.
async fn latencies(
    sender: &Node,
    to: &str,
    recipients: &[Node],
    messages: usize,
) -> Result<Vec<f64>, ClusterError> {
    let mut arrivals = Vec::with_capacity(recipients.len());
    for recipient in recipients {
        let events = recipient.events(None).await?;
        arrivals.push(tokio::spawn(flow::arrivals(events, messages, WAIT_MAX)));
    }
    let client = sender.client();
    let mut sent = Vec::with_capacity(messages);
    for number in 0..messages {
        tokio::time::sleep(PAUSE_MAX.mul_f64(rand::rng().random_range(0.0..1.0))).await;
        sent.push(Instant::now());
        flow::send(&client, to, number).await.map_err(|source| sender.error(source))?;
    }
    let mut last: Vec<Option<Instant>> = sent.iter().copied().map(Some).collect();
    for arrived in arrivals {
        let arrived = arrived.await.map_err(|error| ClusterError::Wrong(error.to_string()))?;
        for (last, arrived) in last.iter_mut().zip(arrived) {
            *last = last.zip(arrived).map(|(last, arrived)| last.max(arrived));
        }
    }
    let mut taken = Vec::with_capacity(messages);
    for (sent, last) in sent.iter().zip(last) {
        let last = last.ok_or_else(|| ClusterError::Wrong("a message did not arrive".into()))?;
        taken.push((last - *sent).as_secs_f64() * 1000.0);
    }
    taken.sort_by(f64::total_cmp);
    Ok(taken)
}

/// Processor time of the sender for a message, milliseconds: each after a change of who is in the room, so that the key
/// changes, or without one. The change itself counts.
async fn cpu_of_changes(
    sender: &Node,
    others: &[Node],
    who: &Node,
    changes: usize,
    with_change: bool,
) -> Result<f64, ClusterError> {
    let reader = others.first().ok_or_else(|| ClusterError::Wrong("nobody is there".into()))?;
    let before = sender.usage()?.cpu;
    for number in 0..changes {
        if with_change && number % 2 == 0 {
            remove(sender, who.name()).await?;
        } else if with_change {
            add(sender, who.name()).await?;
        }
        let text = format!("change {number} {with_change}");
        sender.send(ROOM, &text).await?;
        until(format!("{} should have {text:?}", reader.name()), WAIT_MAX, async || {
            Ok(reader.received(ROOM).await?.contains(&text).then_some(()))
        })
        .await?;
    }
    let used = sender.usage()?.cpu.saturating_sub(before).as_secs_f64() * 1000.0;
    Ok(used / f64::from(u32::try_from(changes.max(1)).unwrap_or(u32::MAX)))
}
