//! How the engine is run.

use std::sync::Arc;
use std::time::Duration;

use martlet_protocol::network::NetworkDescriptor;
use martlet_protocol::sync::ShardSet;

use crate::observer::Observer;
use crate::storage::Storage;

/// How often the engine is usually told that time has passed.
pub const TICK: Duration = Duration::from_secs(1);

/// How to run the engine.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Where the databases are.
    pub storage: Storage,
    /// The network to be part of.
    pub network: NetworkDescriptor,
    /// Bytes of envelopes held at most.
    pub mailbox_bytes_max: u64,
    /// Who counts.
    pub observer: Arc<dyn Observer>,
    /// Bytes of these that any one peer may bring.
    pub mailbox_peer_bytes_max: u64,
    /// The shards kept for the network; the user's is kept too.
    pub kept: ShardSet,
    /// Whether contacts' small files are fetched though nobody asked for them: their holders learn by that where the user's node is.
    pub fetches_unasked: bool,
    /// Whether depots are brought the user's files that are too large for mailboxes: they learn by that where the user's node is.
    pub deposits: bool,
    /// How often the engine is told that time has passed: [`TICK`], in simulations of days less.
    pub tick: Duration,
}
