//! The payload of a to-device message, to a device with a session and to one without.
#![no_main]

use libfuzzer_sys::fuzz_target;
use martlet_protocol::crypto::olm::{Incoming, OlmSession};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(session) = OlmSession::from_record(bytes) {
        assert!(OlmSession::from_record(&session.to_record()).is_ok());
    }
    let Ok(incoming) = Incoming::decode(bytes) else { return };
    let (route, own, key) = martlet_fuzz::olm();
    if let Ok((mut session, _)) = OlmSession::accept(&own, &key, &route, &incoming) {
        // It was opened once.
        assert!(session.decrypt(&route, &incoming).is_err());
    }
});
