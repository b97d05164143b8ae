//! The content of a to-device envelope, opened by a device.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| martlet_fuzz::open_to_device(content));
