//! The engine: messenger logic, synchronous, on its own thread.

pub mod command;
pub mod handle;

pub use command::Command;
pub use handle::EngineHandle;
