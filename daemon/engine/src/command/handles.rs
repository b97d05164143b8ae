//! Handles. Keys are derived by who calls: that takes long.

use martlet_protocol::control::{HandleFound, OwnHandle};
use martlet_protocol::handle::{Handle, HandleKey};

use super::Command;
use crate::engine::Engine;
use crate::error::Fault;
use crate::turn::Turn;
use crate::user::Asking;

/// The user answers to a handle from now on.
#[derive(Debug)]
pub struct ClaimHandle {
    /// The handle.
    pub handle: Handle,
    /// Its key.
    pub key: HandleKey,
}

/// The user answers to it no more.
#[derive(Debug)]
pub struct ReleaseHandle {}

/// Which one it is, and who else claims it.
#[derive(Debug)]
pub struct GetHandle {}

/// Who claims a handle.
#[derive(Debug)]
pub struct FindHandle {
    /// The handle.
    pub handle: Handle,
    /// Its key.
    pub key: HandleKey,
    /// Whether keepers of another shard were asked just now: they are not asked again. Otherwise what they said before is
    /// forgotten.
    pub is_asked: bool,
}

impl Command for ClaimHandle {
    type Reply = OwnHandle;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<OwnHandle, Fault> {
        engine.user_mut()?.claim_handle(turn, &self.handle, &self.key)
    }
}

impl Command for ReleaseHandle {
    type Reply = ();

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<(), Fault> {
        engine.user_mut()?.release_handle(turn)
    }
}

impl Command for GetHandle {
    type Reply = OwnHandle;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<OwnHandle, Fault> {
        Ok(engine.user_mut()?.own_handle(turn)?)
    }
}

impl Command for FindHandle {
    type Reply = HandleFound;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<HandleFound, Fault> {
        let Self { handle, key, is_asked } = self;
        let asking = if is_asked { Asking::No } else { Asking::Anew };
        Ok(engine.user_mut()?.find_handle(turn, &handle, &key, asking)?)
    }
}
