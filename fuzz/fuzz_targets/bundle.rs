//! A device's bundle.
#![no_main]

use libfuzzer_sys::fuzz_target;
use martlet_protocol::bundle::Bundle;

fuzz_target!(|bytes: &[u8]| {
    let Ok(bundle) = Bundle::from_bytes(bytes) else { return };
    assert_eq!(bundle.as_bytes(), bytes);
    let _ = bundle.is_usable(martlet_fuzz::NOW);
});
