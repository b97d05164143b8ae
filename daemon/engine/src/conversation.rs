//! Conversations, places in them, and who writes there.
//!
//! The vault knows a conversation by a reference of 32 bytes. Of a direct one they are the other's identity,
//! of the user's notes the user's own. Whoever needs a person asks [`person`], and is told that there may be none: a
//! conversation of several has no one contact.

use martlet_protocol::IdentityId;

pub(crate) use martlet_store::records::{Author, ConversationRef, Place};

/// With whom a direct conversation is.
pub(crate) fn person(conversation: &ConversationRef) -> IdentityId {
    IdentityId(conversation.0)
}
