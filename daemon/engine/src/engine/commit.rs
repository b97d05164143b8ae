//! The two commits of a batch, and what happens where one fails.

use martlet_store::{MailboxTxn, StoreError};

use super::Engine;
use crate::error::CommandError;
use crate::observer::Database;
use crate::seam::{Answer, Stored, Ticket, ToNet};
use crate::turn::{Outlet, Turn};

impl Engine {
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
            outlet.tell(turn.fail(&CommandError::from(&error)));
            return Err(error);
        }
        let steady = turn.steady;
        let (mailbox, mut effects, mut gathered) = turn.into_parts();
        effects.to_net = gathered.release();
        let has_room = self.sources.room.reopen(&mailbox);
        if !has_room.is_empty() {
            effects.to_net.push(ToNet::HasRoom(has_room));
        }
        for (peer, mut ids) in gathered.stored {
            self.stored.entry(peer).or_default().append(&mut ids);
        }
        let waiting = gathered.waiting;
        if locks {
            self.user = None;
            effects.closed_vault = true;
            self.stamps.cancel_all();
        } else {
            effects.stamp = self.stamps.hand_out(self.user.as_deref_mut());
        }
        outlet.release(effects);
        if mailbox.is_dirty() || !self.stored.is_empty() {
            self.mailbox_dirty_since.get_or_insert(steady);
        }
        let is_due = !waiting.is_empty()
            || locks
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
        let result = if mailbox.is_dirty() {
            self.config.observer.commit_begins(Database::Mailbox);
            let result = mailbox.commit();
            self.config.observer.commit_ended(Database::Mailbox, result.is_ok());
            result
        } else {
            mailbox.commit()
        };
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
        }
        self.lock_after_turn = false;
        // What is lost of the mailbox had arrival numbers, which others get.
        self.opening = None;
        self.mailbox_txn = None;
        self.mailbox_dirty_since = None;
        self.stored.clear();
        if let Err(error) = self.mailbox.reopen() {
            tracing::error!(%error, "the mailbox does not open again yet");
        }
    }

    pub(super) fn recover(&mut self) {
        let Some(key) = self.recover.take() else { return };
        let opened = self.config.storage.open_vault(&key);
        let loaded = opened.and_then(|vault| self.load_user(vault, key.clone()));
        if let Err(error) = loaded {
            tracing::error!(%error, "the vault does not open again yet");
            self.recover = Some(key);
        }
    }
}
