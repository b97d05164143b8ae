//! Events: what happened, from a durable log.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::message::{Delivery, Message};
use crate::time::UnixMillis;

/// Query of `GET /v1/events`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventsQuery {
    /// Events after this number; 0 for all that are kept, absent for those to come. A
    /// `Last-Event-ID` header wins over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
}

/// One event. As a Server-Sent Event its `id` is `seq`, its name `type`, its data this as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Its number: 1, 2, 3, …
    pub seq: u64,
    /// When it was committed.
    pub at: UnixMillis,
    /// What happened.
    #[serde(flatten)]
    pub body: EventBody,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EventBody {
    /// A contact's message was committed.
    MessageReceived {
        /// The message.
        message: Message,
    },
    /// A message of the user's was committed.
    MessageQueued {
        /// The message.
        message: Message,
    },
    /// A message of the user's got further.
    MessageState {
        /// Its id.
        id: String,
        /// The contact's name.
        conversation: String,
        /// Where it stands now.
        state: Delivery,
    },
    /// Someone unknown wrote.
    RequestReceived {
        /// Their ID.
        id: String,
        /// The name they gave themselves: unverified.
        #[serde(skip_serializing_if = "Option::is_none")]
        suggested_name: Option<String>,
    },
    /// A contact was added, or a request accepted.
    ContactAdded {
        /// The contact's name.
        name: String,
        /// Their ID.
        id: String,
    },
    /// A contact was renamed.
    ContactRenamed {
        /// Their ID.
        id: String,
        /// The name before, told as it happens: the log keeps no names.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
        /// The name now.
        to: String,
    },
    /// A contact and the conversation with them were removed.
    ContactRemoved {
        /// The contact's name, told as it happens: the log keeps nothing of who was removed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// A contact's keys were found: what waited for them is sent.
    ContactReachable {
        /// The contact's name.
        name: String,
    },
    /// The user read a conversation.
    ConversationRead {
        /// The contact's name.
        name: String,
        /// Messages that were unread.
        marked: u64,
    },
    /// A contact's later messages were shown without some earlier ones, which did not come. If one does
    /// after all, it is told as any other.
    MessagesLost {
        /// The contact's name.
        conversation: String,
        /// How many.
        count: u64,
    },
    /// Something that can't be told any more.
    Gone {
        /// Why.
        reason: GoneReason,
    },
}

/// Why an event can't be told any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GoneReason {
    /// What it was about was removed.
    Removed,
    /// Its record, or the message's, is damaged.
    Unreadable,
}

impl EventBody {
    /// The event's name, as in its `type` field.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::MessageReceived { .. } => "message_received",
            Self::MessageQueued { .. } => "message_queued",
            Self::MessageState { .. } => "message_state",
            Self::RequestReceived { .. } => "request_received",
            Self::ContactAdded { .. } => "contact_added",
            Self::ContactRenamed { .. } => "contact_renamed",
            Self::ContactRemoved { .. } => "contact_removed",
            Self::ContactReachable { .. } => "contact_reachable",
            Self::ConversationRead { .. } => "conversation_read",
            Self::MessagesLost { .. } => "messages_lost",
            Self::Gone { .. } => "gone",
        }
    }
}
