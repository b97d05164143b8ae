//! What is told what happens, from any thread, and tells everyone who looks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use martlet_protocol::control::{Delivery, Direction, Event as ControlEvent, EventBody, Message};
use martlet_protocol::time::UnixMillis;
use serde_json::Value;
use tokio::sync::mpsc;

use super::action::{Action, Refused};
use super::limits::{BEHIND_MAX, CLIENTS_MAX, QUIET_TICKS};
use super::messages::Fresh;
use super::scene::Scene;
use super::state::{Counts, Liveness, State};
use crate::plan::{Event, NodeIndex};

/// What is told what happens. A clone is the same one; the default is one that nobody looks at, and
/// that forgets what it is told.
#[derive(Debug, Clone, Default)]
pub struct Board(Option<Arc<Mutex<Inner>>>);

#[derive(Debug)]
struct Inner {
    state: State,
    clients: Vec<mpsc::Sender<Telling>>,
    started: Instant,
    started_at: UnixMillis,
    quiet_ticks: u32,
    /// Each page's stream has one of it.
    guests: Arc<()>,
}

/// A page that looks.
#[derive(Debug)]
pub(super) struct Guest {
    /// The whole present state.
    pub(super) first: Telling,
    /// What will change; it ends with the run, or when the page is too far behind.
    pub(super) rest: mpsc::Receiver<Telling>,
    _counted: Arc<()>,
}

/// What a page is told: the kind of event, and its JSON.
#[derive(Debug, Clone)]
pub(super) struct Telling {
    pub(super) kind: &'static str,
    pub(super) json: Arc<str>,
}

impl Board {
    pub(super) fn new(scene: Scene) -> Self {
        Self(Some(Arc::new(Mutex::new(Inner {
            state: State::new(scene),
            clients: Vec::new(),
            started: Instant::now(),
            started_at: wall_clock(),
            quiet_ticks: 0,
            guests: Arc::new(()),
        }))))
    }

    /// The time of the run begins now.
    pub fn begin(&self) {
        self.with(|inner| {
            inner.started = Instant::now();
            inner.started_at = wall_clock();
            inner.state.begin();
        });
    }

    /// A node starts, or stops.
    pub fn node(&self, node: NodeIndex, state: Liveness) {
        self.with(|inner| inner.state.set_node(node, state));
    }

    /// An event of a scenario's kinds happened, perhaps by a button.
    pub fn happened(&self, event: &Event, by_hand: bool) {
        self.with(|inner| {
            let now = inner.now_s();
            inner.state.happened(event, now, by_hand);
        });
    }

    /// A link was cut, or mended, by a button.
    pub fn cut(&self, a: NodeIndex, b: NodeIndex, cut: bool) {
        self.with(|inner| {
            let now = inner.now_s();
            inner.state.set_cut(a, b, cut, now);
        });
    }

    /// What a button asked for could not be done.
    pub fn failed(&self, words: String) {
        self.with(|inner| {
            let now = inner.now_s();
            inner.state.note(now, "failed", words, true);
        });
    }

    /// The daemon of a node told of an event. Where its clock is not this machine's, it is dated here.
    pub fn told(&self, node: NodeIndex, event: &ControlEvent, has_own_clock: bool) {
        self.with(|inner| {
            let now = inner.now_s();
            let date = |at: UnixMillis| {
                if has_own_clock { now } else { inner.time_of(at).as_secs_f64() }
            };
            let at = date(event.at);
            let fresh = |state: &State, message: &Message| {
                let other = state.called(&message.conversation)?;
                let (from, to) = match message.direction {
                    Direction::Out => (node, other),
                    Direction::In => (other, node),
                    Direction::Note => return None,
                };
                let bytes = message.text.len();
                Some(Fresh { from, to, bytes, written_s: date(message.sent_at).min(at) })
            };
            match &event.body {
                EventBody::MessageQueued { message } => {
                    if let Some(fresh) = fresh(&inner.state, message) {
                        inner.state.written(&message.id, Fresh { written_s: at, ..fresh });
                    }
                }
                EventBody::MessageReceived { message } => {
                    if let Some(fresh) = fresh(&inner.state, message) {
                        inner.state.written(&message.id, fresh);
                        inner.state.messages.delivered(&message.id, at);
                    }
                }
                EventBody::MessageState { id, state, .. } => match state {
                    Delivery::Sent => inner.state.messages.sent(id, at),
                    Delivery::Delivered => inner.state.messages.delivered(id, at),
                    // Nobody waits for it any more.
                    Delivery::Expired | Delivery::Recalled => inner.state.messages.expired(id),
                    Delivery::NeedsConfirmation
                    | Delivery::NeedsState
                    | Delivery::Queued
                    | Delivery::Read => {}
                },
                EventBody::MessageReached { .. }
                | EventBody::RequestReceived { .. }
                | EventBody::ContactAdded { .. }
                | EventBody::ContactRenamed { .. }
                | EventBody::ContactRemoved { .. }
                | EventBody::ContactReachable { .. }
                | EventBody::ContactDevicesChanged { .. }
                | EventBody::ContactVerified { .. }
                | EventBody::InviteUsed { .. }
                | EventBody::RoomJoined { .. }
                | EventBody::RoomChanged { .. }
                | EventBody::RoomLeft { .. }
                | EventBody::RoomUndone { .. }
                | EventBody::RoomEquivocation { .. }
                | EventBody::InviteRefused { .. }
                | EventBody::InviteAccepted { .. }
                | EventBody::ConversationRead { .. }
                | EventBody::MessagesLost { .. }
                | EventBody::MessageEdited { .. }
                | EventBody::MessageReaction { .. }
                | EventBody::MessageRead { .. }
                | EventBody::Typing { .. }
                | EventBody::FileProgress { .. }
                | EventBody::FileReceived { .. }
                | EventBody::FileFailed { .. }
                | EventBody::MessageEnded { .. }
                | EventBody::ConversationCleared { .. }
                | EventBody::ContactProfile { .. }
                | EventBody::ContactDevices { .. }
                | EventBody::ContactTerminated { .. }
                | EventBody::DevicesChanged
                | EventBody::AccountTerminated
                | EventBody::Gone { .. } => {}
            }
        });
    }

    /// Whether what is told is kept.
    pub(super) fn is_there(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn state_of(&self, node: NodeIndex) -> Option<Liveness> {
        self.with(|inner| inner.state.node(node)).flatten()
    }

    /// A node was asked, and did not answer.
    pub(super) fn silent(&self, node: NodeIndex) {
        self.with(|inner| {
            if inner.state.node(node) == Some(Liveness::On) {
                inner.state.set_answers(node, false);
            }
        });
    }

    /// A node was asked what it is connected to, and what it counts.
    pub(super) fn looked(
        &self,
        node: NodeIndex,
        peers: BTreeMap<NodeIndex, &'static str>,
        counts: Counts,
    ) {
        self.with(|inner| {
            inner.state.set_answers(node, true);
            inner.state.set_peers(node, peers);
            inner.state.set_counts(node, counts);
        });
    }

    /// Nothing comes any more.
    pub(super) fn end(&self, good: bool, words: &str) {
        self.with(|inner| {
            let now_s = inner.now_s();
            inner.state.set_now(now_s);
            inner.state.end(good, words);
            inner.tell();
            // Their streams end when they have been told all.
            inner.clients.clear();
        });
    }

    /// Whether what is asked for makes sense now.
    pub(super) fn check(&self, action: &Action) -> Result<(), Refused> {
        self.with(|inner| action.check(inner.state.scene(), |node| inner.state.node(node)))
            .unwrap_or(Err(Refused::Unable("it has no dashboard")))
    }

    /// Someone begins to look. `None`: too many do.
    pub(super) fn join(&self) -> Option<Guest> {
        self.with(|inner| {
            inner.clients.retain(|client| !client.is_closed());
            if inner.clients.len() >= CLIENTS_MAX {
                return None;
            }
            let now_s = inner.now_s();
            inner.state.set_now(now_s);
            let (client, rest) = mpsc::channel(BEHIND_MAX);
            if !inner.state.has_ended() {
                inner.clients.push(client);
            }
            let first = Telling::new("snapshot", &inner.state.snapshot());
            Some(Guest { first, rest, _counted: Arc::clone(&inner.guests) })
        })
        .flatten()
    }

    /// Tells everyone what changed. Who is too far behind is left to come again.
    pub(super) fn tell(&self) {
        self.with(|inner| {
            if !inner.state.has_ended() {
                let now_s = inner.now_s();
                inner.state.set_now(now_s);
                inner.tell();
            }
        });
    }

    /// Whether there is a page that has not been told all yet.
    pub(super) fn has_guests(&self) -> bool {
        self.with(|inner| Arc::strong_count(&inner.guests) > 1).unwrap_or(false)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> Option<T> {
        let inner: &Arc<Mutex<Inner>> = self.0.as_ref()?;
        // What panicked with it held has told; what it holds is shown, no more.
        let mut inner: MutexGuard<'_, Inner> = inner.lock().unwrap_or_else(PoisonError::into_inner);
        Some(act(&mut inner))
    }
}

impl Inner {
    fn now_s(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    fn time_of(&self, at: UnixMillis) -> Duration {
        Duration::from_millis(at.0.saturating_sub(self.started_at.0)).min(self.started.elapsed())
    }

    fn tell(&mut self) {
        let change = self.state.take_changes();
        self.quiet_ticks = if change.is_some() { 0 } else { self.quiet_ticks + 1 };
        let value = match change {
            Some(change) => change,
            None if self.quiet_ticks >= QUIET_TICKS => {
                self.quiet_ticks = 0;
                self.state.time()
            }
            None => return,
        };
        let telling = Telling::new("change", &value);
        self.clients.retain(|client| client.try_send(telling.clone()).is_ok());
    }
}

impl Telling {
    fn new(kind: &'static str, value: &Value) -> Self {
        Self { kind, json: value.to_string().into() }
    }
}

fn wall_clock() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::super::action::tests::scene;
    use super::super::scene::Abilities;
    use super::*;

    fn board() -> Board {
        let board = Board::new(scene(Abilities::default()));
        board.begin();
        board
    }

    /// A page that stopped reading once kept all that it had not read.
    #[test]
    fn who_does_not_read_is_left_to_come_again_and_nobody_waits_for_them() {
        let board = board();
        let (mut slow, mut quick) = (board.join().unwrap(), board.join().unwrap());
        for number in 0..BEHIND_MAX + 5 {
            board.failed(number.to_string());
            board.tell();
            assert_eq!(quick.rest.try_recv().unwrap().kind, "change");
        }
        let mut read = 0;
        while slow.rest.try_recv().is_ok() {
            read += 1;
        }
        assert_eq!(read, BEHIND_MAX);
        assert!(slow.rest.is_closed(), "its stream ends, so that the page comes again");
        assert!(!quick.rest.is_closed());
        assert!(
            board.join().unwrap().first.json.contains(&format!("\"what\":\"{}\"", BEHIND_MAX + 4))
        );
    }

    #[test]
    fn so_many_look_and_no_more_until_one_goes() {
        let board = board();
        let mut guests: Vec<Guest> = (0..CLIENTS_MAX).map(|_| board.join().unwrap()).collect();
        assert!(board.join().is_none());
        guests.pop();
        assert!(board.join().is_some());
    }

    #[test]
    fn the_end_is_told_to_all_and_to_who_comes_later() {
        let board = board();
        let mut early = board.join().unwrap();
        board.end(false, "interrupted");
        let told = early.rest.try_recv().unwrap();
        assert!(told.json.contains("\"words\":\"interrupted\""), "{}", told.json);
        assert!(early.rest.is_closed() && board.has_guests());
        drop(early);
        assert!(!board.has_guests());
        let late = board.join().unwrap();
        assert!(late.first.json.contains("\"phase\":\"ended\"") && late.rest.is_closed());
    }

    #[test]
    fn a_message_is_dated_by_its_daemons() {
        let board = board();
        let at = |ms: u64| board.with(|inner| UnixMillis(inner.started_at.0 + ms)).unwrap();
        std::thread::sleep(Duration::from_millis(40));
        let message = |direction, with: &str| Message {
            id: "1f".to_owned(),
            conversation: with.to_owned(),
            direction,
            text: "hello".to_owned(),
            sent_at: at(10),
            stored_at: at(10),
            state: Delivery::Queued,
            expire_seconds: None,
            burn_seconds: None,
            ends_at: None,
            sets_timers: None,
            file: None,
            room: None,
            author: None,
            sent_before_removal_was_known: false,
            received: None,
            mentions: Vec::new(),
            mentions_you: false,
            told_by: None,
            recalled_by: None,
            reply_to: None,
            edited_at: None,
            reactions: Vec::new(),
            versions: Vec::new(),
        };
        let event = |ms, body| ControlEvent { seq: 1, at: at(ms), body };
        let received = EventBody::MessageReceived { message: message(Direction::In, "n0") };
        board.told(1, &event(35, received), false);
        let queued = EventBody::MessageQueued { message: message(Direction::Out, "n1") };
        board.told(0, &event(10, queued), false);
        let note = EventBody::MessageQueued { message: message(Direction::Note, "n1") };
        board.told(0, &event(11, note), false);
        let told = board.join().unwrap().first.json;
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(
            (&told["totals"]["written"], &told["totals"]["delivered"]),
            (&1.into(), &1.into())
        );
        assert_eq!(
            (&told["messages"][0]["from"], &told["messages"][0]["to"]),
            (&0.into(), &1.into())
        );
        assert!((told["totals"]["p50_ms"].as_f64().unwrap() - 25.0).abs() < 0.1, "{told}");
    }

    #[test]
    fn a_board_of_no_dashboard_forgets() {
        let board = Board::default();
        board.node(0, Liveness::On);
        assert!(!board.is_there() && board.join().is_none() && board.state_of(0).is_none());
    }
}
