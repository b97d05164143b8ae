//! Batches: what happens to what is on disk when.
//!
//! [`Engine::run_batch`] takes all inputs that are waiting, decides, commits the vault, releases
//! what may leave once that is on disk (replies, events, envelopes, acks), commits the mailbox, and
//! releases what may leave once *that* is on disk (word to the neighbours that their envelopes are
//! stored). The daemon runs it on a thread of its own; tests and the simulator call it directly.
//!
//! The mailbox is a log: each envelope gets an arrival number, and the vault keeps how far the user
//! has looked. Restart, unlock and recovery are therefore the same: look at what has arrived since.

mod commit;
mod erase;
mod failures;
mod joining;
mod keep;
mod stamps;
mod sweep;

use std::sync::Arc;
use std::time::Duration;

use martlet_protocol::UnixMillis;
use martlet_store::mailbox::Mailbox;
use martlet_store::vault::keyfile::{KeyFile, KeyFileError, MasterKey};
use martlet_store::{MailboxTxn, StoreError, Vault};
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;

use crate::clock::{Timekeeper, Times};
use crate::config::EngineConfig;
use crate::error::CommandError;
use crate::linking::Joining;
use crate::observer::State;
use crate::orphans::OrphanAcks;
use crate::refused::Refused;
use crate::seam::{Answer, FromBlobs, FromNet};
use crate::stamping::StampResult;
use crate::turn::{Effects, Outlet, StoredFor, Turn};
use crate::user::User;
use failures::Failures;

/// Why the engine could not start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A database or the key file.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key file.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// No thread to be had.
    #[error("cannot start the engine's thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// A command on its way to the engine.
pub trait Job: Send {
    /// Runs it; its answer is among the turn's effects.
    ///
    /// # Errors
    /// Only what fails the whole batch.
    fn run(self: Box<Self>, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<(), StoreError>;
    /// Whether it changes nothing on disk.
    fn only_reads(&self) -> bool;
    /// Answers that it did not run.
    fn refuse(self: Box<Self>, error: CommandError);
}

/// One thing that happened.
pub enum Input {
    /// The network brought something.
    Net(FromNet),
    /// The user asks for something.
    Command(Box<dyn Job>),
    /// A stamp was made, or its making was cancelled.
    Stamped(StampResult),
    /// The keeper of blobs tells something.
    Blobs(FromBlobs),
    /// Time has passed.
    Tick,
}

/// The messenger's state and its two databases.
#[derive(Debug)]
pub struct Engine {
    pub(crate) config: EngineConfig,
    mailbox: Arc<Mailbox>,
    /// In a place of its own: what it leaves behind is wiped when that is freed.
    pub(crate) user: Option<Box<User>>,
    /// The key of a vault that is to be opened again after a failed commit.
    recover: Option<MasterKey>,
    pub(crate) has_key_file: bool,
    pub(crate) has_passphrase: bool,
    pub(crate) failures: Failures,
    /// The mailbox's transaction, kept open over several batches: what comes and goes in that time
    /// costs no page.
    mailbox_txn: Option<MailboxTxn>,
    /// What this opening of the mailbox is noted as, once it is.
    opening: Option<u64>,
    /// Since when it has changes to commit, or neighbours wait to be told.
    mailbox_dirty_since: Option<Duration>,
    /// Whom to tell, once it is committed, that their envelopes are on disk.
    stored: StoredFor,
    /// The vault is closed once the batch that asked for it is committed.
    pub(crate) lock_after_turn: bool,
    /// Stamps that are being made.
    stamps: stamps::Stamps,
    sources: keep::Sources,
    pub(crate) orphan_acks: OrphanAcks,
    pub(crate) refused: Refused,
    sweep: sweep::Sweep,
    pub(crate) clock: Timekeeper,
    /// The identity that this node is about to join, or was.
    pub(crate) joining: Option<Joining>,
}

impl Engine {
    /// Opens the databases; a vault without a passphrase is unlocked at once.
    ///
    /// # Errors
    /// [`EngineError`]; a damaged file is left as it is.
    pub fn open(config: EngineConfig) -> Result<Self, EngineError> {
        config.observer.quota(config.mailbox_bytes_max);
        let EngineConfig { mailbox_bytes_max, mailbox_peer_bytes_max, .. } = config;
        // First: half of a vault is left alone, and all else with it.
        config.storage.settle_erasure()?;
        config.storage.settle_key_file()?;
        let key_file = config.storage.read_key_file()?;
        let mailbox = config.storage.open_mailbox(
            &config.network,
            mailbox_bytes_max,
            mailbox_peer_bytes_max,
        )?;
        let clock = Timekeeper::new(mailbox.view()?.time());
        let mailbox = Arc::new(mailbox);
        let has_passphrase = key_file.as_ref().is_some_and(KeyFile::has_passphrase);
        let recover = match &key_file {
            Some(file) if !has_passphrase => Some(file.unwrap(None)?),
            Some(file) => {
                config.storage.check_vault(file)?;
                None
            }
            None => None,
        };
        let mut engine = Self {
            mailbox,
            user: None,
            recover: None,
            has_key_file: key_file.is_some(),
            has_passphrase,
            failures: Failures::default(),
            opening: None,
            mailbox_txn: None,
            mailbox_dirty_since: None,
            stored: StoredFor::new(),
            lock_after_turn: false,
            stamps: stamps::Stamps::default(),
            sources: keep::Sources::default(),
            orphan_acks: OrphanAcks::default(),
            refused: Refused::default(),
            sweep: sweep::Sweep::default(),
            clock,
            joining: None,
            config,
        };
        if let Some(key) = recover {
            let vault = engine.config.storage.open_vault(&key)?;
            engine.load_user(vault, key)?;
        }
        Ok(engine)
    }

    /// The mailbox, for those who read it beside the engine.
    #[must_use]
    pub fn mailbox(&self) -> Arc<Mailbox> {
        Arc::clone(&self.mailbox)
    }

    /// How long until there is something to do, by an empty batch if by no other, where so much time has
    /// passed since the host's start: the mailbox to be committed, or an ack to be revealed.
    #[must_use]
    pub fn due_in(&self, steady: Duration) -> Option<Duration> {
        if self.failures.has_storage_failed() {
            return None;
        }
        let next = self.user.as_ref().and_then(|user| user.next_due());
        let next = next.map(|due| due.saturating_sub(steady));
        [self.commit_due(steady), next].into_iter().flatten().min()
    }

    /// The time that this node goes by, as of the last batch, and how long after the host's start that was.
    /// What else the node does by the time of day should go by it, too.
    #[must_use]
    pub fn time(&self) -> Option<(UnixMillis, Duration)> {
        self.clock.last()
    }

    /// Commits what is left to be committed.
    pub fn close(mut self, outlet: &mut impl Outlet) {
        if let Some(mailbox) = self.mailbox_txn.take()
            && let Err(error) = self.commit_mailbox(mailbox, Vec::new(), outlet)
        {
            tracing::error!(%error, "the last commit failed");
        }
    }

    /// Whether there is a user, whose vault is open.
    #[must_use]
    pub fn is_unlocked(&self) -> bool {
        self.user.is_some()
    }

    /// Whether there is more to do than one batch may: run another soon.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        let is_unfinished =
            self.sweep.is_unfinished || self.user.as_ref().is_some_and(|user| user.is_behind());
        is_unfinished && !self.failures.has_storage_failed()
    }

    /// Handles `inputs` in one commit of the vault, and releases the effects to `outlet`. The
    /// mailbox is committed if someone waits for it, or if its changes are old enough. `wall` is the wall
    /// clock, `steady` the time since the host's start, which nobody can set.
    pub fn run_batch(
        &mut self,
        inputs: impl IntoIterator<Item = Input>,
        wall: UnixMillis,
        steady: Duration,
        rng: &mut ChaCha20Rng,
        outlet: &mut impl Outlet,
    ) {
        let times = self.clock.read(wall, steady);
        match self.failures.has_storage_failed() {
            true => self.run_failing(inputs, times, rng, outlet),
            false => self.run_usual(inputs.into_iter(), times, rng, outlet),
        }
        if std::mem::take(&mut self.failures.has_left_keys) {
            // As with a lock.
            outlet.release(Effects::wiping());
        }
    }

    fn run_usual(
        &mut self,
        mut inputs: impl Iterator<Item = Input>,
        times: Times,
        rng: &mut ChaCha20Rng,
        outlet: &mut impl Outlet,
    ) {
        if let Some(user) = &mut self.user {
            user.begin_batch(&times);
        }
        let steady = times.steady;
        let shredded = match &mut self.user {
            Some(user) => user.shred_some(times.now, steady, rng),
            None => Ok(()),
        };
        let result = shredded.and_then(|()| self.begin(times, rng)).and_then(|mut turn| {
            let handled = inputs
                .by_ref()
                .try_for_each(|input| self.handle(input, &mut turn))
                .and_then(|()| self.look_at_mailbox(&mut turn));
            self.refused.forget(&turn.awaited);
            match handled {
                Ok(()) => self.commit(turn, outlet),
                Err(error) => {
                    outlet.release(turn.fail(&CommandError::from(&error)));
                    Err(error)
                }
            }
        });
        if let Err(error) = result {
            self.failures.note(&error, steady);
            self.refuse_all(inputs, &CommandError::from(&error), outlet);
            self.forget_uncommitted();
        }
    }

    fn begin<'a>(
        &mut self,
        times: Times,
        rng: &'a mut ChaCha20Rng,
    ) -> Result<Turn<'a>, StoreError> {
        let vault = self.user.as_ref().map(|user| user.begin(rng)).transpose()?;
        let mut mailbox = match self.mailbox_txn.take() {
            Some(mailbox) => mailbox,
            None => self.mailbox.begin()?,
        };
        if self.opening.is_none() {
            // 0 is that of older builds.
            let opening = rng.next_u64().max(1);
            mailbox.note_opening(opening);
            self.opening = Some(opening);
        }
        Ok(Turn::new(times, rng, Arc::clone(&self.config.observer), mailbox, vault))
    }

    fn handle(&mut self, input: Input, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        match input {
            Input::Net(event) => {
                let refusal = event.refusal();
                let result = self.handle_net(event, turn);
                if result.is_err() {
                    turn.net.answers.extend(refusal);
                }
                result
            }
            Input::Command(job) => job.run(self, turn),
            Input::Stamped(result) => {
                self.stamps.came_back(&result);
                match (&mut self.user, result.nonce) {
                    (Some(user), Some(nonce)) => user.take_stamp(turn, result.id, nonce),
                    (Some(_) | None, _) => Ok(()),
                }
            }
            Input::Blobs(told) => match &mut self.user {
                Some(user) => user.take_told(turn, &told),
                None => Ok(()),
            },
            Input::Tick => self.tick(turn),
        }
    }

    fn handle_net(&mut self, event: FromNet, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        match event {
            FromNet::Envelopes { from, envelopes, ticket } => {
                self.take_envelopes(turn, from, envelopes, ticket)
            }
            FromNet::Acks { from, acks } => {
                acks.into_iter().try_for_each(|ack| self.take_ack(turn, from, ack))
            }
            FromNet::StoredBy { ids, .. } => match &mut self.user {
                Some(user) => user.note_stored(turn, &ids),
                None => Ok(()),
            },
            FromNet::Reconciled { shards, up_to_arrival, after, lacking, .. } => match &mut self
                .user
            {
                Some(user) => user.note_reconciled(turn, &shards, up_to_arrival, after, &lacking),
                None => Ok(()),
            },
            FromNet::Outstanding { shards, ticket } => {
                let ids = match &self.user {
                    Some(user) => user.outstanding(turn, &shards)?,
                    None => Vec::new(),
                };
                turn.net.answers.push((ticket, Answer::Ids(ids)));
                Ok(())
            }
            FromNet::Sift { from, ids, ticket } => {
                // What was refused is of no interest only as long as it still would be.
                let ids = match self.sources.space.refusal(&from) {
                    Some(_) => self.refused.sift(&from, ids, turn.now),
                    None => ids,
                };
                turn.net.answers.push((ticket, Answer::Ids(ids)));
                Ok(())
            }
            FromNet::PeersTime { theirs } => {
                self.clock.heard(theirs);
                self.keep_time(turn);
                Ok(())
            }
            FromNet::OffStem(given_up) => {
                given_up.iter().try_for_each(|stemmed| self.give_up_stem(turn, stemmed))
            }
            FromNet::Found { envelopes } => match &mut self.user {
                Some(user) => user.take_found(turn, &envelopes),
                None => Ok(()),
            },
        }
    }

    fn tick(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        self.plan_sweep(turn.sure);
        self.keep_time(turn);
        if let Some(user) = &mut self.user {
            user.tick(turn)?;
        }
        self.measure(turn)
    }

    /// Tells the observer how things stand.
    fn measure(&self, turn: &Turn<'_>) -> Result<(), StoreError> {
        self.config.observer.state(&State {
            mailbox: turn.mailbox().stats()?,
            orphans: self.orphan_acks.len(),
            outbox: self.user.as_ref().map_or(0, |user| user.outbox_len()),
            is_unlocked: self.user.is_some(),
        });
        Ok(())
    }

    /// Does what is left to do in the mailbox, as much of it as one batch may.
    fn look_at_mailbox(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        self.sweep_some(turn)?;
        match &mut self.user {
            Some(user) => user.look_at_mailbox(turn),
            None => Ok(()),
        }
    }

    /// Lets a user who came in the middle of a batch take part in it.
    pub(crate) fn join_turn(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        if let Some(user) = &mut self.user {
            // Else nothing would have ended yet for what comes in this very batch.
            user.begin_batch(&turn.times());
            let txn = user.begin(turn.rng)?;
            turn.open_vault(txn);
            user.tick(turn)?;
        }
        Ok(())
    }

    pub(crate) fn load_user(&mut self, vault: Vault, key: MasterKey) -> Result<(), StoreError> {
        let user = User::load(vault, key, &self.mailbox, &self.config)?;
        self.user = Some(user.ok_or_else(|| StoreError::Damaged {
            path: self.config.storage.vault_path(),
            reason: "it holds no identity".to_owned(),
        })?);
        // None of it was looked at for this user.
        self.refused.clear();
        Ok(())
    }

    pub(crate) fn user_mut(&mut self) -> Result<&mut User, CommandError> {
        let (recover, failures, has_key_file) = (&self.recover, &self.failures, self.has_key_file);
        self.user.as_deref_mut().ok_or_else(|| {
            if recover.is_some() {
                failures.as_refusal()
            } else if has_key_file {
                CommandError::Locked
            } else {
                CommandError::NoIdentity
            }
        })
    }
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Net(event) => f.debug_tuple("Net").field(event).finish(),
            Self::Command(_) => f.write_str("Command"),
            Self::Stamped(result) => f.debug_tuple("Stamped").field(result).finish(),
            Self::Blobs(told) => f.debug_tuple("Blobs").field(told).finish(),
            Self::Tick => f.write_str("Tick"),
        }
    }
}
