//! What becomes of messages after they were written: edits, reactions, and what the other side has read. And what of that
//! comes before its message.

use std::collections::HashMap;

use martlet_protocol::limits::TIMER_SECONDS_MAX;
use martlet_protocol::message::Timers;
use martlet_protocol::{IdentityId, MessageId, UnixMillis};
use martlet_store::records::{
    EARLY, EarlyDeed, EarlyRecord, MARKS, MESSAGE_INDEX, MESSAGES, MarksRecord, MessageAt,
    MessageRecord,
};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

use super::{Timeline, received_key};
use crate::conversation::{ConversationRef, Place};
use crate::kinds::{When, edit, reaction};
use crate::limits::{EARLY_BYTES_MAX, EARLY_KEPT, EARLY_MAX};
use crate::observer::Dropped;

/// Messages that one may have come before which it was written: nobody waits for so many.
const LATE_MAX: usize = 64;

/// For which messages something waits, by conversation.
pub(super) type Early = HashMap<ConversationRef, Vec<MessageId>>;

impl Timeline {
    /// What became of a message.
    pub(crate) fn marks(
        &self,
        records: &VaultTxn,
        place: &Place,
        message: &MessageRecord,
    ) -> Result<MarksRecord, StoreError> {
        if !message.is_marked {
            return Ok(MarksRecord::default());
        }
        let key = Key::Scoped(&place.conversation.0, place.position);
        Ok(records.get(&MARKS, key)?.unwrap_or_default())
    }

    /// Where a message is that this person wrote; `None` for the user.
    pub(crate) fn find_of(
        &self,
        records: &VaultTxn,
        id: &MessageId,
        writer: Option<&IdentityId>,
    ) -> Result<Option<Place>, StoreError> {
        let at: Option<MessageAt> = match writer {
            None => records.get(&MESSAGE_INDEX, Key::Named(&id.0))?,
            Some(writer) => records.get(&MESSAGE_INDEX, Key::Named(&received_key(writer, id)))?,
        };
        let place = at.map(|MessageAt { conversation, position }| Place { conversation, position });
        Ok(place.filter(|place| place.position > 0 && !self.is_removed(place)))
    }

    /// The timers of what is written now about a message: it is of use no longer than that.
    pub(crate) fn left(&self, message: &MessageRecord, now: UnixMillis) -> Timers {
        let end = message.timers.expires_at(message.sent_at);
        let left = end.map(|end| u32::try_from(end.since(now).as_secs()).unwrap_or(u32::MAX));
        Timers { expire_s: left.map(|left| left.clamp(1, TIMER_SECONDS_MAX)), burn_s: None }
    }

    /// Edits a message, by its writer; whether that changed something.
    pub(crate) fn edit(
        &mut self,
        records: &mut VaultTxn,
        place: &Place,
        when: When,
        text: &str,
    ) -> Result<bool, StoreError> {
        self.mark(records, place, |message, marks| edit::apply(message, marks, when, text))
    }

    /// Takes a reaction to a message; whether that changed what is shown.
    pub(crate) fn react(
        &mut self,
        records: &mut VaultTxn,
        place: &Place,
        by: IdentityId,
        when: When,
        emoji: Option<&str>,
    ) -> Result<bool, StoreError> {
        self.mark(records, place, |message, marks| {
            message.is_marked = true;
            reaction::apply(marks, by, when, emoji)
        })
    }

    pub(super) fn mark(
        &mut self,
        records: &mut VaultTxn,
        place: &Place,
        change: impl FnOnce(&mut MessageRecord, &mut MarksRecord) -> bool,
    ) -> Result<bool, StoreError> {
        let Some(mut message) = self.message(records, place)? else { return Ok(false) };
        if message.body.is_recalled() {
            return Ok(false);
        }
        let mut marks = self.marks(records, place, &message)?;
        let was_marked = message.is_marked;
        let said = message.body.clone();
        let is_changed = change(&mut message, &mut marks);
        let key = Key::Scoped(&place.conversation.0, place.position);
        if message.is_marked {
            records.put(&MARKS, key, &marks)?;
        }
        if message.is_marked != was_marked || message.body != said {
            records.put(&MESSAGES, key, &message)?;
            self.texts.note(place, &message);
        }
        Ok(is_changed)
    }

    /// The other side has read up to an own message; whether that is news.
    pub(crate) fn note_their_read(&mut self, place: &Place) -> bool {
        let known = self.get(&place.conversation).map_or(0, |record| record.their_read);
        if place.position <= known {
            return false;
        }
        self.get_mut(place.conversation).their_read = place.position;
        true
    }

    /// Whether the other side said that it read up to there.
    pub(crate) fn is_read_by_them(&self, place: &Place) -> bool {
        self.get(&place.conversation).is_some_and(|record| place.position <= record.their_read)
    }

    /// Of the last messages of others up to where the user has read, and after the position `after`: the one that was written
    /// last. It need not be the last here, where one was late.
    pub(crate) fn newest_read(
        &self,
        records: &VaultTxn,
        id: &ConversationRef,
        after: u64,
    ) -> Result<Option<MessageId>, StoreError> {
        let Some(read) = self.get(id).map(|record| record.read_position) else { return Ok(None) };
        let mut newest: Option<(u64, MessageId)> = None;
        let mut left = LATE_MAX;
        self.look_back(records, id, usize::MAX, |position, message| {
            if position > after && position <= read && !message.own {
                newest = newest.max(Some((message.seq, message.id)));
                left -= 1;
            }
            left > 0 && position > after
        })?;
        Ok(newest.map(|(_, id)| id))
    }

    /// Why nothing that is to be done with a message will ever be done: it was here, or was taken back before it came.
    /// `None` if it may still come.
    pub(crate) fn past(
        &self,
        records: &VaultTxn,
        id: &ConversationRef,
        writer: &IdentityId,
        target: &MessageId,
    ) -> Result<Option<Dropped>, StoreError> {
        let recalls = self.get(id).map(|record| &record.recalls[..]).unwrap_or_default();
        if recalls.iter().any(|recall| recall.id == *target) {
            return Ok(Some(Dropped::Recalled));
        }
        // One that is held back has the same place as one that is gone.
        if self.waits.keys().any(|line| line.conversation == *id) {
            return Ok(None);
        }
        let known = [target.0.to_vec(), received_key(writer, target).to_vec()];
        for key in known {
            let at: Option<MessageAt> = records.get(&MESSAGE_INDEX, Key::Named(&key))?;
            if at.is_some_and(|at| at.conversation == *id) {
                return Ok(Some(Dropped::Gone));
            }
        }
        Ok(None)
    }

    /// Something is to be done with a message that is not here: it waits. What is too much or too long is dropped: how
    /// many.
    pub(crate) fn wait_for_target(
        &mut self,
        records: &mut VaultTxn,
        id: ConversationRef,
        target: MessageId,
        deed: MessageRecord,
    ) -> Result<usize, StoreError> {
        let key = Key::Named(&id.0);
        let mut early: EarlyRecord = match records.get(&EARLY, key)? {
            Some(early) => early,
            None => EarlyRecord { conversation: id, deeds: Vec::new() },
        };
        early.deeds.retain(|known| known.deed.id != deed.id);
        early.deeds.push(EarlyDeed { target, deed });
        let mut dropped = 0;
        while early.deeds.len() > EARLY_MAX || bytes(&early) > EARLY_BYTES_MAX {
            early.deeds.remove(0);
            dropped += 1;
        }
        self.put_early(records, early)?;
        Ok(dropped)
    }

    /// What waited for a message that has come.
    pub(crate) fn take_early(
        &mut self,
        records: &mut VaultTxn,
        id: &ConversationRef,
        target: &MessageId,
    ) -> Result<Vec<MessageRecord>, StoreError> {
        if !self.early.get(id).is_some_and(|targets| targets.contains(target)) {
            return Ok(Vec::new());
        }
        let Some(mut early) = records.get(&EARLY, Key::Named(&id.0))? else {
            self.early.remove(id);
            return Ok(Vec::new());
        };
        let taken = early.deeds.extract_if(.., |waits| waits.target == *target);
        let taken = taken.map(|waits| waits.deed).collect();
        self.put_early(records, early)?;
        Ok(taken)
    }

    /// Whether something waits for messages of a conversation.
    pub(crate) fn has_early(&self, id: &ConversationRef) -> bool {
        self.early.contains_key(id)
    }

    /// Forgets what waited too long for its message: how many.
    pub(crate) fn forget_early(
        &mut self,
        records: &mut VaultTxn,
        sure: UnixMillis,
    ) -> Result<usize, StoreError> {
        let mut forgotten = 0;
        for id in self.early.keys().copied().collect::<Vec<_>>() {
            let Some(mut early) = records.get(&EARLY, Key::Named(&id.0))? else { continue };
            let before = early.deeds.len();
            early.deeds.retain(|waits| {
                sure.since(waits.deed.stored_at) <= EARLY_KEPT
                    && self.has_ended(&waits.deed).is_none()
            });
            if early.deeds.len() < before {
                forgotten += before - early.deeds.len();
                self.put_early(records, early)?;
            }
        }
        Ok(forgotten)
    }

    /// Nothing waits for messages of a conversation any more.
    pub(crate) fn drop_early(
        &mut self,
        records: &mut VaultTxn,
        id: &ConversationRef,
    ) -> Result<(), StoreError> {
        if self.early.remove(id).is_some() {
            records.delete(&EARLY, Key::Named(&id.0))?;
        }
        Ok(())
    }

    pub(super) fn load_early(&mut self, records: &VaultTxn) -> Result<(), StoreError> {
        records.for_each(&EARLY, |early| {
            self.early.insert(early.conversation, targets(&early));
        })
    }

    /// A message is gone, or has no content any more: what became of it goes with it.
    pub(super) fn forget_marks(
        &mut self,
        records: &mut VaultTxn,
        place: &Place,
        message: &mut MessageRecord,
    ) -> Result<(), StoreError> {
        if std::mem::take(&mut message.is_marked) {
            records.delete(&MARKS, Key::Scoped(&place.conversation.0, place.position))?;
        }
        Ok(())
    }

    fn put_early(&mut self, records: &mut VaultTxn, early: EarlyRecord) -> Result<(), StoreError> {
        let id = early.conversation;
        if early.deeds.is_empty() {
            return self.drop_early(records, &id);
        }
        records.put(&EARLY, Key::Named(&id.0), &early)?;
        self.early.insert(id, targets(&early));
        Ok(())
    }
}

fn targets(early: &EarlyRecord) -> Vec<MessageId> {
    early.deeds.iter().map(|waits| waits.target).collect()
}

fn bytes(early: &EarlyRecord) -> usize {
    early.deeds.iter().map(|waits| waits.deed.body.bytes()).sum()
}
