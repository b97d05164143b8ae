#!/usr/bin/env bash
# An Olm account holds two fallback keys: rotated daily, they open what was sealed at most two days ago.
#
# Version: vodozemac 0.11.1 (Rust).
# Seen: what a sender sealed to a fallback key opens after one rotation, and not after two: `MissingOneTimeKey`.
# Why it matters: a fallback key is for who was away. Who rotates it daily, as one would a prekey, can't open the first
# message of a sender who used a bundle of three days ago. Rotate no more often than half of the time that messages may
# wait, or keep an account for each rotation.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"
[dependencies]
vodozemac = { version = "=0.11.1", default-features = false }
TOML
cat >src/main.rs <<'RUST'
use vodozemac::olm::{Account, OlmMessage, SessionConfig};

fn main() {
    for rotations in 0..3 {
        let (sender, mut receiver) = (Account::new(), Account::new());
        receiver.generate_fallback_key();
        let key = *receiver.fallback_key().values().next().expect("one");
        let config = SessionConfig::version_1();
        let mut session =
            sender.create_outbound_session(config, receiver.curve25519_key(), key).expect("valid");
        let OlmMessage::PreKey(first) = session.encrypt("hello").expect("room") else { panic!() };
        for _ in 0..rotations {
            receiver.mark_keys_as_published();
            receiver.generate_fallback_key();
        }
        let opened = receiver.create_inbound_session(config, sender.curve25519_key(), &first);
        let error = opened.err().map(|error| format!("{error:?}"));
        let error = error.as_deref().and_then(|text| text.split('(').next());
        println!("rotated {rotations} times: {}", error.unwrap_or("opens"));
    }
}
RUST
cargo run --quiet >seen.txt
cat seen.txt
diff - seen.txt <<'SEEN'
rotated 0 times: opens
rotated 1 times: opens
rotated 2 times: MissingOneTimeKey
SEEN
