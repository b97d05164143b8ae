#!/usr/bin/env bash
# HPKE libraries with one X-Wing (id 0x647a) open each other's messages, and derive different keys from one secret.
#
# Versions: hpke 0.15.1 (Rust); @hpke/core 1.9.0 with @hpke/hybridkem-x-wing 0.7.0; hpke 1.1.7 with @panva/hpke-noble 1.0.3
# (npm).
# Seen: one private key of 32 bytes has one public key in all three, and what Rust seals to it (HKDF-SHA256,
# ChaCha20-Poly1305) both JavaScript libraries open. DeriveKeyPair of the same 32 bytes of keying material gives one key pair
# in Rust and in `hpke` (npm), and another in `@hpke/hybridkem-x-wing`.
# Why it matters: X-Wing's own draft derives a key pair by SHAKE256 of the material alone; the draft for HPKE derives it
# with HPKE's labels, as RFC 9180 does for others. The id of the algorithm and every message are the same, so tests by sealing
# and opening pass. Who restores a key from a phrase or a seed in the other library gets a wrong one, without an error. Import
# the 32 bytes of the private key instead.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2024"
[dependencies]
hpke = { version = "=0.15.1", default-features = false, features = ["alloc", "getrandom", "hkdfsha2", "x25519", "mlkem", "chacha"] }
TOML
cat >src/main.rs <<'RUST'
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::{Deserializable, Kem, OpModeS, Serializable};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn main() {
    let derived = XWing::derive_keypair(&[7; 32]).1;
    println!("{}", hex(&derived.to_bytes()));
    let private = <XWing as Kem>::PrivateKey::from_bytes(&[7; 32]).expect("32 bytes");
    let public = XWing::sk_to_pk(&private);
    println!("{}", hex(&public.to_bytes()));
    let (enc, sealed) =
        hpke::single_shot_seal::<ChaCha20Poly1305, HkdfSha256, XWing>(&OpModeS::Base, &public, b"info", b"hello", b"")
            .expect("sealed");
    println!("{}\n{}", hex(&enc.to_bytes()), hex(&sealed));
}
RUST
cargo run --quiet >rust
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund '@hpke/core@1.9.0' '@hpke/hybridkem-x-wing@0.7.0' '@hpke/chacha20poly1305@1.8.0' \
    'hpke@1.1.7' '@panva/hpke-noble@1.0.3'
cat >read.mjs <<'JS'
import assert from 'node:assert'
import { readFileSync } from 'node:fs'
import { Chacha20Poly1305 } from '@hpke/chacha20poly1305'
import { CipherSuite as Core, HkdfSha256 } from '@hpke/core'
import { XWing } from '@hpke/hybridkem-x-wing'
import * as noble from '@panva/hpke-noble'
import { CipherSuite as Panva } from 'hpke'

const hex = (bytes) => Buffer.from(bytes).toString('hex')
const bytes = (text) => new Uint8Array(Buffer.from(text, 'hex'))
const [derived, fixed, enc, sealed] = readFileSync('rust', 'utf8').trim().split('\n')
const seed = new Uint8Array(32).fill(7)
const info = new TextEncoder().encode('info')
const say = (name, opens, ownFixed, ownDerived) => {
  assert.equal(opens, 'hello')
  assert.equal(ownFixed, fixed)
  console.log(name, 'derives', ownDerived === derived ? "Rust's key" : 'another key')
}

const core = new Core({ kem: new XWing(), kdf: new HkdfSha256(), aead: new Chacha20Poly1305() })
const coreKey = await core.kem.importKey('raw', seed.buffer, false)
const coreOpens = await core.open({ recipientKey: coreKey, enc: bytes(enc), info }, bytes(sealed))
const corePair = await core.kem.generateKeyPairDerand(seed)
say('@hpke/hybridkem-x-wing', Buffer.from(coreOpens).toString(),
  hex(await core.kem.serializePublicKey(corePair.publicKey)),
  hex(await core.kem.serializePublicKey((await core.kem.deriveKeyPair(seed.buffer)).publicKey)))

const panva = new Panva(noble.KEM_MLKEM768_X25519, noble.KDF_HKDF_SHA256, noble.AEAD_ChaCha20Poly1305)
const panvaKey = await panva.DeserializePrivateKey(seed, true)
const panvaOpens = await panva.Open(panvaKey, bytes(enc), bytes(sealed), { info })
const panvaPair = await panva.DeriveKeyPair(seed, true)
say('hpke', Buffer.from(panvaOpens).toString(), fixed, hex(await panva.SerializePublicKey(panvaPair.publicKey)))
JS
node read.mjs | tee seen
expected="@hpke/hybridkem-x-wing derives another key
hpke derives Rust's key"
if [ "$(cat seen)" != "$expected" ]; then
    echo "changed: expected $expected"
    exit 1
fi
