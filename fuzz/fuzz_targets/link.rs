//! Linking: a code, the steps of both sides, and what a new device gets.
#![no_main]

use libfuzzer_sys::fuzz_target;
use martlet_protocol::Header;
use martlet_protocol::link::{Answer, Join, LinkCode, Refused, Reveal, Step, steps};
use martlet_protocol::message::DeviceMessage;

fuzz_target!(|bytes: &[u8]| {
    let identity = martlet_fuzz::sender_identity();
    if let Ok(join) = Join::from_bytes(&identity, bytes) {
        assert_eq!(join.as_bytes(), bytes);
        assert_eq!(Join::from_bytes(&identity, join.as_bytes()).expect("it was read"), join);
    }
    if let Ok(answer) = Answer::decode(bytes) {
        assert_eq!(answer.encode(), bytes);
    }
    if let Ok(reveal) = Reveal::decode(bytes) {
        assert_eq!(reveal.encode(), bytes);
    }
    if let Ok(refused) = Refused::decode(bytes) {
        assert_eq!(refused.encode(), bytes);
        let _ = refused.why();
    }
    if let Ok(code) = std::str::from_utf8(bytes).unwrap_or_default().parse::<LinkCode>() {
        assert_eq!(code.to_text().parse::<LinkCode>().expect("a code"), code);
    }
    if let Ok(header) = Header::parse(bytes) {
        let keys = martlet_fuzz::link_code().keys();
        for step in Step::ALL {
            let _ = steps::open(&keys, step, &header, bytes);
        }
    }
    if let Ok(DeviceMessage::Linked(linked)) = DeviceMessage::decode(bytes) {
        let again = DeviceMessage::Linked(linked.clone()).encode();
        let Ok(DeviceMessage::Linked(again)) = DeviceMessage::decode(&again) else {
            panic!("what was read is read again");
        };
        assert_eq!(again, linked);
    }
});
