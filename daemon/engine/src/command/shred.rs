//! The shredder.

use martlet_protocol::control::Shred;
use martlet_store::vault::ShredState;

use super::Command;
use crate::engine::Engine;
use crate::error::Fault;
use crate::turn::Turn;
use crate::user::User;

/// Shreds what was deleted or overwritten until now, as fast as it can; how things stand.
#[derive(Debug)]
pub struct ShredVault {}

/// How things stand with what was deleted or overwritten.
#[derive(Debug)]
pub struct GetShred {}

impl Command for ShredVault {
    type Reply = Shred;

    fn run(self, engine: &mut Engine, _turn: &mut Turn<'_>) -> Result<Shred, Fault> {
        let user = engine.user_mut()?;
        user.ask_to_shred();
        Ok(shred_of(user))
    }
}

impl Command for GetShred {
    type Reply = Shred;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, _turn: &mut Turn<'_>) -> Result<Shred, Fault> {
        Ok(shred_of(engine.user_mut()?))
    }
}

pub(super) fn shred_of(user: &User) -> Shred {
    let ShredState {
        waiting,
        keys,
        is_running,
        resealed,
        finished_at,
        holds_old,
        wants_rewrite,
        live_bytes: _,
    } = user.shred_state();
    Shred {
        running: is_running || user.is_asked_to_shred(),
        waiting: u32::try_from(waiting).unwrap_or(u32::MAX),
        keys: u32::try_from(keys).unwrap_or(u32::MAX),
        resealed,
        finished_at,
        old_layout: holds_old,
        rewrite_at_start: wants_rewrite,
    }
}
