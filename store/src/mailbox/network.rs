//! What the envelopes of a mailbox were checked for.
//!
//! In another network, or once the descriptor asks for more, no neighbour would take them, and whoever offered them
//! would be cut off as hostile. It stands in the mailbox itself, so that no copy of the one is found beside the
//! other.

use martlet_protocol::NetworkTag;
use martlet_protocol::network::NetworkDescriptor;
use redb::{ReadTransaction, WriteTransaction};

use super::tables::META;
use crate::error::StoreError;
use crate::schema::Meta;

/// In `meta`: network tag 8 ‖ shard bits 1 ‖ stamp bits 1.
const NETWORK_KEY: &[u8] = b"network";

/// What of a network an envelope is checked against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckedFor {
    /// The network.
    pub network: NetworkTag,
    /// 2^n shards.
    pub shard_bits: u8,
    /// Work for each envelope.
    pub stamp_bits: u8,
}

impl CheckedFor {
    /// What this network asks for.
    #[must_use]
    pub fn of(network: &NetworkDescriptor) -> Self {
        let NetworkDescriptor { shard_bits, stamp_bits, .. } = *network;
        Self { network: network.tag(), shard_bits, stamp_bits }
    }

    /// Whether what was checked for this is good for the other.
    #[must_use]
    pub fn serves(&self, other: &Self) -> bool {
        self.network == other.network
            && self.shard_bits == other.shard_bits
            && self.stamp_bits >= other.stamp_bits
    }

    pub(super) fn read(snapshot: &ReadTransaction) -> Result<Option<Self>, StoreError> {
        let meta = snapshot.open_table(Meta::new(META)).map_err(StoreError::failed)?;
        let Some(found) = meta.get(NETWORK_KEY).map_err(StoreError::failed)? else {
            return Ok(None);
        };
        match *found.value() {
            [ref tag @ .., shard_bits, stamp_bits] if tag.len() == 8 => {
                let mut network = NetworkTag([0; 8]);
                network.0.copy_from_slice(tag);
                Ok(Some(Self { network, shard_bits, stamp_bits }))
            }
            _ => Err(StoreError::Record { table: META }),
        }
    }

    pub(super) fn write(&self, transaction: &WriteTransaction) -> Result<(), StoreError> {
        let mut bytes = self.network.0.to_vec();
        bytes.extend_from_slice(&[self.shard_bits, self.stamp_bits]);
        let mut meta = transaction.open_table(Meta::new(META)).map_err(StoreError::failed)?;
        meta.insert(NETWORK_KEY, bytes.as_slice()).map_err(StoreError::failed)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_bits_serve_and_more_do_not() {
        let label = |stamp_bits| {
            CheckedFor::of(&NetworkDescriptor { stamp_bits, ..NetworkDescriptor::default() })
        };
        assert!(label(8).serves(&label(8)) && label(8).serves(&label(4)));
        assert!(!label(8).serves(&label(9)));
        let boat = NetworkDescriptor { name: "boat".into(), ..NetworkDescriptor::default() };
        assert!(!CheckedFor::of(&boat).serves(&label(0)));
    }
}
