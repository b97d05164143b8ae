//! The daemon from outside: real processes, driven over their control sockets.

mod client;
mod command_line;
mod daemon;
mod events;
mod files;
mod http;
mod users;
mod verbs;
