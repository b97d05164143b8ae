//! The end of the node's user.

use martlet_store::StoreError;

use super::Engine;
use crate::seam::ToBlobs;
use crate::turn::Turn;

impl Engine {
    /// Closes the vault and ends it for good. What else this batch did to it is lost with it.
    ///
    /// # Errors
    /// [`StoreError::Failed`]. If it can't even be begun, all is as it was. Else there is a user no more, and the next start
    /// goes on.
    pub(crate) fn erase_user(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        self.config.storage.begin_erasure()?;
        turn.close_vault();
        (self.user, self.recover) = (None, None);
        self.lock_after_turn = false;
        self.stamps.cancel_all();
        turn.effects.wipes = true;
        turn.effects.blobs = vec![ToBlobs::Known(Vec::new())];
        turn.effects.events.clear();
        self.failures.vault = None;
        self.config.storage.finish_erasure()?;
        (self.has_key_file, self.has_passphrase) = (false, false);
        Ok(())
    }
}
