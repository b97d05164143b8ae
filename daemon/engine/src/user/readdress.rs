//! Own envelopes that others refuse as they are addressed: after a start on another network or with another
//! wire format, and once a clock that was wrong is right again.

use martlet_store::StoreError;
use martlet_store::records::{Happened, State};

use super::User;
use crate::conversation::{ConversationRef, Place};
use crate::outbox;
use crate::turn::Turn;

impl User {
    /// Own envelopes that others would refuse, or that were made for another version of the wire format
    /// (whose sessions a step of the vault's schema forgot), leave outbox and mailbox. Their messages wait
    /// to be sent again, in order; the recipient knows them by their ids, should it have got them already.
    pub(super) fn readdress_outbox(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let (now, sessions) = (turn.now, &self.keyring.outbound);
        let own = self.identity;
        let refused = self.outbox.matching(|pending| {
            pending.is_misaddressed(now)
                || pending.is_of_session(&own) && !sessions.is_for(pending.recipient())
        });
        self.take_back(turn, refused, true)
    }

    /// Nothing is sent that others refuse.
    pub(super) fn take_back_sent(
        &mut self,
        turn: &mut Turn<'_>,
        outbox::Place { identity, position }: outbox::Place,
    ) -> Result<(), StoreError> {
        let place = Place { conversation: ConversationRef::direct(&identity), position };
        if self.timeline.take_back(turn.vault()?, &place)? {
            self.emit(turn, Happened::MessageState(place, State::Queued))?;
            self.note_progress(turn, place)?;
        }
        Ok(())
    }
}
