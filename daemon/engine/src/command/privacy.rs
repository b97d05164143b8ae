//! What the databases hold, for the report on privacy.

use martlet_protocol::control::VaultHolds;

use super::Command;
use super::shred::shred_of;
use crate::engine::Engine;
use crate::error::Fault;
use crate::turn::Turn;

/// What the databases hold.
#[derive(Debug)]
pub struct GetHoldings {}

/// See [`GetHoldings`].
#[derive(Debug)]
pub struct Holdings {
    /// What the vault holds; `None` where it is not open.
    pub vault: Option<VaultHolds>,
    /// Tombstones in the mailbox.
    pub tombstones: u64,
}

impl Command for GetHoldings {
    type Reply = Holdings;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Self::Reply, Fault> {
        let tombstones = turn.mailbox().stats()?.tombstones;
        let vault = match &engine.user {
            Some(user) => Some(user.holds(turn, shred_of(user))?),
            None => None,
        };
        Ok(Holdings { vault, tombstones })
    }
}
