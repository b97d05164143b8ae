//! The event log.

use crate::log::EventsPage;

use super::Command;
use crate::engine::Engine;
use crate::error::Fault;
use crate::turn::Turn;

/// Events after `since`, oldest first, at most
/// [`EVENTS_PAGE_MAX`](crate::limits::EVENTS_PAGE_MAX).
#[derive(Debug)]
pub struct ReadEvents {
    /// The last event the follower has.
    pub since: u64,
}

impl Command for ReadEvents {
    type Reply = EventsPage;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<EventsPage, Fault> {
        Ok(engine.user_mut()?.read_events(turn, self.since)?)
    }
}
