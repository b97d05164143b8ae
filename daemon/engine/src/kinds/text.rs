//! A text: it says what it says.

use martlet_protocol::message::text::KIND;
use martlet_protocol::message::{Content, Text};
use martlet_store::records::Body;

/// A text as it is kept.
pub(super) fn body(text: &Text) -> Body {
    Body::Text(text.as_str().to_owned())
}

/// A text as it is sent.
pub(super) fn content(text: &str) -> Content {
    match Text::new(text) {
        Ok(text) => Content::Text(text),
        // Records hold what was within the bounds when it was written.
        Err(_) => super::unknown::content(KIND, text.as_bytes()),
    }
}
