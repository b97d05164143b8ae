//! What the user's own devices tell each other: what was sent and how far it got, what was read, and settings. Nobody else may, and they tell
//! each other nothing else.

use martlet_protocol::codec;
use martlet_protocol::message::{
    self, Progress, ReadUpTo, Sent, Settings, file_received, profile, progress, read, read_up_to,
    sent, session_key, settings as wire,
};
use martlet_store::records::{Body, MessageRecord};

use super::{Content, Does};

pub(super) fn sent(sent: &Sent) -> Body {
    Body::Raw { kind: sent::KIND, bytes: sent.encode() }
}

pub(super) fn read_up_to(read: ReadUpTo) -> Body {
    Body::Raw { kind: read_up_to::KIND, bytes: codec::encode(&read) }
}

pub(super) fn settings(settings: &Settings) -> Body {
    Body::Raw { kind: wire::KIND, bytes: settings.encode() }
}

pub(super) fn progress(progress: &Progress) -> Body {
    Body::Raw { kind: progress::KIND, bytes: codec::encode(progress) }
}

/// Whether an own message carries settings.
pub(crate) fn is_settings(deed: &MessageRecord) -> bool {
    matches!(deed.body, Body::Raw { kind: wire::KIND, .. })
}

/// Whether what the user says or does in a conversation appears on their other devices. They have words of their own for
/// what was read; and each of them tells the user's profile.
pub(crate) fn is_for_siblings_too(content: &message::Content) -> bool {
    // What does something is encoded already, as one of a kind that is not known would be.
    match content {
        message::Content::Unknown { kind, .. } => {
            !matches!(*kind, read::KIND | profile::KIND | file_received::KIND)
        }
        message::Content::Text(_)
        | message::Content::File(_)
        | message::Content::FileHolders(_)
        | message::Content::Edit(_)
        | message::Content::Reaction(_)
        | message::Content::Timers(_)
        | message::Content::Recall(_) => true,
        message::Content::Read(_)
        | message::Content::FileReceived(_)
        | message::Content::Profile(_)
        | message::Content::Sent(_)
        | message::Content::ReadUpTo(_)
        | message::Content::Settings(_)
        | message::Content::Progress(_)
        // They are in the room themselves.
        | message::Content::RoomOp(_)
        | message::Content::RoomRecall(_) => false,
    }
}

/// What came of an own device, or not of one. What such a device has no business to say is nothing: it has a number, and
/// uses it up.
pub(crate) fn admit(message: MessageRecord, is_of_sibling: bool) -> MessageRecord {
    let is_for_siblings = match Content::of(&message) {
        Content::Does(
            Does::ShowSent(_) | Does::ReadUpTo(_) | Does::Settle(_) | Does::Progress(_),
        ) => true,
        Content::Does(
            Does::GrantSession(_)
            | Does::GrantRoomKey(_)
            | Does::RoomHello(_)
            | Does::RoomOps(_)
            | Does::RoomHistory(_)
            | Does::GivePast(_)
            | Does::TakePast(_)
            | Does::LearnIdentity(_)
            | Does::Ping(_)
            | Does::Pong(_)
            | Does::RenewOlm(_)
            | Does::Edit(..)
            | Does::React(..)
            | Does::Read(_)
            | Does::FileReceived(_)
            | Does::FileHolders(_)
            | Does::Typing(_)
            | Does::Recall(_)
            | Does::Profile(..)
            | Does::RoomOp(_)
            | Does::RecallOther(_)
            | Does::Nothing,
        )
        | Content::Says(_)
        | Content::Unknown { .. } => false,
    };
    if is_for_siblings == is_of_sibling {
        return message;
    }
    tracing::debug!(is_of_sibling, "a message that only others may send");
    MessageRecord { body: Body::Raw { kind: session_key::KIND, bytes: Vec::new() }, ..message }
}
