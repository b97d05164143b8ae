//! Own envelopes that others refuse as they are addressed: after a start on another network or with another
//! wire format, and once a clock that was wrong is right again.

use martlet_protocol::control::{Delivery, EventBody};
use martlet_store::StoreError;
use martlet_store::records::{MESSAGES, State};
use martlet_store::vault::Key;

use super::User;
use crate::outbox::Place;
use crate::turn::Turn;

impl User {
    /// Own envelopes that others would refuse, or that were made for another version of the wire format
    /// (whose sessions a step of the vault's schema forgot), leave outbox and mailbox. Their messages wait
    /// to be sent again, in order; the recipient knows them by their ids, should it have got them already.
    pub(super) fn readdress_outbox(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let now = turn.now;
        let sessions = &self.keyring.outbound;
        let taken = self.outbox.take_back(turn.vault()?, |pending| {
            pending.is_misaddressed(now) || !sessions.is_for(pending.recipient())
        })?;
        for id in &taken.ids {
            turn.mailbox_mut().withdraw(id, now)?;
        }
        for place in taken.places {
            self.take_back_sent(turn, place)?;
        }
        for identity in taken.recipients {
            // Its key may have been in what nobody got.
            self.keyring.outbound.end(turn.vault()?, &identity)?;
            self.send_waiting(turn, identity)?;
        }
        Ok(())
    }

    /// Nothing is sent that others refuse.
    fn take_back_sent(&mut self, turn: &mut Turn<'_>, place: Place) -> Result<(), StoreError> {
        let Place { identity, position } = place;
        let key = Key::Scoped(&identity.0, position);
        let Some(mut message) = turn.vault()?.get(&MESSAGES, key)? else { return Ok(()) };
        if message.state != State::Sent {
            return Ok(());
        }
        message.state = State::Queued;
        turn.vault()?.put(&MESSAGES, key, &message)?;
        let (id, conversation) = (message.id.to_string(), self.conversation_name(&identity));
        self.emit(turn, EventBody::MessageState { id, conversation, state: Delivery::Queued })
    }
}
