//! The daemon from outside: real processes, driven over their control sockets.

#![expect(clippy::unwrap_used, reason = "tests")]

mod backup;
mod client;
mod command_line;
mod daemon;
mod events;
mod files;
mod http;
mod lock;
mod metrics;
mod network;
mod notify;
mod privacy;
mod restored;
mod room;
mod shred;
mod users;
mod vault_files;
mod verbs;
