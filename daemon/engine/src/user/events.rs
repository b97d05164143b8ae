//! The event log: durable, numbered, bounded.

use martlet_protocol::control::{Event, EventBody};
use martlet_protocol::limits::{EVENTS_MAX, EVENTS_PAGE_MAX};
use martlet_store::StoreError;
use martlet_store::records::{Counters, EVENTS, EventRecord};
use martlet_store::vault::Key;

use super::User;
use crate::command::EventsPage;
use crate::turn::Turn;

/// Events over the bound before the log is trimmed: so that it isn't trimmed at every event.
const EVENTS_SLACK: u64 = 1000;

impl User {
    pub(super) fn emit(&mut self, turn: &mut Turn<'_>, body: EventBody) -> Result<(), StoreError> {
        self.counters.last_event += 1;
        self.dirty.counters = true;
        let event = Event { seq: self.counters.last_event, at: turn.now, body };
        let json = serde_json::to_vec(&event)
            .map_err(|error| StoreError::Failed { reason: error.to_string() })?;
        turn.vault()?.put(&EVENTS, Key::Ordinal(event.seq), &EventRecord { json })?;
        turn.effects.events.push(event);
        Ok(())
    }

    pub(crate) fn read_events(
        &self,
        turn: &mut Turn<'_>,
        since: u64,
    ) -> Result<EventsPage, StoreError> {
        let from = since.saturating_add(1);
        let events = turn
            .vault()?
            .range(&EVENTS, None, from..=u64::MAX, EVENTS_PAGE_MAX)?
            .into_iter()
            .map(|(_, record)| serde_json::from_slice(&record.json))
            .collect::<Result<_, _>>()
            .map_err(|_| StoreError::Record { table: EVENTS.name() })?;
        Ok(EventsPage { events, last_seq: self.counters.last_event })
    }

    pub(super) fn trim_events(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let Counters { last_event, first_event, .. } = self.counters;
        if last_event.saturating_sub(first_event) > EVENTS_MAX + EVENTS_SLACK {
            let keep_from = last_event - EVENTS_MAX;
            turn.vault()?.delete_range(&EVENTS, None, 0..=keep_from - 1)?;
            self.counters.first_event = keep_from;
            self.dirty.counters = true;
        }
        Ok(())
    }
}
