//! The identity and its vault's lock.

use martlet_protocol::control::{Identity, InitResponse};
use martlet_protocol::identity::{DeviceKeys, RootKey};
use martlet_store::StoreError;
use martlet_store::vault::keyfile::{KeyFile, MasterKey};

use super::{Command, CommandError};
use crate::directory::{DirectoryError, clean_name};
use crate::engine::Engine;
use crate::error::Fault;
use crate::turn::Turn;
use crate::user::User;

/// Creates the user in a new vault. Its key file is written last: with it the identity exists, and
/// what a crash leaves before is no identity.
pub struct CreateUser {
    /// The vault's key file, not written yet.
    pub key_file: KeyFile,
    /// The key in it.
    pub key: MasterKey,
    /// The name others are offered.
    pub name: Option<String>,
}

/// Opens the vault with its key.
#[derive(Debug)]
pub struct OpenVault {
    /// The vault's key.
    pub key: MasterKey,
}

/// Closes the vault and forgets its key.
#[derive(Debug)]
pub struct Lock {}

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
        if engine.has_key_file {
            return Err(CommandError::IdentityExists.into());
        }
        let name = name.map(|name| clean_name(&name)).transpose().map_err(DirectoryError::from)?;
        let root = RootKey::generate(turn.rng);
        let device = DeviceKeys::generate(turn.rng, &root, turn.now);
        let storage = engine.config.storage.clone();
        storage.remove_vault()?;
        let vault = storage.open_vault(&key)?;
        let mut nonce_seed = [0; 32];
        rand_core::Rng::fill_bytes(turn.rng, &mut nonce_seed);
        let mut txn = vault.begin(nonce_seed)?;
        let id = User::create(&mut txn, *root.seed(), &device, name, turn.rng)?;
        txn.commit()?;
        let written = storage.write_key_file(&key_file);
        written.map_err(|error| StoreError::Failed { reason: error.to_string() })?;
        engine.has_key_file = true;
        engine.has_passphrase = key_file.has_passphrase();
        engine.load_user(vault, key)?;
        engine.join_turn(turn)?;
        Ok(InitResponse { id: id.to_string(), recovery_phrase: root.recovery_phrase().to_string() })
    }
}

impl Command for OpenVault {
    type Reply = ();

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<(), Fault> {
        if engine.user.is_some() {
            return Ok(());
        }
        let vault = engine.config.storage.open_vault(&self.key)?;
        engine.load_user(vault, self.key)?;
        Ok(engine.join_turn(turn)?)
    }
}

impl Command for Lock {
    type Reply = ();

    fn run(self, engine: &mut Engine, _turn: &mut Turn<'_>) -> Result<(), Fault> {
        if !engine.has_passphrase {
            engine.user_mut()?;
            return Err(CommandError::NoPassphrase.into());
        }
        engine.lock_after_turn = true;
        Ok(())
    }
}

impl Command for GetIdentity {
    type Reply = Identity;

    fn run(self, engine: &mut Engine, _turn: &mut Turn<'_>) -> Result<Identity, Fault> {
        let user = engine.user_mut()?;
        Ok(Identity { id: user.id().to_string(), name: user.name.clone() })
    }
}

impl Command for ResetId {
    type Reply = Identity;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Identity, Fault> {
        let user = engine.user_mut()?;
        user.reset_rendezvous(turn)?;
        Ok(Identity { id: user.id().to_string(), name: user.name.clone() })
    }
}

/// Hand-written: the key is not shown.
impl std::fmt::Debug for CreateUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CreateUser(…)")
    }
}
