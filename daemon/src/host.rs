//! The engine's host: the thread that runs it, the handle that others reach it by, and the thread that
//! makes stamps for it.
//!
//! The engine is synchronous ([`martlet_engine`]); what waits (for inputs, for the network to take what the
//! engine releases, for a passphrase to be tried) waits here.

mod handle;
mod passphrase;
pub(crate) mod passphrase_file;
mod stamper;
mod thread;

pub use handle::{CallError, EngineHandle};
pub use passphrase::PassphraseError;
pub use thread::{spawn, spawn_task};
