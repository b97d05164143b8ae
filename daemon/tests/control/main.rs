//! The daemon from outside: real processes, driven over their control sockets.

#![expect(clippy::unwrap_used, reason = "tests")]

mod backup;
mod client;
mod command_line;
mod daemon;
mod events;
mod files;
mod http;
mod metrics;
mod network;
mod restored;
mod room;
mod users;
mod vault_files;
mod verbs;
