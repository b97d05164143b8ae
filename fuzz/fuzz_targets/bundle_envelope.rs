//! What anyone who knows an ID can put under the tag of its bundles.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    martlet_fuzz::open_bundle(data);
    if let Some(content) = martlet_fuzz::bundle_with(data) {
        martlet_fuzz::open_bundle(&content);
    }
});
