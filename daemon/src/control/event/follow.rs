//! One follower of events: the log first, then what is committed from now on, without a gap and
//! without repetition between the two.

use std::future::Future;
use std::io::Write;
use std::sync::Arc;

use martlet_protocol::control::{ErrorCode, Event, Problem};
use martlet_protocol::limits::{EVENTS_KEEP_ALIVE, EVENTS_PAGE_MAX};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::super::Ending;
use super::super::problem::Refusal;
use crate::engine::EngineHandle;
use crate::engine::command::{EventsPage, ReadEvents};

/// Where events are kept and announced.
pub(super) trait EventLog: Send + Sync + 'static {
    /// Events as they are committed.
    fn subscribe(&self) -> broadcast::Receiver<Arc<Event>>;
    /// Events after `since`, oldest first, a page of them.
    fn read(&self, since: u64) -> impl Future<Output = Result<EventsPage, Problem>> + Send;
}

impl EventLog for EngineHandle {
    fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
        Self::subscribe(self)
    }

    async fn read(&self, since: u64) -> Result<EventsPage, Problem> {
        self.call(ReadEvents { since }).await
    }
}

/// Makes the chunks of one stream.
pub(super) struct Follower<L> {
    log: L,
    live: broadcast::Receiver<Arc<Event>>,
    /// The last event told, or started after.
    cursor: u64,
    /// Whether there may be events after `cursor` in the log that `live` no longer has.
    behind: bool,
    ending: watch::Receiver<Ending>,
    ended: bool,
    keep_alive: Interval,
}

/// What happened while waiting.
enum Step {
    Page(Result<EventsPage, Problem>),
    Live(Result<Arc<Event>, RecvError>),
    KeepAlive,
    Ending,
}

impl<L: EventLog> Follower<L> {
    /// Begins after `since`, or with the next event.
    ///
    /// Errors: those of the log (locked, no identity), and a `since` that is yet to come.
    pub(super) async fn start(
        log: L,
        since: Option<u64>,
        ending: watch::Receiver<Ending>,
    ) -> Result<Self, Refusal> {
        if ending.borrow().stopping {
            return Err(Refusal::new(ErrorCode::Stopping, "the daemon is stopping"));
        }
        // Before the log is read, so that what is committed in between is in one of the two.
        let live = log.subscribe();
        // A page from the end is empty, and says where the end is.
        let last_seq = log.read(u64::MAX).await?.last_seq;
        let cursor = since.unwrap_or(last_seq);
        if cursor > last_seq {
            return Err(Refusal::bad_request(format!(
                "there is no event {cursor} yet, the last one is {last_seq}: the number is another log's; follow from 0"
            )));
        }
        let mut keep_alive = interval_at(Instant::now() + EVENTS_KEEP_ALIVE, EVENTS_KEEP_ALIVE);
        keep_alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self { log, live, cursor, behind: cursor < last_seq, ending, ended: false, keep_alive })
    }

    /// The next bytes of the stream; `None` at its end.
    pub(super) async fn next(&mut self) -> Option<Vec<u8>> {
        while !self.ended {
            let mut chunk = Vec::new();
            match self.step().await {
                Step::Page(Ok(page)) => self.take_page(&page, &mut chunk),
                // Locked, or stopping: the client resumes where it is.
                Step::Page(Err(_)) | Step::Live(Err(RecvError::Closed)) => return None,
                Step::Live(Ok(event)) => {
                    self.take(&event, &mut chunk);
                    self.take_waiting(&mut chunk);
                }
                Step::Live(Err(RecvError::Lagged(_))) => self.behind = true,
                Step::KeepAlive => chunk.extend_from_slice(b":\n\n"),
                Step::Ending => {
                    // What was committed before the end is still told, if it is at hand.
                    self.ended = true;
                    self.take_waiting(&mut chunk);
                }
            }
            if !chunk.is_empty() {
                return Some(chunk);
            }
        }
        None
    }

    async fn step(&mut self) -> Step {
        if self.behind {
            return tokio::select! {
                biased;
                page = self.log.read(self.cursor) => Step::Page(page),
                _ = self.ending.changed() => Step::Ending,
            };
        }
        tokio::select! {
            biased;
            event = self.live.recv() => Step::Live(event),
            // An error means that the server is gone, which is an end as well.
            _ = self.ending.changed() => Step::Ending,
            _ = self.keep_alive.tick() => Step::KeepAlive,
        }
    }

    fn take_page(&mut self, page: &EventsPage, chunk: &mut Vec<u8>) {
        let first = page.events.first().map_or(page.last_seq + 1, |event| event.seq);
        if first > self.cursor + 1 {
            // The log is bounded. The numbers show the gap; this explains it to who looks.
            let gap =
                format!(": events {} to {} are no longer kept\n\n", self.cursor + 1, first - 1);
            chunk.extend_from_slice(gap.as_bytes());
            self.cursor = first - 1;
        }
        for event in &page.events {
            self.take(event, chunk);
        }
        self.behind = self.cursor < page.last_seq;
    }

    /// Writes the event if it is the next one.
    fn take(&mut self, event: &Event, chunk: &mut Vec<u8>) {
        if event.seq <= self.cursor {
            return;
        }
        if event.seq > self.cursor + 1 {
            self.behind = true;
            return;
        }
        self.cursor = event.seq;
        write_event(event, chunk);
    }

    /// Takes what has arrived meanwhile, so that a burst is one write.
    fn take_waiting(&mut self, chunk: &mut Vec<u8>) {
        for _ in 0..EVENTS_PAGE_MAX {
            if self.behind {
                return;
            }
            match self.live.try_recv() {
                Ok(event) => self.take(&event, chunk),
                Err(TryRecvError::Lagged(_)) => self.behind = true,
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }
}

fn write_event(event: &Event, chunk: &mut Vec<u8>) {
    let start = chunk.len();
    let written = write!(chunk, "id: {}\nevent: {}\ndata: ", event.seq, event.body.name())
        .map_err(serde_json::Error::io)
        .and_then(|()| serde_json::to_writer(&mut *chunk, event));
    match written {
        // Compact JSON has no line breaks, so one `data` line is enough.
        Ok(()) => chunk.extend_from_slice(b"\n\n"),
        Err(error) => {
            tracing::error!(%error, seq = event.seq, "an event can't be written as JSON");
            chunk.truncate(start);
        }
    }
}
