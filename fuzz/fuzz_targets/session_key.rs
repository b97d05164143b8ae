//! A message to devices; where it is the key of a session, of two or of a room, that is made, and of messages of before each is
//! read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use martlet_protocol::limits::SESSION_MESSAGES_MAX;
use martlet_protocol::message::history::{PAGES_MAX, SAID_MAX};
use martlet_protocol::message::{DeviceMessage, Message};

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = DeviceMessage::decode(bytes) else { return };
    let again = DeviceMessage::decode(&message.encode()).unwrap();
    assert_eq!(again.encode(), message.encode());
    let grant = match message {
        DeviceMessage::SessionKey(message) => message.grant,
        DeviceMessage::RoomKey(message) => message.grant,
        DeviceMessage::History(history) => {
            assert!(history.said() <= SAID_MAX && history.pages <= PAGES_MAX);
            for past in history.slices.iter().flat_map(|slice| &slice.said) {
                let _ = Message::decode(&past.message);
            }
            return;
        }
        _ => return,
    };
    let _ = grant.id();
    let Some(mut session) = martlet_fuzz::session_of(&grant) else { return };
    assert!((1..=SESSION_MESSAGES_MAX as usize).contains(&session.tags().count()));
    session.advance_to(SESSION_MESSAGES_MAX);
});
