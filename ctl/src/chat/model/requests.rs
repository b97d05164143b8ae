//! Unknown people who have written, and the decision about them.

use martlet_protocol::control::MessageRequest;
use ratatui::crossterm::event::{KeyCode, KeyEvent};

use super::{Ask, Focus, Input, Model};

/// The requests that wait.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    /// Oldest first.
    pub(crate) list: Vec<MessageRequest>,
    /// The one that keys are about.
    pub(crate) at: usize,
    pub(crate) deciding: Option<Deciding>,
}

/// A decision half made, about the request of this ID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deciding {
    /// Accepted under the name that is being typed.
    Accept { id: String, name: Input },
    /// Dropped, once it is confirmed.
    Drop { id: String },
}

impl Requests {
    /// The list is this now.
    pub(super) fn replace(&mut self, list: Vec<MessageRequest>) {
        self.list = list;
        self.at = self.at.min(self.list.len().saturating_sub(1));
        let is_there = |id: &str| self.list.iter().any(|request| request.id == id);
        let keep = match &self.deciding {
            Some(Deciding::Accept { id, .. } | Deciding::Drop { id }) => is_there(id),
            None => false,
        };
        if !keep {
            self.deciding = None;
        }
    }
}

impl Model {
    /// A key while requests are shown. False if it is none of theirs.
    pub(super) fn request_key(&mut self, key: KeyEvent, asks: &mut Vec<Ask>) -> bool {
        let requests = &mut self.requests;
        match requests.deciding.take() {
            Some(Deciding::Accept { id, mut name }) => {
                match key.code {
                    KeyCode::Enter if !name.text().trim().is_empty() => {
                        asks.push(Ask::Accept { id, name: name.take() });
                        return true;
                    }
                    KeyCode::Esc => return true,
                    _ => super::keys::edit(&mut name, key),
                }
                requests.deciding = Some(Deciding::Accept { id, name });
                return true;
            }
            Some(Deciding::Drop { id }) => {
                if matches!(key.code, KeyCode::Char('y' | 'Y')) {
                    asks.push(Ask::Drop { id });
                }
                return true;
            }
            None => {}
        }
        let Some(request) = requests.list.get(requests.at) else { return false };
        match key.code {
            KeyCode::Up => requests.at = requests.at.saturating_sub(1),
            KeyCode::Down => requests.at = (requests.at + 1).min(requests.list.len() - 1),
            KeyCode::Enter | KeyCode::Char('a') => {
                let name = request.suggested_name.as_deref().unwrap_or_default();
                requests.deciding =
                    Some(Deciding::Accept { id: request.id.clone(), name: Input::of(name) });
            }
            KeyCode::Delete | KeyCode::Char('d') => {
                requests.deciding = Some(Deciding::Drop { id: request.id.clone() });
            }
            KeyCode::Esc => self.focus = Focus::List,
            _ => return false,
        }
        true
    }
}
