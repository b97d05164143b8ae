//! Sweeps: the mailbox is rid of what has ended.

use martlet_protocol::UnixMillis;
use martlet_store::StoreError;

use super::Engine;
use crate::limits::{SWEEP_BATCH_MAX, SWEEP_INTERVAL};
use crate::turn::Turn;

/// When the mailbox was last rid of what has ended.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    at: UnixMillis,
    /// Whether there is more of it: the next batch goes on.
    pub(super) is_unfinished: bool,
}

impl Engine {
    /// A sweep begins, if it is time.
    pub(super) fn plan_sweep(&mut self, sure: UnixMillis) {
        let Sweep { at, is_unfinished } = &mut self.sweep;
        *is_unfinished |= sure.since(*at) >= SWEEP_INTERVAL || sure < *at;
    }

    /// Drops as much of what has ended as one batch may.
    pub(super) fn sweep_some(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        if !self.sweep.is_unfinished {
            return Ok(());
        }
        let at = turn.sure;
        let swept = turn.mailbox_mut().sweep(at, SWEEP_BATCH_MAX)?;
        self.sweep = Sweep { at, is_unfinished: swept == SWEEP_BATCH_MAX };
        Ok(())
    }
}
