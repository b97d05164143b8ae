//! Messages, by their id or the beginning of one.

use std::fmt;

use martlet_protocol::{IdentityId, MessageId};
use martlet_store::records::MessageRecord;

use super::User;
use super::files::Budget;
use crate::conversation::{ConversationRef, Place};
use crate::error::{CommandError, Fault};
use crate::limits::{FILES_SEARCHED_AT_ONCE, ID_DIGITS_MIN, ID_SEARCH_MAX, ID_SEARCH_TOTAL_MAX};
use crate::turn::Turn;

/// How far a message was looked for.
pub struct FindCursor {
    /// How its id begins.
    beginning: String,
    /// Whose conversations are left, in the order of their newest messages; the last is looked at.
    left: Vec<IdentityId>,
    /// There, the position before which is to be looked.
    before: Option<u64>,
    found: Option<MessageId>,
}

/// What came of looking for a message.
#[derive(Debug)]
pub enum FoundMessage {
    /// Its id.
    Id(MessageId),
    /// It is none of those that were looked at so far, or perhaps not the only one.
    Next(FindCursor),
}

impl User {
    /// The message with this id, or the one of the newest whose id begins so.
    pub(crate) fn resolve(
        &self,
        turn: &mut Turn<'_>,
        text: &str,
    ) -> Result<(Place, MessageRecord), Fault> {
        let records = turn.vault()?;
        let place = match text.parse::<MessageId>() {
            Ok(id) => self.timeline.find(records, &id, &self.all_writers())?,
            Err(_) => self.find_beginning(turn, text)?,
        };
        let place = place.ok_or(CommandError::UnknownMessage)?;
        let record = self.timeline.message(turn.vault()?, &place)?;
        let record = record.filter(|record| !self.timeline.is_over(&place, record));
        Ok((place, record.ok_or(CommandError::UnknownMessage)?))
    }

    /// The one of the newest messages whose id begins so.
    fn find_beginning(&self, turn: &mut Turn<'_>, text: &str) -> Result<Option<Place>, Fault> {
        let Some(beginning) = beginning_of(text) else { return Ok(None) };
        let (mut found, mut left) = (None, ID_SEARCH_TOTAL_MAX);
        let mut is_ambiguous = false;
        // What somebody names was most likely written of late.
        let newest_first = self.with_messages(turn)?.into_iter().rev();
        let records = turn.vault()?;
        for identity in std::iter::once(self.identity).chain(newest_first) {
            let conversation = ConversationRef::direct(&identity);
            let max = ID_SEARCH_MAX.min(left);
            self.timeline.look_back(records, &conversation, max, |position, message| {
                left = left.saturating_sub(1);
                let place = Place { conversation, position };
                if message.id.to_string().starts_with(&beginning)
                    && !self.timeline.is_over(&place, &message)
                {
                    is_ambiguous |= found.is_some();
                    found = Some(place);
                }
                !is_ambiguous
            })?;
        }
        if is_ambiguous { Err(CommandError::AmbiguousMessage.into()) } else { Ok(found) }
    }

    /// Looks among the newest messages for the one whose id begins so; if it is none of them, all are to be looked at.
    pub(crate) fn begin_finding(
        &self,
        turn: &mut Turn<'_>,
        text: &str,
    ) -> Result<FoundMessage, Fault> {
        match self.resolve(turn, text) {
            Ok((_, record)) => return Ok(FoundMessage::Id(record.id)),
            Err(Fault::Refused(CommandError::UnknownMessage)) => {}
            Err(other) => return Err(other),
        }
        let beginning = beginning_of(text).ok_or(CommandError::UnknownMessage)?;
        let mut left = self.with_messages(turn)?;
        left.push(self.identity);
        Ok(FoundMessage::Next(FindCursor { beginning, left, before: None, found: None }))
    }

    /// Looks at as many messages as one batch may.
    pub(crate) fn go_on_finding(
        &self,
        turn: &mut Turn<'_>,
        mut cursor: FindCursor,
    ) -> Result<FoundMessage, Fault> {
        let mut budget = Budget::of_batch();
        while !budget.is_spent()
            && let Some(identity) = cursor.left.last()
        {
            let conversation = ConversationRef::direct(identity);
            self.find_in_page(turn, conversation, &mut cursor, &mut budget)?;
        }
        match (cursor.left.is_empty(), cursor.found) {
            (false, _) => Ok(FoundMessage::Next(cursor)),
            (true, Some(id)) => Ok(FoundMessage::Id(id)),
            (true, None) => Err(CommandError::UnknownMessage.into()),
        }
    }

    /// Looks at some messages of a conversation.
    fn find_in_page(
        &self,
        turn: &mut Turn<'_>,
        conversation: ConversationRef,
        cursor: &mut FindCursor,
        budget: &mut Budget,
    ) -> Result<(), Fault> {
        let (records, before) = (turn.vault()?, cursor.before);
        let page = self.timeline.page(records, &conversation, before, FILES_SEARCHED_AT_ONCE)?;
        budget.spend_messages(page.messages.len());
        cursor.before = page.messages.first().map(|(position, _)| *position);
        for (position, record) in page.messages {
            let Some(record) = record else { continue };
            budget.spend_bytes(&record);
            let place = Place { conversation, position };
            if !record.id.to_string().starts_with(&cursor.beginning)
                || self.timeline.is_over(&place, &record)
            {
                continue;
            }
            if cursor.found.replace(record.id).is_some() {
                return Err(CommandError::AmbiguousMessage.into());
            }
        }
        if !page.more {
            cursor.left.pop();
            cursor.before = None;
        }
        Ok(())
    }
}

/// What an id is compared with; `None` for what no id begins with, or too many do.
fn beginning_of(text: &str) -> Option<String> {
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (text.len() >= ID_DIGITS_MIN && is_hex).then(|| text.to_ascii_lowercase())
}

impl fmt::Debug for FindCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FindCursor").field("left", &self.left.len()).finish_non_exhaustive()
    }
}
