//! What a session of a room encrypts: a message, and what its writer knew of the room.
#![no_main]

use libfuzzer_sys::fuzz_target;
use martlet_protocol::message::in_room::HEADS_MAX;
use martlet_protocol::message::{InRoom, Message};

fuzz_target!(|bytes: &[u8]| {
    let Ok(in_room) = InRoom::decode(bytes) else { return };
    assert!(in_room.heads.len() <= HEADS_MAX);
    assert_eq!(InRoom::decode(&in_room.encode()).unwrap(), in_room);
    let Ok(message) = Message::decode(&in_room.message.0) else { return };
    assert_eq!(Message::decode(&message.encode()).unwrap(), message);
});
