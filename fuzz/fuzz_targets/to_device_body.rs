//! What a sender can put inside a to-device envelope that opens.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some(content) = martlet_fuzz::to_device_with(data) {
        martlet_fuzz::open_to_device(&content);
    }
});
