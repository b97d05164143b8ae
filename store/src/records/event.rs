//! What happened, for clients to follow.

use martlet_protocol::{IdentityId, UnixMillis};
use serde::{Deserialize, Serialize};

use super::conversation::{ConversationRef, Place, State};

/// See [`EVENTS`](super::EVENTS): what is needed to tell the event when it is read. Never a text or a
/// name, so that what is removed is removed from here as well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    /// When it was committed.
    pub at: UnixMillis,
    /// What happened.
    pub what: Happened,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Happened {
    /// A contact's message was committed.
    MessageReceived(Place),
    /// A message of the user's was committed.
    MessageQueued(Place),
    /// A message of the user's got further.
    MessageState(Place, State),
    /// Someone unknown wrote.
    RequestReceived(IdentityId),
    /// A contact was added, or a request accepted.
    ContactAdded(IdentityId),
    /// A contact was renamed.
    ContactRenamed(IdentityId),
    /// A contact was removed.
    ContactRemoved,
    /// A contact's keys were found.
    ContactReachable(IdentityId),
    /// The user read a conversation with so many unread messages.
    ConversationRead(ConversationRef, u64),
    /// So many messages of a conversation never came.
    MessagesLost(ConversationRef, u64),
}
