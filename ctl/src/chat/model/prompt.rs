//! What is asked in the last line: words to search for, a contact to add, timers.

use martlet_protocol::control::{ConversationTimers, TimersRequest};
use ratatui::crossterm::event::{KeyCode, KeyEvent};

use super::{Ask, Input, Link, Model, Place};
use crate::render::{in_words, timer};

/// What is asked, and what is typed so far.
#[derive(Debug, Clone)]
pub(crate) struct Prompt {
    pub(crate) wants: Wants,
    pub(crate) given: Input,
}

/// What for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wants {
    /// Words to search for in all conversations.
    Search,
    /// The ID of a contact to add.
    Id,
    /// What to call the one with this ID.
    Name { id: String },
    /// How long messages with this contact live.
    Timers { name: String },
}

impl Prompt {
    /// The question.
    pub(crate) fn question(&self) -> String {
        match &self.wants {
            Wants::Search => "Search: ".to_owned(),
            Wants::Id => "Add the contact with the ID: ".to_owned(),
            Wants::Name { .. } => "What to call them: ".to_owned(),
            Wants::Timers { .. } => "Messages end after (1h, off; once read: 1h 30s): ".to_owned(),
        }
    }
}

impl Model {
    pub(super) fn ask_user(&mut self, wants: Wants) {
        if self.link == Link::Up {
            self.seek.find = None;
            self.seek.prompt = Some(Prompt { wants, given: Input::default() });
        } else {
            self.notice = Some("The daemon is away: try again when it is back.".to_owned());
        }
    }

    /// The same about how long messages with the contact under the cursor live.
    pub(super) fn ask_timers(&mut self) {
        match self.cursor.clone() {
            Some(Place::Contact(name)) if self.room(&name).is_some() => {
                self.notice = Some("Moderators set them: martletctl room set.".to_owned());
            }
            Some(Place::Contact(name)) => self.ask_user(Wants::Timers { name }),
            Some(Place::Notes | Place::Requests) | None => self.nobody(),
        }
    }

    /// Mutes the conversation under the cursor, or pins it; or ends that.
    pub(super) fn toggle(&mut self, is_pin: bool, asks: &mut Vec<Ask>) {
        let Some(place @ Place::Contact(name)) = &self.cursor else { return self.nobody() };
        let is_set =
            self.conversation(place).is_some_and(|it| if is_pin { it.pinned } else { it.muted });
        let (muted, pinned) = if is_pin { (None, Some(!is_set)) } else { (Some(!is_set), None) };
        asks.push(Ask::Settings { name: name.clone(), muted, pinned });
    }

    fn nobody(&mut self) {
        self.notice = Some("That is for conversations with contacts: choose one.".to_owned());
    }

    pub(super) fn prompt_key(&mut self, key: KeyEvent, asks: &mut Vec<Ask>) {
        let Some(Prompt { wants, mut given }) = self.seek.prompt.take() else { return };
        match key.code {
            KeyCode::Esc => return,
            KeyCode::Enter => {}
            _ => {
                super::keys::edit(&mut given, key);
                self.seek.prompt = Some(Prompt { wants, given });
                return;
            }
        }
        let text = given.text().trim().to_owned();
        match &wants {
            _ if text.is_empty() => {}
            Wants::Search => {
                // The first one takes a moment.
                self.notice = Some("Searching…".to_owned());
                asks.push(Ask::Search { words: text });
            }
            Wants::Id => self.ask_user(Wants::Name { id: text }),
            Wants::Name { id } => asks.push(Ask::Add { id: id.clone(), name: text }),
            Wants::Timers { name } => match timers(&text) {
                Ok(request) => asks.push(Ask::SetTimers { name: name.clone(), request }),
                Err(why) => {
                    self.notice = Some(why);
                    self.seek.prompt = Some(Prompt { wants, given });
                }
            },
        }
    }
}

/// `1h`, `off`, `1h 30s`: from sending, then from reading. What is not said is off.
pub(crate) fn timers(text: &str) -> Result<TimersRequest, String> {
    let mut parts = text.split_whitespace().map(timer);
    let expire = parts.next().transpose()?;
    let burn = parts.next().transpose()?.unwrap_or(martlet_protocol::control::TimerSetting::OFF);
    if parts.next().is_some() {
        return Err("at most two times: from sending, and from reading".to_owned());
    }
    Ok(TimersRequest { expire_seconds: expire, burn_seconds: Some(burn) })
}

/// `end after 1 h, 30 s once read`.
pub(crate) fn timers_in_words(timers: &ConversationTimers) -> Option<String> {
    let told = |seconds: u32| in_words(seconds.into());
    match (timers.expire_seconds.map(told), timers.burn_seconds.map(told)) {
        (None, None) => None,
        (Some(expire), None) => Some(format!("end after {expire}")),
        (None, Some(burn)) => Some(format!("end {burn} once read")),
        (Some(expire), Some(burn)) => Some(format!("end after {expire}, {burn} once read")),
    }
}
