#!/usr/bin/env bash
# For an option's value that begins with a hyphen, clap's error advises an escape that fails in its turn.
#
# Version: clap 4.6.9.
# Seen: of a command with the argument NAME and the option `--after HOURS`, `bob --after -5` is refused with the tip to use
# `-- -5`. Who puts just that in its place writes `bob --after -- -5`, and is refused too, as for an unexpected argument `-5`,
# without a tip. What is taken is `--after=-5`, which neither message names.
# Why it matters: the tip is good for arguments, which `--` sets apart, and is printed for options' values as well. A user
# who is told what to do, and does it, is told that something else is wrong. (A program can allow hyphens for the option.)
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
clap = "=4.6.9"
TOML
cat >src/main.rs <<'RUST'
use clap::{Arg, Command};

fn main() {
    let attempts: [&[&str]; 3] =
        [&["bob", "--after", "-5"], &["bob", "--after", "--", "-5"], &["bob", "--after=-5"]];
    for attempt in attempts {
        let command = Command::new("finding")
            .no_binary_name(true)
            .arg(Arg::new("name").required(true))
            .arg(Arg::new("after").long("after").value_name("HOURS"));
        println!("> {}", attempt.join(" "));
        match command.try_get_matches_from(attempt) {
            Ok(matches) => println!("after {:?}", matches.get_one::<String>("after")),
            Err(error) => error
                .to_string()
                .lines()
                .filter(|line| line.contains("error:") || line.contains("tip:"))
                .for_each(|line| println!("{}", line.trim())),
        }
    }
}
RUST
cargo run --quiet | tee seen.txt
diff - seen.txt <<'SEEN'
> bob --after -5
error: unexpected argument '-5' found
tip: to pass '-5' as a value, use '-- -5'
> bob --after -- -5
error: unexpected argument '-5' found
> bob --after=-5
after Some("-5")
SEEN
