//! A message as it comes out of a conversation envelope.
#![no_main]

use libfuzzer_sys::fuzz_target;
use martlet_protocol::message::Message;

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = Message::decode(bytes) else { return };
    assert_eq!(Message::decode(&message.encode()).unwrap(), message);
});
