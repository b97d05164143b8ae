//! One batch: its time, its randomness, its transactions, and the effects it will have.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use martlet_protocol::control::Event;
use martlet_protocol::{Ack, Envelope, EnvelopeId, Tag, UnixMillis};
use martlet_store::{MailboxTxn, StoreError, VaultTxn};
use rand_chacha::ChaCha20Rng;

use crate::clock::Times;
use crate::error::CommandError;
use crate::observer::{Database, Observer};
use crate::seam::{Answer, Interest, Lookup, PeerKey, Stemmed, Stored, Ticket, ToBlobs, ToNet};
use crate::stamping::StampJob;

/// Takes effects once what they rest on is on disk.
pub trait Outlet {
    /// The vault is committed: replies, events, envelopes and acks may leave.
    fn release(&mut self, effects: Effects);
    /// The mailbox is committed, or failed: the network may be told.
    fn tell(&mut self, to_net: Vec<ToNet>);
}

/// What a batch will have caused.
#[derive(Default)]
pub struct Effects {
    /// What the network is told, in order.
    pub to_net: Vec<ToNet>,
    /// What the keeper of blobs is told, in order.
    pub blobs: Vec<ToBlobs>,
    /// Stamps to make; each gives an input back.
    pub stamp: Vec<StampJob>,
    /// Events, in order.
    pub events: Vec<Event>,
    /// The vault was closed in this batch, or the root was read or worked with. The host wipes what that left on the stack, before
    /// it answers: who asked for it relies on the keys being gone, and what is left may be copied with what is put there next.
    pub wipes: bool,
    /// Answers to commands.
    replies: Vec<Reply>,
    /// Why nothing of the batch came about, if so.
    failed: Option<CommandError>,
}

/// What the network will be told, gathered while the batch is handled.
#[derive(Default)]
pub(crate) struct Gathered {
    /// Own envelopes to gossip.
    pub(crate) publish: Vec<Envelope>,
    /// Whether the mailbox has own envelopes more that are not gossiped.
    pub(crate) has_ungossiped: bool,
    /// Own acks to gossip.
    pub(crate) acks: Vec<Ack>,
    /// Own envelopes and acks for the stem.
    pub(crate) stem: Vec<Stemmed>,
    /// What the user makes of the shards, where that has changed.
    pub(crate) interest: Option<Interest>,
    /// What is to be looked up at the keepers of other shards.
    pub(crate) lookups: Vec<Lookup>,
    /// Peers whose acks don't open what is held here, and how many.
    pub(crate) false_acks: BTreeMap<PeerKey, usize>,
    /// Answers that rest on nothing but what was read.
    pub(crate) answers: Vec<(Ticket, Answer)>,
    /// Peers and those of their envelopes that the mailbox will have on disk.
    pub(crate) stored: StoredFor,
    /// Who waits for envelopes to be on disk, and what became of them if the commit succeeds.
    pub(crate) waiting: Vec<(Ticket, Stored)>,
    /// Something was taken back: whoever syncs from now on should not get it.
    pub(crate) takes_back: bool,
}

/// Peers and the envelopes of theirs that are on disk here.
pub(crate) type StoredFor = BTreeMap<PeerKey, Vec<EnvelopeId>>;

/// Answers one command, once it is known whether the commit succeeded.
type Reply = Box<dyn FnOnce(Result<(), CommandError>) + Send>;

/// One batch under way.
pub struct Turn<'a> {
    /// The time that the node goes by, the same for all inputs of the batch.
    pub(crate) now: UnixMillis,
    /// It is at least so late, as two sources say: by this things are deleted and ended.
    pub(crate) sure: UnixMillis,
    /// Since the host's start.
    pub(crate) steady: Duration,
    /// Whether a second source has agreed with `now`.
    pub(crate) is_supported: bool,
    pub(crate) rng: &'a mut ChaCha20Rng,
    /// Who counts.
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) effects: Effects,
    /// What the network will be told.
    pub(crate) net: Gathered,
    /// Tags of envelopes that the user awaits from now on.
    pub(crate) awaited: Vec<Tag>,
    mailbox: MailboxTxn,
    vault: Option<VaultTxn>,
}

impl<'a> Turn<'a> {
    /// What its batch began with.
    pub(crate) fn times(&self) -> Times {
        let Self { now, sure, steady, is_supported, .. } = *self;
        Times { now, sure, steady, is_supported, has_stepped: false }
    }

    pub(crate) fn new(
        times: Times,
        rng: &'a mut ChaCha20Rng,
        observer: Arc<dyn Observer>,
        mailbox: MailboxTxn,
        vault: Option<VaultTxn>,
    ) -> Self {
        Self {
            now: times.now,
            sure: times.sure,
            steady: times.steady,
            is_supported: times.is_supported,
            rng,
            observer,
            effects: Effects::default(),
            net: Gathered::default(),
            awaited: Vec::new(),
            mailbox,
            vault,
        }
    }

    pub(crate) fn mailbox(&self) -> &MailboxTxn {
        &self.mailbox
    }

    pub(crate) fn mailbox_mut(&mut self) -> &mut MailboxTxn {
        &mut self.mailbox
    }

    /// The vault's records.
    ///
    /// # Errors
    /// Never while there is a user, who alone asks.
    pub(crate) fn vault(&mut self) -> Result<&mut VaultTxn, StoreError> {
        self.vault
            .as_mut()
            .ok_or_else(|| StoreError::Failed { reason: "the vault is locked".into() })
    }

    /// Has this done once the batch is on disk, and not if it fails.
    pub(crate) fn after_commit(&mut self, act: impl FnOnce() + Send + 'static) {
        self.effects.replies.push(Box::new(move |result| {
            if result.is_ok() {
                act();
            }
        }));
    }

    /// Takes the transaction of a vault unlocked in the middle of the batch.
    pub(crate) fn open_vault(&mut self, txn: VaultTxn) {
        self.vault = Some(txn);
    }

    /// Drops the transaction of a vault that ends, and what of it would have left.
    pub(crate) fn close_vault(&mut self) {
        self.vault = None;
        self.net.publish.clear();
        self.net.has_ungossiped = false;
        self.net.acks.clear();
        self.net.stem.clear();
        self.net.lookups.clear();
    }

    /// The vault's transaction and the batch's randomness, both at once.
    pub(crate) fn vault_and_rng(
        &mut self,
    ) -> Result<(&mut VaultTxn, &mut ChaCha20Rng), StoreError> {
        match self.vault.as_mut() {
            Some(vault) => Ok((vault, self.rng)),
            None => Err(StoreError::Failed { reason: "the vault is locked".into() }),
        }
    }

    pub(crate) fn commit_vault(&mut self) -> Result<(), StoreError> {
        match self.vault.take() {
            Some(txn) if txn.is_dirty() => {
                self.observer.commit_begins(Database::Vault);
                let result = txn.commit();
                self.observer.commit_ended(Database::Vault, result.is_ok());
                result
            }
            Some(txn) => txn.commit(),
            None => Ok(()),
        }
    }

    /// The mailbox's transaction, the effects, and what the network will be told.
    pub(crate) fn into_parts(self) -> (MailboxTxn, Effects, Gathered) {
        (self.mailbox, self.effects, self.net)
    }

    /// Nothing of this came about: everyone who waits is told so.
    pub(crate) fn fail(self, error: &CommandError) -> Effects {
        let refused = self.net.waiting.into_iter();
        let refused = refused.map(|(ticket, _)| (ticket, Answer::Stored(Stored::NONE)));
        let answers = self.net.answers.into_iter().chain(refused);
        Effects {
            to_net: answers.map(|(ticket, answer)| ToNet::Answer(ticket, answer)).collect(),
            // The vault is read anew.
            wipes: true,
            replies: self.effects.replies,
            failed: Some(error.clone()),
            ..Effects::default()
        }
    }
}

impl Gathered {
    /// What may leave once the vault is on disk.
    pub(crate) fn release(&mut self) -> Vec<ToNet> {
        let mut to_net = Vec::new();
        if !self.publish.is_empty() {
            to_net.push(ToNet::Publish(std::mem::take(&mut self.publish)));
        }
        if std::mem::take(&mut self.has_ungossiped) {
            to_net.push(ToNet::HasUngossiped);
        }
        if !self.stem.is_empty() {
            to_net.push(ToNet::Stem(std::mem::take(&mut self.stem)));
        }
        let answers = self.answers.drain(..);
        to_net.extend(answers.map(|(ticket, answer)| ToNet::Answer(ticket, answer)));
        let false_acks = std::mem::take(&mut self.false_acks).into_iter();
        to_net.extend(false_acks.map(|(peer, count)| ToNet::FalseAcks(peer, count)));
        to_net.extend(self.interest.take().map(ToNet::Interest));
        if !self.lookups.is_empty() {
            to_net.push(ToNet::LookUp(std::mem::take(&mut self.lookups)));
        }
        if !self.acks.is_empty() {
            to_net.push(ToNet::PublishAcks(std::mem::take(&mut self.acks)));
        }
        to_net
    }
}

impl Effects {
    /// Nothing, but that keys were left behind.
    pub(crate) fn wiping() -> Self {
        Self { wipes: true, ..Self::default() }
    }

    /// Answers a command once the batch is on disk, or has failed. So is one that is refused: what it worked with is wiped before
    /// anyone is answered.
    pub(crate) fn reply(&mut self, reply: impl FnOnce(Result<(), CommandError>) + Send + 'static) {
        self.replies.push(Box::new(reply));
    }

    /// Answers the commands that wait: their batch is on disk, or has failed.
    pub fn answer(&mut self) {
        let failed = self.failed.clone();
        self.replies.drain(..).for_each(|reply| reply(failed.clone().map_or(Ok(()), Err)));
    }
}

impl std::fmt::Debug for Effects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Effects")
            .field("to_net", &self.to_net.len())
            .field("blobs", &self.blobs.len())
            .field("stamp", &self.stamp.len())
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
