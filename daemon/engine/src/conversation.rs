//! Conversations, places in them, and who writes there.
//!
//! The vault knows a conversation by a reference of 32 bytes. Of a direct one they are the other's identity,
//! of the user's notes the user's own; of a room's the room's id. Outbox, sessions and settings go by the same 32 bytes. Whoever
//! needs a contact asks the directory whether these are one, or a room (`Rooms::is_line`): no room has the id of a person.

use martlet_protocol::IdentityId;

pub(crate) use martlet_store::records::{Author, ConversationRef, Place};

/// After what of a conversation something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct After {
    /// The last position.
    pub(crate) position: u64,
    /// The number of this device's last message.
    pub(crate) number: u64,
}

/// With whom a direct conversation is. Of a room: how that stands where otherwise a person does.
pub(crate) fn person(conversation: &ConversationRef) -> IdentityId {
    IdentityId(conversation.0)
}
