//! A message to devices; where it is a session's key, the session is made.
#![no_main]

use libfuzzer_sys::fuzz_target;
use martlet_protocol::limits::SESSION_MESSAGES_MAX;
use martlet_protocol::message::DeviceMessage;

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = DeviceMessage::decode(bytes) else { return };
    let again = DeviceMessage::decode(&message.encode()).unwrap();
    assert_eq!(again.encode(), message.encode());
    let DeviceMessage::SessionKey(message) = message else { return };
    let _ = message.grant.id();
    let Some(mut session) = martlet_fuzz::session_of(&message.grant) else { return };
    assert!((1..=SESSION_MESSAGES_MAX as usize).contains(&session.tags().count()));
    session.advance_to(SESSION_MESSAGES_MAX);
});
