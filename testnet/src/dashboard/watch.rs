//! Asking the daemons: whom they are connected to and what they count, from time to time, and for
//! their events.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use futures::future::join_all;
use futures::stream::{StreamExt, iter};
use martlet_protocol::control::{PeerList, Status, Transport};
use martletctl::client::{Client, Follower, Step};
use tokio::time::timeout;

use super::board::Board;
use super::limits::{FOLLOW_AGAIN, LOOK_MAX, LOOK_MIN, LOOK_PER_NODE, LOOKS_AT_ONCE};
use super::state::{Counts, Liveness};
use crate::cluster::Samples;
use crate::plan::NodeIndex;

/// What one look at a node finds.
struct Look {
    peer_id: String,
    peers: Vec<(String, &'static str)>,
    counts: Counts,
}

/// Looks at all nodes that are on, for ever. `sockets` are their control sockets, in their order.
pub async fn look(board: Board, sockets: Vec<PathBuf>) {
    if !board.is_there() {
        return std::future::pending().await;
    }
    let nodes = u32::try_from(sockets.len()).unwrap_or(u32::MAX);
    let interval = LOOK_MIN.max(LOOK_PER_NODE.saturating_mul(nodes));
    let clients: Vec<Client> = sockets.into_iter().map(Client::new).collect();
    let mut known: HashMap<String, NodeIndex> = HashMap::new();
    loop {
        let on = (0..clients.len()).filter(|node| board.state_of(*node) == Some(Liveness::On));
        let found: Vec<(NodeIndex, Option<Look>)> = iter(on)
            .map(async |node| {
                let asked = clients.get(node).map(ask);
                let asked = async { asked?.await };
                (node, timeout(LOOK_MAX, asked).await.ok().flatten())
            })
            .buffer_unordered(LOOKS_AT_ONCE)
            .collect()
            .await;
        for (node, look) in &found {
            if let Some(look) = look {
                known.insert(look.peer_id.clone(), *node);
            }
        }
        for (node, look) in found {
            let Some(Look { peers, counts, .. }) = look else {
                board.silent(node);
                continue;
            };
            let peers: BTreeMap<NodeIndex, &'static str> = peers
                .into_iter()
                .filter_map(|(peer, by)| known.get(&peer).map(|peer| (*peer, by)))
                .collect();
            board.looked(node, peers, counts);
        }
        tokio::time::sleep(interval).await;
    }
}

async fn ask(client: &Client) -> Option<Look> {
    let status: Status = client.get("/v1/status").await.ok()?;
    let list: PeerList = client.get("/v1/peers").await.ok()?;
    let samples = Samples::parse(&client.get_text("/v1/metrics").await.ok()?);
    let count = |series: &str| samples.get(series).map_or(0, |value| value.max(0.0) as u64);
    let connected = list.peers.into_iter().filter(|peer| peer.connected);
    Some(Look {
        peer_id: status.peer_id,
        peers: connected.map(|peer| (peer.peer_id, word(peer.transport))).collect(),
        counts: Counts {
            mailbox_envelopes: count("martlet_mailbox_envelopes"),
            received_bytes: count(r#"martlet_connections_bytes_total{direction="received"}"#),
            sent_bytes: count(r#"martlet_connections_bytes_total{direction="sent"}"#),
        },
    })
}

fn word(transport: Option<Transport>) -> &'static str {
    match transport {
        Some(Transport::Quic) => "quic",
        Some(Transport::Tcp) => "tcp",
        Some(Transport::Relay) => "relay",
        None => "other",
    }
}

/// Follows the events of all users, for ever, over restarts of their daemons.
pub async fn follow(board: Board, sockets: Vec<PathBuf>) {
    join_all(sockets.into_iter().enumerate().map(|(node, socket)| {
        let board = &board;
        async move {
            let client = Client::new(socket);
            loop {
                // Nobody there yet, or no user.
                if let Ok(mut follower) = Follower::open(&client, Some(0)).await {
                    while let Ok(step) = follower.next().await {
                        match step {
                            Step::Event(event) => board.told(node, &event, false),
                            Step::Lost | Step::Locked | Step::Back | Step::Missed { .. } => {}
                        }
                    }
                }
                tokio::time::sleep(FOLLOW_AGAIN).await;
            }
        }
    }))
    .await;
}
