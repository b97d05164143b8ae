//! Unknown people whose request the user dropped: they stay dropped until they are added.

use std::collections::BTreeMap;

use crate::limits::DROPPED_MAX;
use martlet_protocol::{IdentityId, UnixMillis};
use martlet_store::records::{DROPPED, DroppedRecord};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

/// Who was dropped, and when.
pub(crate) struct Dropped(BTreeMap<IdentityId, UnixMillis>);

impl Dropped {
    pub(super) fn load(records: &VaultTxn) -> Result<Self, StoreError> {
        let dropped = records.scan(&DROPPED)?.into_iter();
        Ok(Self(dropped.map(|record| (record.identity, record.dropped_at)).collect()))
    }

    pub(crate) fn contains(&self, identity: &IdentityId) -> bool {
        self.0.contains_key(identity)
    }

    /// Remembers who was dropped; of too many the one who was dropped first is forgotten.
    pub(crate) fn add(
        &mut self,
        records: &mut VaultTxn,
        identity: IdentityId,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        if self.0.len() >= DROPPED_MAX
            && let Some((oldest, _)) = self.0.iter().min_by_key(|(_, at)| **at)
        {
            let oldest = *oldest;
            self.remove(records, &oldest)?;
        }
        let record = DroppedRecord { identity, dropped_at: now };
        records.put(&DROPPED, Key::Named(&identity.0), &record)?;
        self.0.insert(identity, now);
        Ok(())
    }

    /// Forgets that someone was dropped; whether they were.
    pub(crate) fn remove(
        &mut self,
        records: &mut VaultTxn,
        identity: &IdentityId,
    ) -> Result<bool, StoreError> {
        let was_dropped = self.0.remove(identity).is_some();
        if was_dropped {
            records.delete(&DROPPED, Key::Named(&identity.0))?;
        }
        Ok(was_dropped)
    }
}
