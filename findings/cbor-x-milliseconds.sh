#!/usr/bin/env bash
# A time in milliseconds can't go from cbor-x to a Rust u64 and back as the same JavaScript value.
#
# Version: cbor-x 1.6.9 (JavaScript), serde_cbor 0.11.2 and ciborium 0.2.2 (Rust); for comparison cborg 6.1.5 and cbor2 2.3.0.
# Seen: cbor-x writes a whole number from 2^32 on, such as the milliseconds since 1970, as a float of 64 bits. serde_cbor and
# ciborium refuse that for a u64. What they write for it is an integer of eight bytes, and cbor-x reads each such integer as a
# BigInt, however small. cborg and cbor2 write the integer and read a number.
# Why it matters: seconds work for now, milliseconds don't, so tests with small numbers pass. A map that was read and is written again
# is right, since a BigInt becomes an integer; one that is made anew with Date.now() is refused by every strict reader. And a signature
# over a re-encoding never fits. Give cbor-x BigInts for such fields, or use cborg.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-audit --no-fund --no-optional cbor-x@1.6.9 cborg@6.1.5 cbor2@2.3.0 >/dev/null
cat >javascript.mjs <<'JS'
import * as cborX from 'cbor-x'
import * as cborg from 'cborg'
import * as cbor2 from 'cbor2'

const milliseconds = 1764500000000
const written = Buffer.from(process.argv[2] ?? '', 'hex')
for (const [name, library] of Object.entries({ 'cbor-x': cborX, cborg, cbor2 })) {
  if (process.argv[2] === undefined) {
    console.log(name, Buffer.from(library.encode(milliseconds)).toString('hex'))
  } else {
    console.log(name, typeof library.decode(written))
  }
}
JS
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2024"
[dependencies]
ciborium = "=0.2.2"
serde_cbor = "=0.11.2"
TOML
cat >src/main.rs <<'RUST'
fn main() {
    match std::env::args().nth(1) {
        None => {
            let bytes = serde_cbor::to_vec(&1_764_500_000_000u64).expect("a number");
            let mut other = Vec::new();
            ciborium::into_writer(&1_764_500_000_000u64, &mut other).expect("a number");
            assert_eq!(bytes, other);
            println!("{}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        }
        Some(hex) => {
            let bytes: Vec<u8> = (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal"))
                .collect();
            let one = serde_cbor::from_slice::<u64>(&bytes).is_ok();
            let other = ciborium::from_reader::<u64, _>(&bytes[..]).is_ok();
            println!("{} {}", if one { "read" } else { "refused" }, if other { "read" } else { "refused" });
        }
    }
}
RUST
cargo build --quiet
{
    node javascript.mjs | while read -r name hex; do
        echo "$name writes $hex: serde_cbor and ciborium: $(target/debug/finding "$hex")"
    done
    node javascript.mjs "$(target/debug/finding)" | while read -r name type; do
        echo "$name reads what they write as a $type"
    done
} | tee seen
diff seen - <<'SEEN' || { echo "this has changed: the lines above with > were seen before"; exit 1; }
cbor-x writes fb4279ad4654d00000: serde_cbor and ciborium: refused refused
cborg writes 1b0000019ad4654d00: serde_cbor and ciborium: read read
cbor2 writes 1b0000019ad4654d00: serde_cbor and ciborium: read read
cbor-x reads what they write as a bigint
cborg reads what they write as a number
cbor2 reads what they write as a number
SEEN
