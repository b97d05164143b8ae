//! Finding a text in the messages that are loaded.

use super::{Ask, Input, Model};
use crate::chat::rows;

/// What is looked for in the open conversation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Find {
    pub(crate) query: Input,
    /// The id of the message that was found.
    pub(crate) at: Option<String>,
}

impl Find {
    /// Whether a text has what is looked for, in whatever case.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let query = self.query.text().trim().to_lowercase();
        !query.is_empty() && text.to_lowercase().contains(&query)
    }
}

impl Model {
    /// Messages that have what is looked for, and which of them is shown, from 1 on, the newest first.
    pub(crate) fn found(&self) -> (usize, usize) {
        let (Some(find), Some(conversation)) = (&self.seek.find, self.open_conversation()) else {
            return (0, 0);
        };
        let matching = conversation.rows.iter().rev().filter(|row| find.matches(&row.text));
        let (mut count, mut at) = (0, 0);
        for row in matching {
            count += 1;
            if find.at.as_deref() == Some(&row.id) {
                at = count;
            }
        }
        (at, count)
    }

    /// Goes to the next older message that matches, or the next newer; from the newest on, if `anew`.
    pub(super) fn find_next(&mut self, older: bool, anew: bool, asks: &mut Vec<Ask>) {
        let (Some(find), Some(conversation)) = (&self.seek.find, self.open_conversation()) else {
            return;
        };
        let rows = &conversation.rows;
        let from = find.at.as_deref().filter(|_| !anew).and_then(|id| conversation.place(id));
        let matches = |at: &usize| find.matches(&rows[*at].text);
        let found = match (from, older) {
            (None, _) => (0..rows.len()).rev().find(matches),
            (Some(from), true) => (0..from).rev().find(matches),
            (Some(from), false) => (from + 1..rows.len()).find(matches),
        };
        let found = found.map(|at| rows[at].id.clone());
        let ask_more = found.is_none()
            && (older || anew)
            && !find.query.is_empty()
            && conversation.more
            && !conversation.loading;
        let Some(find) = &mut self.seek.find else { return };
        match found {
            Some(id) => {
                find.at = Some(id.clone());
                self.scroll_to(&id, asks);
            }
            None if anew => find.at = None,
            None if !ask_more => {
                let end = if older { "There is nothing older." } else { "There is nothing newer." };
                self.notice = Some(end.to_owned());
            }
            None => {}
        }
        if ask_more
            && !anew
            && let Some(place) = self.open.clone()
        {
            self.notice = Some("Looking further back: once more goes on.".to_owned());
            self.ask_older(&place, asks);
        }
    }

    /// Scrolls so that a message is seen, if it isn't.
    pub(super) fn scroll_to(&mut self, id: &str, asks: &mut Vec<Ask>) {
        let Some(place) = self.open.clone() else { return };
        let area = self.layout().messages;
        let height = usize::from(area.height);
        let Some((below, lines)) = rows::below(self, &place, usize::from(area.width), id) else {
            return;
        };
        let Some(conversation) = self.conversations.get_mut(&place) else { return };
        let is_seen = below >= conversation.scroll && below + lines <= conversation.scroll + height;
        if !is_seen {
            // In the middle.
            conversation.scroll = (below + lines / 2).saturating_sub(height / 2);
        }
        self.hold_scroll(asks);
    }
}
