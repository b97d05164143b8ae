//! A response of the sync protocol.
#![no_main]

use libfuzzer_sys::fuzz_target;
use martlet_protocol::limits::SYNC_RESPONSE_BYTES_MAX;
use martlet_protocol::sync::Response;

fuzz_target!(|bytes: &[u8]| martlet_fuzz::decode::<Response>(bytes, SYNC_RESPONSE_BYTES_MAX));
