//! One batch: its time, its randomness, its transactions, and the effects it will have.

use std::collections::HashMap;

use libp2p::PeerId;
use martlet_protocol::control::{Event, Problem};
use martlet_protocol::{Ack, Envelope, Tag, UnixMillis};
use martlet_store::{MailboxTxn, StoreError, VaultTxn};
use rand_chacha::ChaCha20Rng;
use tokio::sync::oneshot;

use super::command::Command;
use super::{Engine, StampJob, StoredFor};
use crate::metrics::Commit;
use crate::net::{Interest, Lookup, Stored};

/// Takes effects once what they rest on is on disk.
pub trait Outlet {
    /// The vault is committed: replies, events, envelopes and acks may leave.
    fn release(&mut self, effects: Effects);
    /// The mailbox is committed: the neighbours may be told.
    fn stored(&mut self, stored: StoredFor);
}

/// What a batch will have caused.
#[derive(Default)]
pub struct Effects {
    /// Own envelopes to gossip.
    pub publish: Vec<Envelope>,
    /// Own acks to gossip.
    pub acks: Vec<Ack>,
    /// Stamps to make; each gives an input back.
    pub stamp: Vec<StampJob>,
    /// What the user makes of the shards, where that has changed.
    pub interest: Option<Interest>,
    /// What is to be looked up at the keepers of other shards.
    pub lookups: Vec<Lookup>,
    /// Events, in order.
    pub events: Vec<Event>,
    /// Answers to commands.
    pub(super) replies: Vec<Reply>,
    pub(super) stored: StoredFor,
    /// Who waits for envelopes to be on disk, and what became of them if the commit succeeds.
    pub(super) stored_replies: Vec<(oneshot::Sender<Stored>, Stored)>,
    /// Peers whose acks don't open what is held here, and how many.
    pub(super) false_acks: HashMap<PeerId, usize>,
}

/// Answers one command, once it is known whether the commit succeeded.
pub(super) type Reply = Box<dyn FnOnce(Result<(), Problem>) + Send>;

/// A command on its way to the engine.
pub trait Job: Send {
    /// Runs it; its answer is among the turn's effects.
    ///
    /// # Errors
    /// Only what fails the whole batch.
    fn run(self: Box<Self>, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<(), StoreError>;
    /// Answers that it did not run.
    fn refuse(self: Box<Self>, problem: Problem);
}

/// A command and who waits for its reply.
pub(super) struct Call<C: Command> {
    pub(super) command: C,
    pub(super) reply: oneshot::Sender<Result<C::Reply, Problem>>,
}

/// Why a command did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// What was asked can't be done; nothing was changed.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// The database failed: the whole batch is undone.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One batch under way.
pub struct Turn<'a> {
    /// The time, the same for all inputs of the batch.
    pub(super) now: UnixMillis,
    pub(super) rng: &'a mut ChaCha20Rng,
    pub(super) effects: Effects,
    /// Tags of envelopes that the user awaits from now on.
    pub(super) awaited: Vec<Tag>,
    mailbox: MailboxTxn,
    vault: Option<VaultTxn>,
}

impl<'a> Turn<'a> {
    pub(super) fn new(
        now: UnixMillis,
        rng: &'a mut ChaCha20Rng,
        mailbox: MailboxTxn,
        vault: Option<VaultTxn>,
    ) -> Self {
        Self { now, rng, effects: Effects::default(), awaited: Vec::new(), mailbox, vault }
    }

    pub(super) fn mailbox(&self) -> &MailboxTxn {
        &self.mailbox
    }

    pub(super) fn mailbox_mut(&mut self) -> &mut MailboxTxn {
        &mut self.mailbox
    }

    /// The vault's records.
    ///
    /// # Errors
    /// Never while there is a user, who alone asks.
    pub(super) fn vault(&mut self) -> Result<&mut VaultTxn, StoreError> {
        self.vault
            .as_mut()
            .ok_or_else(|| StoreError::Failed { reason: "the vault is locked".into() })
    }

    /// Takes the transaction of a vault unlocked in the middle of the batch.
    pub(super) fn open_vault(&mut self, txn: VaultTxn) {
        self.vault = Some(txn);
    }

    pub(super) fn commit_vault(&mut self, commits: &Commit) -> Result<(), StoreError> {
        match self.vault.take() {
            Some(txn) if txn.is_dirty() => commits.observe(|| txn.commit()),
            Some(txn) => txn.commit(),
            None => Ok(()),
        }
    }

    /// The mailbox's transaction and the effects.
    pub(super) fn into_parts(self) -> (MailboxTxn, Effects) {
        (self.mailbox, self.effects)
    }
}

impl<C: Command> Job for Call<C> {
    fn run(self: Box<Self>, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let Self { command, reply } = *self;
        // Whoever asked may have gone by the time of the answer.
        match command.run(engine, turn) {
            Ok(answer) => {
                turn.effects.replies.push(Box::new(move |result| {
                    let _ = reply.send(result.map(|()| answer));
                }));
                Ok(())
            }
            Err(Fault::Problem(problem)) => {
                let _ = reply.send(Err(problem));
                Ok(())
            }
            Err(Fault::Store(error)) => {
                let _ = reply.send(Err(super::problem(&error)));
                Err(error)
            }
        }
    }

    fn refuse(self: Box<Self>, problem: Problem) {
        // Whoever asked may have gone.
        let _ = self.reply.send(Err(problem));
    }
}

impl Effects {
    /// Answers the commands that wait: their batch is on disk.
    pub fn answer(&mut self) {
        self.replies.drain(..).for_each(|reply| reply(Ok(())));
    }

    /// Answers everyone who waits that nothing of this came about.
    pub(super) fn fail(&mut self, problem: &Problem) {
        self.replies.drain(..).for_each(|reply| reply(Err(problem.clone())));
        for (reply, _) in self.stored_replies.drain(..) {
            // The one who asked may have gone.
            let _ = reply.send(Stored::Full);
        }
    }
}

impl std::fmt::Debug for Effects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Effects")
            .field("publish", &self.publish.len())
            .field("acks", &self.acks.len())
            .field("stamp", &self.stamp.len())
            .field("lookups", &self.lookups.len())
            .field("events", &self.events.len())
            .field("replies", &self.replies.len())
            .finish()
    }
}

impl std::fmt::Debug for Turn<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turn").field("now", &self.now).field("effects", &self.effects).finish()
    }
}
