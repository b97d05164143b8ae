//! When what has ended loses its key.
//!
//! The vault shreds in slices, each a transaction of its own (`store/src/vault/shred.rs`). They are done between batches,
//! where no other is open. A shred begins by itself once a day, and sooner where nothing was written for a
//! while; then its slices leave most of the disk's time to others. One that a user asks for goes on as fast as it can, batches
//! in between. What a crash, a lock or the end of the daemon leaves undone goes on with the next opening.

use std::time::Duration;

use martlet_protocol::UnixMillis;
use martlet_store::StoreError;
use martlet_store::vault::{ShredSlice, ShredState};
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;

use super::User;
use crate::agenda::{Due, What};
use crate::limits::{
    REWRITTEN_AT_ONCE_BYTES_MAX, SHRED_IDLE_INTERVAL, SHRED_INTERVAL, SHRED_LOOKED_EVERY,
    SHRED_PAUSE, SHRED_SLICE_BYTES, SHRED_SLICE_RECORDS,
};

/// When shreds begin, and how fast they go on.
#[derive(Debug, Default)]
pub(super) struct Shredder {
    /// One is to begin.
    is_due: bool,
    /// A user waits for it.
    is_asked: bool,
    /// When the next slice has its time, since the host's start.
    next_slice: Duration,
    /// Commits that the vault had when it was looked at last.
    seen: Option<u64>,
}

impl User {
    /// How things stand with what has ended.
    pub(crate) fn shred_state(&self) -> ShredState {
        self.opened.vault.shred_state()
    }

    /// A user asks for a shred, and waits for it.
    pub(crate) fn ask_to_shred(&mut self) {
        self.opened.shredder.is_due = true;
        self.opened.shredder.is_asked = true;
    }

    /// Whether what is asked for is not done yet.
    pub(crate) fn is_asked_to_shred(&self) -> bool {
        self.opened.shredder.is_asked
    }

    /// When a slice that nobody waits for has its time, since the host's start.
    pub(super) fn next_shred(&self) -> Option<Duration> {
        let is_running = self.opened.vault.shred_state().is_running || self.opened.shredder.is_due;
        // Where nothing can be written there is nothing to be done.
        let is_writable = self.opened.vault.seen().is_some();
        (is_running && is_writable).then_some(self.opened.shredder.next_slice)
    }

    /// When it is seen next whether a shred is to begin.
    pub(super) fn plan_shred(&mut self, steady: Duration) {
        self.agenda.set_if_none(What::Shred, Due::Steady(steady + SHRED_LOOKED_EVERY));
    }

    /// Whether one is to begin.
    pub(super) fn look_at_shred(&mut self, now: UnixMillis, steady: Duration) {
        let state = self.opened.vault.shred_state();
        let commits = self.opened.vault.seen().map(|seen| seen.commits);
        let is_idle = commits == self.opened.shredder.seen;
        self.opened.shredder.seen = commits;
        // A clock that went back makes it due: once too often does no harm.
        let is_over = |interval: Duration| {
            state.finished_at.is_none_or(|at| now < at || now.since(at) >= interval)
        };
        let is_due = is_over(SHRED_INTERVAL) || (is_idle && is_over(SHRED_IDLE_INTERVAL));
        if state.waiting > 0 && is_due {
            self.opened.shredder.is_due = true;
        }
        self.plan_shred(steady);
    }

    /// Does a slice, if one has its time. No transaction of the vault may be open.
    pub(crate) fn shred_some(
        &mut self,
        now: UnixMillis,
        steady: Duration,
        rng: &mut ChaCha20Rng,
    ) -> Result<(), StoreError> {
        let is_time = self.opened.shredder.is_asked || steady >= self.opened.shredder.next_slice;
        if !is_time || self.next_shred().is_none() {
            return Ok(());
        }
        let vault = &self.opened.vault;
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        let is_done = if vault.shred_state().is_running {
            let slice = ShredSlice { seen: SHRED_SLICE_RECORDS, bytes: SHRED_SLICE_BYTES };
            vault.shred_some(seed, slice, now)?
        } else if self.unfinished.is_removing() {
            // What goes a part at a time is to lose its key with this shred: it begins once all of that is gone.
            return Ok(());
        } else {
            self.opened.shredder.is_due = false;
            !vault.begin_shred(seed)?
        };
        self.opened.shredder.next_slice = steady + SHRED_PAUSE;
        // One that was asked for while another was under way comes after it.
        if is_done && !self.opened.shredder.is_due {
            let state = vault.shred_state();
            tracing::debug!(resealed = state.resealed, "what has ended was shredded");
            // What an older build left in free pages should not wait for a restart.
            let is_awaited = std::mem::take(&mut self.opened.shredder.is_asked) || state.holds_old;
            if is_awaited && state.live_bytes <= REWRITTEN_AT_ONCE_BYTES_MAX {
                vault.rewrite()?;
            }
            self.opened.shredder.seen = vault.seen().map(|seen| seen.commits);
        }
        Ok(())
    }
}
