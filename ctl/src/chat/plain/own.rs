//! Messages that were typed here, so that it can be told what becomes of them.

use std::collections::{HashMap, VecDeque};

use super::super::model::Place;
use super::super::text::{fit, in_one_line};

/// Columns by which a message is named when it was delivered.
const EXCERPT_COLUMNS: usize = 30;

/// Messages that are remembered until their event has come: they come within milliseconds.
const TAKEN_MAX: usize = 100;

/// They need not be among what the model has loaded.
#[derive(Debug, Default)]
pub(super) struct Own {
    /// Their beginnings, by id.
    excerpts: HashMap<String, String>,
    /// Those that the daemon took last, the newest last.
    taken: VecDeque<(Place, String)>,
}

impl Own {
    /// One was committed.
    pub(super) fn add(&mut self, id: &str, text: &str) {
        self.excerpts.insert(id.to_owned(), fit(&in_one_line(text), EXCERPT_COLUMNS));
    }

    /// The beginning of one.
    pub(super) fn excerpt(&self, id: &str) -> Option<&str> {
        self.excerpts.get(id).map(String::as_str)
    }

    /// One is gone: nothing of it is kept.
    pub(super) fn forget(&mut self, id: &str) {
        self.excerpts.remove(id);
        self.untake(id);
    }

    /// The daemon has answered that it has one.
    pub(super) fn took(&mut self, place: &Place, id: &str) {
        if self.taken.len() >= TAKEN_MAX {
            self.taken.pop_front();
        }
        self.taken.push_back((place.clone(), id.to_owned()));
    }

    /// One was taken back.
    pub(super) fn untake(&mut self, id: &str) {
        self.taken.retain(|(_, taken)| taken != id);
    }

    /// Those that the daemon took last of a conversation, the newest first.
    pub(super) fn taken(&self, place: &Place) -> Vec<&str> {
        let those = self.taken.iter().rev().filter(|(of, _)| of == place);
        those.map(|(_, id)| id.as_str()).collect()
    }
}

/// Where something stands: with a contact, or in a room and by whom.
pub(super) fn of_whom(name: String, author: Option<&str>) -> String {
    match author {
        Some(author) => format!("{name}, {author}"),
        None => name,
    }
}
