//! Linking: a further device joins the identity.

use martlet_protocol::control::{Join, Link};
use martlet_protocol::link::LinkCode;
use martlet_store::vault::keyfile::{KeyFile, MasterKey};

use super::Command;
use crate::engine::Engine;
use crate::error::Fault;
use crate::linking::Asked;
use crate::turn::Turn;

/// Makes a code by which a device is linked.
#[derive(Debug)]
pub struct StartLink {}

/// How far that came.
#[derive(Debug)]
pub struct ShowLink {}

/// The user compared the numbers.
#[derive(Debug)]
pub struct ConfirmLink {
    /// Whether they are equal.
    pub equal: bool,
    /// Whether the new device is to have messages of before.
    pub history: bool,
}

/// Ends the code.
#[derive(Debug)]
pub struct CancelLink {}

/// Joins the identity whose device made a code, in a new vault.
pub struct StartJoin {
    /// The code.
    pub code: LinkCode,
    /// The vault's key file, not written yet.
    pub key_file: KeyFile,
    /// The key in it.
    pub key: MasterKey,
    /// What this device is to be called.
    pub name: Option<String>,
}

/// How far that came.
#[derive(Debug)]
pub struct ShowJoin {}

/// Ends it.
#[derive(Debug)]
pub struct CancelJoin {}

impl Command for StartLink {
    type Reply = Link;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Link, Fault> {
        engine.user_mut()?.start_link(turn)
    }
}

impl Command for ShowLink {
    type Reply = Link;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Link, Fault> {
        engine.user_mut()?.show_link(turn)
    }
}

impl Command for ConfirmLink {
    type Reply = Link;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Link, Fault> {
        engine.user_mut()?.confirm_link(turn, (self.equal, self.history), None)
    }
}

impl Command for CancelLink {
    type Reply = ();

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<(), Fault> {
        engine.user_mut()?.cancel_link(turn)
    }
}

impl Command for StartJoin {
    type Reply = Join;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Join, Fault> {
        let Self { code, key_file, key, name } = self;
        let name = name.unwrap_or_default().trim().to_owned();
        engine.start_join(turn, Asked { code, key_file, key, name })
    }
}

impl Command for ShowJoin {
    type Reply = Join;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Join, Fault> {
        engine.show_join(turn.steady)
    }
}

impl Command for CancelJoin {
    type Reply = ();

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<(), Fault> {
        engine.cancel_join(turn)
    }
}

/// Hand-written: the key is not shown.
impl std::fmt::Debug for StartJoin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StartJoin(…)")
    }
}
