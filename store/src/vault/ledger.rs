//! The ledger: what the vault knows of its erasable keys and of shreds, in clear in its meta table.
//!
//! It changes in the same transaction as the records that it is about. It names no key and no content: numbers of
//! buckets, and when they changed.

use martlet_protocol::{UnixMillis, codec};
use redb::{ReadTransaction, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::META;
use super::buckets::{Bucket, BucketSet};
use super::erasable::Head;
use crate::error::StoreError;
use crate::schema::Meta;

const LEDGER_KEY: &[u8] = b"erasure";

/// The layout before erasable keys.
const LAST_WITHOUT: u32 = 2;

/// See the module. Fields are numbered by their order: new ones go last, with `#[serde(default)]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ledger {
    /// The epoch of the keys; 0: there are none yet, for nothing was ever written.
    pub(super) epoch: u64,
    /// The shred's last change of the keys is under way: they may still be those of the epoch before, next keys included.
    pub(super) is_promoting: bool,
    /// What is left of the layout before erasable keys.
    pub(super) old: Old,
    /// Buckets of which a record was deleted or overwritten since they got their key.
    pub(super) stale: BucketSet,
    /// Buckets of the shred under way.
    pub(super) shredding: BucketSet,
    /// How far the shred under way has looked.
    pub(super) cursor: Option<Cursor>,
    /// Records that the shred under way, else the last one, sealed anew.
    pub(super) resealed: u64,
    /// Bytes of records that the shred under way saw, else those that there were at the last one.
    pub(super) live_bytes: u64,
    /// When the last shred was done; 0: never.
    pub(super) finished_at: UnixMillis,
    /// Whether the file is some times larger than its records, and is to be written anew.
    pub(super) is_worth_rewriting: bool,
}

/// Records sealed under a key that derives from the master key and so can't be erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Old {
    /// There are none.
    None,
    /// In free pages of the file.
    InFreePages,
    /// Live ones.
    Live,
}

/// The last record looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    pub(super) table: String,
    #[serde(with = "serde_bytes")]
    pub(super) key: [u8; 32],
}

impl Ledger {
    /// Of an empty vault, or of one of an older layout.
    pub(super) fn new(old: Old) -> Self {
        Self {
            epoch: 0,
            is_promoting: false,
            old,
            stale: BucketSet::NONE,
            shredding: BucketSet::NONE,
            cursor: None,
            resealed: 0,
            live_bytes: 0,
            finished_at: UnixMillis(0),
            is_worth_rewriting: false,
        }
    }

    /// Of a vault at this version of the layout; `None` for the newest.
    pub(super) fn read(
        snapshot: &ReadTransaction,
        version: Option<u32>,
    ) -> Result<Self, StoreError> {
        let meta = snapshot.open_table(Meta::new(META)).map_err(StoreError::failed)?;
        let Some(found) = meta.get(LEDGER_KEY).map_err(StoreError::failed)? else {
            let is_old = version.is_some_and(|version| version <= LAST_WITHOUT);
            return Ok(Self::new(if is_old { Old::Live } else { Old::None }));
        };
        let bytes = found.value();
        codec::decode_lenient(bytes, bytes.len()).map_err(|_| StoreError::Record { table: META })
    }

    pub(super) fn write(&self, transaction: &WriteTransaction) -> Result<(), StoreError> {
        let mut meta = transaction.open_table(Meta::new(META)).map_err(StoreError::failed)?;
        meta.insert(LEDGER_KEY, codec::encode(self).as_slice()).map_err(StoreError::failed)?;
        Ok(())
    }

    /// Notes that a record of a bucket went, or gave way to another.
    pub(super) fn note_ended(&mut self, bucket: Bucket) {
        self.stale.insert(bucket);
    }

    /// Buckets whose keys wait to be changed.
    pub(super) fn waiting(&self) -> usize {
        if self.old == Old::Live {
            return BucketSet::ALL.len();
        }
        self.stale.union(&self.shredding).len()
    }

    /// Whether a shred is under way.
    pub(super) fn is_shredding(&self) -> bool {
        !self.shredding.is_empty()
    }

    /// Whether keys that say this in clear are those of this vault as it is now. A crash may leave them a step ahead
    /// where a shred begins, or a step behind where it ends; nothing else does.
    pub(super) fn fits(&self, head: &Head) -> bool {
        let is_ahead = head.epoch == self.epoch.saturating_add(1) && head.is_pending;
        let is_behind = head.epoch.checked_add(1) == Some(self.epoch) && head.is_pending;
        match (self.epoch, self.is_promoting) {
            // Made by a commit that failed.
            (0, _) => head.epoch <= 1,
            (epoch, false) => head.epoch == epoch || is_ahead,
            (epoch, true) => (head.epoch == epoch && !head.is_pending) || is_behind,
        }
    }
}
