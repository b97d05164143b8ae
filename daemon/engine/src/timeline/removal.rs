//! Removal: a conversation's messages go a part at a time, however many there are.
//!
//! They are gone at once as far as anyone asks: what is not removed yet is hidden. What is still to be done is in the
//! vault, and goes on after a start.

use martlet_protocol::IdentityId;
use martlet_store::records::{
    HELD, HeldRecord, MARKS, MESSAGES, REMOVALS, RemovalRecord, UNBURNT, UNKNOWN,
};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

use super::order::Line;
use super::{Timeline, delete_index};
use crate::conversation::{ConversationRef, Place, person};

impl Timeline {
    /// The removals that were under way when the vault was closed.
    pub(super) fn load_removals(&mut self, records: &VaultTxn) -> Result<(), StoreError> {
        let removals = records.scan(&REMOVALS)?.into_iter();
        self.removals = removals.map(|removal| (removal.conversation, removal)).collect();
        Ok(())
    }

    /// Begins to remove a conversation's messages. Its counters stay: if the two talk again, the other side still
    /// expects the next number. Up to which position they go.
    pub(crate) fn begin_removal(
        &mut self,
        records: &mut VaultTxn,
        id: ConversationRef,
    ) -> Result<u64, StoreError> {
        let lines = self.forget_lines(id);
        self.begin(records, id, &lines, false)
    }

    /// Begins to remove a conversation's messages, those that are held back as well; what is on its way goes on.
    pub(crate) fn begin_forgetting(
        &mut self,
        records: &mut VaultTxn,
        id: ConversationRef,
    ) -> Result<u64, StoreError> {
        let lines = self.forget_lines(id);
        self.begin(records, id, &lines, true)
    }

    fn forget_lines(&mut self, id: ConversationRef) -> Vec<Line> {
        let lines = self.waits.keys().filter(|line| line.conversation == id);
        let lines: Vec<_> = lines.copied().collect();
        lines.iter().for_each(|line| self.forget_wait(line));
        self.get_mut(id).recalls.clear();
        lines
    }

    /// Begins to remove a conversation's messages, though it goes on: what is held back will be shown.
    pub(crate) fn begin_clearing(
        &mut self,
        records: &mut VaultTxn,
        id: ConversationRef,
    ) -> Result<u64, StoreError> {
        self.begin(records, id, &[], true)
    }

    fn begin(
        &mut self,
        records: &mut VaultTxn,
        id: ConversationRef,
        lines: &[Line],
        stays: bool,
    ) -> Result<u64, StoreError> {
        let conversation = self.get_mut(id);
        conversation.unread = 0;
        conversation.received = 0;
        conversation.read_position = conversation.last_position;
        conversation.lost.clear();
        let up_to = conversation.last_position;
        // What a removal before this one left goes with it.
        let removal = self.removals.entry(id).or_insert_with(|| RemovalRecord {
            conversation: id,
            up_to,
            devices: Vec::new(),
            stays,
        });
        removal.up_to = up_to;
        removal.stays = stays;
        removal.devices.extend(lines.iter().map(|line| line.device));
        records.put(&REMOVALS, Key::Named(&id.0), removal)?;
        self.texts.forget_up_to(&id, up_to);
        self.drop_early(records, &id)?;
        Ok(up_to)
    }

    /// With whom the conversations are whose removal is under way, and up to which position they go.
    pub(crate) fn removals(&self) -> impl Iterator<Item = (IdentityId, u64)> {
        self.removals.values().map(|removal| (person(&removal.conversation), removal.up_to))
    }

    /// Whether a conversation's messages are being removed, and it goes on.
    pub(crate) fn is_clearing(&self, id: &ConversationRef) -> bool {
        self.removals.get(id).is_some_and(|removal| removal.stays)
    }

    /// Whether there is nothing at a place any more, as far as anyone may know.
    pub(crate) fn is_removed(&self, place: &Place) -> bool {
        place.position <= self.removed_up_to(&place.conversation)
    }

    /// The last position whose message is removed, or is being removed.
    pub(super) fn removed_up_to(&self, id: &ConversationRef) -> u64 {
        self.removals.get(id).map_or(0, |removal| removal.up_to)
    }

    /// Whether what a device wrote and is held back is being removed.
    pub(super) fn is_line_removed(&self, line: &Line) -> bool {
        let removal = self.removals.get(&line.conversation);
        removal.is_some_and(|removal| removal.devices.contains(&line.device))
    }

    /// Removes at most `max` messages of a conversation whose removal is under way; how many. With fewer than `max`
    /// it is done.
    pub(crate) fn remove_some(
        &mut self,
        records: &mut VaultTxn,
        id: ConversationRef,
        max: usize,
    ) -> Result<usize, StoreError> {
        let mut removed = self.remove_held(records, id, max)?;
        let removal = self.removals.get(&id).map(|removal| (removal.up_to, removal.stays));
        let Some((up_to, stays)) = removal else {
            return Ok(removed);
        };
        if !stays {
            removed += self.remove_deeds(records, id, up_to, max - removed)?;
        }
        let left = max - removed;
        let messages = records.range_readable(&MESSAGES, Some(&id.0), 0..=up_to, left)?;
        let found = messages.len();
        for (position, message) in messages {
            if let Some(message) = message {
                if stays && !message.own && self.may_come_again(message.stored_at) {
                    self.remember_id(records, id, &message)?;
                } else {
                    delete_index(records, &id, &message)?;
                }
            }
            records.delete(&MESSAGES, Key::Scoped(&id.0, position))?;
            records.delete(&UNKNOWN, Key::Scoped(&id.0, position))?;
            records.delete(&MARKS, Key::Scoped(&id.0, position))?;
            self.forget_file(records, &Place { conversation: id, position })?;
            records.delete(&UNBURNT, Key::Scoped(&id.0, position))?;
        }
        if found < left {
            self.removals.remove(&id);
            records.delete(&REMOVALS, Key::Named(&id.0))?;
        }
        Ok(removed + found)
    }

    /// Removes at most `max` of the numbers held back of a conversation whose removal is under way; how many. With
    /// fewer than `max` none is left.
    pub(crate) fn remove_held(
        &mut self,
        records: &mut VaultTxn,
        id: ConversationRef,
        max: usize,
    ) -> Result<usize, StoreError> {
        let mut removed = 0;
        while removed < max
            && let Some(removal) = self.removals.get_mut(&id)
            && let Some(device) = removal.devices.last()
        {
            let scope = Line { conversation: id, device: *device }.scope();
            let left = max - removed;
            let held = records.range_readable(&HELD, Some(&scope), 0..=u64::MAX, left)?;
            if held.len() < left {
                removal.devices.pop();
                records.put(&REMOVALS, Key::Named(&id.0), removal)?;
            }
            removed += held.len();
            for (number, held) in held {
                for message in held.iter().flat_map(HeldRecord::messages) {
                    delete_index(records, &id, message)?;
                }
                records.delete(&HELD, Key::Scoped(&scope, number))?;
            }
        }
        Ok(removed)
    }
}
