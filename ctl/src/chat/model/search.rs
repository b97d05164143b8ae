//! Searching all conversations: what was found, and going there.

use martlet_protocol::control::{Direction, SearchResult, SearchResults};
use ratatui::crossterm::event::{KeyCode, KeyEvent};

use super::choose::Chosen;
use super::{Ask, Focus, Model, Overlay, Place};

/// What was found.
#[derive(Debug, Clone)]
pub(crate) struct Search {
    pub(crate) words: String,
    pub(crate) found: SearchResults,
    /// The one that keys are about.
    pub(crate) at: usize,
}

impl Search {
    /// Of which conversation a message is.
    pub(crate) fn place(result: &SearchResult) -> Place {
        match result.direction {
            Direction::Note => Place::Notes,
            Direction::In | Direction::Out => Place::Contact(result.conversation.clone()),
        }
    }
}

impl Model {
    /// The daemon has looked.
    pub(super) fn take_found(&mut self, words: String, found: SearchResults) {
        self.notice = None;
        if found.results.is_empty() {
            self.notice = Some("No message has it.".to_owned());
            return;
        }
        self.seek.search = Some(Search { words, found, at: 0 });
        self.overlay = Some((Overlay::Found, 0));
    }

    /// A key while it is shown what was found. False if the list is left.
    pub(super) fn found_key(&mut self, key: KeyEvent, asks: &mut Vec<Ask>) -> bool {
        let Some(search) = &mut self.seek.search else { return false };
        let last = search.found.results.len().saturating_sub(1);
        let page = usize::from(self.height).saturating_sub(3) / 2;
        search.at = match key.code {
            KeyCode::Down => search.at + 1,
            KeyCode::Up => search.at.saturating_sub(1),
            KeyCode::PageDown => search.at + page,
            KeyCode::PageUp => search.at.saturating_sub(page),
            KeyCode::Home => 0,
            KeyCode::End => last,
            KeyCode::Enter => {
                let found = search.found.results.get(search.at).cloned();
                self.overlay = None;
                if let Some(result) = found {
                    self.go_to(Search::place(&result), result.id, asks);
                }
                return true;
            }
            _ => return false,
        }
        .min(last);
        true
    }

    /// Shows a message in its place; older ones are loaded until it is there.
    fn go_to(&mut self, place: Place, id: String, asks: &mut Vec<Ask>) {
        self.focus = Focus::Input;
        self.show(place.clone(), asks);
        if let Some(conversation) = self.conversations.get_mut(&place) {
            conversation.sought = Some(id);
        }
        self.go_on_seeking(&place, asks);
    }

    /// A page has come: the message that is sought is in it, or further back.
    pub(super) fn go_on_seeking(&mut self, place: &Place, asks: &mut Vec<Ask>) {
        if self.open.as_ref() != Some(place) {
            return;
        }
        let Some(conversation) = self.conversations.get_mut(place) else { return };
        let Some(id) = conversation.sought.clone() else { return };
        if !conversation.loaded || conversation.loading {
            return;
        }
        if conversation.place(&id).is_some() {
            conversation.sought = None;
            conversation.chosen = Some(Chosen { id: id.clone(), deed: None });
            return self.scroll_to(&id, asks);
        }
        if self.ask_older(place, asks) {
            self.notice = Some("Loading older messages; Esc stays here.".to_owned());
        } else if let Some(conversation) = self.conversations.get_mut(place) {
            conversation.sought = None;
            self.notice = Some(
                "It is gone, or further back than the chat goes: martletctl history NAME --around ID."
                    .to_owned(),
            );
        }
    }
}
