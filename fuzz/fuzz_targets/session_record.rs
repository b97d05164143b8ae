//! A session's record, as it comes out of the vault.
#![no_main]

use libfuzzer_sys::fuzz_target;
use martlet_protocol::crypto::session::{InboundSession, OutboundSession};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(session) = OutboundSession::from_record(bytes) {
        let again = OutboundSession::from_record(&session.to_record()).unwrap();
        assert_eq!(again.to_record(), session.to_record());
    }
    if let Ok(session) = InboundSession::from_record(bytes) {
        let again = InboundSession::from_record(&session.to_record()).unwrap();
        assert_eq!(again.to_record(), session.to_record());
    }
});
