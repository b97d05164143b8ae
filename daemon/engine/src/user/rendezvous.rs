//! Rendezvous secrets: by what bundles are found, and how contacts learn of another.

use martlet_protocol::{IdentityId, Rendezvous};
use martlet_store::StoreError;

use super::User;
use crate::turn::Turn;

impl User {
    /// Someone said by what their bundles are found. A contact's are looked for by that from now on.
    pub(super) fn take_rendezvous(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        rendezvous: &Rendezvous,
    ) -> Result<(), StoreError> {
        if !self.directory.take_rendezvous(turn.vault()?, &identity, rendezvous)? {
            return Ok(());
        }
        self.keyring.forget_bundles(&identity);
        self.watch_bundle(turn, identity)?;
        self.look_up_bundles(turn);
        Ok(())
    }
}
