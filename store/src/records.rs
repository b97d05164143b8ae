//! The vault's records: their shapes on disk and the collections they live in.
//!
//! Encoded by [`martlet_protocol::codec`], so fields are numbered by their order: new ones are
//! added at the end, with `#[serde(default)]`.

mod conversation;
mod device;
mod event;
mod file;
mod handle;
mod history;
mod invite;
mod olm;
mod outbox;
mod parts;
mod people;
mod profile;
mod room;
mod session;
mod siblings;

// What is public in these is public here.
pub use conversation::*;
pub use device::*;
pub use event::*;
pub use file::*;
pub use handle::*;
pub use history::*;
pub use invite::*;
pub use olm::*;
pub use outbox::*;
pub use parts::*;
pub use people::*;
pub use profile::*;
pub use room::*;
pub use session::*;
pub use siblings::*;

use martlet_protocol::{Ack, Envelope};

use crate::vault::Collection;

/// Declares the collections, and lists their tables: who must know all of them can't miss one.
macro_rules! collections {
    ($($(#[$doc:meta])* pub const $name:ident: Collection<$record:ty> = Collection::new($table:literal);)*) => {
        $($(#[$doc])* pub const $name: Collection<$record> = Collection::new($table);)*

        /// The tables of all collections.
        pub const TABLES: &[&str] = &[$($table),*];
    };
}

collections! {
/// The user's identity and this device. One record, `Named(b"")`.
pub const PROFILE: Collection<Profile> = Collection::new("profile");
/// Prekeys, by `Ordinal` of their making; the last is the published one.
pub const PREKEYS: Collection<PrekeyRecord> = Collection::new("prekeys");
/// Olm sessions with other devices, `Named` by identity ‖ device.
pub const OLM_PEERS: Collection<OlmPeerRecord> = Collection::new("olm_peers");
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
/// What is known of the devices of the user and of contacts, `Named` by identity.
pub const IDENTITY_STATES: Collection<IdentityStateRecord> = Collection::new("identity_states");
/// The user's other devices. One record, `Named(b"")`.
pub const SIBLINGS: Collection<SiblingsRecord> = Collection::new("siblings");
/// What is the same on all of the user's devices, `Named` by the number of what it says (2 bytes, big-endian) ‖ of what.
pub const SHARED_SETTINGS: Collection<SharedSettingRecord> = Collection::new("shared_settings");
/// Copies of what the user sent or read on another device, in conversations with who is no contact here yet, by `Ordinal` as
/// they came.
pub const EARLY_COPIES: Collection<EarlyCopyRecord> = Collection::new("early_copies");
/// Own messages of whose progress the user's other devices are to be told, by `Ordinal`.
pub const UNTOLD_PROGRESS: Collection<UntoldProgressRecord> = Collection::new("untold_progress");
/// Devices of the user's that may ask this one for messages of before, `Named` by device.
pub const HISTORY_GIVEN: Collection<HistoryGivenRecord> = Collection::new("history_given");
/// Messages of before that this device takes. One record, `Named(b"")`.
pub const HISTORY_TAKEN: Collection<HistoryTakenRecord> = Collection::new("history_taken");
/// How far that is with each conversation, `Named` by identity or room.
pub const HISTORY_LINES: Collection<HistoryLineRecord> = Collection::new("history_lines");
/// Pages of them that came before earlier ones, by `Ordinal`.
pub const HISTORY_PAGES: Collection<HistoryPageRecord> = Collection::new("history_pages");
/// The code by which a further device may be linked now. One record, `Named(b"")`.
pub const LINK_OFFER: Collection<LinkOfferRecord> = Collection::new("link_offer");
/// Rooms that the user is in, or was, `Named` by room.
pub const ROOMS: Collection<RoomRecord> = Collection::new("rooms");
/// Operations on rooms, `Scoped` by room, numbered as they came: each after those in its past.
pub const ROOM_OPS: Collection<RoomOpRecord> = Collection::new("room_ops");
/// Rooms that the user forgot, and of which nothing else is kept any more, `Named` by room.
pub const FORGOTTEN_ROOMS: Collection<ForgottenRoomRecord> = Collection::new("forgotten_rooms");
/// People who are in a room with the user and are no contacts, `Named` by identity.
pub const ROOM_PEOPLE: Collection<RoomPersonRecord> = Collection::new("room_people");
/// Invites that the user made, by `Ordinal`: their numbers.
pub const INVITES: Collection<InviteRecord> = Collection::new("invites");
/// The handle that the user claims, or claimed of late. One record, `Named(b"")`.
pub const HANDLE: Collection<HandleRecord> = Collection::new("handle");
/// Unknown senders, `Named` by identity.
pub const REQUESTS: Collection<RequestRecord> = Collection::new("requests");
/// What unknown senders wrote, `Scoped` by identity, numbered as it came.
pub const REQUEST_MESSAGES: Collection<RequestMessage> = Collection::new("request_messages");
/// Acks of unknown senders' envelopes, to be revealed once they are contacts; `Scoped` by identity,
/// numbered as the envelopes came.
pub const REQUEST_ACKS: Collection<RequestAcks> = Collection::new("request_acks");
/// Unknown senders whose request the user dropped, `Named` by identity.
pub const DROPPED: Collection<DroppedRecord> = Collection::new("dropped");
/// People the user blocked, and those unblocked of late, `Named` by identity.
pub const BLOCKED: Collection<BlockedRecord> = Collection::new("blocked");
/// Conversations with contacts and in rooms, `Named` by identity or room.
pub const CONVERSATIONS: Collection<ConversationRecord> = Collection::new("conversations");
/// Own sessions, `Named` by the identity they are for, or by the room.
pub const OUTBOUND_SESSIONS: Collection<OutboundRecord> = Collection::new("outbound_sessions");
/// Others' sessions, `Named` by identity ‖ device ‖ session id.
pub const INBOUND_SESSIONS: Collection<InboundRecord> = Collection::new("sessions_of_others");
/// Messages, `Scoped` by conversation, numbered by position in the conversation.
pub const MESSAGES: Collection<MessageRecord> = Collection::new("messages");
/// Where a message is: `Named` by its id (own ones), or the writer's identity ‖ id (received ones).
pub const MESSAGE_INDEX: Collection<MessageAt> = Collection::new("message_index");
/// What became of a message: its edits and the reactions to it. `Scoped` and numbered as [`MESSAGES`].
pub const MARKS: Collection<MarksRecord> = Collection::new("marks");
/// Files of messages that are blobs here, or are to be. `Scoped` and numbered as [`MESSAGES`].
pub const FILES: Collection<FileRecord> = Collection::new("files");
/// Own files that depots are to let go, `Named` by what the blob was called here.
pub const RELEASES: Collection<ReleaseRecord> = Collection::new("releases");
/// Files of others that come in parts, `Named` by their author ‖ the id of their message.
pub const PARTS_IN: Collection<PartsInRecord> = Collection::new("parts_in");
/// Own files that go in parts. `Scoped` and numbered as [`MESSAGES`].
pub const PARTS_OUT: Collection<PartsOutRecord> = Collection::new("parts_out");
/// Own messages that do something, until they are delivered or their life ends. `Scoped` by conversation, numbered by
/// positions that no message of the conversation has.
pub const DEEDS: Collection<MessageRecord> = Collection::new("deeds");
/// Edits of and reactions to messages that have not come yet, `Named` by conversation.
pub const EARLY: Collection<EarlyRecord> = Collection::new("early");
/// How the user wants conversations to be. One record, `Named(b"")`.
pub const SETTINGS: Collection<SettingsRecord> = Collection::new("settings");
/// What the user began to write, `Named` by conversation.
pub const DRAFTS: Collection<DraftRecord> = Collection::new("drafts");
/// What the user noted of contacts, `Named` by identity.
pub const CONTACT_NOTES: Collection<ContactNoteRecord> = Collection::new("contact_notes");
/// How the user wants to be seen. One record, `Named(b"")`.
pub const OWN_PROFILE: Collection<OwnProfileRecord> = Collection::new("own_profile");
/// What contacts said of themselves, `Named` by identity; empty where it was withdrawn.
pub const CONTACT_PROFILES: Collection<ContactProfileRecord> = Collection::new("contact_profiles");
/// Their pictures, `Named` by identity.
pub const CONTACT_PICTURES: Collection<PictureRecord> = Collection::new("contact_pictures");
/// Which version of the user's profile contacts were told, `Named` by identity.
pub const PROFILE_TOLD: Collection<ProfileToldRecord> = Collection::new("profile_told");
/// Received messages waiting for earlier ones, `Scoped` by conversation ‖ device, numbered by `seq`.
pub const HELD: Collection<HeldRecord> = Collection::new("held");
/// Own envelopes not yet proved received, `Named` by envelope id.
pub const OUTBOX: Collection<OutboxRecord> = Collection::new("outbox");
/// Own messages waiting for keys, `Scoped` by identity or room, numbered by position.
pub const WAITING: Collection<WaitingRecord> = Collection::new("waiting");
/// Messages whose kind no build so far knew, `Scoped` by conversation, numbered by position.
pub const UNKNOWN: Collection<Place> = Collection::new("unknown");
/// Conversations whose removal is under way, `Named` by identity.
pub const REMOVALS: Collection<RemovalRecord> = Collection::new("removals");
/// What ends when, `Scoped` by the hour since the Unix epoch (4 bytes, big-endian), numbered by the millisecond in it
/// (times 2^32) and a counter.
pub const ENDS: Collection<EndRecord> = Collection::new("ends");
/// Received messages that burn and were not read when they came, `Scoped` by conversation, numbered by position.
pub const UNBURNT: Collection<Place> = Collection::new("unburnt");
/// The event log, by `Ordinal`.
pub const EVENTS: Collection<EventRecord> = Collection::new("events");
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
    OlmPeerRecord,
    OlmSessionRecord,
    OutboundRecord,
    InboundRecord,
    RequestMessage,
    MessageRecord,
    Body,
    HeldRecord,
    MarksRecord,
    VersionRecord,
    ReactionRecord,
    EarlyRecord,
    EarlyDeed,
    EarlyCopyRecord,
    LinkOfferRecord,
    HistoryPageRecord,
    DraftRecord,
    ContactNoteRecord,
    OwnProfileRecord,
    ContactProfileRecord,
    PictureRecord,
    InviteRecord,
    AcceptedInvite,
    HandleRecord,
    SharedSettingRecord
);
