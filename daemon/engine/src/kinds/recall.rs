//! A recall: it takes back a message of the same author's. What that changes is in `timeline/recalls.rs`.

use martlet_protocol::MessageId;
pub(super) use martlet_protocol::message::recall::KIND;
use martlet_protocol::message::{Content, Recall};
use martlet_store::records::Body;

/// A recall as it is kept.
pub(super) fn body(recall: Recall) -> Body {
    Body::Recall(recall.message)
}

/// A recall as it is sent.
pub(super) fn content(message: MessageId) -> Content {
    Content::Recall(Recall { message })
}
