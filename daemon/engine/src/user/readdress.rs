//! After a start on another network: own envelopes of the one before.

use martlet_store::StoreError;

use super::User;
use crate::outbox::Pending;
use crate::turn::Turn;

impl User {
    /// Own envelopes that this network would refuse, since they were addressed in another, leave the
    /// outbox. Their messages wait to be sent again, in order; the recipient knows them by their
    /// ids, should it have got them already.
    pub(super) fn readdress_outbox(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let taken = self.outbox.take_back(turn.vault()?, Pending::is_foreign)?;
        for identity in taken.recipients {
            // Its key may have been in what nobody got.
            self.keyring.outbound.end(turn.vault()?, &identity)?;
            self.send_waiting(turn, identity)?;
        }
        Ok(())
    }
}
