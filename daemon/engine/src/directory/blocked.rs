//! People the user blocked: to them it looks as if the user were away.
//!
//! Nothing of theirs is kept, answered or acknowledged. Their envelopes live in the mailbox as anyone's. Once they are
//! unblocked, what had arrived by then stays unread: an arrival number is remembered until all of that has ended.

use std::collections::BTreeMap;

use martlet_protocol::{Id, IdentityId, UnixMillis};
use martlet_store::records::{BLOCKED, BlockedRecord};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

use super::DirectoryError;
use crate::limits::{BLOCKED_MAX, DEAF_FOR};

/// Who is blocked, and who was of late.
pub(crate) struct Blocked(BTreeMap<IdentityId, BlockedRecord>);

impl Blocked {
    pub(super) fn load(records: &VaultTxn) -> Result<Self, StoreError> {
        let all = records.scan(&BLOCKED)?.into_iter();
        Ok(Self(all.map(|record| (record.identity, record)).collect()))
    }

    pub(crate) fn contains(&self, identity: &IdentityId) -> bool {
        self.0.get(identity).is_some_and(|record| record.deaf_until.is_none())
    }

    /// What is known of who is blocked.
    pub(crate) fn get(&self, identity: &IdentityId) -> Option<&BlockedRecord> {
        self.0.get(identity).filter(|record| record.deaf_until.is_none())
    }

    /// Those who are blocked, by identity.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &BlockedRecord> {
        self.0.values().filter(|record| record.deaf_until.is_none())
    }

    /// Whether what arrived under this number came while its sender was blocked.
    pub(crate) fn is_deaf_to(&self, identity: &IdentityId, arrival: u64) -> bool {
        self.0
            .get(identity)
            .and_then(|record| record.deaf_until)
            .is_some_and(|until| arrival <= until)
    }

    /// Whether there is room for another.
    pub(crate) fn check_room(&self) -> Result<(), DirectoryError> {
        if self.0.len() >= BLOCKED_MAX {
            return Err(DirectoryError::TooManyBlocked { max: BLOCKED_MAX });
        }
        Ok(())
    }

    /// Blocks who has this ID.
    pub(crate) fn add(
        &mut self,
        records: &mut VaultTxn,
        id: &Id,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let record = BlockedRecord {
            identity: id.identity,
            secret: id.secret.clone(),
            since: now,
            deaf_until: None,
            opening: 0,
        };
        records.put(&BLOCKED, Key::Named(&id.identity.0), &record)?;
        self.0.insert(id.identity, record);
        Ok(())
    }

    /// Unblocks: what arrived up to `arrival` in the mailbox's `opening` stays unread.
    pub(crate) fn lift(
        &mut self,
        records: &mut VaultTxn,
        identity: &IdentityId,
        (arrival, opening): (u64, u64),
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let Some(record) = self.0.get_mut(identity) else { return Ok(()) };
        (record.deaf_until, record.opening, record.since) = (Some(arrival), opening, now);
        records.put(&BLOCKED, Key::Named(&identity.0), record)
    }

    /// Arrival numbers mean something in the mailbox that they are of: `known` tells, of a number and an opening, up to
    /// which they still do.
    pub(crate) fn keep_known(&mut self, known: impl Fn(u64, u64) -> u64) {
        for record in self.0.values_mut() {
            record.deaf_until = record.deaf_until.map(|arrival| known(arrival, record.opening));
        }
    }

    /// Forgets who was unblocked so long ago that all they sent before has surely ended.
    pub(crate) fn forget_old(
        &mut self,
        records: &mut VaultTxn,
        sure: UnixMillis,
    ) -> Result<(), StoreError> {
        let is_over = |record: &&BlockedRecord| {
            record.deaf_until.is_some() && sure.since(record.since) > DEAF_FOR
        };
        let over: Vec<_> = self.0.values().filter(is_over).map(|record| record.identity).collect();
        for identity in over {
            records.delete(&BLOCKED, Key::Named(&identity.0))?;
            self.0.remove(&identity);
        }
        Ok(())
    }
}
