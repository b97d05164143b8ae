//! Files of this machine: those that are sent, and those that are saved.

mod read;
mod save;

pub(crate) use read::{Outgoing, read};
pub(crate) use save::{There, look, place, write};
