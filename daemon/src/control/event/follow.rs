//! One follower of events: the log first, then what is committed from now on, without a gap and
//! without repetition between the two.

use std::future::Future;
use std::io::Write;
use std::sync::Arc;

use crate::limits::EVENTS_KEEP_ALIVE;
use martlet_engine::limits::EVENTS_PAGE_MAX;
use martlet_protocol::control::Event;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::super::Ending;
use super::super::problem::Refusal;
use crate::host::{CallError, EngineHandle};
use martlet_engine::command::{EventsPage, ReadEvents};

/// Where events are kept and announced.
pub(super) trait EventLog: Send + Sync + 'static {
    /// Events as they are committed.
    fn subscribe(&self) -> broadcast::Receiver<Arc<Event>>;
    /// Events after `since`, oldest first, a page of them.
    fn read(&self, since: u64) -> impl Future<Output = Result<EventsPage, CallError>> + Send;
}

impl EventLog for EngineHandle {
    fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
        Self::subscribe(self)
    }

    async fn read(&self, since: u64) -> Result<EventsPage, CallError> {
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
    Page(Result<EventsPage, CallError>),
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
            return Err(Refusal::stopping());
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

    /// The number that the stream is at.
    pub(super) fn cursor(&self) -> u64 {
        self.cursor
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
        if event.body.is_passing() {
            // It is in no log. Who is behind has missed it.
            if event.seq == self.cursor && !self.behind {
                write_event(event, chunk);
            }
            return;
        }
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
    let id = if event.body.is_passing() { String::new() } else { format!("id: {}\n", event.seq) };
    let written = write!(chunk, "{id}event: {}\ndata: ", event.body.name())
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::sync::Mutex;

    use martlet_protocol::UnixMillis;
    use martlet_protocol::control::{ErrorCode, EventBody};

    use super::*;

    /// A log in memory, with short pages and a short memory for followers.
    #[derive(Clone)]
    struct TestLog {
        events: Arc<Mutex<Vec<Arc<Event>>>>,
        kept_from: Arc<Mutex<u64>>,
        announce: broadcast::Sender<Arc<Event>>,
    }

    const PAGE: usize = 3;
    const REMEMBERED: usize = 4;

    impl TestLog {
        fn new() -> Self {
            Self {
                events: Arc::default(),
                kept_from: Arc::default(),
                announce: broadcast::Sender::new(REMEMBERED),
            }
        }

        fn commit(&self, count: usize) {
            for _ in 0..count {
                let mut events = self.events.lock().unwrap();
                let event = Arc::new(Event {
                    seq: events.len() as u64 + 1,
                    at: UnixMillis(0),
                    body: EventBody::ContactRemoved { name: Some("a\nb".into()) },
                });
                events.push(Arc::clone(&event));
                drop(events);
                let _ = self.announce.send(event);
            }
        }
    }

    impl EventLog for TestLog {
        fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
            self.announce.subscribe()
        }

        async fn read(&self, since: u64) -> Result<EventsPage, CallError> {
            tokio::task::yield_now().await;
            let kept_from = *self.kept_from.lock().unwrap();
            let all = self.events.lock().unwrap();
            let after = |event: &&Arc<Event>| event.seq > since && event.seq >= kept_from;
            let events =
                all.iter().filter(after).take(PAGE).map(|event| Event::clone(event)).collect();
            Ok(EventsPage { events, last_seq: all.len() as u64 })
        }
    }

    type Ends = watch::Sender<Ending>;

    async fn follow(log: &TestLog, since: Option<u64>) -> (Follower<TestLog>, Ends) {
        let ends = Ends::default();
        let follower = Follower::start(log.clone(), since, ends.subscribe()).await;
        (follower.map_err(|refusal| refusal.0).unwrap(), ends)
    }

    /// The ids in the stream until the event `last` is told.
    async fn ids_up_to(follower: &mut Follower<TestLog>, last: u64) -> Vec<u64> {
        let mut ids = Vec::new();
        while ids.last() != Some(&last) {
            ids.extend(ids_of(&follower.next().await.unwrap()));
        }
        ids
    }

    fn ids_of(chunk: &[u8]) -> Vec<u64> {
        let text = std::str::from_utf8(chunk).unwrap();
        text.lines().filter_map(|line| line.strip_prefix("id: ")?.parse().ok()).collect()
    }

    #[tokio::test]
    async fn an_event_is_three_lines_and_an_empty_one() {
        let log = TestLog::new();
        log.commit(1);
        let (mut follower, _ends) = follow(&log, Some(0)).await;
        let chunk = String::from_utf8(follower.next().await.unwrap()).unwrap();
        assert_eq!(
            chunk,
            "id: 1\nevent: contact_removed\ndata: {\"seq\":1,\"at\":0,\"type\":\"contact_removed\",\"name\":\"a\\nb\"}\n\n"
        );
    }

    #[tokio::test]
    async fn resumes_then_follows_without_gap_or_repetition() {
        let log = TestLog::new();
        log.commit(10);
        let (mut follower, _ends) = follow(&log, Some(4)).await;
        // Committed after the subscription and before the log is read: in both of them.
        log.commit(2);
        assert_eq!(ids_up_to(&mut follower, 12).await, (5..=12).collect::<Vec<_>>());
        log.commit(2);
        assert_eq!(ids_up_to(&mut follower, 14).await, [13, 14]);
    }

    #[tokio::test]
    async fn without_a_number_only_what_is_to_come() {
        let log = TestLog::new();
        log.commit(10);
        let (mut follower, _ends) = follow(&log, None).await;
        log.commit(1);
        assert_eq!(ids_up_to(&mut follower, 11).await, [11]);
    }

    #[tokio::test]
    async fn a_slow_follower_reads_what_it_missed_from_the_log() {
        let log = TestLog::new();
        let (mut follower, _ends) = follow(&log, None).await;
        log.commit(5 * REMEMBERED);
        let last = 5 * REMEMBERED as u64;
        assert_eq!(ids_up_to(&mut follower, last).await, (1..=last).collect::<Vec<_>>());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nothing_is_lost_while_events_are_committed_at_full_speed() {
        const LAST: u64 = 5_000;
        let log = TestLog::new();
        let writer = tokio::spawn({
            let log = log.clone();
            async move {
                for _ in 0..LAST / 5 {
                    log.commit(5);
                    tokio::task::yield_now().await;
                }
            }
        });
        let (mut follower, _ends) = follow(&log, Some(0)).await;
        assert_eq!(ids_up_to(&mut follower, LAST).await, (1..=LAST).collect::<Vec<_>>());
        writer.await.unwrap();
    }

    #[tokio::test]
    async fn a_gap_at_the_logs_beginning_is_told() {
        let log = TestLog::new();
        log.commit(10);
        *log.kept_from.lock().unwrap() = 8;
        let (mut follower, _ends) = follow(&log, Some(2)).await;
        let chunk = String::from_utf8(follower.next().await.unwrap()).unwrap();
        assert!(chunk.starts_with(": events 3 to 7 are no longer kept\n\nid: 8\n"), "{chunk}");

        *log.kept_from.lock().unwrap() = 11;
        let (mut follower, _ends) = follow(&log, Some(2)).await;
        let chunk = String::from_utf8(follower.next().await.unwrap()).unwrap();
        assert_eq!(chunk, ": events 3 to 10 are no longer kept\n\n");
        log.commit(1);
        assert_eq!(ids_up_to(&mut follower, 11).await, [11]);
    }

    #[tokio::test]
    async fn a_number_yet_to_come_is_refused() {
        let log = TestLog::new();
        log.commit(3);
        let refused = Follower::start(log, Some(4), Ends::default().subscribe()).await;
        assert_eq!(refused.err().unwrap().0.code, ErrorCode::BadRequest);
    }

    #[tokio::test]
    async fn ends_after_what_was_committed_before() {
        let log = TestLog::new();
        let (mut follower, ends) = follow(&log, None).await;
        log.commit(2);
        ends.send_modify(|ending| ending.locks += 1);
        assert_eq!(ids_of(&follower.next().await.unwrap()), [1, 2]);
        assert_eq!(follower.next().await, None);
        assert_eq!(follower.next().await, None);

        let (mut follower, ends) = follow(&log, None).await;
        drop(ends);
        assert_eq!(follower.next().await, None);
    }

    #[tokio::test]
    async fn comments_keep_it_alive() {
        let log = TestLog::new();
        let (mut follower, _ends) = follow(&log, None).await;
        assert_eq!(follower.keep_alive.period(), EVENTS_KEEP_ALIVE);
        follower.keep_alive.reset_immediately();
        assert_eq!(follower.next().await.unwrap(), b":\n\n");
    }
}
