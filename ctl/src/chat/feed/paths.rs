//! Where the daemon has what belongs to a conversation.

use super::super::model::Place;
use crate::client::encode;
use crate::limits::CHAT_PAGE_MESSAGES;

/// What is being typed in a conversation.
pub(super) fn draft_path(name: &str) -> String {
    format!("/v1/conversations/{}/draft", encode(name))
}

/// How long its messages live.
pub(super) fn timers_path(name: &str) -> String {
    format!("/v1/conversations/{}/timers", encode(name))
}

/// A page of its messages.
pub(super) fn page_path(place: &Place, before: Option<&str>) -> String {
    let mut path = match place {
        Place::Contact(name) => format!("/v1/conversations/{}/messages", encode(name)),
        Place::Notes | Place::Requests => "/v1/notes".to_owned(),
    };
    path.push_str(&format!("?limit={CHAT_PAGE_MESSAGES}"));
    if let Some(before) = before {
        path.push_str("&before=");
        path.push_str(&encode(before));
    }
    path
}
