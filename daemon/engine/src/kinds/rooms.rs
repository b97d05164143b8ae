//! What may be said and done in a room.

use martlet_protocol::message::{RoomOp, RoomRecall, room_op, room_recall, session_key};
use martlet_store::records::{Body, MessageRecord};

use super::{Content, Does, Says};

pub(super) fn op(op: &RoomOp) -> Body {
    Body::Raw { kind: room_op::KIND, bytes: op.encode() }
}

pub(super) fn recall(recall: RoomRecall) -> Body {
    Body::Raw { kind: room_recall::KIND, bytes: recall.encode() }
}

/// What came in a room. What nobody says there is nothing: it has a number, and uses it up. An operation was taken already,
/// out of its turn.
pub(crate) fn admit_in_room(message: MessageRecord) -> MessageRecord {
    let is_admitted = match Content::of(&message) {
        Content::Says(Says::Text(_) | Says::File(_) | Says::Recalled) | Content::Unknown { .. } => {
            true
        }
        Content::Does(
            Does::Edit(..)
            | Does::React(..)
            | Does::FileHolders(_)
            | Does::Recall(_)
            | Does::RecallOther(_),
        ) => true,
        // Its timers are settings of a room.
        Content::Says(Says::Timers(_)) => false,
        Content::Does(
            Does::GrantSession(_)
            | Does::GrantRoomKey(_)
            | Does::RoomHello(_)
            | Does::RoomOps(_)
            | Does::RoomHistory(_)
            | Does::GivePast(_)
            | Does::TakePast(_)
            | Does::RoomOp(_)
            | Does::LearnIdentity(_)
            | Does::Ping(_)
            | Does::Pong(_)
            | Does::RenewOlm(_)
            | Does::Read(_)
            | Does::FileReceived(_)
            | Does::Typing(_)
            | Does::Profile(..)
            | Does::ShowSent(_)
            | Does::ReadUpTo(_)
            | Does::Settle(_)
            | Does::Progress(_)
            | Does::Nothing,
        ) => false,
    };
    if is_admitted {
        return message;
    }
    nothing(message)
}

/// What does nothing: it has a number, and uses it up.
pub(crate) fn nothing(message: MessageRecord) -> MessageRecord {
    MessageRecord { body: Body::Raw { kind: session_key::KIND, bytes: Vec::new() }, ..message }
}

/// Whether it takes something back: in a room that is closed nothing else is done.
pub(crate) fn takes_back(message: &MessageRecord) -> bool {
    matches!(Content::of(message), Content::Does(Does::Recall(_) | Does::RecallOther(_)))
}
