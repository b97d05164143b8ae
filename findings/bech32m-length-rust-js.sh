#!/usr/bin/env bash
# A Bech32m text of 91 characters is written and read in Rust and refused in JavaScript.
#
# Versions: bech32 0.12.0 (Rust), bech32 2.0.0 and @scure/base 2.4.0 (npm).
# Seen: with the prefix `martlet`, 47 bytes make 90 characters, and all three agree on the text. 48 bytes make 91: Rust
# encodes and decodes it, as `Bech32m`, without a word (its bound is 1,023 characters); both JavaScript libraries refuse to
# make it and to read Rust's, unless the caller passes another bound.
# Why it matters: BIP 173 and 350 stop at 90, up to which four wrong characters are always noticed. Who chooses in Rust how
# long an identifier is gets no error one byte past that, until someone reads it in a browser.
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
bech32 = "=0.12.0"
TOML
cat >src/main.rs <<'RUST'
use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32m, Hrp};

fn main() {
    let prefix = Hrp::parse("martlet").expect("valid");
    for bytes in [47, 48] {
        let text = bech32::encode::<Bech32m>(prefix, &vec![7; bytes]).expect("encoded");
        let read = CheckedHrpstring::new::<Bech32m>(&text).expect("decoded");
        assert_eq!(read.byte_iter().count(), bytes);
        println!("{text}");
    }
}
RUST
cat >read.mjs <<'JS'
import { readFileSync } from 'node:fs'
import { bech32m as plain } from 'bech32'
import { bech32m as scure } from '@scure/base'

const attempt = (what, act) => {
  try {
    act()
    console.log(`${what}: yes`)
  } catch {
    console.log(`${what}: no`)
  }
}
for (const text of readFileSync('rust.txt', 'utf8').trim().split('\n')) {
  const libraries = Object.entries({ bech32: plain, scure })
  for (const [name, library] of libraries) {
    const { words } = library.decode(text, 2000)
    attempt(`${name} writes ${text.length}`, () => library.encode('martlet', words))
    attempt(`${name} reads ${text.length}`, () => library.decode(text))
  }
}
JS
npm init -y >/dev/null
npm install --silent --no-fund --no-audit bech32@2.0.0 @scure/base@2.4.0 >/dev/null
cargo run --quiet >rust.txt
node read.mjs >js.txt
cat rust.txt js.txt
diff - <(awk '{ print length($0) }' rust.txt) <<'SEEN'
90
91
SEEN
diff - js.txt <<'SEEN'
bech32 writes 90: yes
bech32 reads 90: yes
scure writes 90: yes
scure reads 90: yes
bech32 writes 91: no
bech32 reads 91: no
scure writes 91: no
scure reads 91: no
SEEN
