//! `martletctl`: the command line of Martlet, a thin client of the daemon's control socket.
//!
//! As a library it is the [`client::Client`] that any Rust program can drive a daemon with, and
//! [`cli::main_from`], the command itself.

mod chat;
pub mod cli;
pub mod client;
mod cmd;
mod complete;
mod exit;
mod file;
mod limits;
mod listen;
mod passphrase;
mod phrase;
mod picture;
mod render;
mod sheet;
mod socket;
mod strength;

pub use exit::Exit;
