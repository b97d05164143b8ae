//! The event log: durable, numbered, bounded.
//!
//! A record says what happened and where, never in which words: an event is told when it is read, from what
//! there is then. So what was removed is removed from the log as well, and a record or a message that can't
//! be read is told as such and stops nothing.

use crate::limits::{EVENTS_MAX, EVENTS_PAGE_MAX, EVENTS_TRIMMED_PER_BATCH_MAX};
use martlet_protocol::UnixMillis;
use martlet_protocol::control::{Event, EventBody, GoneReason};
use martlet_store::records::{EVENTS, EventRecord, Happened};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

/// Events over the bound before the log is trimmed: so that it isn't trimmed at every event.
const EVENTS_SLACK: u64 = 1000;

/// Events from the log.
#[derive(Debug)]
pub struct EventsPage {
    /// In order.
    pub events: Vec<Event>,
    /// The newest there is: where a follower starts that wants none of the past.
    pub last_seq: u64,
}

/// The event log.
pub(crate) struct EventLog {
    last: u64,
    first: u64,
}

/// Tells events in words.
pub(crate) trait Teller {
    /// What happened, as it is told now; `None` if what it was about was removed.
    ///
    /// # Errors
    /// [`StoreError`].
    fn tell(&self, records: &VaultTxn, what: &Happened) -> Result<Option<EventBody>, StoreError>;
}

impl EventLog {
    /// A log whose newest event has the number `last`, and its oldest `first`.
    pub(crate) fn new(last: u64, first: u64) -> Self {
        Self { last, first }
    }

    /// The number of the newest event.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// The number of the oldest event kept.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// Adds an event; returns its number.
    pub(crate) fn add(
        &mut self,
        records: &mut VaultTxn,
        at: UnixMillis,
        what: Happened,
    ) -> Result<u64, StoreError> {
        self.last += 1;
        records.put(&EVENTS, Key::Ordinal(self.last), &EventRecord { at, what })?;
        Ok(self.last)
    }

    /// Events after `since`, oldest first, at most [`EVENTS_PAGE_MAX`].
    pub(crate) fn read(
        &self,
        records: &VaultTxn,
        since: u64,
        teller: &impl Teller,
    ) -> Result<Vec<Event>, StoreError> {
        let from = since.saturating_add(1);
        let page = records.range_readable(&EVENTS, None, from..=u64::MAX, EVENTS_PAGE_MAX)?;
        page.into_iter()
            .map(|(seq, record)| {
                let Some(EventRecord { at, what }) = record else {
                    return Ok(gone(seq, UnixMillis(0), GoneReason::Unreadable));
                };
                match teller.tell(records, &what) {
                    Ok(Some(body)) => Ok(Event { seq, at, body }),
                    Ok(None) => Ok(gone(seq, at, GoneReason::Removed)),
                    Err(StoreError::Record { .. }) => Ok(gone(seq, at, GoneReason::Unreadable)),
                    Err(error) => Err(error),
                }
            })
            .collect()
    }

    /// Forgets the oldest beyond the bound.
    pub(crate) fn trim(&mut self, records: &mut VaultTxn) -> Result<(), StoreError> {
        if self.last.saturating_sub(self.first) > EVENTS_MAX + EVENTS_SLACK {
            let most = self.first.saturating_add(EVENTS_TRIMMED_PER_BATCH_MAX);
            let keep_from = (self.last - EVENTS_MAX).min(most);
            records.delete_range(&EVENTS, None, 0..=keep_from - 1)?;
            self.first = keep_from;
        }
        Ok(())
    }
}

/// An event that can't be told any more.
fn gone(seq: u64, at: UnixMillis, reason: GoneReason) -> Event {
    Event { seq, at, body: EventBody::Gone { reason } }
}
