//! What the configuration says of what a node keeps for others.

use martlet_protocol::Shard;

use super::Settings;
use crate::limits::SHARDS_KEPT_DEFAULT;

/// Which shards a full node keeps, and how much of large files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeepsConfig {
    /// Shards that it keeps whatever its peer id.
    pub shards: Vec<Shard>,
    /// How many it keeps by its peer id.
    pub shard_count: u16,
    /// Bytes of others' large files kept at most, for who is away; 0 for none.
    pub depot_bytes: u64,
}

impl KeepsConfig {
    /// As `settings` have it.
    pub(super) fn of(settings: &Settings) -> Self {
        let shards: Vec<_> = settings.shards.iter().flatten().copied().map(Shard).collect();
        // Who names shards means these.
        let count = if shards.is_empty() { SHARDS_KEPT_DEFAULT } else { 0 };
        Self {
            shards,
            shard_count: settings.shard_count.unwrap_or(count),
            depot_bytes: settings.depot_bytes.unwrap_or(0),
        }
    }
}
