//! What happened, for clients to follow.

use martlet_protocol::{IdentityId, MessageId, OpId, RoomId, UnixMillis};
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
    /// A message was edited.
    MessageEdited(Place),
    /// Someone reacted to a message, or withdrew that.
    MessageReaction(Place, IdentityId),
    /// The other side has read own messages up to this one.
    MessagesRead(Place),
    /// The text of a message is gone.
    MessageEnded(ConversationRef, MessageId, EndReason),
    /// The user removed all messages of a conversation.
    ConversationCleared(ConversationRef),
    /// A verified contact has another device.
    ContactDevicesChanged(IdentityId),
    /// The user verified a contact, or no longer holds them to be.
    ContactVerified(IdentityId),
    /// A contact wants to be seen otherwise.
    ContactProfile(IdentityId),
    /// The devices of a contact's, or of the user's own, are others than before.
    DevicesChanged(IdentityId),
    /// A contact's identity ended, or the user's own.
    Terminated(IdentityId),
    /// Someone came by the invite of this number, and is a contact.
    InviteUsed(u64, IdentityId),
    /// Someone came by the invite of this number when it was no longer good.
    InviteRefused(u64, IdentityId),
    /// The device of a contact knows that the user accepted their invite.
    InviteAccepted(IdentityId),
    /// The user is in a room from now on.
    RoomJoined(RoomId),
    /// Something changed a room.
    RoomChanged(RoomId, OpId),
    /// The user is in a room no more: they left, or were removed.
    RoomLeft(RoomId),
    /// What the user did in a room does not count any more: the first was undone by the second.
    RoomUndone(RoomId, OpId, OpId),
    /// Somebody's device did two things in a room as if the other were not there.
    RoomEquivocation(RoomId, OpId, OpId),
    /// The file of this message is here, or with the other side.
    FileReceived(Place),
    /// The file of this message could not be had, or is here no more.
    FileFailed(Place),
    /// Another person in a room has an own message.
    MessageReached(Place),
}

/// Why a message is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndReason {
    /// Its time from when it was sent is over.
    Expired,
    /// Its time from when it was read is over.
    Burned,
    /// Its writer took it back.
    Recalled,
    /// The user deleted it here.
    Deleted,
    /// This moderator of its room took it back.
    RecalledBy(IdentityId),
    /// Someone else had told it, and the message itself came.
    Replaced,
}
