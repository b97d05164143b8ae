//! The network between nodes on loopback: gossip, sync, dialling, and hostile peers.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "net_nodes/connecting.rs"]
mod connecting;
#[path = "net_nodes/foreign.rs"]
mod foreign;
#[path = "net_nodes/gossip.rs"]
mod gossip;
#[path = "net_nodes/hostile.rs"]
mod hostile;
#[path = "net_nodes/managing.rs"]
mod managing;
#[path = "net_nodes/shards.rs"]
mod shards;
#[path = "net_nodes/stem.rs"]
mod stem;
#[path = "net_nodes/support.rs"]
mod support;
#[path = "net_nodes/sync.rs"]
mod sync;
#[path = "net_nodes/wan.rs"]
mod wan;
