//! Own envelopes that leave in great numbers: they end, are to be sent again, or their recipient was removed.
//! Each method does a part, as large as its caller says.

use martlet_protocol::{EnvelopeId, IdentityId, UnixMillis};
use martlet_store::{StoreError, VaultTxn};

use super::line::Ending;
use super::pending::Carries;
use super::{Ended, Outbox, Pending, Place, walked};

impl Outbox {
    /// The first that ended before `now`.
    pub(crate) fn first_ended(&self, now: UnixMillis) -> Option<EnvelopeId> {
        self.ends.first().filter(|(hour, _)| hour.is_past(now)).map(|(_, id)| *id)
    }

    /// Ends an envelope's life.
    pub(crate) fn end(
        &mut self,
        records: &mut VaultTxn,
        id: &EnvelopeId,
    ) -> Result<Option<Ended>, StoreError> {
        self.remove(records, id, Ending::Expired)
    }

    /// Those that `which` says, and for whom they are.
    pub(crate) fn matching(
        &self,
        which: impl Fn(&Pending) -> bool,
    ) -> Vec<(EnvelopeId, IdentityId)> {
        let found = walked(self.pending.iter()).filter(|(_, pending)| which(pending));
        found.map(|(id, pending)| (*id, pending.identity)).collect()
    }

    /// Those for `identity` that are of a session with them: what is sent again in another. `own` is the user; what is for one device of
    /// theirs alone is of no session.
    pub(crate) fn of_session_with(
        &self,
        identity: &IdentityId,
        own: &IdentityId,
    ) -> Vec<(EnvelopeId, IdentityId)> {
        self.matching(|it| *it.recipient() == *identity && it.is_of_session(own))
    }

    /// Those for `identity` that carry a message up to this position, and, of `everything`, what carries none.
    pub(crate) fn left_for(
        &self,
        identity: &IdentityId,
        up_to: u64,
        everything: bool,
    ) -> Vec<EnvelopeId> {
        let goes = |carries: Carries| match carries {
            Carries::Message(position) | Carries::Part(position, _) => position <= up_to,
            Carries::Key | Carries::Control => everything,
        };
        let of_identity =
            self.matching(|pending| pending.identity == *identity && goes(pending.carries));
        of_identity.into_iter().map(|(id, _)| id).collect()
    }

    /// Takes an envelope out of the outbox, so that its message, if it carries one, waits to be sent again in
    /// another; where that is.
    pub(crate) fn take_back(
        &mut self,
        records: &mut VaultTxn,
        id: &EnvelopeId,
    ) -> Result<Option<Place>, StoreError> {
        let Some(pending) = self.pending.get(id) else { return Ok(None) };
        let Pending { identity, carries, .. } = **pending;
        self.remove(records, id, Ending::TakenBack)?;
        match carries {
            Carries::Message(position) => {
                let place = Place { identity, position };
                self.wait(records, place)?;
                Ok(Some(place))
            }
            // Not worth to be sent again, or made anew with the session.
            Carries::Key | Carries::Part(..) | Carries::Control => Ok(None),
        }
    }

    /// Whether it carries what is of use for minutes.
    pub(crate) fn is_control(&self, id: &EnvelopeId) -> bool {
        self.pending.get(id).is_some_and(|pending| pending.is_control())
    }

    /// Whether a message waits for the contact's keys, or to be sent again.
    pub(crate) fn is_waiting(&self, Place { identity, position }: &Place) -> bool {
        self.lines.get(identity).is_some_and(|line| line.waiting.contains(position))
    }

    /// At most `max` messages for `identity` up to a position wait no more; how many. With fewer than `max` none does.
    pub(crate) fn end_waits(
        &mut self,
        records: &mut VaultTxn,
        identity: IdentityId,
        up_to: u64,
        max: usize,
    ) -> Result<usize, StoreError> {
        let mut ended = 0;
        while ended < max
            && let Some(position) = self.first_waiting(&identity).filter(|first| *first <= up_to)
        {
            self.end_wait(records, Place { identity, position })?;
            ended += 1;
        }
        Ok(ended)
    }
}
