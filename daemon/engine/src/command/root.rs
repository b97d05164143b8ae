//! The root of the identity: shown once more, taken out of the vault, and used from its phrase for one act.

use martlet_protocol::control::{Device, InitResponse, Link, RevocationReason, Shred};
use zeroize::Zeroizing;

use super::Command;
use super::devices::revoke;
use super::identity::sheet;
use super::shred::shred_of;
use crate::engine::Engine;
use crate::error::Fault;
use crate::turn::Turn;

/// What `init` showed, once more. Whoever asks has given the passphrase, if there is one.
#[derive(Debug)]
pub struct ShowPhrase {}

/// Takes the root out of the vault, and begins to shred it.
pub struct LockRoot {
    /// How its phrase ends.
    pub last_words: Zeroizing<String>,
}

/// Makes a code by which a device is linked. The root is given with the confirmation.
#[derive(Debug)]
pub struct StartLinkByPhrase {}

/// The user compared the numbers, and they are equal.
pub struct ConfirmLinkByPhrase {
    /// The recovery phrase.
    pub phrase: Zeroizing<String>,
    /// Whether the new device is to have messages of before.
    pub history: bool,
}

/// Revokes a device of the user's.
pub struct RevokeByPhrase {
    /// Its id, the beginning of it, or its name.
    pub device: String,
    /// Why.
    pub reason: Option<RevocationReason>,
    /// The recovery phrase.
    pub phrase: Zeroizing<String>,
}

impl Command for ShowPhrase {
    type Reply = InitResponse;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<InitResponse, Fault> {
        let user = engine.user_mut()?;
        let root = user.root(turn)?;
        Ok(sheet(&user.id(), &root))
    }
}

impl Command for LockRoot {
    type Reply = Shred;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Shred, Fault> {
        let user = engine.user_mut()?;
        user.lock_root(turn, &self.last_words)?;
        Ok(shred_of(user))
    }
}

impl Command for StartLinkByPhrase {
    type Reply = Link;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Link, Fault> {
        engine.user_mut()?.start_link_by_phrase(turn)
    }
}

impl Command for ConfirmLinkByPhrase {
    type Reply = Link;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Link, Fault> {
        engine.user_mut()?.confirm_link(turn, (true, self.history), Some(&self.phrase))
    }
}

impl Command for RevokeByPhrase {
    type Reply = Device;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Device, Fault> {
        revoke(engine.user_mut()?, turn, &self.device, self.reason, Some(&self.phrase))
    }
}

/// Hand-written: the words are not shown.
impl std::fmt::Debug for LockRoot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LockRoot(…)")
    }
}

impl std::fmt::Debug for ConfirmLinkByPhrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ConfirmLinkByPhrase(…)")
    }
}

impl std::fmt::Debug for RevokeByPhrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RevokeByPhrase(…)")
    }
}
