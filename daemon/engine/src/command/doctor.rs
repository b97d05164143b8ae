//! What the engine knows that the doctor wants.

use super::Command;
use crate::engine::Engine;
use crate::turn::{Fault, Turn};

/// Why the last write to the databases failed, if it did.
#[derive(Debug)]
pub struct GetStorageFailure {}

impl Command for GetStorageFailure {
    type Reply = Option<String>;

    fn run(self, engine: &mut Engine, _: &mut Turn<'_>) -> Result<Option<String>, Fault> {
        Ok(engine.storage_failed.clone())
    }
}
