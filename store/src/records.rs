//! The vault's records: their shapes on disk and the collections they live in.
//!
//! Encoded by [`martlet_protocol::codec`], so fields are numbered by their order: new ones are
//! added at the end, with `#[serde(default)]`.

use martlet_protocol::crypto::seal::{DetectionSecret, PrekeySecret};
use martlet_protocol::{
    Ack, DeviceId, Envelope, EnvelopeId, Id, IdentityId, MessageId, Rendezvous, SessionId,
    UnixMillis,
};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

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
/// The event log, by `Ordinal`.
pub const EVENTS: Collection<EventRecord> = Collection::new("events");

/// See [`PROFILE`].
#[derive(Clone, Serialize, Deserialize)]
pub struct Profile {
    /// The root key's seed.
    pub root_seed: Seed,
    /// The device key's seed.
    pub device_seed: Seed,
    /// The device's certificate, as issued.
    #[serde(with = "serde_bytes")]
    pub certificate: Vec<u8>,
    /// The device's detection key.
    pub detection: DetectionSecret,
    /// The name given at `init`.
    pub name: Option<String>,
    /// By what the user's bundles are found. Identities of before 2026-12 have no secret.
    #[serde(default)]
    pub rendezvous: Rendezvous,
}

/// The 32-byte seed of a signing key.
#[derive(Clone, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seed(#[serde(with = "serde_bytes")] pub [u8; 32]);

/// See [`PREKEYS`].
#[derive(Clone, Serialize, Deserialize)]
pub struct PrekeyRecord {
    /// Its private half.
    pub secret: PrekeySecret,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When a newer one was made.
    pub superseded_at: Option<UnixMillis>,
}

/// See [`COUNTERS`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Everything in the mailbox up to this arrival was looked at.
    pub processed_arrival: u64,
    /// The newest event.
    pub last_event: u64,
    /// The oldest event kept.
    pub first_event: u64,
    /// Of older builds: the newest prekey's number.
    pub last_prekey: u64,
    /// The day, since the Unix epoch, whose bundle was published last.
    pub published_day: u32,
    /// When the next bundle is due; 0 if that was never drawn.
    #[serde(default)]
    pub next_bundle: UnixMillis,
}

/// See [`CONTACTS`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ContactRecord {
    /// Who it is.
    pub identity: IdentityId,
    /// The user's name for them.
    pub name: String,
    /// When they were added.
    pub added_at: UnixMillis,
    /// The newest bundle of each of their devices, as received.
    pub bundles: Vec<serde_bytes::ByteBuf>,
    /// By what their bundles are found: as their ID said, or as they said last.
    #[serde(default)]
    pub rendezvous: Rendezvous,
    /// Whether they are still to learn by what the user's bundles are found, since that was reset.
    #[serde(default)]
    pub is_untold: bool,
}

/// See [`REQUESTS`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RequestRecord {
    /// Who it is.
    pub identity: IdentityId,
    /// The name they gave themselves.
    pub suggested_name: Option<String>,
    /// When their first session key came.
    pub first_at: UnixMillis,
    /// When their last message came that was kept; 0 while there is none.
    #[serde(default)]
    pub last_at: UnixMillis,
    /// By what their bundles are found, as they said last.
    #[serde(default)]
    pub rendezvous: Rendezvous,
}

/// See [`REQUEST_MESSAGES`].
#[derive(Clone, Serialize, Deserialize)]
pub struct RequestMessage {
    /// From which device.
    pub device: DeviceId,
    /// When it came.
    pub stored_at: UnixMillis,
    /// The message as its sender encoded it: it is read once its sender is a contact.
    #[serde(with = "serde_bytes")]
    pub message: Vec<u8>,
}

/// See [`REQUEST_ACKS`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RequestAcks {
    /// When the envelope came.
    pub stored_at: UnixMillis,
    /// Its acks.
    pub acks: Vec<Ack>,
}

/// See [`DROPPED`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DroppedRecord {
    /// Who it is.
    pub identity: IdentityId,
    /// When the request was dropped.
    pub dropped_at: UnixMillis,
}

/// By what the own vault knows a conversation: a direct one by the other's identity, the user's notes by
/// the user's own. Never sent: what both sides call it is its [`martlet_protocol::ConversationId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConversationRef(#[serde(with = "serde_bytes")] pub [u8; 32]);

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// In which conversation.
    pub conversation: ConversationRef,
    /// Its position there.
    pub position: u64,
}

/// Who wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// The person.
    pub identity: IdentityId,
    /// Their device.
    pub device: DeviceId,
}

/// See [`CONVERSATIONS`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConversationRecord {
    /// Which.
    pub conversation: ConversationRef,
    /// Position of the newest message; the first has 1.
    pub last_position: u64,
    /// Everything up to this position was read.
    pub read_position: u64,
    /// Received messages after it.
    pub unread: u64,
    /// Received messages in all.
    pub received: u64,
    /// Number of the last message this device sent.
    pub last_sent_seq: u64,
    /// For each writing device, the number of the next message due; the device that wrote last is last.
    pub due: Vec<(DeviceId, u64)>,
    /// Messages that never came, in the order in which they were missed.
    #[serde(default)]
    pub lost: Vec<LostRecord>,
    /// Set once the other side was accepted after having written as someone unknown or dropped: what that
    /// was, and never came, is no loss. Those devices of `due` that have not written since then.
    #[serde(default)]
    pub unheard: Option<Vec<DeviceId>>,
}

/// Messages of one device that never came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostRecord {
    /// Which device's.
    pub device: DeviceId,
    /// The number of the first.
    pub first: u64,
    /// The number of the last.
    pub last: u64,
    /// Position of the message that was shown without them.
    pub before: u64,
}

/// See [`OUTBOUND_SESSIONS`].
#[derive(Clone, Serialize, Deserialize)]
pub struct OutboundRecord {
    /// For whom.
    pub identity: IdentityId,
    /// When it was made.
    pub created_at: UnixMillis,
    /// [`martlet_protocol::crypto::session::OutboundSession::to_record`].
    #[serde(with = "serde_bytes")]
    pub session: Vec<u8>,
    /// The envelopes that carry its key.
    #[serde(default)]
    pub keys: Vec<EnvelopeId>,
}

/// See [`INBOUND_SESSIONS`].
#[derive(Clone, Serialize, Deserialize)]
pub struct InboundRecord {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub identity: IdentityId,
    /// Of which device.
    pub device: DeviceId,
    /// When its key came.
    pub received_at: UnixMillis,
    /// Bit `i` of byte `i / 8`: message `i` was received.
    #[serde(with = "serde_bytes")]
    pub received: [u8; 16],
    /// [`martlet_protocol::crypto::session::InboundSession::to_record`].
    #[serde(with = "serde_bytes")]
    pub session: Vec<u8>,
    /// Whether its sender was removed from the contacts: it opens nothing unless they are added again.
    #[serde(default)]
    pub is_parked: bool,
}

/// See [`MESSAGES`].
#[derive(Clone, Serialize, Deserialize)]
pub struct MessageRecord {
    /// Its id.
    pub id: MessageId,
    /// Whether the user wrote it.
    pub own: bool,
    /// The writer's number for it.
    pub seq: u64,
    /// When it was written, by the writer's clock.
    pub sent_at: UnixMillis,
    /// When it was committed here.
    pub stored_at: UnixMillis,
    /// How far an own message got, as its number in [`State`].
    pub state: State,
    /// What it says.
    pub body: Body,
    /// Who wrote it; records of before 2026-12 don't say.
    #[serde(default)]
    pub author: Option<Author>,
}

/// How far an own message got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum State {
    /// Committed here.
    Queued,
    /// On another node's disk.
    Sent,
    /// On every addressed device's disk.
    Delivered,
    /// Its life ended first.
    Expired,
}

/// What a message says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// A text.
    Text(String),
    /// A kind that the build which took it didn't know, and whose payload it didn't keep.
    Unknown(u16),
    /// A kind that the build which took it didn't know: it is read again by those that do.
    Raw {
        /// Its number.
        kind: u16,
        /// Its payload.
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    },
}

/// See [`MESSAGE_INDEX`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MessageAt {
    /// In which conversation.
    pub conversation: ConversationRef,
    /// Its position; 0 while it is held back.
    pub position: u64,
}

/// See [`HELD`].
#[derive(Clone, Serialize, Deserialize)]
pub struct HeldRecord {
    /// In which conversation.
    pub conversation: ConversationRef,
    /// From which device.
    pub device: DeviceId,
    /// The message.
    pub message: MessageRecord,
    /// More of the device's messages with the same number.
    #[serde(default)]
    pub others: Vec<MessageRecord>,
}

/// See [`OUTBOX`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OutboxRecord {
    /// The envelope's id.
    pub id: EnvelopeId,
    /// The envelope.
    pub envelope: Envelope,
    /// The contact it is for.
    pub identity: IdentityId,
    /// Position of the message it carries; `None` where it carries none.
    pub position: Option<u64>,
    /// Whether it was addressed by a clock that no other had agreed with.
    #[serde(default)]
    pub in_doubt: bool,
    /// Of a session key: the device whose prekey it is sealed to.
    #[serde(default)]
    pub sealed_to: Option<SealedTo>,
    /// Whether it carries neither a message nor a key, but what is of use for minutes: a ping, a pong.
    #[serde(default)]
    pub is_control: bool,
}

/// Whose prekey a session key is sealed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedTo {
    /// The device.
    pub device: DeviceId,
    /// When the bundle with the prekey was made, by the device's clock.
    pub made_at: UnixMillis,
}

/// See [`WAITING`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WaitingRecord {
    /// For whom.
    pub identity: IdentityId,
    /// Position of the message.
    pub position: u64,
}

/// See [`EVENTS`]: what is needed to tell the event when it is read. Never a text or a name, so that
/// what is removed is removed from here as well.
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

impl ContactRecord {
    /// Their ID.
    #[must_use]
    pub fn id(&self) -> Id {
        Id { identity: self.identity, secret: self.rendezvous.secret.clone() }
    }
}

impl RequestRecord {
    /// Their ID.
    #[must_use]
    pub fn id(&self) -> Id {
        Id { identity: self.identity, secret: self.rendezvous.secret.clone() }
    }
}

impl HeldRecord {
    /// All that it holds.
    pub fn messages(&self) -> impl Iterator<Item = &MessageRecord> {
        std::iter::once(&self.message).chain(&self.others)
    }
}

impl ConversationRef {
    /// The direct conversation with `identity`.
    #[must_use]
    pub fn direct(identity: &IdentityId) -> Self {
        Self(identity.0)
    }
}

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
