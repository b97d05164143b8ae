//! A kind that this build doesn't know: kept as it came, and read again by one that does.

use martlet_protocol::message::{Content, Message, Payload};
use martlet_store::records::MessageRecord;

/// What this build makes of the payload; `None` if it is malformed.
pub(super) fn read_again(record: &MessageRecord, kind: u16, bytes: &[u8]) -> Option<Content> {
    let MessageRecord { id, sent_at, seq, timers, reply_to, .. } = *record;
    let message = Message {
        id,
        sent_at,
        seq,
        timers,
        content: content(kind, bytes),
        reply_to,
        mentions: Vec::new(),
    };
    Message::decode(&message.encode()).ok().map(|message| message.content)
}

/// As it came.
pub(super) fn content(kind: u16, bytes: &[u8]) -> Content {
    Content::Unknown { kind, bytes: Payload(bytes.to_vec()) }
}

/// What stands where the message is.
pub(super) fn shown(kind: u16) -> String {
    format!("[a message of kind {kind}, which this version cannot show]")
}
