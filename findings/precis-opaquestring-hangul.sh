#!/usr/bin/env bash
# The profile for passwords whose purpose is that normal forms don't matter refuses Korean by its normal form.
#
# Version: precis-profiles 0.2.0.
# Seen: OpaqueString (RFC 8265) takes é as one character and as two, and makes the same of both. It takes the syllable U+D55C,
# and refuses the three letters U+1112 U+1161 U+11AB, of which its own normalization (form C) would make that syllable: the
# check of characters comes before the mapping, and the letters are disallowed there (RFC 8264, category OldHangulJamo).
# Why it matters: who takes the profile to compare passwords from many keyboards and files will not suspect that a text in
# form D is compared for Europe and refused for Korea. To normalize first and check then takes both.
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
precis-profiles = "=0.2.0"
TOML
cat >src/main.rs <<'RUST'
use precis_profiles::OpaqueString;
use precis_profiles::precis_core::profile::{Profile, Rules};

fn main() {
    let profile = OpaqueString::new();
    for typed in ["\u{e9}", "e\u{301}", "\u{d55c}", "\u{1112}\u{1161}\u{11ab}"] {
        let normal = profile.normalization_rule(typed).expect("normalizes");
        match profile.enforce(typed) {
            Ok(taken) => println!("{} taken as {}", typed.escape_unicode(), taken.escape_unicode()),
            Err(_) => println!("{} refused, form C is {}", typed.escape_unicode(), normal.escape_unicode()),
        }
    }
}
RUST
cargo run --quiet | tee seen.txt
diff - seen.txt <<'SEEN'
\u{e9} taken as \u{e9}
\u{65}\u{301} taken as \u{e9}
\u{d55c} taken as \u{d55c}
\u{1112}\u{1161}\u{11ab} refused, form C is \u{d55c}
SEEN
