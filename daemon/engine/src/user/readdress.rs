//! After a start on another network, or with another wire format: own envelopes of before.

use martlet_store::StoreError;

use super::User;
use crate::turn::Turn;

impl User {
    /// Own envelopes that this network would refuse, since they were addressed in another or made for
    /// another version of the wire format (whose sessions a step of the vault's schema forgot), leave
    /// the outbox. Their messages wait to be sent again, in order; the recipient knows them by their
    /// ids, should it have got them already.
    pub(super) fn readdress_outbox(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let sessions = &self.keyring.outbound;
        let taken = self.outbox.take_back(turn.vault()?, |pending| {
            pending.is_foreign() || !sessions.is_for(pending.recipient())
        })?;
        for identity in taken.recipients {
            // Its key may have been in what nobody got.
            self.keyring.outbound.end(turn.vault()?, &identity)?;
            self.send_waiting(turn, identity)?;
        }
        Ok(())
    }
}
