//! What devices of one identity, and people in a room, tell each other.

use martlet_protocol::ids::{DeviceId, IdentityId, MessageId, Rendezvous};
use martlet_protocol::message::history::{Pages, PastReaction, PastVersion, Writer};
use martlet_protocol::message::{
    Content, DeviceMessage, Heads, History, HistoryWanted, InRoom, Message, Past, RoomHello,
    RoomHistory, RoomKey, RoomOp, RoomOps, RoomPerson, RoomRecall, Said, Text, Timers, WantedLine,
};
use martlet_protocol::room::{self, Action, Create, Room, Setting as RoomSetting};

use crate::keep;

/// Steps of the room's target: two are made moderators, who remove each other; one leaves, one is added, a setting changes.
const ROOM: &[[u8; 4]] = &[
    [13 << 3, 0, 0x20, 1],
    [13 << 3, 0, 0x20, 2],
    [6 << 3 | 1, 0, 0x20, 2],
    [6 << 3 | 2, 1, 0x21, 1],
    [1, 1, 0x20, 3],
    [25 << 3, 0, 0x20, 0],
    [28 << 3 | 3, 0, 0x20, 0],
    [3, 2, 0x20, 4],
    [21 << 3, 0, 0x20, 1],
];

/// A device asks another of the user's for messages of before.
fn wanted_of(conversation: IdentityId) -> DeviceMessage {
    let lines = vec![WantedLine { conversation, before: Some(300) }];
    DeviceMessage::HistoryWanted(HistoryWanted {
        number: 1,
        lines,
        asked_at: Some(martlet_fuzz::NOW),
        tries: 1,
    })
}

/// Some of them.
fn history_of(identity: IdentityId) -> DeviceMessage {
    let (at, id) = (martlet_fuzz::NOW, MessageId([0xab; 16]));
    let message = Message {
        id,
        sent_at: at,
        seq: 1,
        timers: Timers::OFF,
        content: Content::Text(Text::new("hello").expect("a text")),
        reply_to: None,
        mentions: Vec::new(),
    };
    let past = Past {
        message: message.encode(),
        writer: 0,
        stored_at: at,
        state: Some(1),
        burns_from: Some(at),
        flags: 3,
        recalled_by: Some(identity),
        told_by: Some(identity),
        versions: vec![PastVersion { at, id, text: "helo".into() }],
        reactions: vec![PastReaction { by: identity, at, id, emoji: "+1".into() }],
    };
    let mut pages = Pages::default();
    pages.begin(identity, Some(300));
    pages.say(Writer { identity, device: DeviceId([7; 32]) }, past, 299);
    pages.end(Some(299));
    DeviceMessage::History(Box::new(pages.finish(1).pop().unwrap_or_else(History::offer)))
}

/// What goes between devices about a room, and a message in it.
fn keep_of_room(room: &Room) -> std::io::Result<()> {
    let set = room.set();
    let ops: Vec<_> = set.iter().map(|op| op.as_bytes().to_vec()).collect();
    let id = martlet_fuzz::sender_id();
    let rendezvous = Rendezvous { secret: id.secret, reset_at: martlet_fuzz::NOW };
    let people = vec![RoomPerson { identity: id.identity, rendezvous: rendezvous.clone() }];
    let knows = Heads { ops: set.heads().copied().collect(), digest: set.digest() };
    let grant = martlet_fuzz::grant();
    let suggested_name = Some("Ada".into());
    let (lost_since, skips) = (Some(martlet_fuzz::NOW), Some(41));
    let knows_too = knows.clone();
    let key = RoomKey { grant, suggested_name, rendezvous, knows: knows_too, lost_since, skips };
    for (name, message) in [
        ("room-key", DeviceMessage::RoomKey(Box::new(key))),
        ("room-hello", DeviceMessage::RoomHello(RoomHello::new(room.id(), knows).asking())),
        (
            "room-history",
            DeviceMessage::RoomHistory(RoomHistory {
                room: room.id(),
                said: vec![Said {
                    id: MessageId([0xab; 16]),
                    author: id.identity,
                    sent_at: martlet_fuzz::NOW,
                    text: "hello".into(),
                    expire_s: Some(3600),
                }],
            }),
        ),
        (
            "room-ops",
            DeviceMessage::RoomOps(RoomOps {
                room: room.id(),
                ops: ops.clone(),
                people: people.clone(),
            }),
        ),
        ("history-wanted", wanted_of(id.identity)),
        ("history", history_of(id.identity)),
    ] {
        keep("session_key", name, &message.encode())?;
    }
    let op = ops.last().cloned().unwrap_or_default();
    let message = Message {
        id: MessageId([0xab; 16]),
        sent_at: martlet_fuzz::NOW,
        seq: 1,
        timers: Timers::OFF,
        content: Content::RoomOp(RoomOp { op, people }),
        reply_to: None,
        mentions: Vec::new(),
    }
    .encode();
    keep("message", "room-op", &message)?;
    let recall = RoomRecall { message: MessageId([0xcd; 16]), author: id.identity };
    let content = Content::RoomRecall(recall);
    let timers = Timers::OFF;
    let recall = Message {
        id: MessageId([0xab; 16]),
        sent_at: martlet_fuzz::NOW,
        seq: 2,
        timers,
        content,
        reply_to: None,
        mentions: Vec::new(),
    };
    keep("message", "room-recall", &recall.encode())?;
    keep("in_room", "room-op", &InRoom::new(set.heads(), message).encode())
}

/// A room's operations, and a few steps of the target that puts rooms together.
pub(crate) fn keep_room() -> std::io::Result<()> {
    let settings = room::Settings { name: "watch".into(), ..room::Settings::default() };
    let keys = martlet_fuzz::sender();
    let create = Create { salt: [9; 16], settings };
    let room = Room::create(keys, create, martlet_fuzz::NOW).expect("good settings");
    let create = room.set().iter().next().expect("the creation");
    keep("room_op", "create", create.as_bytes())?;
    let other = martlet_fuzz::other_identity();
    for (name, action) in [
        ("grant", Action::Grant(other)),
        ("set", Action::Set(RoomSetting::Name("bridge".into()))),
        ("leave", Action::Leave),
    ] {
        let op = room.sign(keys, action, martlet_fuzz::NOW).expect("the creator may");
        keep("room_op", name, op.as_bytes())?;
    }
    keep_of_room(&room)?;
    keep("room", "quarrel", ROOM.as_flattened())
}
