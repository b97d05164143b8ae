//! `martletctl` as it is run, and its client, against a fake daemon.
#![expect(clippy::unwrap_used, reason = "tests")]

mod client;
mod columns;
mod completions;
mod docs;
mod errors;
mod events;
mod examples;
mod fake;
mod field;
mod network;
mod run;
mod terminal;
mod verbs;
mod wait;
