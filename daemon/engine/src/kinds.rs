//! Kinds of messages: what the engine makes of each, one file a kind.
//!
//! A message either *says* something: it is a row of the timeline and counts as unread. Or it *does*
//! something: once its turn has come `user/deeds.rs` does it; it is no row, has no position, and counts nowhere. What this build doesn't know
//! is kept as it came and read again by a build that does. Wire formats are in
//! `protocol/src/message/`; no `_` here, so that a new kind makes the compiler name every place.

pub(crate) mod edit;
pub(crate) mod file;
pub(crate) mod ping;
pub(crate) mod profile;
pub(crate) mod reaction;
mod read;
mod recall;
mod rooms;
mod siblings;
mod text;
mod timers;
pub(crate) mod typing;
mod unknown;

pub(crate) use rooms::{admit_in_room, nothing, takes_back};
pub(crate) use siblings::{admit, is_for_siblings_too, is_settings};

use martlet_protocol::message::{
    self, DeviceMessage, Edit, File, FileHolders, FileReceived, History, HistoryWanted,
    IdentityChanged, Message, OlmRenewed, Ping, Pong, Profile, Progress, Reaction, Read, ReadUpTo,
    Recall, RoomHello, RoomHistory, RoomKey, RoomOp, RoomOps, RoomRecall, Sent, SessionKeyMessage,
    Settings, Timers, Typing,
};
use martlet_protocol::{MessageId, UnixMillis};
use martlet_store::records::{Body, MessageRecord, State};

use crate::conversation::Author;

/// What a message of a conversation, or one to devices, is.
pub(crate) enum Content {
    /// A row of the timeline.
    Says(Says),
    /// Something to do.
    Does(Does),
    /// Not known to this build.
    Unknown {
        /// The number of its kind.
        kind: u16,
    },
}

/// What a message says.
pub(crate) enum Says {
    /// A text.
    Text(String),
    /// A file.
    File(File),
    /// How long the conversation's messages live from now on.
    Timers(Timers),
    /// Nothing any more: its writer took it back, or a moderator of its room.
    Recalled,
}

/// What a message does.
#[derive(Debug)]
pub(crate) enum Does {
    /// Gives the key of a session.
    GrantSession(Box<SessionKeyMessage>),
    /// Gives the key of a session in a room.
    GrantRoomKey(Box<RoomKey>),
    /// Tells what a device knows of a room.
    RoomHello(RoomHello),
    /// Tells operations on a room.
    RoomOps(RoomOps),
    /// Tells what was said in a room before the user came.
    RoomHistory(RoomHistory),
    /// Asks for messages of before.
    GivePast(HistoryWanted),
    /// Tells messages of before.
    TakePast(Box<History>),
    /// Tells one operation, in the conversation of its room.
    RoomOp(RoomOp),
    /// Tells of the devices of an identity.
    LearnIdentity(IdentityChanged),
    /// Asks whether this device is on.
    Ping(Ping),
    /// Answers that.
    Pong(Pong),
    /// Tells that something of this device's did not open.
    RenewOlm(OlmRenewed),
    /// Gives a message of the author's another text.
    Edit(When, Edit),
    /// Reacts to a message.
    React(When, Reaction),
    /// Tells what was read.
    Read(Read),
    /// Tells that the author is writing.
    Typing(Typing),
    /// Takes a message of the author's back.
    Recall(Recall),
    /// Takes back what someone else wrote in a room.
    RecallOther(RoomRecall),
    /// Says that the author has a file, whole.
    FileReceived(FileReceived),
    /// Says who has a file of the author's too.
    FileHolders(FileHolders),
    /// Says how the author wants to be seen.
    Profile(When, Profile),
    /// Shows what the user wrote or did on another device.
    ShowSent(Sent),
    /// Tells up to where the user has read on another device.
    ReadUpTo(ReadUpTo),
    /// Makes settings those of this device.
    Settle(Settings),
    /// Tells how far got what the user sent on another device.
    Progress(Progress),
    /// Nothing: it is of a kind that is for devices, and came in a conversation; or of one for own devices, and came of a
    /// contact; or the other way round.
    Nothing,
}

impl Does {
    /// Whether it is about a room, though it goes from device to device.
    pub(crate) fn is_of_room(&self) -> bool {
        matches!(
            self,
            Self::GrantRoomKey(_) | Self::RoomHello(_) | Self::RoomOps(_) | Self::RoomHistory(_)
        )
    }
}

/// The least by which one time is after another.
const INSTANT: std::time::Duration = std::time::Duration::from_millis(1);

/// When something was done, as its author says: of two, the greater is the later one, for everyone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct When {
    pub(crate) at: UnixMillis,
    pub(crate) id: MessageId,
}

impl When {
    fn of(record: &MessageRecord) -> Self {
        Self { at: record.sent_at, id: record.id }
    }
}

impl Content {
    /// Reads what a record holds; a kind that was unknown to the build that took it is tried again.
    pub(crate) fn of(record: &MessageRecord) -> Self {
        match &record.body {
            Body::Text(text) => Self::Says(Says::Text(text.clone())),
            Body::Timers(timers) => Self::Says(Says::Timers(*timers)),
            Body::Recall(message) => Self::Does(Does::Recall(Recall { message: *message })),
            Body::Recalled | Body::RecalledBy(_) => Self::Says(Says::Recalled),
            Body::Unknown(kind) => Self::Unknown { kind: *kind },
            Body::Raw { kind, bytes } => match unknown::read_again(record, *kind, bytes) {
                Some(message::Content::Text(text)) => {
                    Self::Says(Says::Text(text.as_str().to_owned()))
                }
                Some(message::Content::Edit(edit)) => {
                    Self::Does(Does::Edit(When::of(record), edit))
                }
                Some(message::Content::Reaction(reaction)) => {
                    Self::Does(Does::React(When::of(record), reaction))
                }
                Some(message::Content::Read(read)) => Self::Does(Does::Read(read)),
                Some(message::Content::File(file)) => Self::Says(Says::File(file)),
                Some(message::Content::FileReceived(received)) => {
                    Self::Does(Does::FileReceived(received))
                }
                Some(message::Content::FileHolders(told)) => Self::Does(Does::FileHolders(told)),
                Some(message::Content::Timers(timers)) => Self::Says(Says::Timers(timers)),
                Some(message::Content::Recall(recall)) => Self::Does(Does::Recall(recall)),
                Some(message::Content::Profile(profile)) => {
                    Self::Does(Does::Profile(When::of(record), profile))
                }
                Some(message::Content::Sent(sent)) => Self::Does(Does::ShowSent(sent)),
                Some(message::Content::ReadUpTo(read)) => Self::Does(Does::ReadUpTo(read)),
                Some(message::Content::Settings(settings)) => Self::Does(Does::Settle(settings)),
                Some(message::Content::Progress(progress)) => Self::Does(Does::Progress(progress)),
                Some(message::Content::RoomOp(op)) => Self::Does(Does::RoomOp(op)),
                Some(message::Content::RoomRecall(recall)) => Self::Does(Does::RecallOther(recall)),
                Some(message::Content::Unknown { kind, .. }) if DeviceMessage::has_kind(kind) => {
                    Self::Does(Does::Nothing)
                }
                Some(message::Content::Unknown { .. }) | None => Self::Unknown { kind: *kind },
            },
        }
    }

    /// What a message to devices is.
    pub(crate) fn of_device(message: DeviceMessage) -> Self {
        match message {
            DeviceMessage::SessionKey(message) => Self::Does(Does::GrantSession(message)),
            DeviceMessage::IdentityChanged(changed) => Self::Does(Does::LearnIdentity(changed)),
            // By it the vault was made: there is nothing left to do.
            DeviceMessage::Linked(_) => Self::Does(Does::Nothing),
            DeviceMessage::Ping(ping) => Self::Does(Does::Ping(ping)),
            DeviceMessage::Pong(pong) => Self::Does(Does::Pong(pong)),
            DeviceMessage::OlmRenewed(renewed) => Self::Does(Does::RenewOlm(renewed)),
            DeviceMessage::Typing(typing) => Self::Does(Does::Typing(typing)),
            DeviceMessage::RoomKey(key) => Self::Does(Does::GrantRoomKey(key)),
            DeviceMessage::RoomHello(hello) => Self::Does(Does::RoomHello(hello)),
            DeviceMessage::RoomOps(ops) => Self::Does(Does::RoomOps(ops)),
            DeviceMessage::RoomHistory(history) => Self::Does(Does::RoomHistory(history)),
            DeviceMessage::HistoryWanted(wanted) => Self::Does(Does::GivePast(wanted)),
            DeviceMessage::History(history) => Self::Does(Does::TakePast(history)),
            DeviceMessage::Unknown { kind, .. } => Self::Unknown { kind },
        }
    }

    /// As it is shown: the text, or that there is one of a kind this build can't show.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Says(Says::Text(text)) => text.clone(),
            Self::Says(Says::File(file)) => file::shown(file, None),
            Self::Says(Says::Timers(timers)) => timers::shown(timers),
            // Its state says what there is to say. What does something is no row, so nobody asks.
            Self::Says(Says::Recalled) | Self::Does(_) => String::new(),
            Self::Unknown { kind } => unknown::shown(*kind),
        }
    }
}

impl Content {
    /// What searches look through, if it is anything.
    pub(crate) fn searched(&self) -> Option<zeroize::Zeroizing<String>> {
        match self {
            Self::Says(Says::Text(text)) => Some(text.clone().into()),
            Self::Says(Says::File(file)) => Some(file::searched(file).into()),
            Self::Says(Says::Timers(_) | Says::Recalled) | Self::Does(_) | Self::Unknown { .. } => {
                None
            }
        }
    }
}

/// The body of a message that came, as it is kept.
pub(crate) fn body_of(content: message::Content) -> Body {
    match content {
        message::Content::Text(text) => text::body(&text),
        message::Content::Edit(edit) => edit::body(&edit),
        message::Content::Reaction(reaction) => reaction::body(&reaction),
        message::Content::Read(read) => read::body(read),
        message::Content::File(file) => file::body(&file),
        message::Content::FileReceived(received) => file::received(received),
        message::Content::FileHolders(told) => file::holders(&told),
        message::Content::Timers(timers) => timers::body(timers),
        message::Content::Recall(recall) => recall::body(recall),
        message::Content::Profile(profile) => profile::body(&profile),
        message::Content::Sent(sent) => siblings::sent(&sent),
        message::Content::ReadUpTo(read) => siblings::read_up_to(read),
        message::Content::Settings(settings) => siblings::settings(&settings),
        message::Content::Progress(progress) => siblings::progress(&progress),
        message::Content::RoomOp(op) => rooms::op(&op),
        message::Content::RoomRecall(recall) => rooms::recall(recall),
        message::Content::Unknown { kind, bytes } => Body::Raw { kind, bytes: bytes.0.clone() },
    }
}

/// A message as it is sent.
pub(crate) fn message_of(record: &MessageRecord) -> Message {
    let content = match &record.body {
        Body::Text(text) => text::content(text),
        Body::Timers(timers) => timers::content(*timers),
        Body::Recall(message) => recall::content(*message),
        // Nobody sends it again.
        Body::Recalled | Body::RecalledBy(_) => unknown::content(recall::KIND, &[]),
        Body::Unknown(kind) => unknown::content(*kind, &[]),
        Body::Raw { kind, bytes } => unknown::content(*kind, bytes),
    };
    let MessageRecord { id, sent_at, seq, timers, reply_to, .. } = *record;
    Message { id, sent_at, seq, timers, content, reply_to, mentions: record.mentions.clone() }
}

/// Whether a message to devices is of use for minutes only.
pub(crate) fn is_fleeting(message: &DeviceMessage) -> bool {
    match message {
        DeviceMessage::Ping(_) | DeviceMessage::Pong(_) | DeviceMessage::Typing(_) => true,
        DeviceMessage::SessionKey(_)
        | DeviceMessage::IdentityChanged(_)
        | DeviceMessage::Linked(_)
        | DeviceMessage::OlmRenewed(_)
        | DeviceMessage::RoomKey(_)
        | DeviceMessage::RoomHello(_)
        | DeviceMessage::RoomOps(_)
        | DeviceMessage::RoomHistory(_)
        | DeviceMessage::HistoryWanted(_)
        | DeviceMessage::History(_)
        | DeviceMessage::Unknown { .. } => false,
    }
}

/// When what a message to devices tells ends, if it does: no mailbox keeps it for longer than it is of use.
pub(crate) fn ends_at(message: &DeviceMessage) -> Option<UnixMillis> {
    match message {
        DeviceMessage::RoomHistory(history) => history.ends_at(),
        DeviceMessage::History(page) => page.ends_at(),
        // No text of a conversation is in them.
        DeviceMessage::Ping(_)
        | DeviceMessage::Pong(_)
        | DeviceMessage::Typing(_)
        | DeviceMessage::SessionKey(_)
        | DeviceMessage::IdentityChanged(_)
        | DeviceMessage::Linked(_)
        | DeviceMessage::OlmRenewed(_)
        | DeviceMessage::RoomKey(_)
        | DeviceMessage::RoomHello(_)
        | DeviceMessage::RoomOps(_)
        | DeviceMessage::HistoryWanted(_)
        | DeviceMessage::Unknown { .. } => None,
    }
}

/// Whether a record is of a kind that this build doesn't know.
pub(crate) fn is_unknown(record: &MessageRecord) -> bool {
    match Content::of(record) {
        Content::Says(_) | Content::Does(_) => false,
        Content::Unknown { .. } => true,
    }
}

/// How long a timer is: `1 d 2 h`.
pub(crate) fn timer_words(seconds: u32) -> String {
    timers::in_words(seconds)
}

/// The record of a message that came from `author`.
pub(crate) fn received(message: Message, author: Author, stored_at: UnixMillis) -> MessageRecord {
    let Message { id, sent_at, seq, timers, content, reply_to, mentions } = message;
    MessageRecord {
        id,
        own: false,
        seq,
        sent_at,
        stored_at,
        state: State::Delivered,
        body: body_of(content),
        author: Some(author),
        reply_to,
        is_marked: false,
        timers,
        burns_from: None,
        is_late: false,
        mentions,
        mentions_user: false,
        told_by: None,
    }
}

/// The record of a message that the user wrote on another device.
pub(crate) fn sent_elsewhere(
    message: Message,
    author: Author,
    stored_at: UnixMillis,
    state: State,
) -> MessageRecord {
    MessageRecord { own: true, state, ..received(message, author, stored_at) }
}
