//! The event log.

use martlet_protocol::control::Event;

use super::Command;
use crate::engine::Engine;
use crate::turn::{Fault, Turn};

/// Events after `since`, oldest first, at most
/// [`EVENTS_PAGE_MAX`](crate::limits::EVENTS_PAGE_MAX).
#[derive(Debug)]
pub struct ReadEvents {
    /// The last event the follower has.
    pub since: u64,
}

/// Events from the log.
#[derive(Debug)]
pub struct EventsPage {
    /// In order.
    pub events: Vec<Event>,
    /// The newest there is: where a follower starts that wants none of the past.
    pub last_seq: u64,
}

impl Command for ReadEvents {
    type Reply = EventsPage;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<EventsPage, Fault> {
        Ok(engine.user_mut()?.read_events(turn, self.since)?)
    }
}
