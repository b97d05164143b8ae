//! A handle as someone types it, and what anyone who knows it can put under its tag.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| martlet_fuzz::handle(data));
