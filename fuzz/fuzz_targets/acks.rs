//! A batch of acks as it comes by gossip.
#![no_main]

use libfuzzer_sys::fuzz_target;
use martlet_protocol::Ack;
use martlet_protocol::limits::GOSSIP_BYTES_MAX;

fuzz_target!(|bytes: &[u8]| martlet_fuzz::decode::<Vec<Ack>>(bytes, GOSSIP_BYTES_MAX));
