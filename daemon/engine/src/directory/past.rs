//! Messages of before: which of the user's devices may ask this one for them, and how far this one is with those that it takes.

use std::collections::BTreeMap;

use martlet_protocol::message::WantedLine;
use martlet_protocol::{DeviceId, IdentityId};
use martlet_store::records::{
    HISTORY_GIVEN, HISTORY_LINES, HISTORY_PAGES, HISTORY_TAKEN, HistoryGivenRecord,
    HistoryLineRecord, HistoryPageRecord, HistoryTakenRecord,
};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

/// What is given and taken of messages of before.
#[derive(Default)]
pub(crate) struct Past {
    given: BTreeMap<DeviceId, HistoryGivenRecord>,
    taken: Option<HistoryTakenRecord>,
    lines: BTreeMap<IdentityId, HistoryLineRecord>,
    was_looked_at: bool,
}

impl Past {
    pub(super) fn load(records: &VaultTxn) -> Result<Self, StoreError> {
        let mut past =
            Self { taken: records.get(&HISTORY_TAKEN, Key::Named(b""))?, ..Self::default() };
        records.for_each(&HISTORY_GIVEN, |given| {
            past.given.insert(given.device, given);
        })?;
        records.for_each(&HISTORY_LINES, |line| {
            past.lines.insert(line.conversation, line);
        })?;
        Ok(past)
    }

    /// The devices that may ask.
    pub(crate) fn all_given(&self) -> impl Iterator<Item = &HistoryGivenRecord> {
        self.given.values()
    }

    /// What a device may ask for.
    pub(crate) fn given(&self, device: &DeviceId) -> Option<&HistoryGivenRecord> {
        self.given.get(device)
    }

    /// A device may ask, or was given something.
    pub(crate) fn put_given(
        &mut self,
        records: &mut VaultTxn,
        given: HistoryGivenRecord,
    ) -> Result<(), StoreError> {
        records.put(&HISTORY_GIVEN, Key::Named(&given.device.0), &given)?;
        self.given.insert(given.device, given);
        Ok(())
    }

    /// A device may ask no more.
    pub(crate) fn end_given(
        &mut self,
        records: &mut VaultTxn,
        device: &DeviceId,
    ) -> Result<(), StoreError> {
        self.given.remove(device);
        records.delete(&HISTORY_GIVEN, Key::Named(&device.0)).map(drop)
    }

    /// How far this device is.
    pub(crate) fn taken(&self) -> Option<&HistoryTakenRecord> {
        self.taken.as_ref()
    }

    /// Something was asked for, or has come.
    pub(crate) fn put_taken(
        &mut self,
        records: &mut VaultTxn,
        taken: HistoryTakenRecord,
    ) -> Result<(), StoreError> {
        records.put(&HISTORY_TAKEN, Key::Named(b""), &taken)?;
        self.taken = Some(taken);
        Ok(())
    }

    /// How far it is with one conversation.
    pub(crate) fn line(&self, conversation: &IdentityId) -> Option<&HistoryLineRecord> {
        self.lines.get(conversation)
    }

    /// Conversations of which more is to be asked for.
    pub(crate) fn lines_left(&self) -> usize {
        self.lines.values().filter(|line| !line.is_done).count()
    }

    /// What to ask for next: those first of which least has come.
    pub(crate) fn wanted(&self, max: usize) -> Vec<WantedLine> {
        let mut left: Vec<_> = self.lines.values().filter(|line| !line.is_done).collect();
        left.sort_by_key(|line| std::cmp::Reverse(line.position));
        let wanted = |line: &HistoryLineRecord| {
            let HistoryLineRecord { conversation, before, .. } = *line;
            WantedLine { conversation, before }
        };
        left.into_iter().take(max).map(wanted).collect()
    }

    /// One conversation is so far.
    pub(crate) fn put_line(
        &mut self,
        records: &mut VaultTxn,
        line: HistoryLineRecord,
    ) -> Result<(), StoreError> {
        records.put(&HISTORY_LINES, Key::Named(&line.conversation.0), &line)?;
        self.lines.insert(line.conversation, line);
        Ok(())
    }

    /// The user has removed or cleared a conversation: nothing of before comes into it.
    pub(crate) fn close_line(
        &mut self,
        records: &mut VaultTxn,
        conversation: &IdentityId,
    ) -> Result<(), StoreError> {
        if self.taken.is_none() {
            return Ok(());
        }
        let conversation = *conversation;
        let closed = HistoryLineRecord { conversation, before: None, position: 0, is_done: true };
        self.put_line(records, closed)
    }

    /// A page came before an earlier one.
    pub(crate) fn keep_page(
        &self,
        records: &mut VaultTxn,
        number: u8,
        page: Vec<u8>,
    ) -> Result<(), StoreError> {
        records.put(&HISTORY_PAGES, Key::Ordinal(number.into()), &HistoryPageRecord { page })
    }

    /// The page with this number, if it came before.
    pub(crate) fn take_page(
        &self,
        records: &mut VaultTxn,
        number: u8,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let key = Key::Ordinal(number.into());
        let Some(kept) = records.get(&HISTORY_PAGES, key)? else { return Ok(None) };
        records.delete(&HISTORY_PAGES, key)?;
        Ok(Some(kept.page))
    }

    /// No more is taken.
    pub(crate) fn end_taken(&mut self, records: &mut VaultTxn) -> Result<(), StoreError> {
        self.taken = None;
        records.delete(&HISTORY_TAKEN, Key::Named(b""))?;
        for conversation in std::mem::take(&mut self.lines).into_keys() {
            records.delete(&HISTORY_LINES, Key::Named(&conversation.0))?;
        }
        self.forget_pages(records)
    }

    /// Whether this is asked for the first time since the vault was opened.
    pub(crate) fn is_first_look(&mut self) -> bool {
        !std::mem::replace(&mut self.was_looked_at, true)
    }

    /// None of the pages that came is of use.
    pub(crate) fn forget_pages(&self, records: &mut VaultTxn) -> Result<(), StoreError> {
        records.delete_range(&HISTORY_PAGES, None, 0..=u64::from(u8::MAX)).map(drop)
    }
}
