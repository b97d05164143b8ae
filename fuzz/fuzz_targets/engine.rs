//! Two engines in memory, and what a network, two users and strangers may do to them in any order.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| martlet_fuzz::engine::run(bytes));
