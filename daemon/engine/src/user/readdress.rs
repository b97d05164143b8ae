//! After a start on another network: own envelopes of the one before.

use martlet_protocol::IdentityId;
use martlet_store::StoreError;
use martlet_store::records::{OUTBOUND_SESSIONS, OUTBOX, WAITING, WaitingRecord};
use martlet_store::vault::Key;

use super::User;
use crate::turn::Turn;

impl User {
    /// Own envelopes that this network would refuse, since they were addressed in another, leave the
    /// outbox. Their messages wait to be sent again, in order; the recipient knows them by their
    /// ids, should it have got them already.
    pub(super) fn readdress_outbox(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let mut recipients: Vec<IdentityId> = Vec::new();
        let foreign = self.outbox.iter().filter(|(_, pending)| pending.is_foreign);
        let foreign: Vec<_> =
            foreign.map(|(id, pending)| (*id, pending.identity, pending.position)).collect();
        for (id, identity, position) in foreign {
            self.outbox.remove(&id);
            turn.vault()?.delete(&OUTBOX, Key::Named(&id.0))?;
            if let Some(position) = position {
                self.waiting.entry(identity).or_default().insert(position);
                let waiting = WaitingRecord { identity, position };
                turn.vault()?.put(&WAITING, Key::Scoped(&identity.0, position), &waiting)?;
            }
            recipients.push(identity);
        }
        recipients.sort_unstable();
        recipients.dedup();
        for identity in recipients {
            // Its key may have been in what nobody got.
            self.outbound.remove(&identity);
            turn.vault()?.delete(&OUTBOUND_SESSIONS, Key::Named(&identity.0))?;
            self.send_waiting(turn, identity)?;
        }
        Ok(())
    }
}
