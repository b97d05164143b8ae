//! The two commits of a batch, and what happens where one fails.

use std::time::Duration;

use martlet_store::{MailboxTxn, StoreError};

use super::Engine;
use super::sweep::Sweep;
use crate::error::CommandError;
use crate::limits::MAILBOX_COMMIT_DELAY;
use crate::observer::Database;
use crate::seam::{Answer, Stored, Ticket, ToBlobs, ToNet};
use crate::turn::{Outlet, Turn};

impl Engine {
    /// How long until the mailbox has to be committed.
    pub(super) fn commit_due(&self, steady: Duration) -> Option<Duration> {
        let since = self.mailbox_dirty_since?;
        Some(MAILBOX_COMMIT_DELAY.saturating_sub(steady.saturating_sub(since)))
    }

    /// Commits the vault, releases, commits the mailbox if that is due, releases.
    pub(super) fn commit(
        &mut self,
        mut turn: Turn<'_>,
        outlet: &mut impl Outlet,
    ) -> Result<(), StoreError> {
        // If the commit fails, the command is refused and the vault stays open.
        let locks = std::mem::take(&mut self.lock_after_turn);
        let vault_result = match &mut self.user {
            Some(user) => user.flush(&mut turn).and_then(|()| turn.commit_vault()),
            None => Ok(()),
        };
        if let Err(error) = vault_result {
            outlet.release(turn.fail(&CommandError::from(&error)));
            return Err(error);
        }
        let steady = turn.steady;
        let (mut mailbox, mut effects, mut gathered) = turn.into_parts();
        if let Some(seen) = self.user.as_ref().and_then(|user| user.vault_seen()) {
            mailbox.note_vault(seen);
        }
        effects.to_net = gathered.release();
        let has_room = self.sources.space.reopen(&mailbox);
        if !has_room.is_empty() {
            effects.to_net.push(ToNet::HasRoom(has_room));
        }
        for (peer, mut ids) in gathered.stored {
            self.stored.entry(peer).or_default().append(&mut ids);
        }
        let (waiting, takes_back) = (gathered.waiting, gathered.takes_back);
        if locks {
            self.user = None;
            effects.wipes = true;
            effects.blobs.push(ToBlobs::Closed);
            self.stamps.cancel_all();
        } else {
            effects.stamp = self.stamps.hand_out(self.user.as_deref_mut());
        }
        outlet.release(effects);
        if mailbox.is_dirty() || !self.stored.is_empty() {
            self.mailbox_dirty_since.get_or_insert(steady);
        }
        // What is done in parts is committed in parts.
        let is_part = self.sweep.is_unfinished
            || self.user.as_ref().is_some_and(|user| user.has_unfinished());
        let is_due = !waiting.is_empty()
            || locks
            || is_part
            || takes_back
            || self.failures.has_storage_failed()
            || self.commit_due(steady).is_some_and(|due| due.is_zero());
        if is_due {
            self.commit_mailbox(mailbox, waiting, outlet)?;
        } else {
            self.mailbox_txn = Some(mailbox);
        }
        Ok(())
    }

    pub(super) fn commit_mailbox(
        &mut self,
        mailbox: MailboxTxn,
        waiting: Vec<(Ticket, Stored)>,
        outlet: &mut impl Outlet,
    ) -> Result<(), StoreError> {
        let writes = mailbox.is_dirty();
        if writes {
            self.config.observer.commit_begins(Database::Mailbox);
        }
        let result = mailbox.commit();
        if writes {
            self.config.observer.commit_ended(Database::Mailbox, result.is_ok());
        }
        self.mailbox_dirty_since = None;
        let outcome = |stored| if result.is_ok() { stored } else { Stored::NONE };
        let waiting = waiting.into_iter();
        let mut to_net: Vec<ToNet> = waiting
            .map(|(ticket, stored)| ToNet::Answer(ticket, Answer::Stored(outcome(stored))))
            .collect();
        if result.is_ok() {
            let stored = std::mem::take(&mut self.stored).into_iter();
            to_net.extend(stored.map(|(peer, ids)| ToNet::Stored(peer, ids)));
        }
        if !to_net.is_empty() {
            outlet.tell(to_net);
        }
        result?;
        // The first batch after a failure has something to write: that the mailbox is open anew.
        if writes {
            self.failures.storage_works();
        }
        if let (Some(user), Some(opening)) = (&mut self.user, self.opening) {
            user.mailbox_committed(opening);
        }
        Ok(())
    }

    /// After a failed commit memory and disk differ: memory is thrown away.
    pub(super) fn forget_uncommitted(&mut self) {
        if let Some(user) = self.user.take() {
            self.recover = Some(user.into_key());
            self.stamps.cancel_all();
            self.failures.has_left_keys = true;
        }
        self.lock_after_turn = false;
        // What is lost of the mailbox had arrival numbers, which others get.
        self.opening = None;
        self.sweep = Sweep::default();
        self.mailbox_txn = None;
        self.mailbox_dirty_since = None;
        self.stored.clear();
        self.failures.is_mailbox_closed = true;
        let opened = self.open_again();
        // What only reads goes on.
        if let (Err(_), None, Some(key)) = (opened, &self.user, self.recover.clone()) {
            let vault = self.config.storage.open_vault_for_reading(&key);
            if let Err(error) = vault.and_then(|vault| self.load_user(vault, key)) {
                tracing::debug!(%error, "the vault can't be read either");
            }
        }
    }

    /// Opens what a failed commit closed.
    pub(super) fn open_again(&mut self) -> Result<(), StoreError> {
        if self.failures.is_mailbox_closed {
            self.mailbox.reopen()?;
            self.failures.is_mailbox_closed = false;
        }
        if let Some(key) = self.recover.clone() {
            let vault = self.config.storage.open_vault(&key)?;
            self.load_user(vault, key)?;
            self.recover = None;
        }
        Ok(())
    }
}
