#!/usr/bin/env bash
# The same text of a multiaddr has other bytes in Rust than in JavaScript.
#
# Versions: multiaddr 0.19.1 (Rust), @multiformats/multiaddr 13.0.3 (npm).
# Seen: `/unix/%2Ftmp%2Fa.sock` keeps its percent signs as bytes in Rust (18 bytes) and is decoded in JavaScript
# (14 bytes). `/memory/7` is a number of 8 bytes in Rust (10 bytes in all) and a text with its length in JavaScript
# (4 bytes). `/ip4/…/tcp/…` has the same bytes in both. Each library reads its own bytes back.
# Why it matters: who compares, hashes or stores addresses as bytes, or sends them as bytes to a node of the other
# language (identify does), does not send what the text says.
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
multiaddr = "=0.19.1"
TOML
cat >src/main.rs <<'RUST'
fn main() {
    for text in std::env::args().skip(1) {
        let address: multiaddr::Multiaddr = text.parse().expect("valid");
        let back = multiaddr::Multiaddr::try_from(address.to_vec()).expect("its own bytes");
        let hex: String = address.to_vec().iter().map(|byte| format!("{byte:02x}")).collect();
        println!("{back} {hex}");
    }
}
RUST
cat >bytes.mjs <<'JS'
import { multiaddr } from '@multiformats/multiaddr'
for (const text of process.argv.slice(2)) {
  const address = multiaddr(text)
  console.log(`${multiaddr(address.bytes)} ${Buffer.from(address.bytes).toString('hex')}`)
}
JS
npm init -y >/dev/null
npm install --silent --no-fund --no-audit '@multiformats/multiaddr@13.0.3' >/dev/null
texts=(/ip4/127.0.0.1/tcp/4177 /unix/%2Ftmp%2Fa.sock /memory/7)
cargo run --quiet -- "${texts[@]}" >rust.txt
node bytes.mjs "${texts[@]}" >js.txt
echo "Rust:"; cat rust.txt
echo "JavaScript:"; cat js.txt
diff - rust.txt <<'SEEN'
/ip4/127.0.0.1/tcp/4177 047f000001061051
/unix/%2Ftmp%2Fa.sock 90030f253246746d70253246612e736f636b
/memory/7 89060000000000000007
SEEN
diff - js.txt <<'SEEN'
/ip4/127.0.0.1/tcp/4177 047f000001061051
/unix/%2Ftmp%2Fa.sock 90030b2f746d702f612e736f636b
/memory/7 89060137
SEEN
