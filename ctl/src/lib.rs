//! `martletctl`: the command line of Martlet, a thin client of the daemon's control socket.
//!
//! As a library it is the [`client::Client`] that any Rust program can drive a daemon with, and
//! [`cli::main_from`], the command itself.

pub mod cli;
pub mod client;
mod cmd;
mod complete;
mod exit;
mod limits;
mod passphrase;
mod render;
mod socket;

pub use exit::Exit;
