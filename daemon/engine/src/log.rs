//! The event log: durable, numbered, bounded.
//!
//! A record says what happened and where, never in which words: an event is told when it is read, from what
//! there is then. So what was removed is removed from the log as well, and a record or a message that can't
//! be read is told as such and stops nothing.

use crate::limits::{EVENTS_MAX, EVENTS_PAGE_MAX, EVENTS_SLACK, EVENTS_TRIMMED_PER_BATCH_MAX};
use martlet_protocol::UnixMillis;
use martlet_protocol::control::{Event, EventBody, GoneReason};
use martlet_store::records::{EVENTS, EventRecord, Happened};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use martlet_protocol::IdentityId;
    use martlet_store::Vault;
    use martlet_store::memory::MemoryFile;
    use martlet_store::vault::keyfile::KeyFile;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    /// One send of some hundred had to forget a thousand events.
    #[test]
    fn a_full_log_forgets_few_events_at_a_time() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let path = std::path::Path::new("(memory)");
        let (_, key) = KeyFile::make(path, None, &mut rng).unwrap();
        let [file, keys] = <[MemoryFile; 2]>::default();
        let vault = Vault::with_backend(file, keys, &key, 1 << 20).unwrap();
        let mut records = vault.begin([7; 32]).unwrap();
        let mut log = EventLog::new(0, 1);
        let happened = || Happened::ContactAdded(IdentityId([1; 32]));
        for _ in 0..2000 {
            log.add(&mut records, UnixMillis(0), happened()).unwrap();
        }
        // The oldest of a log that is full.
        log.last = EVENTS_MAX;
        for _ in 0..1000 {
            let before = log.first();
            log.add(&mut records, UnixMillis(0), happened()).unwrap();
            log.trim(&mut records).unwrap();
            assert!(log.first() - before <= EVENTS_SLACK + 1);
            assert!(log.last() - log.first() <= EVENTS_MAX + EVENTS_SLACK);
        }
        assert!(log.first() > 1000 - EVENTS_SLACK);
        let oldest = records.range(&EVENTS, None, 0..=u64::MAX, 1).unwrap();
        assert_eq!(oldest[0].0, log.first(), "those before it are gone");
    }
}
