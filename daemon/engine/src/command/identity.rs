//! The identity and its vault's lock.

use martlet_protocol::Id;
use martlet_protocol::control::{Identity, InitResponse};
use martlet_protocol::identity::RootKey;
use martlet_store::StoreError;
use martlet_store::vault::VaultSnapshot;
use martlet_store::vault::keyfile::{KeyFile, KeyFileError, MasterKey};
use zeroize::Zeroizing;

use super::{Command, CommandError};
use crate::directory::{DirectoryError, clean_name};
use crate::engine::Engine;
use crate::error::Fault;
use crate::turn::Turn;
use crate::user::{Root, User};

/// Creates the user in a new vault. With its key file the identity exists; what a crash leaves before that is no
/// identity.
pub struct CreateUser {
    /// The vault's key file, not written yet.
    pub key_file: KeyFile,
    /// The key in it.
    pub key: MasterKey,
    /// The name others are offered.
    pub name: Option<String>,
}

/// The same from a recovery phrase: the identity, on a new device. Nothing else comes back.
pub struct RecoverUser {
    /// The vault's key file, not written yet.
    pub key_file: KeyFile,
    /// The key in it.
    pub key: MasterKey,
    /// The name others are offered.
    pub name: Option<String>,
    /// The recovery phrase.
    pub phrase: Zeroizing<String>,
}

/// Opens the vault with its key.
#[derive(Debug)]
pub struct OpenVault {
    /// The vault's key.
    pub key: MasterKey,
}

/// Puts another key file of the vault in the place of the one there is: with another passphrase, or without one.
#[derive(Debug)]
pub struct ReplaceKeyFile {
    /// What is there.
    pub old: KeyFile,
    /// What is to be there.
    pub new: KeyFile,
}

/// Notes why the vault can't be opened, where that was found before its key was.
#[derive(Debug)]
pub struct NoteVaultFailure {
    /// What is wrong, and what to do.
    pub reason: String,
}

/// Closes the vault and forgets its key.
#[derive(Debug)]
pub struct Lock {}

/// The vault as it was committed last, to be copied.
#[derive(Debug)]
pub struct SnapshotVault {}

/// The user's own identity.
#[derive(Debug)]
pub struct GetIdentity {}

/// Resets the secret in the user's ID.
#[derive(Debug)]
pub struct ResetId {}

impl Command for CreateUser {
    type Reply = InitResponse;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<InitResponse, Fault> {
        let Self { key_file, key, name } = self;
        turn.effects.wipes = true;
        let root = RootKey::generate(turn.rng);
        let id = create(engine, turn, (key_file, key), name, Root::New(&root))?;
        Ok(sheet(&id, &root))
    }
}

/// What of an identity is to be kept on paper.
pub(super) fn sheet(id: &Id, root: &RootKey) -> InitResponse {
    InitResponse {
        id: id.to_string(),
        recovery_phrase: root.recovery_phrase().to_string(),
        kill_phrase: root.kill_key().phrase().to_string(),
    }
}

impl Command for RecoverUser {
    type Reply = Identity;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Identity, Fault> {
        let Self { key_file, key, name, phrase } = self;
        turn.effects.wipes = true;
        let root = RootKey::from_phrase(&phrase).map_err(CommandError::InvalidPhrase)?;
        let id = create(engine, turn, (key_file, key), name, Root::Recovered(&root))?;
        Ok(Identity { id: id.to_string(), name: engine.user_mut()?.name().cloned() })
    }
}

/// Creates the user of a root in a new vault.
fn create(
    engine: &mut Engine,
    turn: &mut Turn<'_>,
    (key_file, key): (KeyFile, MasterKey),
    name: Option<String>,
    root: Root<'_>,
) -> Result<Id, Fault> {
    if engine.has_key_file {
        return Err(CommandError::IdentityExists.into());
    }
    let name = name.map(|name| clean_name(&name)).transpose().map_err(DirectoryError::from)?;
    let storage = engine.config.storage.clone();
    // Nothing is changed yet: what hinders concerns nobody else's commands.
    let vault = storage.create_vault(&key).map_err(|error| CommandError::from(&error))?;
    let mut nonce_seed = [0; 32];
    rand_core::Rng::fill_bytes(turn.rng, &mut nonce_seed);
    let mut txn = vault.begin(nonce_seed)?;
    let id = User::create(&mut txn, root, name, turn.rng, turn.now)?;
    txn.commit()?;
    // Closed: it gets another name.
    drop(vault);
    let written = storage.write_key_file(&key_file);
    written.map_err(|error| StoreError::Failed { reason: error.to_string() })?;
    // A code that was given before is of no use any more.
    engine.cancel_joining(turn)?;
    engine.has_key_file = true;
    engine.has_passphrase = key_file.has_passphrase();
    storage.place_vault()?;
    engine.load_user(storage.open_vault(&key)?, key)?;
    engine.join_turn(turn)?;
    Ok(id)
}

impl Command for OpenVault {
    type Reply = ();

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<(), Fault> {
        if engine.user.is_some() {
            // Whoever asked for it to be closed in this batch asked before.
            engine.lock_after_turn = false;
            return Ok(());
        }
        // It was erased while its key was derived.
        if !engine.has_key_file {
            return Err(CommandError::NoIdentity.into());
        }
        // The root may be in it.
        turn.effects.wipes = true;
        let opened = engine.config.storage.open_vault(&self.key);
        let loaded = opened.and_then(|vault| engine.load_user(vault, self.key));
        engine.failures.vault = loaded.as_ref().err().map(StoreError::to_string);
        // Only read: what is wrong with the vault undoes nobody else's commands.
        loaded.map_err(|error| CommandError::from(&error))?;
        engine.lock_after_turn = false;
        Ok(engine.join_turn(turn)?)
    }
}

impl Command for ReplaceKeyFile {
    type Reply = ();

    fn run(self, engine: &mut Engine, _turn: &mut Turn<'_>) -> Result<(), Fault> {
        let replaced = engine.config.storage.replace_key_file(&self.old, &self.new);
        // No database has a part in it: what hinders undoes nobody else's commands.
        replaced.map_err(|error| match error {
            KeyFileError::Changed { .. } => CommandError::PassphraseChanged,
            KeyFileError::WrongPassphrase
            | KeyFileError::PassphraseRequired
            | KeyFileError::Store(_) => CommandError::StorageFailed { reason: error.to_string() },
        })?;
        engine.has_passphrase = self.new.has_passphrase();
        Ok(())
    }
}

impl Command for NoteVaultFailure {
    type Reply = ();
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, _turn: &mut Turn<'_>) -> Result<(), Fault> {
        if engine.user.is_none() {
            engine.failures.vault = Some(self.reason);
        }
        Ok(())
    }
}

impl Command for Lock {
    type Reply = ();
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, _turn: &mut Turn<'_>) -> Result<(), Fault> {
        if !engine.has_passphrase {
            engine.user_mut()?;
            return Err(CommandError::NoPassphrase.into());
        }
        engine.lock_after_turn = true;
        Ok(())
    }
}

impl Command for SnapshotVault {
    type Reply = VaultSnapshot;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, _turn: &mut Turn<'_>) -> Result<VaultSnapshot, Fault> {
        Ok(engine.user_mut()?.snapshot()?)
    }
}

impl Command for GetIdentity {
    type Reply = Identity;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, _turn: &mut Turn<'_>) -> Result<Identity, Fault> {
        let user = engine.user_mut()?;
        Ok(Identity { id: user.id().to_string(), name: user.name().cloned() })
    }
}

impl Command for ResetId {
    type Reply = Identity;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Identity, Fault> {
        let user = engine.user_mut()?;
        user.check_active()?;
        user.reset_rendezvous(turn)?;
        Ok(Identity { id: user.id().to_string(), name: user.name().cloned() })
    }
}

/// Hand-written: the key is not shown.
impl std::fmt::Debug for CreateUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CreateUser(…)")
    }
}

impl std::fmt::Debug for RecoverUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecoverUser(…)")
    }
}
