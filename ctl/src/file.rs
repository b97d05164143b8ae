//! Files of this machine: those that are sent, and those that are saved.

mod progress;
mod read;
mod save;

pub(crate) use progress::Bar;
pub(crate) use read::{Outgoing, OutgoingBytes, read};
pub(crate) use save::{There, Unfinished, look, place};
