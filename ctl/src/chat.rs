//! The chat: conversations on the whole terminal, or line by line.
//!
//! ```text
//!   keys, mouse ──┐                      ┌──> view ──> terminal
//!   events ───────┼─> model::Model ──────┤
//!   answers, time ┘   (state, pure)      └──> Ask ──> feed ──> daemon
//! ```
//!
//! The model is told what happened and says what is to be asked of the daemon. It reads no clock, and knows no terminal and
//! no socket. `view` draws it. `screen` and `plain` are the two ways to run it, `feed` is the way to the daemon.

mod feed;
mod layout;
mod model;
mod plain;
mod rows;
mod screen;
mod text;
mod unsent;
mod view;

#[cfg(test)]
mod tests;

pub(crate) use plain::run as run_plain;
pub(crate) use screen::run as run_screen;
