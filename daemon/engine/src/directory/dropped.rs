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

    /// When someone was dropped, if they were.
    pub(crate) fn at(&self, identity: &IdentityId) -> Option<UnixMillis> {
        self.0.get(identity).copied()
    }

    /// Those who were dropped.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &IdentityId> {
        self.0.keys()
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::path::Path;
    use std::time::Duration;

    use martlet_store::Vault;
    use martlet_store::memory::MemoryFile;
    use martlet_store::vault::keyfile::KeyFile;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    fn person(number: usize) -> IdentityId {
        let mut identity = [0; 32];
        // The first who was dropped is not the first by its bytes.
        identity[..8].copy_from_slice(&(u64::MAX - number as u64).to_be_bytes());
        IdentityId(identity)
    }

    #[test]
    fn of_too_many_who_was_dropped_first_is_forgotten() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let (_, key) = KeyFile::make(Path::new("(memory)"), None, &mut rng).unwrap();
        let (file, keys) = <(MemoryFile, MemoryFile)>::default();
        let vault = Vault::with_backend(file, keys, &key, 1 << 20).unwrap();
        let mut records = vault.begin([7; 32]).unwrap();
        let mut dropped = Dropped::load(&records).unwrap();
        for number in 0..DROPPED_MAX + 2 {
            let now = UnixMillis(0).plus(Duration::from_secs(number as u64));
            dropped.add(&mut records, person(number), now).unwrap();
        }
        for dropped in [dropped, Dropped::load(&records).unwrap()] {
            assert_eq!(dropped.0.len(), DROPPED_MAX);
            let is_known = |number| dropped.contains(&person(number));
            assert_eq!([0, 1, 2, DROPPED_MAX + 1].map(is_known), [false, false, true, true]);
        }
    }
}
