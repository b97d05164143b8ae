//! People to whom the user is away.

use martlet_protocol::control::{Blocked, BlockedList};

use super::Command;
use crate::engine::Engine;
use crate::error::Fault;
use crate::turn::Turn;

/// Those who are blocked.
#[derive(Debug)]
pub struct ListBlocked {}

/// Blocks someone.
#[derive(Debug)]
pub struct Block {
    /// A contact's name, or an ID.
    pub who: String,
}

/// Unblocks someone.
#[derive(Debug)]
pub struct Unblock {
    /// A contact's name, or an ID.
    pub who: String,
}

impl Command for ListBlocked {
    type Reply = BlockedList;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, _turn: &mut Turn<'_>) -> Result<BlockedList, Fault> {
        Ok(BlockedList { blocked: engine.user_mut()?.show_all_blocked() })
    }
}

impl Command for Block {
    type Reply = Blocked;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Blocked, Fault> {
        engine.user_mut()?.block(turn, &self.who)
    }
}

impl Command for Unblock {
    type Reply = ();

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<(), Fault> {
        engine.user_mut()?.unblock(turn, &self.who)
    }
}
