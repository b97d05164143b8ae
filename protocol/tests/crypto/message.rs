//! Messages: what envelopes carry.

use martlet_protocol::codec;
use martlet_protocol::crypto::session::OutboundSession;
use martlet_protocol::ids::{DeviceId, MessageId};
use martlet_protocol::limits::{MESSAGE_SEQ_MAX, TEXT_BYTES_MAX};
use martlet_protocol::message::{
    Content, DeviceMessage, Message, MessageError, SessionKeyMessage, Text, TextError,
};
use martlet_protocol::time::UnixMillis;
use proptest::prelude::*;
use serde::Serialize;
use serde_bytes::ByteBuf;

use crate::people::{NOW, rng};
use crate::vectors;

fn text_message(text: &str) -> Message {
    Message {
        id: MessageId([0xab; 16]),
        sent_at: NOW,
        seq: 300,
        content: Content::Text(Text::new(text).unwrap()),
    }
}

fn session_key(name: Option<&str>) -> DeviceMessage {
    let device = DeviceId([7; 32]);
    let session = OutboundSession::new(&mut rng(4), &[device]).unwrap();
    DeviceMessage::SessionKey(SessionKeyMessage {
        grant: session.grant(&device).unwrap(),
        suggested_name: name.map(String::from),
    })
}

#[test]
fn vectors() {
    let unknown = Message { content: Content::Unknown { kind: 999 }, ..text_message("x") };
    vectors::check(
        "message.txt",
        "Messages, as they stand inside envelopes. text: the text \"hello\", id ab … ab, sent at
        1767323045678 ms, the 300th. unknown: of kind 999, else the same, without payload.
        session_key: the key of the session drawn from ChaCha20 with the key 04 … 04 (128 bytes of
        ratchet, 32 of signing key, 32 of tag key, 32 of ack key) with the suggested name \"Ada\";
        session_key_unnamed: without a name.",
        &[
            ("text", text_message("hello").encode()),
            ("unknown", unknown.encode()),
            ("session_key", session_key(Some("Ada")).encode()),
            ("session_key_unnamed", session_key(None).encode()),
        ],
    );
}

/// A message's fields as its documentation gives them.
#[derive(Serialize)]
struct Frame {
    kind: u16,
    id: MessageId,
    sent_at: u64,
    seq: u64,
    payload: ByteBuf,
}

/// The same from a newer version.
#[derive(Serialize)]
struct NewerFrame {
    kind: u16,
    id: MessageId,
    sent_at: u64,
    seq: u64,
    payload: ByteBuf,
    more: Vec<String>,
}

#[derive(Serialize)]
struct DeviceFrame {
    kind: u16,
    payload: ByteBuf,
}

fn frame(kind: u16, payload: &[u8]) -> Vec<u8> {
    codec::encode(&Frame {
        kind,
        id: MessageId([1; 16]),
        sent_at: 2,
        seq: 3,
        payload: ByteBuf::from(payload),
    })
}

#[test]
fn made_by_hand_as_documented_it_is_read() {
    let message = Message::decode(&frame(1, b"hi")).unwrap();
    assert_eq!(
        message,
        Message {
            id: MessageId([1; 16]),
            sent_at: UnixMillis(2),
            seq: 3,
            content: Content::Text(Text::new("hi").unwrap()),
        }
    );
}

#[test]
fn texts_out_of_bounds_are_refused() {
    let refused = |payload: &[u8]| match Message::decode(&frame(1, payload)) {
        Err(MessageError::Text(error)) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(b""), TextError::Empty);
    assert_eq!(refused(&[0xff, 0xfe]), TextError::NotUtf8);
    assert_eq!(refused(&[0xed, 0xa0, 0x80]), TextError::NotUtf8);
    let long = vec![b'a'; TEXT_BYTES_MAX + 1];
    assert_eq!(refused(&long), TextError::TooLong { found: TEXT_BYTES_MAX + 1 });
    assert!(Message::decode(&frame(1, &long[1..])).is_ok());
    let says = Text::new("a".repeat(TEXT_BYTES_MAX + 1)).unwrap_err().to_string();
    assert!(says.contains("16385") && says.contains("16384"), "{says}");
}

/// A sender may write any number; the last one, 2^64 - 1, made the receiver's next one overflow.
#[test]
fn numbers_out_of_bounds_are_refused() {
    for (seq, is_good) in [
        (0, false),
        (1, true),
        (MESSAGE_SEQ_MAX, true),
        (MESSAGE_SEQ_MAX + 1, false),
        (u64::MAX, false),
    ] {
        let bytes = Message { seq, ..text_message("hi") }.encode();
        match Message::decode(&bytes) {
            Ok(message) => assert!(is_good && message.seq == seq, "{seq}"),
            Err(MessageError::Seq { found }) => assert!(!is_good && found == seq, "{seq}"),
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn what_a_newer_version_sends_is_not_lost() {
    let message = Message::decode(&frame(2, b"\x00whatever")).unwrap();
    assert_eq!(message.content, Content::Unknown { kind: 2 });
    assert_eq!(message.seq, 3);
    let newer = codec::encode(&NewerFrame {
        kind: 1,
        id: MessageId([1; 16]),
        sent_at: 2,
        seq: 3,
        payload: ByteBuf::from(b"hi"),
        more: vec!["x".into()],
    });
    assert_eq!(Message::decode(&newer).unwrap(), Message::decode(&frame(1, b"hi")).unwrap());
    let newer = codec::encode(&DeviceFrame { kind: 77, payload: ByteBuf::from(b"whatever") });
    assert!(matches!(DeviceMessage::decode(&newer), Ok(DeviceMessage::Unknown { kind: 77 })));
}

#[test]
fn session_keys_round_trip() {
    for name in [None, Some("Ada"), Some("")] {
        let message = session_key(name);
        let bytes = message.encode();
        let DeviceMessage::SessionKey(read) = DeviceMessage::decode(&bytes).unwrap() else {
            panic!("another kind")
        };
        assert_eq!(read.suggested_name.as_deref(), name);
        assert_eq!(DeviceMessage::SessionKey(read).encode(), bytes);
    }
}

#[test]
fn a_cut_message_is_refused() {
    let bytes = text_message("hello").encode();
    for len in 0..bytes.len() {
        assert!(Message::decode(&bytes[..len]).is_err(), "cut to {len}");
    }
    assert!(Message::decode(&[bytes.as_slice(), &[0]].concat()).is_err());
    let bytes = session_key(Some("Ada")).encode();
    for len in 0..bytes.len() {
        assert!(DeviceMessage::decode(&bytes[..len]).is_err(), "cut to {len}");
    }
    assert!(DeviceMessage::decode(&[bytes.as_slice(), &[0]].concat()).is_err());
    let long = codec::encode(&DeviceFrame { kind: 2, payload: ByteBuf::from(vec![0; 2049]) });
    assert!(DeviceMessage::decode(&long).is_err());
}

#[test]
fn a_text_is_not_shown() {
    let shown = format!("{:?}", text_message("hello"));
    assert!(!shown.contains("hello"), "{shown}");
    let shown = format!("{:?}", session_key(None));
    assert!(shown.contains("SessionGrant(…)"), "{shown}");
}

proptest! {
    #[test]
    fn texts_round_trip(id: [u8; 16], sent_at: u64, seq in 1..=MESSAGE_SEQ_MAX, text in ".{1,500}") {
        let message = Message {
            id: MessageId(id),
            sent_at: UnixMillis(sent_at),
            seq,
            content: Content::Text(Text::new(text.clone()).unwrap()),
        };
        let read = Message::decode(&message.encode()).unwrap();
        prop_assert_eq!(&read, &message);
        let Content::Text(read) = read.content else { panic!("another kind") };
        prop_assert_eq!(read.as_str(), text);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 0..4u16) {
        let _ = Message::decode(&bytes);
        let _ = DeviceMessage::decode(&bytes);
        let _ = Message::decode(&frame(kind, &bytes));
        let _ = DeviceMessage::decode(&codec::encode(&DeviceFrame { kind, payload: ByteBuf::from(bytes) }));
    }
}
