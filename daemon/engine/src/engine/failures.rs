//! Storage that fails: a full disk, or one that takes no writes any more.
//!
//! What only reads goes on, by what was last committed. All else is refused, and tried again every few seconds.

use std::time::Duration;

use martlet_store::StoreError;
use rand_chacha::ChaCha20Rng;

use super::{Engine, Input, Job};
use crate::clock::Times;
use crate::error::CommandError;
use crate::limits::{STORAGE_LOG_INTERVAL, STORAGE_RETRY_INTERVAL};
use crate::seam::{Answer, Ticket, ToNet};
use crate::turn::{Outlet, Turn};

/// What does not work.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    storage: Option<StorageFailure>,
    /// Why the vault could not be opened when that was asked for last.
    pub(crate) vault: Option<String>,
    /// Whether the mailbox is to be opened again.
    pub(super) is_mailbox_closed: bool,
    /// Whether the vault was closed or read anew in this batch, and no command asked for that.
    pub(super) has_left_keys: bool,
}

/// The databases can't be written to. Times are since the host's start.
#[derive(Debug)]
struct StorageFailure {
    reason: String,
    tried_at: Duration,
    logged_at: Duration,
}

impl Failures {
    /// Why the databases can't be written to, if so.
    pub(crate) fn storage(&self) -> Option<String> {
        self.storage.as_ref().map(|failure| failure.reason.clone())
    }

    /// What a command is told that would write, or read what can't be read.
    pub(super) fn as_refusal(&self) -> CommandError {
        let reason = self.storage().unwrap_or_else(|| "the disk failed".into());
        CommandError::StorageFailed { reason }
    }

    pub(super) fn has_storage_failed(&self) -> bool {
        self.storage.is_some()
    }

    /// A commit failed, or what it closed does not open again. Logged once in a while.
    pub(super) fn note(&mut self, error: &StoreError, steady: Duration) {
        let reason = error.to_string();
        let logged = self.storage.take().map(|failure| failure.logged_at);
        let logged = logged.filter(|at| steady.saturating_sub(*at) < STORAGE_LOG_INTERVAL);
        let logged_at = logged.unwrap_or_else(|| {
            tracing::error!(%error, "nothing can be written; it is tried again");
            steady
        });
        self.storage = Some(StorageFailure { reason, tried_at: steady, logged_at });
    }

    /// A commit succeeded that had something to write.
    pub(super) fn storage_works(&mut self) {
        if self.storage.take().is_some() {
            tracing::info!("the databases can be written to again");
        }
    }

    fn is_resting(&self, steady: Duration) -> bool {
        self.storage
            .as_ref()
            .is_some_and(|failure| steady.saturating_sub(failure.tried_at) < STORAGE_RETRY_INTERVAL)
    }
}

impl Engine {
    /// Handles a batch after a commit failed: what only reads apart, so that it never fails with the rest.
    pub(super) fn run_failing(
        &mut self,
        inputs: impl IntoIterator<Item = Input>,
        times: Times,
        rng: &mut ChaCha20Rng,
        outlet: &mut impl Outlet,
    ) {
        let steady = times.steady;
        let (mut reads, mut others) = (Vec::new(), Vec::new());
        for input in inputs {
            match input {
                Input::Command(job) if job.only_reads() => reads.push(job),
                Input::Command(_)
                | Input::Net(_)
                | Input::Stamped(_)
                | Input::Blobs(_)
                | Input::Tick => {
                    others.push(input);
                }
            }
        }
        let mut is_tried = !self.failures.is_resting(steady);
        self.failures.has_left_keys = is_tried && self.recover.is_some();
        if is_tried && let Err(error) = self.open_again() {
            self.failures.note(&error, steady);
            is_tried = false;
        }
        // What is over is not shown, though nothing can be deleted.
        if let Some(user) = &mut self.user {
            user.begin_batch(&times);
        }
        self.run_reads(reads, times, rng, outlet);
        if is_tried {
            self.run_usual(others.into_iter(), times, rng, outlet);
        } else {
            let refusal = self.failures.as_refusal();
            self.refuse_all(others.into_iter(), &refusal, outlet);
        }
    }

    /// Answers what only reads, by what is committed.
    fn run_reads(
        &mut self,
        jobs: Vec<Box<dyn Job>>,
        times: Times,
        rng: &mut ChaCha20Rng,
        outlet: &mut impl Outlet,
    ) {
        if jobs.is_empty() {
            return;
        }
        let vault = self.user.as_ref().map(|user| user.begin(rng)).transpose();
        let begun = vault.and_then(|vault| Ok((vault, self.mailbox.begin()?)));
        let (vault, mailbox) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                let error = CommandError::from(&error);
                return jobs.into_iter().for_each(|job| job.refuse(error.clone()));
            }
        };
        let observer = std::sync::Arc::clone(&self.config.observer);
        let mut turn = Turn::new(times, rng, observer, mailbox, vault);
        for job in jobs {
            if let Err(error) = job.run(self, &mut turn) {
                // Whoever asked was told.
                tracing::debug!(%error, "what can't be read");
            }
        }
        let (_, mut effects, _) = turn.into_parts();
        if std::mem::take(&mut self.lock_after_turn) {
            (self.user, self.recover) = (None, None);
            effects.wipes = true;
            self.stamps.cancel_all();
        }
        outlet.release(effects);
    }

    /// Answers inputs that are not handled.
    pub(super) fn refuse_all(
        &mut self,
        inputs: impl Iterator<Item = Input>,
        error: &CommandError,
        outlet: &mut impl Outlet,
    ) {
        let refused = inputs.filter_map(|input| self.refuse(input, error));
        let refused = refused.map(|(ticket, answer)| ToNet::Answer(ticket, answer)).collect();
        outlet.tell(refused);
    }

    /// Answers an input that is not handled; returns what the network is told.
    fn refuse(&mut self, input: Input, error: &CommandError) -> Option<(Ticket, Answer)> {
        match input {
            Input::Command(job) => job.refuse(error.clone()),
            // Its envelope is queued again when the vault is.
            Input::Stamped(result) => self.stamps.came_back(&result),
            Input::Net(event) => return event.refusal(),
            // It is told again once the vault is open again.
            Input::Blobs(_) => {}
            Input::Tick => {}
        }
        None
    }
}
