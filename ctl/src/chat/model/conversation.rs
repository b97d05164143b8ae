//! One conversation: its messages, as far as they are loaded, and what is being typed in it.

use std::collections::HashMap;

use martlet_protocol::UnixMillis;
use martlet_protocol::control::{
    ConversationTimers, Delivery, Direction, History, Message, Reaction, Received, RoomPerson,
};

use super::choose::{About, Chosen};
use super::input::Input;
use crate::limits::CHAT_MESSAGES_MAX;
use crate::render::person;

/// A message as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) direction: Direction,
    /// As it came: to be made harmless where it is shown.
    pub(crate) text: String,
    pub(crate) sent_at: UnixMillis,
    pub(crate) state: Delivery,
    /// Seconds from its reading to its end, if it was not read yet.
    pub(crate) burns: Option<u32>,
    /// Whether it is no text of its writer's, but says that they set the timers.
    pub(crate) is_notice: bool,
    pub(crate) extra: Extra,
}

/// What a message may have beside its text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Extra {
    /// In a room: who wrote it, harmless.
    pub(crate) author: Option<String>,
    /// Who and what it answers.
    pub(crate) reply: Option<(String, String)>,
    /// Each with how many gave it.
    pub(crate) reactions: Vec<(String, usize)>,
    pub(crate) edited: bool,
    /// When it is deleted.
    pub(crate) ends_at: Option<UnixMillis>,
    /// The moderator who took it back, if not its writer did, harmless.
    pub(crate) recalled_by: Option<String>,
    /// In a room: how many have it.
    pub(crate) received: Option<Received>,
    pub(crate) mentions_you: bool,
    /// Who told of it, harmless.
    pub(crate) told_by: Option<String>,
}

/// A conversation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Conversation {
    /// Oldest first, without gaps.
    pub(crate) rows: Vec<Row>,
    /// Whether there are earlier ones that are not loaded.
    pub(crate) more: bool,
    /// Whether the newest page has come.
    pub(crate) loaded: bool,
    /// Whether a page was asked for.
    pub(crate) loading: bool,
    /// By the id of the message before which they are missing: how many.
    pub(crate) lost: HashMap<String, u64>,
    /// The first message that was unread when the conversation was opened.
    pub(crate) unread_from: Option<String>,
    /// The message that keys are about, if one is chosen.
    pub(crate) chosen: Option<Chosen>,
    /// What the input is for, if not a message of its own.
    pub(crate) about: Option<About>,
    /// When the contact was last told of as writing.
    pub(crate) typing: Option<UnixMillis>,
    /// When the contact was last told that the user writes.
    pub(crate) typing_told: Option<UnixMillis>,
    /// Whether it stands before those that are not pinned.
    pub(crate) pinned: bool,
    /// Whether nobody is notified of it.
    pub(crate) muted: bool,
    /// How long its messages live, if that is known.
    pub(crate) timers: Option<ConversationTimers>,
    /// The message to be shown once it is loaded.
    pub(crate) sought: Option<String>,
    /// Lines below what is seen: 0 at the newest message.
    pub(crate) scroll: usize,
    /// What is being typed.
    pub(crate) draft: Input,
    /// The same as the daemon keeps it, if that is known.
    pub(crate) draft_kept: Option<String>,
    /// Unread messages, as the daemon counts them.
    pub(crate) unread: u64,
    /// When the newest message was stored, and its text.
    pub(crate) newest: Option<(UnixMillis, String)>,
}

impl Extra {
    fn of(message: &Message) -> Self {
        let reply = message.reply_to.as_ref().map(|reply| {
            let by = match (&reply.author, reply.direction) {
                (_, Some(Direction::Out | Direction::Note)) => "you".to_owned(),
                (Some(author), Some(Direction::In)) => person(author),
                (None, Some(Direction::In)) => message.conversation.clone(),
                (_, None) => String::new(),
            };
            let what = match (&reply.excerpt, reply.direction) {
                (Some(excerpt), _) => excerpt,
                (None, Some(_)) => "a message that was recalled",
                (None, None) => "a message that is not here",
            };
            (by, what.to_owned())
        });
        let mut reactions: Vec<(String, usize)> = Vec::new();
        for Reaction { emoji, .. } in &message.reactions {
            match reactions.iter_mut().find(|(known, _)| known == emoji) {
                Some((_, count)) => *count += 1,
                None => reactions.push((emoji.clone(), 1)),
            }
        }
        let author = message.author.as_deref().map(person);
        let (edited, ends_at) = (message.edited_at.is_some(), message.ends_at);
        let recalled_by = message.recalled_by.as_deref().map(person);
        let (received, mentions_you) = (message.received, message.mentions_you);
        let told_by = message.told_by.as_deref().map(person);
        Self {
            author,
            reply,
            reactions,
            edited,
            ends_at,
            recalled_by,
            received,
            mentions_you,
            told_by,
        }
    }
}

impl Row {
    /// As the daemon tells it.
    pub(crate) fn of(message: Message) -> Self {
        let extra = Extra::of(&message);
        Self {
            id: message.id,
            direction: message.direction,
            text: message.text,
            sent_at: message.sent_at,
            state: message.state,
            burns: message.burn_seconds,
            is_notice: message.sets_timers.is_some(),
            extra,
        }
    }

    /// Whether the user has not read it.
    pub(crate) fn is_unread(&self) -> bool {
        match (self.direction, self.state) {
            (Direction::Out | Direction::Note, _)
            | (Direction::In, Delivery::Read | Delivery::Recalled) => false,
            (
                Direction::In,
                Delivery::NeedsConfirmation
                | Delivery::NeedsState
                | Delivery::Queued
                | Delivery::Sent
                | Delivery::Delivered
                | Delivery::Expired,
            ) => true,
        }
    }
}

impl Conversation {
    /// Takes in a page: the newest one, or that before message `before`.
    pub(crate) fn take_page(&mut self, before: Option<&str>, history: History) {
        let History { messages, more, lost } = history;
        self.loading = false;
        self.lost.extend(lost.into_iter().map(|lost| (lost.before, lost.count)));
        if let Some(newest) = messages.last() {
            self.is_newest(newest);
        }
        let page: Vec<Row> = messages.into_iter().map(Row::of).collect();
        match before {
            Some(before) => {
                // If it is not the first any more, another page has come meanwhile.
                if self.rows.first().is_some_and(|first| first.id == before) {
                    self.rows.splice(0..0, page);
                    self.more = more && self.rows.len() < CHAT_MESSAGES_MAX;
                }
            }
            None => {
                self.loaded = true;
                let known = page.first().and_then(|first| self.place(&first.id));
                match known {
                    Some(at) => self.rows.truncate(at),
                    // Between what is loaded and the page there may be others.
                    None => {
                        self.rows.clear();
                        self.more = more;
                    }
                }
                self.rows.extend(page);
            }
        }
    }

    /// Takes in a message that was received or sent. False if it was there.
    pub(crate) fn take(&mut self, message: Message) -> bool {
        self.is_newest(&message);
        let row = Row::of(message);
        if let Some(at) = self.place(&row.id) {
            self.rows[at] = row;
            return false;
        }
        if self.loaded {
            self.rows.push(row);
            let over = self.rows.len().saturating_sub(CHAT_MESSAGES_MAX);
            if over > 0 && self.scroll == 0 {
                self.rows.drain(..over);
                self.more = true;
            }
        }
        true
    }

    /// A message that may be the newest there is.
    pub(crate) fn is_newest(&mut self, message: &Message) {
        let is_older = |(at, _): &(UnixMillis, String)| *at <= message.stored_at;
        if self.newest.as_ref().is_none_or(is_older) {
            self.newest = Some((message.stored_at, message.text.clone()));
        }
    }

    /// A message is another now, if it is loaded.
    pub(crate) fn replace(&mut self, message: Message) {
        if let Some(at) = self.place(&message.id) {
            self.rows[at] = Row::of(message);
        }
    }

    /// A message got further; or back to `queued`, if it had to be encrypted anew.
    pub(crate) fn advance(&mut self, id: &str, state: Delivery) {
        if let Some(at) = self.place(id) {
            let row = &mut self.rows[at];
            let again = row.state == Delivery::Sent && state == Delivery::Queued;
            // An older event may come after a newer answer.
            row.state = if again { state } else { row.state.max(state) };
        }
    }

    /// More people have a message.
    pub(crate) fn reached(&mut self, id: &str, received: Received) {
        if let Some(at) = self.place(id) {
            self.rows[at].extra.received = Some(received);
        }
    }

    /// A message is gone.
    pub(crate) fn end(&mut self, id: &str) {
        if let Some(at) = self.place(id) {
            let row = self.rows.remove(at);
            if row.is_unread() {
                self.unread = self.unread.saturating_sub(1);
            }
            if self.newest.as_ref().is_some_and(|(_, text)| *text == row.text) {
                // The list keeps its place; nothing of the text is kept.
                self.newest.iter_mut().for_each(|(_, text)| text.clear());
            }
        }
    }

    /// A message was taken back: its place stays.
    pub(crate) fn recall(&mut self, id: &str, by: Option<&RoomPerson>) {
        if let Some(at) = self.place(id) {
            if self.rows[at].is_unread() {
                self.unread = self.unread.saturating_sub(1);
            }
            let row = &mut self.rows[at];
            row.text.clear();
            row.state = Delivery::Recalled;
            let (author, recalled_by) = (row.extra.author.take(), by.map(person));
            row.extra = Extra { author, recalled_by, ..Extra::default() };
            row.burns = None;
        }
    }

    /// All its messages are gone.
    pub(crate) fn clear(&mut self) {
        let draft = std::mem::take(&mut self.draft);
        let (loaded, pinned, muted) = (self.loaded, self.pinned, self.muted);
        *self = Self { draft, loaded, pinned, muted, timers: self.timers, ..Self::default() };
    }

    /// Drops all that came from the vault.
    pub(crate) fn forget(&mut self) {
        let draft = std::mem::take(&mut self.draft);
        *self = Self { draft, ..Self::default() };
    }

    /// All of it was read.
    pub(crate) fn read(&mut self) {
        self.unread = 0;
        for row in self.rows.iter_mut().filter(|row| row.is_unread()) {
            row.state = Delivery::Read;
        }
    }

    /// Puts the line that says what is new above the first unread message, if there is one and no such line yet.
    pub(crate) fn mark_new(&mut self) {
        if self.unread_from.is_none() {
            self.unread_from =
                self.rows.iter().find(|row| row.is_unread()).map(|row| row.id.clone());
        }
    }

    /// Where a message is.
    pub(crate) fn place(&self, id: &str) -> Option<usize> {
        self.rows.iter().rposition(|row| row.id == id)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn message(number: u64) -> Message {
        Message {
            id: format!("{number:032x}"),
            conversation: "bob".into(),
            direction: Direction::In,
            text: number.to_string(),
            sent_at: UnixMillis(number),
            stored_at: UnixMillis(number),
            state: Delivery::Delivered,
            expire_seconds: None,
            burn_seconds: None,
            ends_at: None,
            sets_timers: None,
            file: None,
            room: None,
            author: None,
            sent_before_removal_was_known: false,
            received: None,
            mentions: Vec::new(),
            mentions_you: false,
            told_by: None,
            recalled_by: None,
            reply_to: None,
            edited_at: None,
            reactions: Vec::new(),
            versions: Vec::new(),
        }
    }

    fn page(numbers: std::ops::Range<u64>, more: bool) -> History {
        History { messages: numbers.map(message).collect(), more, lost: Vec::new() }
    }

    fn texts(conversation: &Conversation) -> String {
        conversation.rows.iter().map(|row| format!("{} ", row.text)).collect()
    }

    #[test]
    fn pages_are_put_together_without_doubles_and_gaps() {
        let mut conversation = Conversation::default();
        conversation.take(message(4));
        assert!(conversation.rows.is_empty(), "before the page nobody knows what is between");
        conversation.take_page(None, page(2..5, true));
        assert!(!conversation.take(message(4)));
        assert!(conversation.take(message(5)));
        let first = conversation.rows[0].id.clone();
        conversation.take_page(Some(&first), page(0..2, false));
        assert_eq!(texts(&conversation), "0 1 2 3 4 5 ");
        assert!(!conversation.more);
        // The same page again is too late.
        conversation.take_page(Some(&first), page(0..2, true));
        // A newest page that overlaps, as after a restart of the daemon.
        conversation.take_page(None, page(4..8, true));
        assert_eq!(texts(&conversation), "0 1 2 3 4 5 6 7 ");
        assert!(!conversation.more);
        // One that doesn't.
        conversation.take_page(None, page(20..22, true));
        assert_eq!(texts(&conversation), "20 21 ");
        assert!(conversation.more);
    }

    #[test]
    fn states_only_advance_and_reading_marks_what_came() {
        let mut conversation = Conversation::default();
        conversation.take_page(None, page(0..2, false));
        conversation.mark_new();
        assert_eq!(conversation.unread_from, Some(message(0).id));
        conversation.read();
        assert!(conversation.rows.iter().all(|row| row.state == Delivery::Read));
        conversation.advance(&message(0).id, Delivery::Delivered);
        assert_eq!(conversation.rows[0].state, Delivery::Read);
        assert_eq!(conversation.place("x"), None);
        conversation.rows.first().unwrap();
    }
}
