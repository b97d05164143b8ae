//! History: pages of a conversation, and messages by id.

use martlet_protocol::{DeviceId, IdentityId, MessageId, UnixMillis};
use martlet_store::records::{MESSAGE_INDEX, MESSAGES, MessageAt, MessageRecord, State};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

use super::{Line, Timeline, received_key};
use crate::conversation::{Author, ConversationRef, Place};
use crate::kinds::message_of;

/// Messages read at once where many are looked at.
const LOOK_BACK_PAGE: usize = 64;

/// A page of a conversation, in order.
pub(crate) struct Page {
    /// Positions and messages; `None` for one that can't be read.
    pub(crate) messages: Vec<(u64, Option<MessageRecord>)>,
    /// Whether there are earlier ones.
    pub(crate) more: bool,
}

/// A message that the user wrote.
pub(crate) struct OwnMessage {
    pub(crate) position: u64,
    pub(crate) state: State,
    pub(crate) sent_at: UnixMillis,
    /// How long it is as it is sent.
    pub(crate) bytes: usize,
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
        let first = self.removed_up_to(id) + 1;
        if end < first {
            return Ok(Page { messages: Vec::new(), more: false });
        }
        let mut messages = records.range_rev_readable(
            &MESSAGES,
            Some(&id.0),
            first..=end,
            wanted.saturating_add(1),
        )?;
        let more = messages.len() > wanted;
        messages.truncate(wanted);
        messages.reverse();
        Ok(Page { messages, more })
    }

    /// The first `wanted` messages from a position on; `None` for one that can't be read.
    pub(crate) fn page_from(
        &self,
        records: &VaultTxn,
        id: &ConversationRef,
        from: u64,
        wanted: usize,
    ) -> Result<Vec<(u64, Option<MessageRecord>)>, StoreError> {
        let first = from.max(self.removed_up_to(id) + 1);
        records.range_readable(&MESSAGES, Some(&id.0), first..=u64::MAX, wanted)
    }

    /// Whether an own message with this id is here, or on its way.
    pub(crate) fn has_own(&self, records: &VaultTxn, id: &MessageId) -> Result<bool, StoreError> {
        Ok(records.get(&MESSAGE_INDEX, Key::Named(&id.0))?.is_some())
    }

    /// The last message from others up to where the user has read.
    pub(crate) fn last_read(
        &self,
        records: &VaultTxn,
        id: &ConversationRef,
    ) -> Result<Option<MessageId>, StoreError> {
        let read = self.read_position(id);
        let mut last = None;
        self.look_back(records, id, usize::MAX, |position, message| {
            if position <= read && !message.own {
                last = Some(message.id);
            }
            last.is_none()
        })?;
        Ok(last)
    }

    /// The user has read up to a place on another device: how many messages there were unread up to there.
    pub(crate) fn read_up_to(
        &mut self,
        records: &VaultTxn,
        place: &Place,
    ) -> Result<u64, StoreError> {
        let Place { conversation: id, position } = *place;
        let Some(record) = self.get(&id) else { return Ok(0) };
        let (read, last) = (record.read_position, record.last_position);
        if position <= read {
            return Ok(0);
        }
        let unread = record.unread;
        // Often it is all: nothing is counted then.
        let marked = match position == last {
            true => unread,
            false => self.count_unread(records, &id, (read, position))?.min(unread),
        };
        let record = self.get_mut(id);
        (record.read_position, record.unread) = (position, unread - marked);
        self.light(id);
        Ok(marked)
    }

    /// Messages of others after one position and up to another that count as unread.
    fn count_unread(
        &self,
        records: &VaultTxn,
        id: &ConversationRef,
        (after, up_to): (u64, u64),
    ) -> Result<u64, StoreError> {
        let (mut from, mut count) = (after + 1, 0);
        while from <= up_to {
            let page =
                records.range_readable(&MESSAGES, Some(&id.0), from..=up_to, LOOK_BACK_PAGE)?;
            let Some((last, _)) = page.last() else { break };
            from = last + 1;
            let readable =
                page.into_iter().filter_map(|(_, message): (_, Option<MessageRecord>)| message);
            let unread = readable.filter(|message| !message.own && !message.body.is_recalled());
            count += u64::try_from(unread.count()).unwrap_or(u64::MAX);
        }
        Ok(count)
    }

    /// Messages from others that the user has not read, at most `max`.
    pub(crate) fn unread_messages(
        &self,
        records: &VaultTxn,
        id: &ConversationRef,
        max: usize,
    ) -> Result<Vec<(u64, MessageRecord)>, StoreError> {
        let Some(record) = self.get(id) else { return Ok(Vec::new()) };
        let wanted = max.min(usize::try_from(record.unread).unwrap_or(max));
        let mut from = record.read_position + 1;
        let mut unread = Vec::new();
        // In pages of `max`, since the user's own may lie between, any number of them.
        while unread.len() < wanted {
            let page = records.range_readable(&MESSAGES, Some(&id.0), from..=u64::MAX, max)?;
            let Some((last, _)) = page.last() else { break };
            from = last + 1;
            let readable = page.into_iter().filter_map(|(at, message)| Some((at, message?)));
            let counts = |message: &MessageRecord| !message.own && !message.body.is_recalled();
            unread.extend(readable.filter(|(_, it)| counts(it)).take(wanted - unread.len()));
        }
        Ok(unread)
    }

    /// Messages that the user wrote on these devices, stored at `since` or later, of the last `max` of the conversation. The last
    /// is first.
    pub(crate) fn own_since(
        &self,
        records: &VaultTxn,
        id: ConversationRef,
        since: UnixMillis,
        (max, devices): (usize, &[DeviceId]),
    ) -> Result<Vec<OwnMessage>, StoreError> {
        let mut own = Vec::new();
        let is_of_these = |author: Author| devices.contains(&author.device);
        self.look_back(records, &id, max, |position, message| {
            if message.own && message.author.is_none_or(is_of_these) && message.stored_at >= since {
                own.push(OwnMessage {
                    position,
                    state: message.state,
                    sent_at: message.sent_at,
                    bytes: message_of(&message).encode().len(),
                });
            }
            message.stored_at >= since
        })?;
        Ok(own)
    }

    /// Since when a device may have lost what came, which used `number` a second time: when the last message came that it had
    /// numbered before that, of the last `max` of the conversation. And whether one of them has that very number: what does
    /// something has a number too, and is none of them.
    pub(crate) fn used_since(
        &self,
        records: &VaultTxn,
        line: &Line,
        number: u64,
        max: usize,
    ) -> Result<(UnixMillis, bool), StoreError> {
        let (mut since, mut is_used) = (UnixMillis(0), false);
        self.look_back(records, &line.conversation, max, |_, message| {
            let is_theirs = message.author.is_some_and(|author| author.device == line.device);
            is_used |= is_theirs && message.seq == number;
            let is_before = is_theirs && message.seq < number;
            if is_before {
                since = message.stored_at;
            }
            !is_before
        })?;
        Ok((since, is_used))
    }

    /// Whether anything of a conversation was stored at that time or later.
    pub(crate) fn has_since(
        &self,
        records: &VaultTxn,
        id: &ConversationRef,
        since: UnixMillis,
    ) -> Result<bool, StoreError> {
        let mut has = false;
        self.look_back(records, id, 1, |_, message| {
            has = message.stored_at >= since;
            false
        })?;
        Ok(has)
    }

    /// Shows the last `max` messages of a conversation, the last first, until `visit` says no.
    pub(crate) fn look_back(
        &self,
        records: &VaultTxn,
        id: &ConversationRef,
        max: usize,
        mut visit: impl FnMut(u64, MessageRecord) -> bool,
    ) -> Result<(), StoreError> {
        let (mut before, mut left) = (None, max);
        while left > 0 {
            let Page { messages, more } =
                self.page(records, id, before, left.min(LOOK_BACK_PAGE))?;
            left = left.saturating_sub(messages.len());
            before = messages.first().map(|(position, _)| *position);
            for (position, message) in messages.into_iter().rev() {
                if let Some(message) = message
                    && !visit(position, message)
                {
                    return Ok(());
                }
            }
            if !more {
                break;
            }
        }
        Ok(())
    }

    /// Where the user's message with this id is, or that of one of `writers`.
    pub(crate) fn find<'a>(
        &self,
        records: &VaultTxn,
        id: &MessageId,
        writers: impl IntoIterator<Item = &'a IdentityId>,
    ) -> Result<Option<Place>, StoreError> {
        Ok(self.all_with(records, id, writers)?.into_iter().next())
    }

    /// The same of one conversation. Where several have the id someone copied it: then none is meant, so that nobody makes what
    /// is said of one message be about another.
    pub(crate) fn find_in<'a>(
        &self,
        records: &VaultTxn,
        conversation: &ConversationRef,
        id: &MessageId,
        writers: impl IntoIterator<Item = &'a IdentityId>,
    ) -> Result<Option<Place>, StoreError> {
        let mut found = self.all_with(records, id, writers)?;
        found.retain(|place| place.conversation == *conversation);
        Ok(found.pop().filter(|_| found.is_empty()))
    }

    fn all_with<'a>(
        &self,
        records: &VaultTxn,
        id: &MessageId,
        writers: impl IntoIterator<Item = &'a IdentityId>,
    ) -> Result<Vec<Place>, StoreError> {
        let names = std::iter::once(id.0.to_vec())
            .chain(writers.into_iter().map(|writer| received_key(writer, id).to_vec()));
        let mut found = Vec::new();
        for name in names {
            let at = records.get(&MESSAGE_INDEX, Key::Named(&name))?;
            let place =
                at.map(|MessageAt { conversation, position }| Place { conversation, position });
            // At position 0 is what is held back.
            found.extend(place.filter(|place| place.position > 0 && !self.is_removed(place)));
        }
        Ok(found)
    }
}
