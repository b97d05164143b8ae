//! An envelope as it comes by gossip: decoded, then checked as a relay does.
#![no_main]

use libfuzzer_sys::fuzz_target;
use martlet_protocol::Envelope;

fuzz_target!(|bytes: &[u8]| {
    let Ok(envelope) = Envelope::decode(bytes) else { return };
    assert_eq!(Envelope::decode(&envelope.encode()).unwrap(), envelope);
    let _ = envelope.check(&envelope.id(), &martlet_fuzz::network(), martlet_fuzz::NOW);
});
