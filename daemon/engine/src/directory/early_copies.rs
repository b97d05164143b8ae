//! Copies of what the user sent or read on another device, in conversations with who is no contact here yet.
//!
//! A new device is told first what is sent, and some seconds later whom the user knows; and deeds come in any order. So
//! these wait for the contact, in the order in which they came.

use std::collections::{BTreeMap, BTreeSet};

use martlet_protocol::{IdentityId, UnixMillis};
use martlet_store::records::{EARLY_COPIES, EarlyCopyRecord, MessageRecord};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

use crate::limits::{EARLY_COPIES_BYTES_MAX, EARLY_COPIES_KEPT, EARLY_COPIES_MAX};

/// Copies that wait for their contact.
#[derive(Default)]
pub(crate) struct EarlyCopies {
    waiting: BTreeMap<u64, Waiting>,
    of: BTreeMap<IdentityId, BTreeSet<u64>>,
    bytes: usize,
    last: u64,
}

#[derive(Clone, Copy)]
struct Waiting {
    conversation: IdentityId,
    bytes: usize,
    stored_at: UnixMillis,
    at: UnixMillis,
}

impl EarlyCopies {
    pub(super) fn load(records: &VaultTxn) -> Result<Self, StoreError> {
        let mut copies = Self::default();
        for (number, record) in records.range(&EARLY_COPIES, None, 0..=u64::MAX, usize::MAX)? {
            copies.insert(number, &record);
        }
        Ok(copies)
    }

    /// Has a copy wait; how many of the oldest found no room any more.
    pub(crate) fn add(
        &mut self,
        records: &mut VaultTxn,
        record: &EarlyCopyRecord,
    ) -> Result<usize, StoreError> {
        let number = self.last + 1;
        records.put(&EARLY_COPIES, Key::Ordinal(number), record)?;
        self.insert(number, record);
        let mut dropped = 0;
        while self.waiting.len() > EARLY_COPIES_MAX || self.bytes > EARLY_COPIES_BYTES_MAX {
            let Some(oldest) = self.waiting.keys().next().copied() else { break };
            self.remove(records, oldest)?;
            dropped += 1;
        }
        Ok(dropped)
    }

    /// Whether any wait of a conversation.
    pub(crate) fn has(&self, conversation: &IdentityId) -> bool {
        self.of.contains_key(conversation)
    }

    /// Of whom some wait.
    pub(crate) fn conversations(&self) -> impl Iterator<Item = &IdentityId> {
        self.of.keys()
    }

    /// Takes the first of a conversation.
    pub(crate) fn take_first(
        &mut self,
        records: &mut VaultTxn,
        conversation: &IdentityId,
    ) -> Result<Option<MessageRecord>, StoreError> {
        let first = self.of.get(conversation).and_then(|numbers| numbers.first().copied());
        let Some(number) = first else { return Ok(None) };
        let record = records.get(&EARLY_COPIES, Key::Ordinal(number))?;
        self.remove(records, number)?;
        Ok(record.map(|record| record.deed))
    }

    /// Forgets those of a conversation that were sent or read up to a time: the user removed the contact then.
    pub(crate) fn forget_of(
        &mut self,
        records: &mut VaultTxn,
        conversation: &IdentityId,
        up_to: UnixMillis,
    ) -> Result<(), StoreError> {
        let numbers = self.of.get(conversation).into_iter().flatten().copied();
        let is_before = |number: &u64| self.waiting.get(number).is_some_and(|it| it.at <= up_to);
        let gone: Vec<_> = numbers.filter(is_before).collect();
        gone.into_iter().try_for_each(|number| self.remove(records, number))
    }

    /// Forgets those that waited for too long: how many.
    pub(crate) fn forget_old(
        &mut self,
        records: &mut VaultTxn,
        sure: UnixMillis,
    ) -> Result<usize, StoreError> {
        let is_old = |it: &Waiting| sure.since(it.stored_at) > EARLY_COPIES_KEPT;
        let old: Vec<_> =
            self.waiting.iter().filter(|(_, it)| is_old(it)).map(|(number, _)| *number).collect();
        old.iter().try_for_each(|number| self.remove(records, *number))?;
        Ok(old.len())
    }

    fn insert(&mut self, number: u64, record: &EarlyCopyRecord) {
        let EarlyCopyRecord { conversation, at, deed } = record;
        let bytes = deed.body.bytes();
        let (conversation, stored_at, at) = (*conversation, deed.stored_at, *at);
        self.waiting.insert(number, Waiting { conversation, bytes, stored_at, at });
        self.of.entry(conversation).or_default().insert(number);
        self.bytes += bytes;
        self.last = self.last.max(number);
    }

    fn remove(&mut self, records: &mut VaultTxn, number: u64) -> Result<(), StoreError> {
        let Some(Waiting { conversation, bytes, .. }) = self.waiting.remove(&number) else {
            return Ok(());
        };
        records.delete(&EARLY_COPIES, Key::Ordinal(number))?;
        self.bytes -= bytes;
        if let Some(numbers) = self.of.get_mut(&conversation) {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.of.remove(&conversation);
            }
        }
        Ok(())
    }
}
