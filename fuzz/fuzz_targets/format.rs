//! What stands at the head of everything that is signed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use martlet_protocol::FormatInfo;

fuzz_target!(|bytes: &[u8]| martlet_fuzz::decode::<FormatInfo>(bytes, 64 * 1024));
