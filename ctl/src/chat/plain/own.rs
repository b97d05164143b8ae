//! Messages that were typed here, so that it can be told what becomes of them.

use std::collections::HashMap;

use super::super::text::{fit, in_one_line};

/// Columns by which a message is named when it was delivered.
const EXCERPT_COLUMNS: usize = 30;

/// Their beginnings, by id. (They need not be among what the model has loaded.)
#[derive(Debug, Default)]
pub(super) struct Own(HashMap<String, String>);

impl Own {
    /// One was committed.
    pub(super) fn add(&mut self, id: &str, text: &str) {
        self.0.insert(id.to_owned(), fit(&in_one_line(text), EXCERPT_COLUMNS));
    }

    /// The beginning of one.
    pub(super) fn excerpt(&self, id: &str) -> Option<&str> {
        self.0.get(id).map(String::as_str)
    }

    /// One is gone: nothing of it is kept.
    pub(super) fn forget(&mut self, id: &str) {
        self.0.remove(id);
    }
}

/// Where something stands: with a contact, or in a room and by whom.
pub(super) fn of_whom(name: String, author: Option<&str>) -> String {
    match author {
        Some(author) => format!("{name}, {author}"),
        None => name,
    }
}
