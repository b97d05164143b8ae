//! What the engine knows that the doctor wants.

use std::time::Duration;

use super::Command;
use crate::clock::ClockDoubt;
use crate::engine::Engine;
use crate::error::Fault;
use crate::identities::OwnStanding;
use crate::turn::Turn;

/// Why the clock is doubted, if it is.
#[derive(Debug)]
pub struct GetClockDoubt {}

/// Why the last write to the databases failed, if it did.
#[derive(Debug)]
pub struct GetStorageFailure {}

/// Why the vault could not be opened when that was asked for last, if so.
#[derive(Debug)]
pub struct GetVaultFailure {}

/// For how long back the vault may lack what came, if it was put back from an older copy within the last week.
#[derive(Debug)]
pub struct GetPutBack {}

/// What has ended of the user's, if something has.
#[derive(Debug)]
pub struct GetEnded {}

/// What has ended, so that nothing can be sent any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The identity: it was terminated.
    Identity,
    /// This device: it was revoked.
    Device,
}

impl Command for GetEnded {
    type Reply = Option<Ended>;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, _: &mut Turn<'_>) -> Result<Option<Ended>, Fault> {
        Ok(engine.user.as_ref().and_then(|user| match user.standing() {
            OwnStanding::Active => None,
            OwnStanding::Terminated => Some(Ended::Identity),
            OwnStanding::Revoked => Some(Ended::Device),
        }))
    }
}

impl Command for GetPutBack {
    type Reply = Option<Duration>;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Option<Duration>, Fault> {
        let put_back = engine.user.as_ref().and_then(|user| user.recent_put_back(turn.now));
        Ok(put_back.map(|put_back| turn.now.since(put_back.lost_since)))
    }
}

impl Command for GetClockDoubt {
    type Reply = Option<ClockDoubt>;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, _: &mut Turn<'_>) -> Result<Option<ClockDoubt>, Fault> {
        Ok(engine.clock.doubt())
    }
}

impl Command for GetStorageFailure {
    type Reply = Option<String>;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, _: &mut Turn<'_>) -> Result<Option<String>, Fault> {
        Ok(engine.failures.storage())
    }
}

impl Command for GetVaultFailure {
    type Reply = Option<String>;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, _: &mut Turn<'_>) -> Result<Option<String>, Fault> {
        Ok(engine.failures.vault.clone())
    }
}
