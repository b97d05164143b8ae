//! Messages: what envelopes carry.

use martlet_protocol::codec::{self, CodecError};
use martlet_protocol::crypto::session::OutboundSession;
use martlet_protocol::ids::{DeviceId, MessageId, Rendezvous};
use martlet_protocol::limits::{MESSAGE_SEQ_MAX, TEXT_BYTES_MAX};
use martlet_protocol::message::{
    Content, DeviceMessage, Message, MessageError, Payload, Ping, Pong, SessionKeyMessage, Text,
    TextError,
};
use martlet_protocol::time::UnixMillis;
use proptest::prelude::*;
use serde::Serialize;
use serde_bytes::ByteBuf;

use crate::by_hand::Format;
use crate::people::{NOW, SECRET, rng};
use crate::session::CONTEXT;
use crate::vectors;

fn text_message(text: &str) -> Message {
    Message {
        id: MessageId([0xab; 16]),
        sent_at: NOW,
        seq: 300,
        content: Content::Text(Text::new(text).unwrap()),
    }
}

fn session_key(name: Option<&str>, lost_since: Option<UnixMillis>) -> DeviceMessage {
    let device = DeviceId([7; 32]);
    let session = OutboundSession::new(&mut rng(4), CONTEXT, &[device]).unwrap();
    DeviceMessage::SessionKey(Box::new(SessionKeyMessage {
        grant: session.grant(&device).unwrap(),
        suggested_name: name.map(String::from),
        rendezvous: Rendezvous { secret: SECRET, reset_at: NOW },
        lost_since,
    }))
}

const PING: Ping = Ping { nonce: [0xcd; 16], sent_at: NOW };

#[test]
fn vectors() {
    let bytes = Payload(b"not known here".to_vec());
    let unknown = Message { content: Content::Unknown { kind: 999, bytes }, ..text_message("x") };
    vectors::check(
        "message.txt",
        "Messages, as they stand inside envelopes. text: the text \"hello\", id ab … ab, sent at
        1767323045678 ms, the 300th. unknown: of kind 999, else the same, with the payload
        \"not known here\".
        session_key: the key of the session drawn from ChaCha20 with the key 04 … 04 (128 bytes of
        ratchet, 32 of signing key, 32 of tag key, 32 of ack key), its sender
        the identity 01 … 01 with the device 02 … 02, its conversation 03 … 03, with the suggested name
        \"Ada\", the rendezvous secret of bytes 05, reset at that time; session_key_unnamed: without a
        name; session_key_put_back: with that time as the one since when all was lost. ping: nonce cd … cd, sent at 1767323045678 ms;
        pong: its answer.",
        &[
            ("text", text_message("hello").encode()),
            ("unknown", unknown.encode()),
            ("session_key", session_key(Some("Ada"), None).encode()),
            ("session_key_unnamed", session_key(None, None).encode()),
            ("session_key_put_back", session_key(Some("Ada"), Some(NOW)).encode()),
            ("ping", DeviceMessage::Ping(PING).encode()),
            ("pong", DeviceMessage::Pong(Pong { nonce: PING.nonce }).encode()),
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

/// The payload of unknown kinds was dropped: what was acknowledged could not be read after an upgrade.
#[test]
fn what_a_newer_version_sends_is_not_lost() {
    let bytes = frame(2, b"\x00whatever");
    let message = Message::decode(&bytes).unwrap();
    let payload = Payload(b"\x00whatever".to_vec());
    assert_eq!(message.content, Content::Unknown { kind: 2, bytes: payload.clone() });
    assert_eq!(message.seq, 3);
    assert_eq!(message.encode(), bytes);
    let newer = codec::encode(&NewerFrame {
        kind: 1,
        id: MessageId([1; 16]),
        sent_at: 2,
        seq: 3,
        payload: ByteBuf::from(b"hi"),
        more: vec!["x".into()],
    });
    assert_eq!(Message::decode(&newer).unwrap(), Message::decode(&frame(1, b"hi")).unwrap());
    let newer = codec::encode(&DeviceFrame { kind: 77, payload: ByteBuf::from(b"\x00whatever") });
    let message = DeviceMessage::decode(&newer).unwrap();
    assert!(matches!(&message, DeviceMessage::Unknown { kind: 77, bytes } if *bytes == payload));
    assert_eq!(message.encode(), newer);
}

#[test]
fn pings_round_trip_and_may_grow() {
    let bytes = DeviceMessage::Ping(PING).encode();
    assert!(matches!(DeviceMessage::decode(&bytes), Ok(DeviceMessage::Ping(PING))));
    let pong = Pong { nonce: PING.nonce };
    let bytes = DeviceMessage::Pong(pong).encode();
    assert!(
        matches!(DeviceMessage::decode(&bytes), Ok(DeviceMessage::Pong(found)) if found == pong)
    );

    #[derive(Serialize)]
    struct Newer {
        nonce: ByteBuf,
        sent_at: u64,
        more: u8,
    }
    let payload =
        codec::encode(&Newer { nonce: ByteBuf::from(PING.nonce), sent_at: NOW.0, more: 1 });
    let device = |kind, payload: &[u8]| {
        let payload = ByteBuf::from(payload);
        DeviceMessage::decode(&codec::encode(&DeviceFrame { kind, payload }))
    };
    assert!(matches!(device(10, &payload), Ok(DeviceMessage::Ping(PING))));
    assert!(matches!(device(11, &payload), Ok(DeviceMessage::Pong(found)) if found == pong));
    for kind in [10, 11] {
        assert!(device(kind, &[]).is_err());
        assert!(device(kind, &[0xa1, 0, 0x4f]).is_err());
        assert!(device(kind, &[payload.as_slice(), &[0; 300]].concat()).is_err());
    }
}

/// A grant for newer readers says so, though it is inside a message inside an envelope.
#[test]
fn a_session_key_for_newer_readers_says_that_an_update_is_needed() {
    #[derive(Serialize)]
    struct Fields {
        grant: ByteBuf,
        suggested_name: Option<String>,
        rendezvous: Rendezvous,
    }
    let format = Format { version: 3, min_version: 3, ..Format::current() };
    let grant = ByteBuf::from(crate::session::grant_with(format));
    let payload =
        codec::encode(&Fields { grant, suggested_name: None, rendezvous: Rendezvous::default() });
    let bytes = codec::encode(&DeviceFrame { kind: 2, payload: ByteBuf::from(payload) });
    assert!(matches!(
        DeviceMessage::decode(&bytes),
        Err(MessageError::Codec(CodecError::UpdateNeeded { needed: 3 }))
    ));
}

#[test]
fn session_keys_round_trip() {
    for (name, lost_since) in [(None, None), (Some("Ada"), Some(NOW)), (Some(""), None)] {
        let message = session_key(name, lost_since);
        let bytes = message.encode();
        let DeviceMessage::SessionKey(read) = DeviceMessage::decode(&bytes).unwrap() else {
            panic!("another kind")
        };
        assert_eq!((read.suggested_name.as_deref(), read.lost_since), (name, lost_since));
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
    let bytes = session_key(Some("Ada"), None).encode();
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
    let content = Content::Unknown { kind: 999, bytes: Payload(b"hello".to_vec()) };
    let shown = format!("{:?}", Message { content, ..text_message("x") });
    assert!(shown.contains("Payload(5 bytes)"), "{shown}");
    let shown = format!("{:?}", session_key(None, None));
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
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 0..13u16) {
        let _ = Message::decode(&bytes);
        let _ = DeviceMessage::decode(&bytes);
        let _ = Message::decode(&frame(kind, &bytes));
        let _ = DeviceMessage::decode(&codec::encode(&DeviceFrame { kind, payload: ByteBuf::from(bytes) }));
    }
}
