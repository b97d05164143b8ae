//! What who holds a session's tag key can put in place of a Megolm message.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some(content) = martlet_fuzz::conversation_with(data) {
        martlet_fuzz::open_conversation(&content);
    }
});
