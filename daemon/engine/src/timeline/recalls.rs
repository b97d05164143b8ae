//! Recalls: a message's writer takes it back. Of a message that is here, a place without content stays. One that comes
//! after its recall is not shown at all.

use martlet_protocol::{IdentityId, MessageId};
use martlet_store::records::{
    Body, MESSAGE_INDEX, MESSAGES, MessageRecord, PendingRecall, State, UNKNOWN,
};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

use super::{Timeline, received_key, writer};
use crate::conversation::{ConversationRef, Place};
use crate::limits::RECALLS_PENDING_MAX;

impl Timeline {
    /// `author` takes back a message of theirs, or a moderator of its room does; whether there was something to take.
    pub(crate) fn recall(
        &mut self,
        records: &mut VaultTxn,
        own: &IdentityId,
        conversation: ConversationRef,
        (author, by): (IdentityId, Option<IdentityId>),
        id: MessageId,
    ) -> Result<bool, StoreError> {
        let at = records.get(&MESSAGE_INDEX, Key::Named(&received_key(&author, &id)))?;
        let Some(at) = at else {
            self.await_recalled(records, own, conversation, author, id)?;
            return Ok(false);
        };
        if at.position == 0 {
            // It is gone, or still held back, behind others.
            if self.waits.keys().any(|line| line.conversation == conversation) {
                self.await_recalled(records, own, conversation, author, id)?;
            }
            return Ok(false);
        }
        let place = Place { conversation: at.conversation, position: at.position };
        match self.message(records, &place)? {
            Some(message) if at.conversation == conversation && !message.own => {
                self.take_content_of(records, &place, message, by)
            }
            Some(_) | None => Ok(false),
        }
    }

    /// The user took back an own message, or a moderator of its room did; whether there was something to take.
    pub(crate) fn recall_own(
        &mut self,
        records: &mut VaultTxn,
        place: &Place,
        by: Option<IdentityId>,
    ) -> Result<bool, StoreError> {
        match self.message(records, place)? {
            Some(mut message) if message.own => {
                message.state = State::Recalled;
                self.left_outbox(records, place, &mut message)?;
                self.take_content_of(records, place, message, by)
            }
            Some(_) | None => Ok(false),
        }
    }

    fn take_content_of(
        &mut self,
        records: &mut VaultTxn,
        place: &Place,
        mut message: MessageRecord,
        by: Option<IdentityId>,
    ) -> Result<bool, StoreError> {
        if message.body.is_recalled() {
            return Ok(false);
        }
        self.forget_marks(records, place, &mut message)?;
        self.forget_file(records, place)?;
        let (key, is_own) = (Key::Scoped(&place.conversation.0, place.position), message.own);
        let body = by.map_or(Body::Recalled, Body::RecalledBy);
        records.put(&MESSAGES, key, &MessageRecord { body, ..message })?;
        self.texts.forget(place);
        records.delete(&UNKNOWN, key)?;
        let conversation = self.get_mut(place.conversation);
        conversation.mentioned.retain(|position| *position != place.position);
        if !is_own && place.position > conversation.read_position {
            conversation.unread = conversation.unread.saturating_sub(1);
        }
        Ok(true)
    }

    /// A message that has not come is taken back once it does.
    pub(crate) fn await_recalled(
        &mut self,
        records: &mut VaultTxn,
        own: &IdentityId,
        conversation: ConversationRef,
        author: IdentityId,
        id: MessageId,
    ) -> Result<(), StoreError> {
        let recall = PendingRecall { author, id };
        let recalls = &mut self.get_mut(conversation).recalls;
        if recalls.contains(&recall) {
            return Ok(());
        }
        recalls.push(recall);
        if recalls.len() <= RECALLS_PENDING_MAX {
            return Ok(());
        }
        // The oldest of which nothing is held back here: its message is taken for one that was here before.
        for at in 0..RECALLS_PENDING_MAX {
            let oldest = self.get_mut(conversation).recalls[at];
            let name = indexed(own, &oldest);
            if records.get(&MESSAGE_INDEX, Key::Named(&name))?.is_none() {
                self.get_mut(conversation).recalls.remove(at);
                return self.remember_name(records, conversation, name);
            }
        }
        self.get_mut(conversation).recalls.remove(0);
        Ok(())
    }

    /// Whether a message whose turn has come was taken back before.
    pub(crate) fn was_recalled(&mut self, id: &ConversationRef, message: &MessageRecord) -> bool {
        let author = writer(id, message);
        let is_it = |recall: &PendingRecall| recall.id == message.id && recall.author == author;
        let at = self.get(id).and_then(|record| record.recalls.iter().position(is_it));
        if let Some(at) = at {
            self.get_mut(*id).recalls.remove(at);
        }
        at.is_some()
    }
}

/// What a message that is taken back is found by, once it has come.
fn indexed(own: &IdentityId, recall: &PendingRecall) -> Vec<u8> {
    match recall.author == *own {
        // Of the user's, sent on another device.
        true => recall.id.0.to_vec(),
        false => received_key(&recall.author, &recall.id).to_vec(),
    }
}
