//! The content of a conversation envelope, opened with a session.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| martlet_fuzz::open_conversation(content));
