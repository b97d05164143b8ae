//! Own messages of whose progress the user's other devices are to be told.
//!
//! In the vault from the commit with which they got on: whatever is killed or locked before it is told, it is told later.

use std::collections::BTreeSet;

use martlet_store::records::{Place, UNTOLD_PROGRESS, UntoldProgressRecord};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

use crate::limits::{PROGRESS_PER_TICK_MAX, PROGRESS_UNTOLD_MAX};

/// Own messages that got on, by the numbers under which they are kept: from the first to before the next.
#[derive(Default)]
pub(crate) struct UntoldProgress {
    first: u64,
    next: u64,
}

impl UntoldProgress {
    pub(super) fn load(records: &VaultTxn) -> Result<Self, StoreError> {
        let first = records.range(&UNTOLD_PROGRESS, None, 0..=u64::MAX, 1)?;
        let last = records.range_rev(&UNTOLD_PROGRESS, None, 0..=u64::MAX, 1)?;
        Ok(match (first.first(), last.first()) {
            (Some((first, _)), Some((last, _))) => Self { first: *first, next: *last + 1 },
            _ => Self::default(),
        })
    }

    /// An own message got on.
    pub(crate) fn note(&mut self, records: &mut VaultTxn, place: Place) -> Result<(), StoreError> {
        records.put(&UNTOLD_PROGRESS, Key::Ordinal(self.next), &UntoldProgressRecord { place })?;
        self.next += 1;
        let first = self.next.saturating_sub(PROGRESS_UNTOLD_MAX);
        while self.first < first {
            records.delete(&UNTOLD_PROGRESS, Key::Ordinal(self.first))?;
            self.first += 1;
        }
        Ok(())
    }

    /// Whether there is anything to tell.
    pub(crate) fn is_empty(&self) -> bool {
        self.first == self.next
    }

    /// Takes what one tick may tell, each once. What is left is for the next one.
    pub(crate) fn take_some(
        &mut self,
        records: &mut VaultTxn,
    ) -> Result<BTreeSet<Place>, StoreError> {
        if self.is_empty() {
            return Ok(BTreeSet::new());
        }
        let all = self.first..=self.next;
        let found = records.range(&UNTOLD_PROGRESS, None, all, PROGRESS_PER_TICK_MAX)?;
        self.first = found.last().map_or(self.next, |(number, _)| number + 1);
        for (number, _) in &found {
            records.delete(&UNTOLD_PROGRESS, Key::Ordinal(*number))?;
        }
        Ok(found.into_iter().map(|(_, record)| record.place).collect())
    }

    /// Nobody is to be told.
    pub(crate) fn clear(&mut self, records: &mut VaultTxn) -> Result<(), StoreError> {
        if !self.is_empty() {
            records.delete_range(&UNTOLD_PROGRESS, None, self.first..=self.next)?;
            self.first = self.next;
        }
        Ok(())
    }
}
