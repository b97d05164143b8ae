//! A device certificate.
#![no_main]

use libfuzzer_sys::fuzz_target;
use martlet_protocol::identity::DeviceCertificate;

fuzz_target!(|bytes: &[u8]| {
    let Ok(certificate) = DeviceCertificate::from_bytes(bytes) else { return };
    assert_eq!(certificate.as_bytes(), bytes);
});
