//! Choosing a message, and what can be done with it.

use martlet_protocol::control::{Delivery, Direction};
use ratatui::crossterm::event::{KeyCode, KeyEvent};

use super::{Ask, Input, Model, Waiting};

/// The message that is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) id: String,
    /// What is to be done with it, once it is confirmed.
    pub(crate) deed: Option<Deed>,
}

/// What the input is for, if not a message of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum About {
    /// It answers this message, of which this is the beginning.
    Reply { id: String, excerpt: String },
    /// It is what this message is to say instead.
    Edit { id: String },
}

/// What the keys 1 to 6 react with.
pub(crate) const REACTIONS: [&str; 6] = ["👍", "❤️", "😂", "😮", "😢", "🙏"];

/// What can be done with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Take it back, here and at the contact's.
    Recall,
    /// Delete it here.
    Delete,
}

impl Model {
    /// Chooses the newest message. False if there is none. One that waits for the daemon is newer: it is taken back into the
    /// input, where it can be changed and deleted.
    pub(super) fn begin_choosing(&mut self, asks: &mut Vec<Ask>) -> bool {
        if let Some(waiting) = self.open.clone().and_then(|place| self.withdraw(&place, 0)) {
            self.take_back(waiting);
            return true;
        }
        let newest = self.open_conversation().and_then(|conversation| conversation.rows.last());
        let Some(id) = newest.map(|row| row.id.clone()) else { return false };
        self.choose(Some(id), asks);
        true
    }

    /// A key while a message is chosen. False if it is none of those for that, and none is chosen any more.
    pub(super) fn choose_key(&mut self, key: KeyEvent, asks: &mut Vec<Ask>) -> bool {
        let moderates = self.moderates_open();
        let Some(conversation) = self.open_conversation_mut() else { return false };
        let Some(Chosen { id, deed }) = conversation.chosen.take() else { return false };
        let Some(at) = conversation.place(&id) else { return false };
        match (deed, key.code) {
            (Some(deed), KeyCode::Char('y' | 'Y')) => {
                asks.push(match deed {
                    Deed::Recall => Ask::Recall { id },
                    Deed::Delete => Ask::Delete { id },
                });
                return true;
            }
            (Some(_), _) => conversation.chosen = Some(Chosen { id, deed: None }),
            (None, KeyCode::Up) => {
                let older = conversation.rows[at.saturating_sub(1)].id.clone();
                self.choose(Some(older), asks);
            }
            (None, KeyCode::Down) => {
                let newer = conversation.rows.get(at + 1).map(|row| row.id.clone());
                self.choose(newer, asks);
            }
            (None, KeyCode::Char('r')) => {
                let row = &conversation.rows[at];
                let is_theirs = moderates && row.direction == Direction::In;
                let may = row.direction == Direction::Out || is_theirs;
                let can = may && row.state != Delivery::Recalled;
                let deed = can.then_some(Deed::Recall);
                conversation.chosen = Some(Chosen { id, deed });
                if !can {
                    self.notice = Some("Only what you wrote to others can be recalled.".to_owned());
                }
            }
            (None, KeyCode::Char('d') | KeyCode::Delete) => {
                conversation.chosen = Some(Chosen { id, deed: Some(Deed::Delete) });
            }
            (None, KeyCode::Char('a')) => {
                let excerpt = conversation.rows[at].text.clone();
                conversation.about = Some(About::Reply { id, excerpt });
                self.choose(None, asks);
            }
            (None, KeyCode::Char('e')) => self.begin_edit(id, at, asks),
            (None, KeyCode::Char('0')) => asks.push(Ask::React { id, emoji: None }),
            (None, KeyCode::Char(digit @ '1'..='6')) => {
                let number = digit.to_digit(10).and_then(|digit| usize::try_from(digit).ok());
                let emoji = number.and_then(|number| REACTIONS.get(number - 1));
                asks.push(Ask::React { id, emoji: emoji.map(|emoji| (*emoji).to_owned()) });
            }
            (None, KeyCode::Esc) => self.choose(None, asks),
            (None, _) => return false,
        }
        true
    }

    fn take_back(&mut self, waiting: Waiting) {
        let Some(conversation) = self.open_conversation_mut() else { return };
        conversation.draft = Input::of(&waiting.text);
        conversation.about = waiting.reply_to.map(|id| {
            let answered = conversation.place(&id).and_then(|at| conversation.rows.get(at));
            let excerpt = answered.map_or_else(String::new, |row| row.text.clone());
            About::Reply { id, excerpt }
        });
        self.notice = Some("Taken back: it was not sent yet. Enter sends it.".to_owned());
    }

    /// Puts what a message says into the input, to be changed.
    fn begin_edit(&mut self, id: String, at: usize, asks: &mut Vec<Ask>) {
        let Some(conversation) = self.open_conversation_mut() else { return };
        let row = &conversation.rows[at];
        let is_own = row.direction == Direction::Out && !row.is_notice;
        if !is_own || row.state == Delivery::Recalled || !conversation.draft.is_empty() {
            conversation.chosen = Some(Chosen { id, deed: None });
            self.notice = Some(match is_own {
                false => "Only what you wrote to others can be edited.".to_owned(),
                true => "Send or delete what is being typed first.".to_owned(),
            });
            return;
        }
        conversation.draft = Input::of(&row.text);
        conversation.about = Some(About::Edit { id });
        self.choose(None, asks);
    }

    /// The input is for a message of its own again.
    pub(super) fn forget_about(&mut self) {
        let Some(conversation) = self.open_conversation_mut() else { return };
        if let Some(About::Edit { .. }) = conversation.about.take() {
            conversation.draft.take();
        }
    }

    fn choose(&mut self, id: Option<String>, asks: &mut Vec<Ask>) {
        let Some(conversation) = self.open_conversation_mut() else { return };
        conversation.chosen = id.clone().map(|id| Chosen { id, deed: None });
        match id {
            Some(id) => self.scroll_to(&id, asks),
            // Back to the newest.
            None => self.scroll(isize::MIN / 2, asks),
        }
    }
}
