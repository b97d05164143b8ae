//! Searching the history.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::message::Direction;
use super::room::RoomPerson;
use super::schema::{ConversationText, HexId, MessageIdText, SearchText};
use crate::time::UnixMillis;

/// Query of `GET /v1/search`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SearchQuery {
    /// Words, or beginnings of words: a message must have all. Case and accents make no difference.
    #[param(inline, value_type = SearchText)]
    pub words: String,
    /// Only in the conversation that is called so.
    #[serde(default, rename = "in", skip_serializing_if = "Option::is_none")]
    #[param(inline, value_type = Option<ConversationText>)]
    pub within: Option<String>,
    /// Only in the notes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[param(required = false)]
    pub notes: bool,
    /// Most messages to return: 1 to 1000, 20 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SearchResults {
    /// The messages, newest first.
    pub results: Vec<SearchResult>,
    /// Whether older ones have it, too.
    pub more: bool,
    /// Whether there are so many texts that the oldest were not looked at.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
}

/// A message that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SearchResult {
    /// Its id, hexadecimal.
    #[schema(value_type = MessageIdText)]
    pub id: String,
    /// The contact's name (for a note, the user's own ID), or the room's.
    #[schema(value_type = ConversationText)]
    pub conversation: String,
    /// In a room: its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<HexId>)]
    pub room: Option<String>,
    /// In a room: who wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<Box<RoomPerson>>,
    /// Who wrote it.
    pub direction: Direction,
    /// When it was written, by the writer's clock.
    pub sent_at: UnixMillis,
    /// When it was committed here.
    pub stored_at: UnixMillis,
    /// What stands before what was looked for, at most 40 characters; it begins with `…` if there is more.
    #[schema(max_length = 41)]
    pub before: String,
    /// What was looked for, as it is written there.
    #[schema(max_length = 16384)]
    pub found: String,
    /// What stands after it, at most 80 characters; it ends with `…` if there is more.
    #[schema(max_length = 81)]
    pub after: String,
}
