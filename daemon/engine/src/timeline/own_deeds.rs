//! Own messages that do something, on their way: each has a position, as the outbox wants it, and is no row of the
//! conversation. It is kept until it is delivered or its life ends.

use martlet_store::records::{Body, DEEDS, MessageRecord, State};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

use super::Timeline;
use crate::conversation::{ConversationRef, Place};

impl Timeline {
    /// Keeps an own message that does something until it is delivered.
    pub(crate) fn append_deed(
        &mut self,
        records: &mut VaultTxn,
        id: ConversationRef,
        deed: &MessageRecord,
    ) -> Result<Place, StoreError> {
        let conversation = self.get_mut(id);
        conversation.last_position += 1;
        let place = Place { conversation: id, position: conversation.last_position };
        records.put(&DEEDS, Key::Scoped(&id.0, place.position), deed)?;
        *self.own_deeds.entry(id).or_default() += 1;
        Ok(place)
    }

    /// Counts those that are on their way, without reading them.
    pub(super) fn load_own_deeds(&mut self, records: &VaultTxn) -> Result<(), StoreError> {
        if records.count(&DEEDS)? == 0 {
            return Ok(());
        }
        for id in self.conversations.keys() {
            let count = records.count_range(&DEEDS, Some(&id.0), 0..=u64::MAX)?;
            if count > 0 {
                self.own_deeds.insert(*id, count);
            }
        }
        Ok(())
    }

    /// How many own deeds are on their way but for those in one conversation.
    pub(crate) fn own_deeds_but_in(&self, but: &ConversationRef) -> usize {
        self.own_deeds.iter().filter(|(id, _)| *id != but).map(|(_, count)| count).sum()
    }

    fn delete_deed(&mut self, records: &mut VaultTxn, place: &Place) -> Result<(), StoreError> {
        let id = &place.conversation;
        if records.delete(&DEEDS, Key::Scoped(&id.0, place.position))?
            && let Some(count) = self.own_deeds.get_mut(id)
        {
            *count -= 1;
            if *count == 0 {
                self.own_deeds.remove(id);
            }
        }
        Ok(())
    }

    /// What is to be sent of an own place: a message, or something to do. A message that is sent for the first time says what
    /// it said first, its edits follow. (Who lost it is sent what it says now: edits are not sent again.)
    pub(crate) fn outgoing(
        &self,
        records: &VaultTxn,
        place: &Place,
    ) -> Result<Option<MessageRecord>, StoreError> {
        if let Some(mut message) = self.message(records, place)? {
            if message.state == State::Queued {
                let versions = self.marks(records, place, &message)?.versions;
                if let Some(original) = versions.into_iter().next() {
                    message.body = Body::Text(original.text);
                }
            }
            return Ok(Some(message));
        }
        if self.is_removed(place) && !self.is_clearing(&place.conversation) {
            return Ok(None);
        }
        records.get(&DEEDS, Key::Scoped(&place.conversation.0, place.position))
    }

    /// An own message got so far that is no row: one that does something is forgotten when that is the end.
    pub(super) fn advance_deed(
        &mut self,
        records: &mut VaultTxn,
        place: &Place,
        state: State,
    ) -> Result<(), StoreError> {
        match state {
            State::Queued | State::Sent => {}
            State::Delivered | State::Expired | State::Recalled => {
                self.delete_deed(records, place)?
            }
        }
        Ok(())
    }

    /// An own deed that is on its way, if there is one at a place.
    pub(crate) fn own_deed(
        &self,
        records: &VaultTxn,
        place: &Place,
    ) -> Result<Option<MessageRecord>, StoreError> {
        records.get(&DEEDS, Key::Scoped(&place.conversation.0, place.position))
    }

    /// Where own deeds of a conversation are that are on their way and that `which` says. One is in memory at a time.
    pub(crate) fn own_deeds(
        &self,
        records: &VaultTxn,
        id: &ConversationRef,
        which: impl Fn(u64, &MessageRecord) -> bool,
    ) -> Result<Vec<u64>, StoreError> {
        let mut found = Vec::new();
        records.for_each_readable(&DEEDS, Some(&id.0), 0..=u64::MAX, |position, deed| {
            found.extend(deed.filter(|deed| which(position, deed)).map(|_| position));
            true
        })?;
        Ok(found)
    }

    /// An own deed is not sent any more.
    pub(crate) fn end_deed(
        &mut self,
        records: &mut VaultTxn,
        place: &Place,
    ) -> Result<(), StoreError> {
        self.advance_deed(records, place, State::Recalled)
    }

    /// No own deed of a conversation is sent any more.
    pub(crate) fn forget_deeds(
        &mut self,
        records: &mut VaultTxn,
        id: ConversationRef,
    ) -> Result<(), StoreError> {
        self.remove_deeds(records, id, u64::MAX, usize::MAX).map(|_| ())
    }

    /// Removes at most `max` own deeds of a conversation up to a position; how many.
    pub(super) fn remove_deeds(
        &mut self,
        records: &mut VaultTxn,
        id: ConversationRef,
        up_to: u64,
        max: usize,
    ) -> Result<usize, StoreError> {
        let deeds = records.range_readable(&DEEDS, Some(&id.0), 0..=up_to, max)?;
        let found = deeds.len();
        for (position, _) in deeds {
            self.delete_deed(records, &Place { conversation: id, position })?;
        }
        Ok(found)
    }
}
