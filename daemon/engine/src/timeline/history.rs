//! History: pages of a conversation, and messages by id.

use martlet_protocol::{IdentityId, MessageId};
use martlet_store::records::{MESSAGE_INDEX, MESSAGES, MessageAt, MessageRecord};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

use super::{Timeline, received_key};
use crate::conversation::{ConversationRef, Place};

/// A page of a conversation, in order.
pub(crate) struct Page {
    /// Positions and messages; `None` for one that can't be read.
    pub(crate) messages: Vec<(u64, Option<MessageRecord>)>,
    /// Whether there are earlier ones.
    pub(crate) more: bool,
}

impl Timeline {
    /// The last `wanted` messages before a position, or of all.
    pub(crate) fn page(
        &self,
        records: &VaultTxn,
        id: &ConversationRef,
        before: Option<u64>,
        wanted: usize,
    ) -> Result<Page, StoreError> {
        let end = before.map_or(u64::MAX, |before| before.saturating_sub(1));
        if end == 0 {
            return Ok(Page { messages: Vec::new(), more: false });
        }
        let mut messages = records.range_rev_readable(
            &MESSAGES,
            Some(&id.0),
            1..=end,
            wanted.saturating_add(1),
        )?;
        let more = messages.len() > wanted;
        messages.truncate(wanted);
        messages.reverse();
        Ok(Page { messages, more })
    }

    /// Messages from others that the user has not read, at most `max`.
    pub(crate) fn unread_messages(
        &self,
        records: &VaultTxn,
        id: &ConversationRef,
        max: usize,
    ) -> Result<Vec<(u64, MessageRecord)>, StoreError> {
        let from = self.get(id).map_or(0, |record| record.read_position) + 1;
        let messages = records.range_readable(&MESSAGES, Some(&id.0), from..=u64::MAX, max)?;
        let messages = messages.into_iter().filter_map(|(at, message)| Some((at, message?)));
        Ok(messages.filter(|(_, message)| !message.own).collect())
    }

    /// Where the user's message with this id is, or that of one of `writers`.
    pub(crate) fn find<'a>(
        &self,
        records: &VaultTxn,
        id: &MessageId,
        writers: impl IntoIterator<Item = &'a IdentityId>,
    ) -> Result<Option<Place>, StoreError> {
        let mut at = records.get(&MESSAGE_INDEX, Key::Named(&id.0))?;
        for writer in writers {
            if at.is_some() {
                break;
            }
            at = records.get(&MESSAGE_INDEX, Key::Named(&received_key(writer, id)))?;
        }
        // At position 0 is what is held back.
        let place = |MessageAt { conversation, position }| Place { conversation, position };
        Ok(at.map(place).filter(|place| place.position > 0))
    }
}
