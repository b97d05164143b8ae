#!/usr/bin/env bash
# A peer id written as a CID, which JavaScript's libp2p prints and takes, is refused by Rust's.
#
# Versions: libp2p-identity 0.3.1 and multiaddr 0.19.1 (Rust), @libp2p/peer-id 6.0.15 and
# @multiformats/multiaddr 13.0.3 (npm).
# Seen: libp2p's specification of peer ids has two texts: base58 (`12D3Koo…`) and CIDv1 (`bafza…`). JavaScript makes
# the second with `toCID()` and reads both. Rust's `PeerId::from_str` reads base58 alone ("invalid character"), and a
# multiaddr that ends in `/p2p/bafza…` is no multiaddr in Rust ("Invalid base string"); in JavaScript it is one, and is
# printed unchanged.
# Why it matters: an address that someone copies from a program in JavaScript may not be dialled by one in Rust.
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
libp2p-identity = { version = "=0.3.1", features = ["peerid", "ed25519"] }
multiaddr = "=0.19.1"
TOML
cat >src/main.rs <<'RUST'
fn main() {
    let key = libp2p_identity::Keypair::ed25519_from_bytes([7; 32]).expect("32 bytes");
    let own = key.public().to_peer_id().to_string();
    let cid = std::env::args().nth(1);
    let Some(cid) = cid else { return println!("{own}") };
    for text in [own, cid] {
        let address = format!("/ip4/127.0.0.1/tcp/4177/p2p/{text}");
        println!(
            "{text} id {} address {}",
            text.parse::<libp2p_identity::PeerId>().is_ok(),
            address.parse::<multiaddr::Multiaddr>().is_ok()
        );
    }
}
RUST
cat >cid.mjs <<'JS'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
const own = process.argv[2]
const cid = peerIdFromString(own).toCID().toString()
if (process.argv[3] === 'cid') console.log(cid)
else {
  for (const text of [own, cid]) {
    const address = `/ip4/127.0.0.1/tcp/4177/p2p/${text}`
    console.log(`${text} id ${peerIdFromString(text).toString() === own} address ${multiaddr(address).toString() === address}`)
  }
}
JS
npm init -y >/dev/null
npm install --silent --no-fund --no-audit '@libp2p/peer-id@6.0.15' '@multiformats/multiaddr@13.0.3' >/dev/null
own=$(cargo run --quiet)
cid=$(node cid.mjs "$own" cid)
cargo run --quiet -- "$cid" >rust.txt
node cid.mjs "$own" >js.txt
echo "Rust:"; cat rust.txt
echo "JavaScript:"; cat js.txt
diff - rust.txt <<SEEN
$own id true address true
$cid id false address false
SEEN
diff - js.txt <<SEEN
$own id true address true
$cid id true address true
SEEN
