//! Messages, by their id or the beginning of one.

use std::collections::VecDeque;
use std::fmt;

use martlet_protocol::{IdentityId, MessageId};
use martlet_store::records::MessageRecord;

use super::User;
use super::files::Budget;
use crate::conversation::{ConversationRef, Place};
use crate::error::{CommandError, Fault};
use crate::limits::{FILES_SEARCHED_AT_ONCE, ID_DIGITS_MIN, ID_SEARCH_MAX, ID_SEARCH_TOTAL_MAX};
use crate::turn::Turn;

/// How far a message was looked for: first among the newest of each conversation, then, if it is none of them, among all others.
pub struct FindCursor {
    /// How its id begins.
    beginning: String,
    /// What is left of this round; the first is looked at.
    parts: VecDeque<Part>,
    /// What is left of the conversations that have more.
    rest: VecDeque<Part>,
    /// Messages that this round may still look at.
    left: usize,
    found: Option<MessageId>,
}

/// What is left to be looked at in one conversation.
struct Part {
    identity: IdentityId,
    /// Where to go on: before this position; `None` for the newest.
    before: Option<u64>,
    /// How many of its messages, at most.
    left: usize,
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
    /// The message with this id, all of it.
    pub(crate) fn resolve(
        &self,
        turn: &mut Turn<'_>,
        text: &str,
    ) -> Result<(Place, MessageRecord), Fault> {
        let id: MessageId = text.parse().map_err(|_| CommandError::UnknownMessage)?;
        let place = self.timeline.find(turn.vault()?, &id, &self.all_writers())?;
        let place = place.ok_or(CommandError::UnknownMessage)?;
        let record = self.timeline.message(turn.vault()?, &place)?;
        let record = record.filter(|record| !self.timeline.is_over(&place, record));
        Ok((place, record.ok_or(CommandError::UnknownMessage)?))
    }

    /// Begins to look for the message whose id this is, or begins so.
    pub(crate) fn begin_finding(
        &self,
        turn: &mut Turn<'_>,
        text: &str,
    ) -> Result<FoundMessage, Fault> {
        if text.parse::<MessageId>().is_ok() {
            return Ok(FoundMessage::Id(self.resolve(turn, text)?.1.id));
        }
        let beginning = beginning_of(text).ok_or(CommandError::UnknownMessage)?;
        // What somebody names was most likely written of late.
        let newest_first = self.with_messages(turn)?.into_iter().rev();
        let all = std::iter::once(self.identity).chain(newest_first);
        let parts = all.map(|identity| Part { identity, before: None, left: ID_SEARCH_MAX });
        let (parts, left) = (parts.collect(), ID_SEARCH_TOTAL_MAX);
        let cursor = FindCursor { beginning, parts, rest: VecDeque::new(), left, found: None };
        self.go_on_finding(turn, cursor)
    }

    /// Looks at as many messages as one batch may.
    pub(crate) fn go_on_finding(
        &self,
        turn: &mut Turn<'_>,
        mut cursor: FindCursor,
    ) -> Result<FoundMessage, Fault> {
        let mut budget = Budget::of_batch();
        loop {
            while !cursor.parts.is_empty() {
                if budget.is_spent() {
                    return Ok(FoundMessage::Next(cursor));
                }
                self.look_at_some(turn, &mut cursor, &mut budget)?;
            }
            match cursor.found {
                Some(id) => return Ok(FoundMessage::Id(id)),
                None if cursor.rest.is_empty() => {
                    return Err(CommandError::UnknownMessage.into());
                }
                None => {
                    cursor.parts = std::mem::take(&mut cursor.rest);
                    cursor.left = usize::MAX;
                }
            }
        }
    }

    /// Looks at some messages of the conversation whose turn it is.
    fn look_at_some(
        &self,
        turn: &mut Turn<'_>,
        cursor: &mut FindCursor,
        budget: &mut Budget,
    ) -> Result<(), Fault> {
        let Some(mut part) = cursor.parts.pop_front() else { return Ok(()) };
        let max = FILES_SEARCHED_AT_ONCE.min(part.left).min(cursor.left);
        if max == 0 {
            cursor.rest.push_back(Part { left: usize::MAX, ..part });
            return Ok(());
        }
        let conversation = ConversationRef::direct(&part.identity);
        let page = self.timeline.page(turn.vault()?, &conversation, part.before, max)?;
        let looked_at = page.messages.len();
        budget.spend_messages(looked_at);
        cursor.left = cursor.left.saturating_sub(looked_at);
        part.left = part.left.saturating_sub(looked_at);
        part.before = page.messages.first().map(|(position, _)| *position);
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
        if page.more && part.left == 0 {
            cursor.rest.push_back(Part { left: usize::MAX, ..part });
        } else if page.more {
            cursor.parts.push_front(part);
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
        f.debug_struct("FindCursor").field("parts", &self.parts.len()).finish_non_exhaustive()
    }
}
