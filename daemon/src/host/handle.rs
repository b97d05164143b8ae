//! The engine as other tasks see it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use martlet_engine::backup::BackupError;

use martlet_engine::command::{
    Command, CreateUser, GetStatus, NoteVaultFailure, OpenVault, RecoverUser, ReplaceKeyFile,
    SnapshotVault, StartJoin,
};
use martlet_engine::{
    CommandError, DirectoryError, FromBlobs, FromNet, Input, Storage, ToBlobs, clean_name,
};
use martlet_protocol::control::{Event, Identity, InitResponse, Join};
use martlet_protocol::identity::{PhraseError, RootKey};
use martlet_protocol::link::LinkCode;
use martlet_store::vault::keyfile::{KeyFile, KeyFileError, MasterKey, PassphraseCost};
use rand::rngs::SysRng;
use rand_core::UnwrapErr;
use tokio::sync::{broadcast, mpsc, oneshot};
use zeroize::Zeroizing;

use super::passphrase::{self, PassphraseError};
use crate::clock::NodeClock;
use crate::net::{NetHandle, NetSink};
use crate::stack;

/// What goes to the engine's thread.
pub(super) enum Order {
    Input(Input),
    AttachNet(NetHandle),
    AttachBlobs(mpsc::Sender<ToBlobs>),
    Shutdown(oneshot::Sender<()>),
}

/// A handle to the engine's thread. Cheap to clone.
#[derive(Clone, Debug)]
pub struct EngineHandle {
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) events: broadcast::Sender<Arc<Event>>,
    pub(super) storage: Storage,
    pub(super) clock: Arc<NodeClock>,
}

/// Why what was asked of the engine was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The engine refused.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The vault's passphrase is another.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// The vault has a passphrase, and none was given.
    #[error("the vault has a passphrase")]
    PassphraseRequired,
    /// The vault has none, and one was given that is to be changed.
    #[error("the vault has no passphrase")]
    NoPassphrase,
    /// A text that can't be a new passphrase.
    #[error(transparent)]
    InvalidPassphrase(#[from] PassphraseError),
    /// A text that is no recovery phrase.
    #[error(transparent)]
    InvalidPhrase(PhraseError),
    /// No backup was made.
    #[error("{reason}")]
    NoBackup {
        /// Why.
        reason: String,
    },
    /// The engine has ended.
    #[error("the daemon is stopping")]
    Stopping,
}

impl NetSink for EngineHandle {
    async fn deliver(&self, event: FromNet) {
        // A stopped engine needs no more events.
        let _ = self.orders.send(Order::Input(Input::Net(event))).await;
    }

    fn try_deliver(&self, event: FromNet) -> Result<(), FromNet> {
        match self.orders.try_reserve() {
            Ok(permit) => {
                permit.send(Order::Input(Input::Net(event)));
                Ok(())
            }
            Err(_) => Err(event),
        }
    }
}

impl EngineHandle {
    /// Runs a command; the reply comes once what it changed is on disk.
    ///
    /// # Errors
    /// [`CallError::Command`], also when the commit failed; [`CallError::Stopping`] when the engine has ended.
    pub async fn call<C: Command>(&self, command: C) -> Result<C::Reply, CallError> {
        let (reply, answer) = oneshot::channel();
        // Whoever asked may have gone by the time of the answer.
        let input = Input::command(command, |result| reply.send(result).unwrap_or_default());
        self.orders.send(Order::Input(input)).await.map_err(|_| CallError::Stopping)?;
        Ok(answer.await.map_err(|_| CallError::Stopping)??)
    }

    /// Creates the identity and its vault. The key derivation runs beside the engine.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn init(
        &self,
        name: Option<String>,
        passphrase: Option<Zeroizing<String>>,
    ) -> Result<InitResponse, CallError> {
        let (key_file, key, name) = self.new_key_file(name, passphrase).await?;
        self.call(CreateUser { key_file, key, name }).await
    }

    /// Recovers an identity from its phrase, in a new vault. The key derivation runs beside the engine.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn recover(
        &self,
        name: Option<String>,
        passphrase: Option<Zeroizing<String>>,
        phrase: Zeroizing<String>,
    ) -> Result<Identity, CallError> {
        // Looked at where it leaves nothing on a stack: a root that is locked later should be nowhere.
        let check = move || {
            let checked = stack::apart(|| RootKey::from_phrase(&phrase).map(drop));
            stack::wipe();
            checked.map(|()| phrase)
        };
        let checked = crate::blocking::run(check).await.ok_or(CallError::Stopping)?;
        let phrase = checked.map_err(CallError::InvalidPhrase)?;
        let (key_file, key, name) = self.new_key_file(name, passphrase).await?;
        self.call(RecoverUser { key_file, key, name, phrase }).await
    }

    /// Joins the identity whose device made a code, in a new vault. The key derivation runs beside the engine.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn join(
        &self,
        code: LinkCode,
        name: Option<String>,
        passphrase: Option<Zeroizing<String>>,
    ) -> Result<Join, CallError> {
        let (key_file, key, _) = self.new_key_file(None, passphrase).await?;
        self.call(StartJoin { code, key_file, key, name }).await
    }

    /// What a new vault is opened with, and the name in the form that is taken.
    async fn new_key_file(
        &self,
        name: Option<String>,
        passphrase: Option<Zeroizing<String>>,
    ) -> Result<(KeyFile, MasterKey, Option<String>), CallError> {
        use martlet_protocol::control::LockState;
        // Before the key file is made: a refused request leaves nothing behind.
        let name = name.map(|name| clean_name(&name)).transpose();
        let name = name.map_err(|error| CommandError::from(DirectoryError::from(error)))?;
        let passphrase = passphrase.map(|typed| passphrase::enforce(&typed)).transpose()?;
        if self.call(GetStatus {}).await?.lock != LockState::NoIdentity {
            return Err(CommandError::IdentityExists.into());
        }
        let path = self.storage.key_file_path();
        let (key_file, key) = blocking(move || {
            let passphrase = passphrase.as_ref().map(|text| text.as_bytes());
            let cost = cost_of(passphrase)?;
            KeyFile::make_at(&path, passphrase, cost, &mut UnwrapErr(SysRng))
        })
        .await?;
        Ok((key_file, key, name))
    }

    /// Unlocks the vault. The key derivation is slow by design and runs beside the engine.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn unlock(&self, passphrase: Option<Zeroizing<String>>) -> Result<(), CallError> {
        passphrase.as_ref().map_or(Ok(()), |typed| passphrase::check(typed))?;
        let storage = self.storage.clone();
        let key = blocking(move || match storage.read_key_file()? {
            None => Ok(None),
            // Any would open it: that it did would say that this was the right one.
            Some(file) if passphrase.is_some() && !file.has_passphrase() => Ok(Some(None)),
            Some(file) => unwrap(&file, passphrase.as_ref()).map(|key| Some(Some(key))),
        })
        .await;
        let failure = match key {
            Ok(Some(Some(key))) => return self.call(OpenVault { key }).await,
            Ok(Some(None)) => return Err(CallError::NoPassphrase),
            Ok(None) => self.no_key_file().await?,
            Err(CallError::Command(failure)) => failure,
            Err(other) => return Err(other),
        };
        if let CommandError::StorageFailed { reason } = &failure {
            self.call(NoteVaultFailure { reason: reason.clone() }).await?;
        }
        Err(failure.into())
    }

    /// That this is the vault's passphrase, `None` if it has none. The key derivation runs beside the engine.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn check_passphrase(
        &self,
        passphrase: Option<Zeroizing<String>>,
    ) -> Result<(), CallError> {
        passphrase.as_ref().map_or(Ok(()), |typed| passphrase::check(typed))?;
        let storage = self.storage.clone();
        let file = blocking(move || match storage.read_key_file()? {
            None => Ok(None),
            Some(file) => unwrap(&file, passphrase.as_ref()).map(|_| Some(())),
        });
        match file.await? {
            Some(()) => Ok(()),
            None => Err(self.no_key_file().await?.into()),
        }
    }

    /// Changes the vault's passphrase: `None` is none, before or after. The vault stays locked or open. The key
    /// derivations run beside the engine.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn change_passphrase(
        &self,
        old: Option<Zeroizing<String>>,
        new: Option<Zeroizing<String>>,
    ) -> Result<(), CallError> {
        old.as_ref().map_or(Ok(()), |typed| passphrase::check(typed))?;
        let new = new.map(|typed| passphrase::enforce(&typed)).transpose()?;
        let storage = self.storage.clone();
        let files = blocking(move || {
            let Some(file) = storage.read_key_file()? else { return Ok(None) };
            if old.is_some() && !file.has_passphrase() {
                return Ok(Some(None));
            }
            let key = unwrap(&file, old.as_ref())?;
            let new = new.as_ref().map(|text| text.as_bytes());
            let rewrapped = file.rewrap(&key, new, cost_of(new)?, &mut UnwrapErr(SysRng))?;
            Ok(Some(Some((file, rewrapped))))
        });
        match files.await? {
            Some(Some((old, new))) => self.call(ReplaceKeyFile { old, new }).await,
            Some(None) => Err(CallError::NoPassphrase),
            None => Err(self.no_key_file().await?.into()),
        }
    }

    /// Why there is no key file: there never was, or it went away with its vault since the start.
    async fn no_key_file(&self) -> Result<CommandError, CallError> {
        use martlet_protocol::control::LockState;
        Ok(match self.call(GetStatus {}).await?.lock {
            LockState::NoIdentity => CommandError::NoIdentity,
            LockState::Locked | LockState::Unlocked => CommandError::StorageFailed {
                reason: "vault.redb, vault.key and vault.keys were moved away while martletd runs: stop it, put \
                         them back or begin with a new identity, and start it"
                    .into(),
            },
        })
    }

    /// Backs the vault up into a directory, beside the engine, and lets `more` write there what else belongs to it. Bytes
    /// written, verified.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn back_up(
        &self,
        directory: PathBuf,
        more: impl FnOnce(&Path) -> Result<u64, BackupError> + Send + 'static,
    ) -> Result<u64, CallError> {
        let snapshot = self.call(SnapshotVault {}).await?;
        let storage = self.storage.clone();
        let write = move || storage.back_up(&snapshot, &directory, more);
        let written = crate::blocking::run(write).await.ok_or(CallError::Stopping)?;
        written.map_err(|error: BackupError| CallError::NoBackup { reason: error.to_string() })
    }

    /// Gives the engine the network to send by.
    pub async fn attach_net(&self, net: NetHandle) {
        // A stopped engine needs no network.
        let _ = self.orders.send(Order::AttachNet(net)).await;
    }

    /// Gives the engine who keeps its blobs.
    pub async fn attach_blobs(&self, keeper: mpsc::Sender<ToBlobs>) {
        // A stopped engine needs none.
        let _ = self.orders.send(Order::AttachBlobs(keeper)).await;
    }

    /// Tells the engine what came of its blobs.
    pub(crate) async fn tell_blobs(&self, told: FromBlobs) {
        // A stopped engine needs no more of it.
        let _ = self.orders.send(Order::Input(Input::Blobs(told))).await;
    }

    /// Events as they are committed, each numbered one more than the last. A receiver that lags
    /// reads what it missed with [`ReadEvents`](martlet_engine::command::ReadEvents).
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
        self.events.subscribe()
    }

    /// The time that the engine goes by.
    #[must_use]
    pub fn clock(&self) -> Arc<NodeClock> {
        Arc::clone(&self.clock)
    }

    /// Inputs that wait for the engine's thread.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.orders.max_capacity() - self.orders.capacity()
    }

    /// Waits until the engine's thread has ended, which is a defect while nothing has asked for it.
    pub async fn ended(&self) {
        self.orders.closed().await;
    }

    /// Ends the engine's thread once all it was given before is committed.
    pub async fn shutdown(&self) {
        let (done, ended) = oneshot::channel();
        if self.orders.send(Order::Shutdown(done)).await.is_ok() {
            // An error means that it has ended, too.
            let _ = ended.await;
        }
    }
}

/// What a new passphrase is to cost on this machine, as it is now.
fn cost_of(passphrase: Option<&[u8]>) -> Result<PassphraseCost, KeyFileError> {
    if passphrase.is_none() {
        return Ok(PassphraseCost::LEAST);
    }
    let began = Instant::now();
    PassphraseCost::try_least()?;
    Ok(PassphraseCost::for_machine(began.elapsed()))
}

/// The key in a file, by whatever a passphrase may mean.
fn unwrap(file: &KeyFile, typed: Option<&Zeroizing<String>>) -> Result<MasterKey, KeyFileError> {
    let Some(typed) = typed else { return file.unwrap(None) };
    let mut result = Err(KeyFileError::WrongPassphrase);
    for passphrase in passphrase::meanings(typed) {
        result = file.unwrap(Some(passphrase.as_bytes()));
        if !matches!(result, Err(KeyFileError::WrongPassphrase)) {
            break;
        }
    }
    result
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, KeyFileError> + Send + 'static,
) -> Result<T, CallError> {
    let work = move || {
        let done = stack::apart(work);
        stack::wipe();
        done
    };
    let done = crate::blocking::run(work).await.ok_or(CallError::Stopping)?;
    done.map_err(|error| match error {
        KeyFileError::WrongPassphrase => CallError::WrongPassphrase,
        KeyFileError::PassphraseRequired => CallError::PassphraseRequired,
        KeyFileError::Changed { .. } => CommandError::PassphraseChanged.into(),
        KeyFileError::Store(error) => CommandError::from(&error).into(),
    })
}
