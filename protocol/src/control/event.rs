//! Events: what happened, from a durable log.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::contact::Verified;
use super::message::{Delivery, Direction, Message, Received};
use super::room::{RoomOperation, RoomPerson};
use super::schema::{
    ContactText, ConversationText, EmojiText, HexId, IdText, MessageIdText, ShownName,
};
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
        #[schema(value_type = MessageIdText)]
        id: String,
        /// The contact's name.
        #[schema(value_type = ConversationText)]
        conversation: String,
        /// Where it stands now.
        state: Delivery,
    },
    /// Another person has a message that the user wrote in a room, and not all have it.
    MessageReached {
        /// Its id.
        #[schema(value_type = MessageIdText)]
        id: String,
        /// The room's name.
        #[schema(value_type = ConversationText)]
        conversation: String,
        /// How many have it.
        received: Received,
    },
    /// Someone unknown wrote.
    RequestReceived {
        /// Their ID.
        #[schema(value_type = IdText)]
        id: String,
        /// The name they gave themselves: unverified.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<ShownName>)]
        suggested_name: Option<String>,
    },
    /// A contact was added, or a request accepted.
    ContactAdded {
        /// The contact's name.
        #[schema(value_type = ContactText)]
        name: String,
        /// Their ID.
        #[schema(value_type = IdText)]
        id: String,
    },
    /// A contact was renamed.
    ContactRenamed {
        /// Their ID.
        #[schema(value_type = IdText)]
        id: String,
        /// The name before, told as it happens: the log keeps no names.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<ContactText>)]
        from: Option<String>,
        /// The name now.
        #[schema(value_type = ContactText)]
        to: String,
    },
    /// A contact and the conversation with them were removed.
    ContactRemoved {
        /// The contact's name, told as it happens: the log keeps nothing of who was removed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<ContactText>)]
        name: Option<String>,
    },
    /// A contact's keys were found: what waited for them is sent.
    ContactReachable {
        /// The contact's name.
        #[schema(value_type = ContactText)]
        name: String,
    },
    /// A verified contact has a device that the user has not confirmed.
    ContactDevicesChanged {
        /// The contact's name.
        #[schema(value_type = ContactText)]
        name: String,
        /// Devices that the contact has now.
        devices: u32,
    },
    /// The user verified a contact, or no longer holds them to be.
    ContactVerified {
        /// The contact's name.
        #[schema(value_type = ContactText)]
        name: String,
        /// Which of the two, as it is when this is told.
        verified: Verified,
    },
    /// Someone came by an invite of the user's: they are a contact now.
    InviteUsed {
        /// The invite's number.
        number: u64,
        /// The contact's name.
        #[schema(value_type = ContactText)]
        name: String,
    },
    /// Someone came by an invite that was no longer good: they are unknown.
    InviteRefused {
        /// The invite's number.
        number: u64,
        /// Their ID, as far as it is known.
        #[schema(value_type = IdText)]
        id: String,
    },
    /// The device of a contact whose invite the user accepted knows of it.
    InviteAccepted {
        /// The contact's name.
        #[schema(value_type = ContactText)]
        name: String,
    },
    /// The user read a conversation.
    ConversationRead {
        /// The contact's name.
        #[schema(value_type = ConversationText)]
        name: String,
        /// Messages that were unread.
        marked: u64,
    },
    /// A contact's later messages were shown without some earlier ones, which did not come. If one does
    /// after all, it is told as any other.
    MessagesLost {
        /// The contact's name.
        #[schema(value_type = ConversationText)]
        conversation: String,
        /// How many.
        count: u64,
    },
    /// A message was edited.
    MessageEdited {
        /// As it is now.
        message: Message,
    },
    /// Someone reacted to a message, or withdrew that.
    MessageReaction {
        /// The message's id.
        #[schema(value_type = MessageIdText)]
        id: String,
        /// The contact's name.
        #[schema(value_type = ConversationText)]
        conversation: String,
        /// Who reacted.
        direction: Direction,
        /// In a room: who reacted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Box<RoomPerson>>,
        /// With what, as it is when this is told; absent if it was withdrawn.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<EmojiText>)]
        emoji: Option<String>,
    },
    /// A contact has read the user's messages up to this one.
    MessageRead {
        /// The message's id.
        #[schema(value_type = MessageIdText)]
        id: String,
        /// The contact's name.
        #[schema(value_type = ConversationText)]
        conversation: String,
    },
    /// A contact is writing, just now. It is kept nowhere, and has the number of the last event that is.
    Typing {
        /// The contact's name.
        #[schema(value_type = ConversationText)]
        conversation: String,
    },
    /// A file is on its way here, and so far by now. It is kept nowhere, and has the number of the last event that is.
    FileProgress {
        /// The id of its message.
        #[schema(value_type = MessageIdText)]
        id: String,
        /// The contact's name.
        #[schema(value_type = ConversationText)]
        conversation: String,
        /// How much is here, bytes of what is sent over the network.
        fetched_bytes: u64,
        /// Of so many.
        of_bytes: u64,
        /// Whether nobody who has it is on.
        waiting: bool,
    },
    /// A file is here, all of it; or the other side has all of one that the user sent.
    FileReceived {
        /// The message, as it is now.
        message: Message,
    },
    /// A file could not be fetched, or is here no more.
    FileFailed {
        /// The message, as it is now.
        message: Message,
    },
    /// A message is gone from this device. Of one that was recalled, its place without a text stays. In the place of one that was
    /// replaced comes another.
    MessageEnded {
        /// Its id.
        #[schema(value_type = MessageIdText)]
        id: String,
        /// The contact's name; of a note, the user's own ID.
        #[schema(value_type = ConversationText)]
        conversation: String,
        /// Why.
        reason: EndedReason,
        /// Of one in a room that was recalled: the moderator who took it back, if not its writer did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Box<RoomPerson>>,
    },
    /// The user deleted all messages of a conversation here.
    ConversationCleared {
        /// The contact's name.
        #[schema(value_type = ConversationText)]
        name: String,
    },
    /// A contact wants to be seen otherwise. The user's name for them stays.
    ContactProfile {
        /// The contact's name.
        #[schema(value_type = ContactText)]
        name: String,
        /// What they call themselves, as it is when this is told: unverified.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<ShownName>)]
        calls_themselves: Option<String>,
    },
    /// A contact's devices are others than before: one was added or revoked.
    ContactDevices {
        /// The contact's name.
        #[schema(value_type = ContactText)]
        name: String,
    },
    /// A contact's identity was terminated: nothing more comes from them, and nothing can be sent to them.
    ContactTerminated {
        /// The contact's name.
        #[schema(value_type = ContactText)]
        name: String,
    },
    /// The user is in a room from now on: they made it, or were added.
    RoomJoined {
        /// The room's id.
        #[schema(value_type = HexId)]
        room: String,
        /// Its name.
        #[schema(value_type = ConversationText)]
        name: String,
    },
    /// Something was done to a room.
    RoomChanged {
        /// The room's id.
        #[schema(value_type = HexId)]
        room: String,
        /// Its name.
        #[schema(value_type = ConversationText)]
        name: String,
        /// What, and whether it counts as this is told.
        operation: Box<RoomOperation>,
    },
    /// The user is in a room no more.
    RoomLeft {
        /// The room's id.
        #[schema(value_type = HexId)]
        room: String,
        /// Its name.
        #[schema(value_type = ConversationText)]
        name: String,
        /// Whether they were removed, as this is told; else they left.
        removed: bool,
    },
    /// What the user did to a room does not count any more: someone else had done otherwise. It may be done again.
    RoomUndone {
        /// The room's id.
        #[schema(value_type = HexId)]
        room: String,
        /// Its name.
        #[schema(value_type = ConversationText)]
        name: String,
        /// What the user did.
        operation: Box<RoomOperation>,
        /// Whose operation undid it, if that is known here.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<RoomPerson>,
    },
    /// A device did two things to a room as if the other were not there: it was copied or restored from a copy, or its owner
    /// tells different people different things. Both count.
    RoomEquivocation {
        /// The room's id.
        #[schema(value_type = HexId)]
        room: String,
        /// Its name.
        #[schema(value_type = ConversationText)]
        name: String,
        /// Whose device.
        by: RoomPerson,
    },
    /// Something was said of the user's own devices.
    DevicesChanged,
    /// The user's own identity was terminated: nothing can be sent any more.
    AccountTerminated,
    /// Something that can't be told any more.
    Gone {
        /// Why.
        reason: GoneReason,
    },
}

/// Why a message is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndedReason {
    /// Its time from when it was sent is over.
    Expired,
    /// Its time from when it was read is over.
    Burned,
    /// Its writer took it back.
    Recalled,
    /// The user deleted it here.
    Deleted,
    /// In a room someone else had told it (`told_by`), and the message itself came: it has the same id, and is told as any other.
    Replaced,
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
    /// Whether it is told as it happens and kept nowhere: then its number is that of the last event that is kept.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Typing { .. } | Self::FileProgress { .. })
    }

    /// The event's name, as in its `type` field.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::MessageReceived { .. } => "message_received",
            Self::MessageQueued { .. } => "message_queued",
            Self::MessageState { .. } => "message_state",
            Self::MessageReached { .. } => "message_reached",
            Self::RequestReceived { .. } => "request_received",
            Self::ContactAdded { .. } => "contact_added",
            Self::ContactRenamed { .. } => "contact_renamed",
            Self::ContactRemoved { .. } => "contact_removed",
            Self::ContactReachable { .. } => "contact_reachable",
            Self::ContactDevicesChanged { .. } => "contact_devices_changed",
            Self::ContactVerified { .. } => "contact_verified",
            Self::InviteUsed { .. } => "invite_used",
            Self::InviteRefused { .. } => "invite_refused",
            Self::InviteAccepted { .. } => "invite_accepted",
            Self::ConversationRead { .. } => "conversation_read",
            Self::MessagesLost { .. } => "messages_lost",
            Self::MessageEdited { .. } => "message_edited",
            Self::MessageReaction { .. } => "message_reaction",
            Self::MessageRead { .. } => "message_read",
            Self::Typing { .. } => "typing",
            Self::FileProgress { .. } => "file_progress",
            Self::FileReceived { .. } => "file_received",
            Self::FileFailed { .. } => "file_failed",
            Self::MessageEnded { .. } => "message_ended",
            Self::ConversationCleared { .. } => "conversation_cleared",
            Self::ContactProfile { .. } => "contact_profile",
            Self::ContactDevices { .. } => "contact_devices",
            Self::ContactTerminated { .. } => "contact_terminated",
            Self::RoomJoined { .. } => "room_joined",
            Self::RoomChanged { .. } => "room_changed",
            Self::RoomLeft { .. } => "room_left",
            Self::RoomUndone { .. } => "room_undone",
            Self::RoomEquivocation { .. } => "room_equivocation",
            Self::DevicesChanged => "devices_changed",
            Self::AccountTerminated => "account_terminated",
            Self::Gone { .. } => "gone",
        }
    }
}
