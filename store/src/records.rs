//! The vault's records: their shapes on disk and the collections they live in.
//!
//! Encoded by [`martlet_protocol::codec`], so fields are numbered by their order: new ones are
//! added at the end, with `#[serde(default)]`.

mod conversation;
mod device;
mod event;
mod outbox;
mod people;
mod session;

// What is public in these is public here.
pub use conversation::*;
pub use device::*;
pub use event::*;
pub use outbox::*;
pub use people::*;
pub use session::*;

use martlet_protocol::{Ack, Envelope};

use crate::vault::Collection;

/// The user's identity and this device. One record, `Named(b"")`.
pub const PROFILE: Collection<Profile> = Collection::new("profile");
/// Prekeys, by `Ordinal` of their making; the last is the published one.
pub const PREKEYS: Collection<PrekeyRecord> = Collection::new("prekeys");
/// Counters of the whole vault. One record, `Named(b"")`.
pub const COUNTERS: Collection<Counters> = Collection::new("counters");
/// Acks of each commit that the mailbox may not have on disk yet, by `Ordinal` of the commit.
pub const RECENT_ACKS: Collection<Vec<Ack>> = Collection::new("recent_acks");
/// Own acks that wait for their time, by `Ordinal` of their making.
pub const LATE_ACKS: Collection<Ack> = Collection::new("late_acks");
/// The envelope of the bundle published last. One record, `Named(b"")`.
pub const PUBLISHED: Collection<Envelope> = Collection::new("published");
/// Contacts, `Named` by identity.
pub const CONTACTS: Collection<ContactRecord> = Collection::new("contacts");
/// Unknown senders, `Named` by identity.
pub const REQUESTS: Collection<RequestRecord> = Collection::new("requests");
/// What unknown senders wrote, `Scoped` by identity, numbered as it came.
pub const REQUEST_MESSAGES: Collection<RequestMessage> = Collection::new("request_messages");
/// Acks of unknown senders' envelopes, to be revealed once they are contacts; `Scoped` by identity,
/// numbered as the envelopes came.
pub const REQUEST_ACKS: Collection<RequestAcks> = Collection::new("request_acks");
/// Unknown senders whose request the user dropped, `Named` by identity.
pub const DROPPED: Collection<DroppedRecord> = Collection::new("dropped");
/// Conversations with contacts, `Named` by identity.
pub const CONVERSATIONS: Collection<ConversationRecord> = Collection::new("conversations");
/// Own sessions, `Named` by the identity they are for.
pub const OUTBOUND_SESSIONS: Collection<OutboundRecord> = Collection::new("outbound_sessions");
/// Others' sessions, `Named` by identity ‖ device ‖ session id.
pub const INBOUND_SESSIONS: Collection<InboundRecord> = Collection::new("sessions_of_others");
/// Messages, `Scoped` by conversation, numbered by position in the conversation.
pub const MESSAGES: Collection<MessageRecord> = Collection::new("messages");
/// Where a message is: `Named` by its id (own ones), or the writer's identity ‖ id (received ones).
pub const MESSAGE_INDEX: Collection<MessageAt> = Collection::new("message_index");
/// Received messages waiting for earlier ones, `Scoped` by conversation ‖ device, numbered by `seq`.
pub const HELD: Collection<HeldRecord> = Collection::new("held");
/// Own envelopes not yet proved received, `Named` by envelope id.
pub const OUTBOX: Collection<OutboxRecord> = Collection::new("outbox");
/// Own messages waiting for the contact's keys, `Scoped` by identity, numbered by position.
pub const WAITING: Collection<WaitingRecord> = Collection::new("waiting");
/// Messages whose kind no build so far knew, `Scoped` by conversation, numbered by position.
pub const UNKNOWN: Collection<Place> = Collection::new("unknown");
/// Conversations whose removal is under way, `Named` by identity.
pub const REMOVALS: Collection<RemovalRecord> = Collection::new("removals");
/// The event log, by `Ordinal`.
pub const EVENTS: Collection<EventRecord> = Collection::new("events");

/// Records with content or keys don't show them.
macro_rules! opaque_debug {
    ($($name:ident),*) => {
        $(impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        })*
    };
}

opaque_debug!(
    Profile,
    Seed,
    PrekeyRecord,
    OutboundRecord,
    InboundRecord,
    RequestMessage,
    MessageRecord,
    Body,
    HeldRecord
);
