//! Messages of before, which another device of the user's gives this one: they stand before all that came here, and count as
//! read. Positions of a linked device's conversations begin so high that there is room for them.

use martlet_protocol::MessageId;
use martlet_store::records::{
    MARKS, MESSAGE_INDEX, MESSAGES, MarksRecord, MessageAt, MessageRecord, UNKNOWN,
};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

use super::{Line, Timeline, put_index, received_key, writer};
use crate::conversation::{ConversationRef, Place};
use crate::kinds::{is_unknown, nothing};
use crate::limits::PAST_POSITION_MAX;

impl Timeline {
    /// Whether a conversation has room for messages of before: on a device that was linked, unless a build of before began it.
    pub(crate) fn has_room_for_past(&self, id: &ConversationRef) -> bool {
        let begins_after = self.get(id).map_or(self.begins_after, |record| record.last_position);
        begins_after >= PAST_POSITION_MAX
    }

    /// Puts a message of before in its place.
    pub(crate) fn put_past(
        &mut self,
        records: &mut VaultTxn,
        place: &Place,
        message: &MessageRecord,
        marks: &MarksRecord,
    ) -> Result<(), StoreError> {
        let Place { conversation: id, position } = *place;
        let key = Key::Scoped(&id.0, position);
        let conversation = self.get_mut(id);
        if !message.own {
            conversation.received += 1;
        }
        records.put(&MESSAGES, key, message)?;
        if message.is_marked {
            records.put(&MARKS, key, marks)?;
        }
        self.texts.note(place, message);
        if is_unknown(message) {
            records.put(&UNKNOWN, key, place)?;
        }
        put_index(records, message, &MessageAt { conversation: id, position })?;
        if let Some(author) = message.author.filter(|_| !message.own) {
            // It was told as lost, perhaps.
            self.note_found(&Line { conversation: id, device: author.device }, message.seq);
        }
        self.note_end(records, place, message)
    }

    /// A message came: if someone else told what it says, that goes, since it may have been made up. Whether it did.
    pub(super) fn gives_way(
        &mut self,
        records: &mut VaultTxn,
        id: &ConversationRef,
        message: &MessageRecord,
    ) -> Result<bool, StoreError> {
        let key = received_key(&writer(id, message), &message.id);
        let at: Option<MessageAt> = records.get(&MESSAGE_INDEX, Key::Named(&key))?;
        let Some(at) = at.filter(|at| at.conversation == *id) else { return Ok(false) };
        let place = Place { conversation: *id, position: at.position };
        let told = self.message(records, &place)?;
        let told = told.filter(|it| it.told_by.is_some() && !it.body.is_recalled());
        told.map_or(Ok(false), |told| self.end(records, &place, &told).map(|()| true))
    }

    /// Puts one that the user has not read anywhere at the end, as if it had come.
    pub(crate) fn append_past(
        &mut self,
        records: &mut VaultTxn,
        id: ConversationRef,
        message: &MessageRecord,
        marks: &MarksRecord,
    ) -> Result<Place, StoreError> {
        let place = self.append(records, id, message)?;
        if message.is_marked {
            records.put(&MARKS, Key::Scoped(&id.0, place.position), marks)?;
        }
        Ok(place)
    }

    /// What takes the turn of a message that came. `None` if the message came before; if it was only told of as one of before, what
    /// uses up its number.
    pub(crate) fn in_turn(
        &self,
        records: &VaultTxn,
        id: &ConversationRef,
        message: MessageRecord,
    ) -> Result<Option<MessageRecord>, StoreError> {
        let at = |message: &MessageRecord| -> Result<Option<MessageAt>, StoreError> {
            let key = received_key(&writer(id, message), &message.id);
            let key: &[u8] = if message.own { &message.id.0 } else { &key };
            records.get(&MESSAGE_INDEX, Key::Named(key))
        };
        let Some(known) = at(&message)? else { return Ok(Some(message)) };
        let is_due = message.author.is_some_and(|author| {
            message.seq >= self.due(&Line { conversation: *id, device: author.device })
        });
        if known.position == 0 || !is_due || !self.has_room_for_past(id) {
            return Ok(None);
        }
        // An id of its own, always the same.
        let message =
            nothing(MessageRecord { id: MessageId(message.id.0.map(|it| !it)), ..message });
        Ok(at(&message)?.is_none().then_some(message))
    }
}
