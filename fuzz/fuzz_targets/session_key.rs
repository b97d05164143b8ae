//! A message to devices; where it is the key of a session, of two or of a room, that is made.
#![no_main]

use libfuzzer_sys::fuzz_target;
use martlet_protocol::limits::SESSION_MESSAGES_MAX;
use martlet_protocol::message::DeviceMessage;

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = DeviceMessage::decode(bytes) else { return };
    let again = DeviceMessage::decode(&message.encode()).unwrap();
    assert_eq!(again.encode(), message.encode());
    let grant = match message {
        DeviceMessage::SessionKey(message) => message.grant,
        DeviceMessage::RoomKey(message) => message.grant,
        _ => return,
    };
    let _ = grant.id();
    let Some(mut session) = martlet_fuzz::session_of(&grant) else { return };
    assert!((1..=SESSION_MESSAGES_MAX as usize).contains(&session.tags().count()));
    session.advance_to(SESSION_MESSAGES_MAX);
});
