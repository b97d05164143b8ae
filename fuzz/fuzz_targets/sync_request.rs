//! A request of the sync protocol.
#![no_main]

use libfuzzer_sys::fuzz_target;
use martlet_protocol::limits::SYNC_REQUEST_BYTES_MAX;
use martlet_protocol::sync::Request;

fuzz_target!(|bytes: &[u8]| martlet_fuzz::decode::<Request>(bytes, SYNC_REQUEST_BYTES_MAX));
