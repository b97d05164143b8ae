//! The state of an identity, as others tell it, and a notice that it ended.
#![no_main]

use libfuzzer_sys::fuzz_target;
use martlet_protocol::identity::IdentityState;

fuzz_target!(|bytes: &[u8]| {
    let identity = martlet_fuzz::sender_identity();
    let mut state = IdentityState::new(identity);
    if state.merge_bytes(bytes).is_err() {
        return;
    }
    // Once more it is no news, and what is passed on says the same.
    assert!(!state.merge_bytes(bytes).expect("a state").is_news);
    let mut heard = IdentityState::new(identity);
    let passed_on = heard.merge_bytes(&state.encode()).expect("what is passed on is a state");
    assert_eq!(passed_on.invalid, 0);
    assert!(heard.valid().eq(state.valid()));
    assert_eq!(heard.is_terminated(), state.is_terminated());
    let kept = IdentityState::from_record(identity, &state.to_record());
    assert_eq!(kept.expect("a record that was just written"), state);
});
