//! Events: written into the log, and told.

use martlet_protocol::control::{Event, EventBody, GoneReason};
use martlet_store::StoreError;
use martlet_store::records::Happened;

use super::User;
use crate::log::{EventsPage, Teller};
use crate::turn::Turn;

impl User {
    /// Something happened.
    pub(super) fn emit(&mut self, turn: &mut Turn<'_>, what: Happened) -> Result<(), StoreError> {
        let body = self.view().tell(turn.vault()?, &what)?;
        let body = body.unwrap_or(EventBody::Gone { reason: GoneReason::Removed });
        self.emit_as(turn, what, body)
    }

    /// Something happened, and is told now with more than the log keeps.
    pub(super) fn emit_as(
        &mut self,
        turn: &mut Turn<'_>,
        what: Happened,
        body: EventBody,
    ) -> Result<(), StoreError> {
        let at = turn.now;
        let seq = self.log.add(turn.vault()?, at, what)?;
        turn.effects.events.push(Event { seq, at, body });
        Ok(())
    }

    pub(crate) fn read_events(
        &self,
        turn: &mut Turn<'_>,
        since: u64,
    ) -> Result<EventsPage, StoreError> {
        let events = self.log.read(turn.vault()?, since, &self.view())?;
        Ok(EventsPage { events, last_seq: self.log.last() })
    }

    pub(super) fn trim_events(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        self.log.trim(turn.vault()?)
    }
}
