//! The text of an ID, as people paste it, and of the other identifiers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use martlet_protocol::{EnvelopeId, Id, MessageId};

fuzz_target!(|text: &str| {
    if let Ok(id) = text.parse::<Id>() {
        assert_eq!(id.to_string(), text.trim().to_lowercase());
    }
    if let Ok(id) = text.parse::<MessageId>() {
        assert_eq!(id.to_string(), text.to_lowercase());
    }
    if let Ok(id) = text.parse::<EnvelopeId>() {
        assert_eq!(id.to_string(), text.to_lowercase());
    }
});
