//! Messages: what envelopes carry.

use martlet_protocol::codec::{self, CodecError};
use martlet_protocol::crypto::session::OutboundSession;
use martlet_protocol::file::FileName;
use martlet_protocol::hlc::Hlc;
use martlet_protocol::ids::{DeviceId, IdentityId, MessageId, OpId, Rendezvous, RoomId};
use martlet_protocol::invite::InviteSecret;
use martlet_protocol::limits::{BODY_BYTES_MAX, MENTIONS_MAX, MESSAGE_SEQ_MAX, TEXT_BYTES_MAX};
use martlet_protocol::message::profile::PICTURE_BYTES_MAX;
use martlet_protocol::message::sent;
use martlet_protocol::message::settings::values::{self, Value};
use martlet_protocol::message::{
    Content, DeviceMessage, Edit, Emoji, EmojiError, File, FileBytes, FileContent, Heads,
    IdentityChanged, InRoom, Message, MessageError, OlmRenewed, Payload, Picture, Ping, Pong,
    Profile, ProfileError, Progress, Reached, Reaction, Read, ReadUpTo, Recall, RoomHello,
    RoomHistory, RoomKey, RoomOp, RoomOps, RoomPerson, RoomRecall, Said, Sent, SessionKeyMessage,
    Setting, SettingKey, Settings, Stamp, Text, TextError, TimerError, Timers, Typing,
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
        timers: Timers::OFF,
        content: Content::Text(Text::new(text).unwrap()),
        reply_to: None,
        mentions: Vec::new(),
    }
}

pub(crate) fn session_key(name: Option<&str>, lost_since: Option<UnixMillis>) -> DeviceMessage {
    let device = DeviceId([7; 32]);
    let session = OutboundSession::new(&mut rng(4), CONTEXT, &[device]).unwrap();
    DeviceMessage::SessionKey(Box::new(SessionKeyMessage {
        grant: session.grant(&device).unwrap(),
        suggested_name: name.map(String::from),
        rendezvous: Rendezvous { secret: SECRET, reset_at: NOW },
        lost_since,
        invite: None,
    }))
}

fn by_invite() -> DeviceMessage {
    let DeviceMessage::SessionKey(mut message) = session_key(Some("Ada"), None) else { panic!() };
    message.invite = Some(InviteSecret([0xef; 16]));
    DeviceMessage::SessionKey(message)
}

/// What goes between devices about rooms comes back as it went, and no longer list than may be is taken.
#[test]
fn what_is_said_of_rooms_is_read_as_it_was_written() {
    let rendezvous = Rendezvous { secret: SECRET, reset_at: NOW };
    let person = RoomPerson { identity: IdentityId([3; 32]), rendezvous: rendezvous.clone() };
    let op = RoomOp { op: vec![7; 900], people: vec![person.clone()] };
    let message = deed(Content::RoomOp(op));
    assert_eq!(Message::decode(&message.encode()).unwrap(), message);

    let knows = Heads { ops: (0..20).map(|at| OpId([at; 32])).collect(), digest: [9; 32] };
    let hello = RoomHello::new(RoomId([1; 32]), knows);
    let read = DeviceMessage::decode(&DeviceMessage::RoomHello(hello).encode());
    let Ok(DeviceMessage::RoomHello(read)) = read else { panic!("{read:?}") };
    assert_eq!((read.room, read.knows().ops.len(), read.asks), (RoomId([1; 32]), 8, false));

    let device = DeviceId([7; 32]);
    let session = OutboundSession::new(&mut rng(4), CONTEXT, &[device]).unwrap();
    let grant = session.grant(&device).unwrap();
    let knows = Heads { ops: vec![OpId([2; 32])], digest: [9; 32] };
    let (lost_since, skips) = (Some(NOW), Some(7));
    let key = RoomKey {
        grant,
        suggested_name: None,
        rendezvous,
        knows: knows.clone(),
        lost_since,
        skips,
    };
    let read = DeviceMessage::decode(&DeviceMessage::RoomKey(Box::new(key)).encode());
    let Ok(DeviceMessage::RoomKey(read)) = read else { panic!("{read:?}") };
    assert_eq!((read.knows.clone(), read.grant.conversation()), (knows, CONTEXT.conversation));
    assert_eq!((read.lost_since, read.skips), (lost_since, skips));

    // A large set goes in parts that each fit an envelope.
    let ops = (0..100_u8).map(|at| (vec![at; 700], Some(person.clone())));
    let parts = RoomOps::parts(RoomId([1; 32]), ops);
    assert_eq!(parts.iter().map(|part| part.ops.len()).sum::<usize>(), 100);
    for part in parts {
        let bytes = DeviceMessage::RoomOps(part.clone()).encode();
        assert!(bytes.len() < 24 * 1024, "{}", bytes.len());
        let Ok(DeviceMessage::RoomOps(read)) = DeviceMessage::decode(&bytes) else { panic!() };
        assert_eq!(read, part);
    }

    // So does what was said, of which no text may be empty.
    let history = |text: String| RoomHistory {
        room: ROOM,
        said: vec![Said { text, ..room_history().said[0].clone() }; 3],
    };
    let parts = RoomHistory::parts(ROOM, history("ä".repeat(TEXT_BYTES_MAX / 2)).said, NOW);
    assert_eq!(parts.len(), 3);
    for part in parts.into_iter().chain([history("hello".into())]) {
        let bytes = DeviceMessage::RoomHistory(part.clone()).encode();
        assert!(bytes.len() < 24 * 1024, "{}", bytes.len());
        let Ok(DeviceMessage::RoomHistory(read)) = DeviceMessage::decode(&bytes) else { panic!() };
        assert_eq!(read, part);
    }
    // What ends goes with what ends at about the same time, and apart from what does not.
    let lives = [None, Some(3600), Some(3 * 3600), None, Some(2 * 3600), Some(7 * 3600)];
    let said = lives.map(|expire_s| Said { expire_s, ..room_history().said[0].clone() });
    let parts = RoomHistory::parts(ROOM, said, NOW);
    let of = |part: &RoomHistory| part.said.iter().map(|it| it.expire_s).collect::<Vec<_>>();
    let (two, three) = (Some(2 * 3600), Some(3 * 3600));
    let wanted = [vec![None, None], vec![Some(3600)], vec![three, two], vec![Some(7 * 3600)]];
    assert_eq!(parts.iter().map(of).collect::<Vec<_>>(), wanted);
    let ends = parts.iter().map(RoomHistory::ends_at).collect::<Vec<_>>();
    let hours = |hours: u64| Some(NOW.plus(std::time::Duration::from_secs(hours * 3600)));
    assert_eq!(ends, [None, hours(1), hours(2), hours(7)]);
    let empty = DeviceMessage::RoomHistory(history(String::new())).encode();
    assert!(DeviceMessage::decode(&empty).is_err());

    let heads = [OpId([5; 32]), OpId([6; 32])];
    let written = InRoom::new(heads.iter(), vec![1, 2, 3]);
    assert_eq!(InRoom::decode(&written.encode()).unwrap(), written);
    assert!(
        InRoom::decode(b"").is_err() && InRoom::decode(&[0xa2, 0, 0x43, 1, 2, 3, 1, 0x40]).is_err()
    );
}

/// A message that others are about.
const TARGET: MessageId = MessageId([0xcd; 16]);

fn deed(content: Content) -> Message {
    Message { content, ..text_message("x") }
}

fn edit(text: &str) -> Edit {
    Edit { target: TARGET, text: Text::new(text).unwrap() }
}

fn reaction(emoji: Option<&str>) -> Reaction {
    Reaction { target: TARGET, emoji: emoji.map(|emoji| Emoji::new(emoji).unwrap()) }
}

fn profile() -> Profile {
    let picture = Picture::new(vec![0xff, 0xd8, 0xff, 0xe0]).unwrap();
    Profile { name: Some("Ada".to_owned()), picture: Some(picture) }
}

fn file() -> File {
    File {
        name: FileName::harmless("a.txt"),
        media_type: "text/plain".to_owned(),
        content: FileContent::Here(FileBytes::new(b"hi".to_vec()).unwrap()),
        duration_ms: None,
        text: "look".to_owned(),
    }
}

fn sent_copy(text: &str) -> Sent {
    let message = Payload(text_message(text).encode());
    Sent { conversation: IdentityId([1; 32]), message }
}

fn progress(reached: Reached) -> Progress {
    let messages = vec![TARGET, MessageId([0xef; 16])];
    Progress { conversation: IdentityId([1; 32]), messages, reached }
}

fn setting(what: u16, of: &[u8], value: Vec<u8>) -> Setting {
    let stamp = Stamp { hlc: Hlc { at: NOW, count: 3 }, device: DeviceId([2; 32]) };
    Setting { key: SettingKey { what, of: of.to_vec() }, value: Payload(value), stamp }
}

fn settings() -> Settings {
    let (identity, rendezvous) = ([1; 32], Rendezvous { secret: SECRET, reset_at: NOW });
    let contact =
        values::Contact { name: "Ada".into(), rendezvous: rendezvous.clone(), added_at: NOW };
    let verified = values::Verified { at: NOW, devices: vec![DeviceId([2; 32])] };
    let manner = values::Manner { is_muted: true, typing: Some(false), ..Default::default() };
    let preferences = values::Preferences {
        receipts: true,
        typing: false,
        snippets: true,
        strict_devices: false,
    };
    Settings(vec![
        setting(1, &identity, contact.encode()),
        setting(2, &identity, verified.encode()),
        setting(3, &identity, values::Blocked { rendezvous, since: NOW }.encode()),
        setting(4, &identity, values::Dropped { at: NOW }.encode()),
        setting(5, &identity, manner.encode()),
        setting(6, &identity, values::Note { text: "from the choir".into() }.encode()),
        setting(7, &[], preferences.encode()),
        setting(4, &[3; 32], Vec::new()),
        setting(999, b"not known here", vec![7; 3]),
    ])
}

fn timers_setting() -> Setting {
    let Timers { expire_s, burn_s } = HOUR;
    let author = IdentityId([1; 32]);
    let value = values::TimersSet { expire_s, burn_s, set_at: NOW, author, id: TARGET };
    setting(8, &[1; 32], value.encode())
}

const HOUR: Timers = Timers { expire_s: Some(3600), burn_s: Some(30) };
const PING: Ping = Ping { nonce: [0xcd; 16], sent_at: NOW };

#[test]
fn vectors() {
    let bytes = Payload(b"not known here".to_vec());
    let unknown = Message { content: Content::Unknown { kind: 999, bytes }, ..text_message("x") };
    let of = |content| Message { content, ..text_message("x") }.encode();
    let recall = Content::Recall(Recall { message: MessageId([0xef; 16]) });
    let changed = IdentityChanged { identity: IdentityId([1; 32]), state: vec![7; 3] };
    let renewed = OlmRenewed { envelope: martlet_protocol::EnvelopeId([0xcd; 32]) };
    vectors::check(
        "message.txt",
        "Messages, as they stand inside envelopes. text: the text \"hello\", id ab … ab, sent at
        1767323045678 ms, the 300th. unknown: of kind 999, else the same, with the payload
        \"not known here\".
        session_key: the key of the session drawn from ChaCha20 with the key 04 … 04 (128 bytes of
        ratchet, 32 of signing key, 32 of tag key, 32 of ack key), its sender
        the identity 01 … 01 with the device 02 … 02, its conversation 03 … 03, with the suggested name
        \"Ada\", the rendezvous secret of bytes 05, reset at that time; session_key_unnamed: without a
        name; session_key_put_back: with that time as the one since when all was lost; session_key_by_invite: with
        the invite secret of bytes ef. ping: nonce cd … cd, sent at 1767323045678 ms;
        pong: its answer. timed: the text, for an hour, and 30 seconds once read; timers: the
        conversation's are those from now on; timers_off: it has none; recall: takes back the
        message with the id ef … ef. reply: the text as an answer to the message cd … cd. edit: it says \"hello!\" from now on; reaction:
        with 👍, reaction_withdrawn: with nothing; read: all up to it was read. typing: at that time.
        profile: the name \"Ada\" and a picture of the bytes ff d8 ff e0; profile_withdrawn: neither.
        identity_changed: of the identity 01 … 01, with the bytes 07 07 07. sent: the text was sent to the identity 01 … 01;
        read_up_to: of the conversation with it, to the message cd … cd; settings: one of each number with that identity, made
        at that time as the fourth on the device 02 … 02: Ada is a contact, verified with that device, blocked, dropped, muted
        and told nothing of typing, noted to be \"from the choir\"; no typing for anyone; 03 … 03 is not dropped; and one of
        number 999. delivered: to it, the messages cd … cd and ef … ef; queued, sent_elsewhere, expired: how far the same got.
        timers_setting: the settings with the timers of timed, set then by that identity with the message cd … cd.
        olm_renewed: of the envelope cd … cd. file: \"a.txt\", text/plain, of the bytes \"hi\", with the text \"look\".
        Of the room 01 … 01, by whose last operation is 02 … 02, with the digest 09 … 09: room_op: the operation of the bytes 07 07 07,
        which brings in 03 … 03 with that rendezvous secret; room_key: the key of that session, of \"Ada\"; room_key_unnamed: without a
        name; room_hello; room_hello_empty: of who has nothing of it; room_ops: that operation and that person, and the operation 08;
        in_room: the text, by who knows 02 … 02 and 05 … 05. room_recall: of the message cd … cd of 03 … 03.",
        &[
            ("text", text_message("hello").encode()),
            ("unknown", unknown.encode()),
            ("session_key", session_key(Some("Ada"), None).encode()),
            ("session_key_unnamed", session_key(None, None).encode()),
            ("session_key_put_back", session_key(Some("Ada"), Some(NOW)).encode()),
            ("session_key_by_invite", by_invite().encode()),
            ("ping", DeviceMessage::Ping(PING).encode()),
            ("pong", DeviceMessage::Pong(Pong { nonce: PING.nonce }).encode()),
            ("timed", Message { timers: HOUR, ..text_message("hello") }.encode()),
            ("timers", of(Content::Timers(HOUR))),
            ("timers_off", of(Content::Timers(Timers::OFF))),
            ("recall", of(recall)),
            ("reply", Message { reply_to: Some(TARGET), ..text_message("hello") }.encode()),
            ("mentions", Message { mentions: vec![IdentityId([3; 32]), IdentityId([4; 32])], ..text_message("hello") }.encode()),
            ("edit", deed(Content::Edit(edit("hello!"))).encode()),
            ("reaction", deed(Content::Reaction(reaction(Some("👍")))).encode()),
            ("reaction_withdrawn", deed(Content::Reaction(reaction(None))).encode()),
            ("read", deed(Content::Read(Read { up_to: TARGET })).encode()),
            ("profile", deed(Content::Profile(profile())).encode()),
            ("profile_withdrawn", deed(Content::Profile(Profile::default())).encode()),
            ("sent", of(Content::Sent(sent_copy("hello")))),
            (
                "read_up_to",
                of(Content::ReadUpTo(ReadUpTo {
                    conversation: IdentityId([1; 32]),
                    message: TARGET,
                })),
            ),
            ("settings", of(Content::Settings(settings()))),
            ("delivered", of(Content::Progress(progress(Reached::DELIVERED)))),
            ("queued", of(Content::Progress(progress(Reached::QUEUED)))),
            ("sent_elsewhere", of(Content::Progress(progress(Reached::SENT)))),
            ("expired", of(Content::Progress(progress(Reached::EXPIRED)))),
            ("timers_setting", of(Content::Settings(Settings(vec![timers_setting()])))),
            ("typing", DeviceMessage::Typing(Typing { sent_at: NOW }).encode()),
            ("identity_changed", DeviceMessage::IdentityChanged(changed).encode()),
            ("olm_renewed", DeviceMessage::OlmRenewed(renewed).encode()),
            ("file", of(Content::File(file()))),
            ("room_op", of(Content::RoomOp(room_op()))),
            ("room_key", room_key(Some("Ada")).encode()),
            ("room_key_unnamed", room_key(None).encode()),
            ("room_key_lost", room_key_lost().encode()),
            (
                "room_hello_asking",
                DeviceMessage::RoomHello(RoomHello::new(ROOM, knows()).asking()).encode(),
            ),
            ("room_hello", DeviceMessage::RoomHello(RoomHello::new(ROOM, knows())).encode()),
            (
                "room_hello_empty",
                DeviceMessage::RoomHello(RoomHello::new(ROOM, Heads::default())).encode(),
            ),
            ("room_history", DeviceMessage::RoomHistory(room_history()).encode()),
            ("room_ops", DeviceMessage::RoomOps(room_ops()).encode()),
            ("in_room", in_room().encode()),
            (
                "room_recall",
                of(Content::RoomRecall(RoomRecall {
                    message: TARGET,
                    author: IdentityId([3; 32]),
                })),
            ),
        ],
    );
}

const ROOM: RoomId = RoomId([1; 32]);

fn knows() -> Heads {
    Heads { ops: vec![OpId([2; 32])], digest: [9; 32] }
}

fn room_op() -> RoomOp {
    let rendezvous = Rendezvous { secret: SECRET, reset_at: NOW };
    RoomOp {
        op: vec![7; 3],
        people: vec![RoomPerson { identity: IdentityId([3; 32]), rendezvous }],
    }
}

fn room_history() -> RoomHistory {
    let said = |text: &str, expire_s| Said {
        id: TARGET,
        author: IdentityId([3; 32]),
        sent_at: NOW,
        text: text.into(),
        expire_s,
    };
    RoomHistory { room: ROOM, said: vec![said("hello", None), said("bye", Some(3600))] }
}

fn room_ops() -> RoomOps {
    let RoomOp { op, people } = room_op();
    RoomOps { room: ROOM, ops: vec![op, vec![8]], people }
}

/// Of who was put back from a copy, to who came after others.
fn room_key_lost() -> DeviceMessage {
    let DeviceMessage::RoomKey(mut key) = room_key(Some("Ada")) else { panic!() };
    (key.lost_since, key.skips) = (Some(NOW), Some(41));
    DeviceMessage::RoomKey(key)
}

fn room_key(name: Option<&str>) -> DeviceMessage {
    let device = DeviceId([7; 32]);
    let session = OutboundSession::new(&mut rng(4), CONTEXT, &[device]).unwrap();
    DeviceMessage::RoomKey(Box::new(RoomKey {
        grant: session.grant(&device).unwrap(),
        suggested_name: name.map(String::from),
        rendezvous: Rendezvous { secret: SECRET, reset_at: NOW },
        knows: knows(),
        lost_since: None,
        skips: None,
    }))
}

fn in_room() -> InRoom {
    InRoom::new([OpId([2; 32]), OpId([5; 32])].iter(), text_message("hello").encode())
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
    #[serde(skip_serializing_if = "Option::is_none")]
    expire_s: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    burn_s: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    later: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mentions: Option<u32>,
    more: Vec<String>,
}

/// One with timers.
#[derive(Serialize)]
struct TimedFrame {
    kind: u16,
    id: MessageId,
    sent_at: u64,
    seq: u64,
    payload: ByteBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    expire_s: Option<u32>,
    burn_s: u32,
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
            timers: Timers::OFF,
            content: Content::Text(Text::new("hi").unwrap()),
            reply_to: None,
            mentions: Vec::new(),
        }
    );
}

#[test]
fn timers_out_of_bounds_are_refused() {
    let timed = |expire_s, burn_s| {
        Message::decode(&codec::encode(&TimedFrame {
            kind: 1,
            id: MessageId([1; 16]),
            sent_at: 2,
            seq: 3,
            payload: ByteBuf::from(b"hi"),
            expire_s,
            burn_s,
        }))
    };
    let read = timed(None, 518_400).unwrap();
    assert_eq!(read.timers, Timers { expire_s: None, burn_s: Some(518_400) });
    for (expire_s, burn_s, seconds) in
        [(Some(0), 1, 0), (Some(60), 518_401, 518_401), (None, u32::MAX, u32::MAX.into())]
    {
        let refused = timed(expire_s, burn_s);
        assert!(
            matches!(refused, Err(MessageError::Timer(TimerError { seconds: found })) if found == seconds),
            "{refused:?}"
        );
    }
    // Of a conversation, too.
    let of_all = Content::Timers(Timers { expire_s: Some(518_401), burn_s: None });
    assert!(Message::decode(&Message { content: of_all, ..text_message("x") }.encode()).is_err());
    assert!(Message::decode(&frame(34, b"")).is_err() && Message::decode(&frame(35, b"")).is_err());
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
fn deeds_round_trip_and_may_grow() {
    #[derive(Serialize)]
    struct Newer<T> {
        target: MessageId,
        value: T,
        more: u8,
    }
    for content in [
        Content::Edit(edit("hello!")),
        Content::Reaction(reaction(Some("👍"))),
        Content::Reaction(reaction(None)),
        Content::Read(Read { up_to: TARGET }),
        Content::File(file()),
        Content::Profile(profile()),
        Content::Profile(Profile::default()),
        Content::Profile(Profile { picture: None, ..profile() }),
        Content::Profile(Profile { name: None, ..profile() }),
        Content::Sent(sent_copy("hello")),
        Content::ReadUpTo(ReadUpTo { conversation: IdentityId([1; 32]), message: TARGET }),
        Content::Settings(settings()),
        Content::Progress(progress(Reached::DELIVERED)),
        Content::Progress(progress(Reached::SENT)),
        Content::Progress(progress(Reached(200))),
        Content::Settings(Settings(vec![timers_setting()])),
        Content::Settings(Settings::default()),
    ] {
        let message = deed(content);
        assert_eq!(Message::decode(&message.encode()).unwrap(), message);
    }
    let newer = codec::encode(&Newer { target: TARGET, value: "hello!", more: 1 });
    let read = |kind| Message::decode(&frame(kind, &newer)).unwrap().content;
    assert_eq!(read(30), Content::Edit(edit("hello!")));
    assert_eq!(read(31), Content::Reaction(reaction(Some("hello!"))));
    assert_eq!(read(32), Content::Read(Read { up_to: TARGET }));
    let message = Message { reply_to: Some(TARGET), ..text_message("hello") };
    assert_eq!(Message::decode(&message.encode()).unwrap(), message);
}

/// More people than a message may mention, or half of one.
#[test]
fn mentions_out_of_bounds_are_refused() {
    let with = |mentions| Message { mentions, ..text_message("hello") };
    let most = with(vec![IdentityId([3; 32]); MENTIONS_MAX]);
    assert_eq!(Message::decode(&most.encode()).unwrap(), most);
    assert!(Message::decode(&with(vec![IdentityId([3; 32]); MENTIONS_MAX + 1]).encode()).is_err());
    let mut half = with(vec![IdentityId([3; 32])]).encode();
    let at = half.len() - 34;
    assert_eq!(half[at..at + 2], [0x58, 32]);
    half[at + 1] = 31;
    half.pop();
    assert!(Message::decode(&half).is_err());
}

#[test]
fn reactions_and_edits_out_of_bounds_are_refused() {
    #[derive(Serialize)]
    struct Fields {
        target: MessageId,
        text: String,
    }
    let decode = |kind, text: &str| {
        let payload = codec::encode(&Fields { target: TARGET, text: text.into() });
        Message::decode(&frame(kind, &payload))
    };
    let family = "👨‍👩‍👧‍👦";
    for good in ["", "+", "👍🏽", family, &"é".repeat(32)] {
        assert!(decode(31, good).is_ok(), "{good}");
    }
    let refused = |text: &str| match decode(31, text) {
        Err(MessageError::Emoji(error)) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(&"a".repeat(65)), EmojiError::TooLong { found: 65 });
    assert_eq!(refused(" "), EmojiError::Empty);
    for bad in ["a\nb", "a\u{7}", "\u{1b}[2J", "a\u{85}", "a\u{2028}b"] {
        assert_eq!(refused(bad), EmojiError::Control, "{bad:?}");
    }
    // 10 KB are not even read.
    assert!(matches!(decode(31, &"a".repeat(10_000)), Err(MessageError::Codec(_))));
    assert!(matches!(decode(30, ""), Err(MessageError::Text(TextError::Empty))));
    let long = "a".repeat(TEXT_BYTES_MAX + 1);
    assert!(matches!(decode(30, &long), Err(MessageError::Text(TextError::TooLong { .. }))));
    assert!(decode(30, &long[1..]).is_ok());
    assert!(Message::decode(&frame(32, &[0; 300])).is_err());
}

/// What is too long, or no picture, is refused before anything looks into it; the longest goes in one envelope.
#[test]
fn profiles_out_of_bounds_are_refused() {
    #[derive(Serialize)]
    struct Fields {
        name: String,
        picture: ByteBuf,
    }
    let decode = |name: &str, picture: &[u8]| {
        let picture = ByteBuf::from(picture.to_vec());
        Message::decode(&frame(36, &codec::encode(&Fields { name: name.into(), picture })))
    };
    let refused = |name: &str, picture: &[u8]| match decode(name, picture) {
        Err(MessageError::Profile(error)) => error,
        other => panic!("{other:?}"),
    };
    let mut longest = vec![7; PICTURE_BYTES_MAX];
    longest[..3].copy_from_slice(&[0xff, 0xd8, 0xff]);
    let message = decode(&"a".repeat(64), &longest).unwrap();
    assert!(message.encode().len() < BODY_BYTES_MAX - 1024, "{}", message.encode().len());
    longest.push(7);
    let found = longest.len();
    assert_eq!(refused("", &longest), ProfileError::TooLarge { found });
    assert_eq!(refused(&"a".repeat(65), &[]), ProfileError::Name { found: 65 });
    for picture in [&b"\x89PNG\r\n\x1a\n"[..], b"no picture", &[0xff, 0xd8]] {
        assert_eq!(refused("", picture), ProfileError::NoJpeg);
    }
    // 10 KB of a name with a picture are not even read.
    assert!(matches!(decode(&"a".repeat(10_000), &longest[1..]), Err(MessageError::Codec(_))));
}

#[test]
fn what_own_devices_say_out_of_bounds_is_refused_or_left_out() {
    let read = |content| Message::decode(&deed(content).encode());
    let long = Payload(vec![7; sent::MESSAGE_BYTES_MAX + 1]);
    let too_long = Sent { conversation: IdentityId([1; 32]), message: long };
    assert!(matches!(read(Content::Sent(too_long)), Err(MessageError::Codec(_))));
    assert!(Message::decode(&frame(6, &[0; 300])).is_err());
    let many = Progress { messages: vec![TARGET; 80], ..progress(Reached::SENT) };
    let Ok(Content::Progress(found)) = read(Content::Progress(many)).map(|it| it.content) else {
        panic!()
    };
    assert_eq!(found.messages.len(), 64);
    // One that breaks its bounds takes none with it.
    let good = setting(4, &[1; 32], Vec::new());
    let mut late = good.clone();
    late.stamp.hlc.at = UnixMillis(Hlc::LAST.at.0 + 1);
    let bad = [setting(6, &[1; 32], vec![7; 4609]), setting(6, &[1; 129], Vec::new()), late];
    for bad in bad {
        let found = read(Content::Settings(Settings(vec![good.clone(), bad, good.clone()])));
        let both = Settings(vec![good.clone(), good.clone()]);
        assert_eq!(found.unwrap().content, Content::Settings(both));
    }
    assert!(Message::decode(&frame(7, b"nonsense")).is_err());
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
        expire_s: None,
        burn_s: None,
        later: None,
        mentions: None,
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
    fn texts_round_trip(id: [u8; 16], sent_at: u64, seq in 1..=MESSAGE_SEQ_MAX, text in ".{1,500}", is_reply: bool) {
        let message = Message {
            id: MessageId(id),
            sent_at: UnixMillis(sent_at),
            seq,
            timers: Timers::OFF,
            content: Content::Text(Text::new(text.clone()).unwrap()),
            reply_to: is_reply.then_some(MessageId(id)),
            mentions: vec![IdentityId([5; 32]); usize::from(is_reply) * MENTIONS_MAX],
        };
        let read = Message::decode(&message.encode()).unwrap();
        prop_assert_eq!(&read, &message);
        let Content::Text(read) = read.content else { panic!("another kind") };
        prop_assert_eq!(read.as_str(), text);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 0..40u16) {
        let _ = Message::decode(&bytes);
        let _ = DeviceMessage::decode(&bytes);
        let _ = Message::decode(&frame(kind, &bytes));
        let _ = DeviceMessage::decode(&codec::encode(&DeviceFrame { kind, payload: ByteBuf::from(bytes) }));
    }
}
