#!/usr/bin/env bash
# With a limit of the frame's size, Negentropy names ids as needed that it has named in an earlier round: up to four times each.
#
# Version: negentropy 0.5.3 (Rust).
# Seen: one side has 50,000 random ids, the other the same and 200,000 more; all have one timestamp. Without a limit the side
# that begins is told of 200,000 ids that it needs, in 3 rounds. With frames of at most 64 KiB it is told of more than 200,000,
# and only 200,000 of them differ: one of them comes four times, each time in another round. No round repeats an id, and
# no id is wrong or left out.
# Why it matters: a caller who asks for the ids of each round as they come, so that memory stays small, asks for some of them
# again; one who adds up how many are missing counts too many. Small sets and small differences never show it. Keep the ids of
# earlier rounds, or look again whether the record is there by now, before you ask.
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
negentropy = "=0.5.3"
[profile.dev]
opt-level = 2
TOML
cat >src/main.rs <<'RUST'
use std::collections::{HashMap, HashSet};

use negentropy::{Id, Negentropy, NegentropyStorageVector, Storage};

/// The ids of the numbers below `count`: what a generator by George Marsaglia makes of them.
fn ids(count: u64) -> Vec<Id> {
    (0..count)
        .map(|number| {
            let mut state = number + 0x9e37_79b9_7f4a_7c15;
            let words = [(); 4].map(|()| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_be_bytes()
            });
            Id::from_slice(&words.concat()).expect("32 bytes")
        })
        .collect()
}

fn sealed(ids: &[Id]) -> NegentropyStorageVector {
    let mut storage = NegentropyStorageVector::new();
    for id in ids {
        storage.insert(0, *id).expect("not sealed");
    }
    storage.seal().expect("not sealed");
    storage
}

fn main() {
    let all = ids(250_000);
    let (small, large) = (sealed(&all[..50_000]), sealed(&all));
    let lacking: HashSet<Id> = all[50_000..].iter().copied().collect();
    for frame_size_limit in [0, 64 * 1024] {
        let mut first = Negentropy::new(Storage::Borrowed(&small), frame_size_limit).expect("a limit");
        let mut second = Negentropy::new(Storage::Borrowed(&large), frame_size_limit).expect("a limit");
        let mut query = first.initiate().expect("the first frame");
        let mut rounds = Vec::new();
        loop {
            let answer = second.reconcile(&query).expect("an answer");
            let (mut have, mut need) = (Vec::new(), Vec::new());
            let next = first.reconcile_with_ids(&answer, &mut have, &mut need).expect("a result");
            assert!(have.is_empty());
            let differing: HashSet<&Id> = need.iter().collect();
            assert_eq!(differing.len(), need.len(), "no round repeats an id");
            rounds.push(need);
            match next {
                Some(next) => query = next,
                None => break,
            }
        }
        let mut times: HashMap<Id, u32> = HashMap::new();
        for id in rounds.iter().flatten() {
            *times.entry(*id).or_default() += 1;
        }
        assert_eq!(times.keys().copied().collect::<HashSet<Id>>(), lacking, "none is wrong or left out");
        println!(
            "limit {frame_size_limit}: {} rounds, {} ids needed, {} different ones, one of them {} times",
            rounds.len(),
            rounds.iter().flatten().count(),
            times.len(),
            times.values().max().expect("some"),
        );
    }
}
RUST
cargo run --quiet | tee seen
expected='^limit 0: 3 rounds, 200000 ids needed, 200000 different ones, one of them 1 times
limit 65536: [0-9]+ rounds, 2[0-9]*[1-9][0-9]* ids needed, 200000 different ones, one of them 4 times$'
if ! [[ $(cat seen) =~ $expected ]] || grep -q '^limit 65536: .* 200000 ids needed' seen; then
    echo "changed: expected $expected"
    exit 1
fi
