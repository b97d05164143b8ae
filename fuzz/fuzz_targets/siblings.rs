//! What the devices of one identity tell each other: the bodies of kinds 5, 6, 7 and 15, and what settings say.
#![no_main]

use libfuzzer_sys::fuzz_target;
use martlet_protocol::message::settings::values::{
    Blocked, Contact, Dropped, Manner, Note, Preferences, TimersSet, Value, Verified,
};
use martlet_protocol::message::{
    Content, Message, Sent, Setting, Settings, progress, read_up_to, sent, settings,
};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(settings) = Settings::decode(bytes) {
        assert!(settings.0.iter().all(Setting::is_in_bounds));
        assert_eq!(Settings::decode(&settings.encode()).unwrap(), settings);
        for Setting { key, value, .. } in &settings.0 {
            match key.what {
                Contact::WHAT => read::<Contact>(&value.0),
                Verified::WHAT => read::<Verified>(&value.0),
                Blocked::WHAT => read::<Blocked>(&value.0),
                Dropped::WHAT => read::<Dropped>(&value.0),
                Manner::WHAT => read::<Manner>(&value.0),
                Note::WHAT => read::<Note>(&value.0),
                Preferences::WHAT => read::<Preferences>(&value.0),
                TimersSet::WHAT => read::<TimersSet>(&value.0),
                _ => {}
            }
        }
    }
    if let Ok(sent) = Sent::decode(bytes) {
        assert!(sent.message.0.len() <= sent::MESSAGE_BYTES_MAX);
        let _ = Message::decode(&sent.message.0);
    }
    // The others are read with the message around them.
    if let Ok(message) = Message::decode(bytes) {
        let kind = match &message.content {
            Content::Sent(_) => sent::KIND,
            Content::ReadUpTo(_) => read_up_to::KIND,
            Content::Settings(_) => settings::KIND,
            Content::Progress(_) => progress::KIND,
            _ => return,
        };
        assert!(!martlet_protocol::message::DeviceMessage::has_kind(kind));
        assert_eq!(Message::decode(&message.encode()).unwrap(), message);
    }
});

fn read<V: Value + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    if let Ok(Some(value)) = V::decode(bytes) {
        assert_eq!(V::decode(&value.encode()).unwrap(), Some(value));
    }
}
