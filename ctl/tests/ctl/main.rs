//! `martletctl` as it is run, and its client, against a fake daemon.
#![expect(clippy::unwrap_used, reason = "tests")]

mod account;
mod client;
mod columns;
mod completions;
mod docs;
mod errors;
mod events;
mod examples;
mod fake;
mod field;
mod file;
mod invite;
mod link;
mod listen;
mod network;
mod plain;
mod profile;
mod restore;
mod room;
mod run;
mod talk;
mod terminal;
mod verbs;
mod wait;
