//! Takes down for the recorder what several followers see, in an order that makes sense: that a
//! message was delivered may be known here before that it was written.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use martlet_protocol::time::UnixMillis;

use crate::plan::{Event, NodeIndex, Plan, RoomDeed, RoomIndex, Runner};
use crate::report::recorder::{MessageIndex, NodeSample, Recorder, RoomSeen};
use crate::report::{Data, Report};

/// A run's clock and record.
#[derive(Debug)]
pub(super) struct Diary<'a> {
    started: Instant,
    /// The same moment by the nodes' clocks.
    started_at: UnixMillis,
    /// What happens after this is not of the run.
    end: Cell<Duration>,
    pages: RefCell<Pages<'a>>,
}

#[derive(Debug)]
struct Pages<'a> {
    recorder: Recorder<'a>,
    fates: Vec<Fate>,
    /// Where and when messages were shown that are not known to be written yet.
    early: HashMap<MessageIndex, Vec<(NodeIndex, Duration)>>,
    written: u64,
    delivered: u64,
    on: usize,
}

/// What became of a message on its writer's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Planned,
    /// The daemon went away before it had answered: it may be written.
    Unsure(Duration),
    Written(Duration),
    Skipped,
}

impl<'a> Diary<'a> {
    /// A run of `plan` begins now.
    pub(super) fn new(plan: &'a Plan, runner: Runner, with_data: bool) -> Self {
        let recorder = Recorder::new(plan, runner);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            started: Instant::now(),
            started_at: UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX)),
            end: Cell::new(plan.duration),
            pages: RefCell::new(Pages {
                recorder: if with_data { recorder.with_data() } else { recorder },
                fates: vec![Fate::Planned; plan.messages.len()],
                early: HashMap::new(),
                written: 0,
                delivered: 0,
                on: 0,
            }),
        }
    }

    /// The time of the run.
    pub(super) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Waits for a time of the run.
    pub(super) async fn sleep_until(&self, at: Duration) {
        tokio::time::sleep_until((self.started + at).into()).await;
    }

    /// The time of the run of something that a node dated.
    pub(super) fn time_of(&self, at: UnixMillis) -> Duration {
        Duration::from_millis(at.0.saturating_sub(self.started_at.0)).min(self.now())
    }

    /// Nothing that happens after `end` is taken down.
    pub(super) fn close(&self, end: Duration) {
        self.end.set(end);
    }

    /// The writer's daemon took the message that was given to it at `at`.
    pub(super) fn written(&self, message: MessageIndex, at: Duration) {
        if at > self.end.get() {
            return;
        }
        self.pages.borrow_mut().written(message, at);
    }

    /// The writer's daemon gave it this id.
    pub(super) fn named(&self, message: MessageIndex, id: String) {
        self.pages.borrow_mut().recorder.named(message, id);
    }

    /// A writer was told that the message of this id was sent.
    pub(super) fn told_sent(&self, id: &str, at: Duration) {
        if at <= self.end.get() {
            self.pages.borrow_mut().recorder.told_sent(id.to_owned(), at);
        }
    }

    /// A writer was told that the message of this id was delivered.
    pub(super) fn told_delivered(&self, id: &str, at: Duration) {
        if at <= self.end.get() {
            self.pages.borrow_mut().recorder.told_delivered(id.to_owned(), at);
        }
    }

    /// Whether the writer's daemon took it is not known.
    pub(super) fn unsure(&self, message: MessageIndex, at: Duration) {
        let mut pages = self.pages.borrow_mut();
        if pages.early.contains_key(&message) {
            pages.written(message, at);
        } else if let Some(fate) = pages.fates.get_mut(message) {
            *fate = Fate::Unsure(at);
        }
    }

    /// It was not written.
    pub(super) fn skipped(&self, message: MessageIndex) {
        if self.now() <= self.end.get() {
            self.pages.borrow_mut().skipped(message);
        }
    }

    /// A device was linked.
    pub(super) fn linked(&self, device: NodeIndex, at: Duration) {
        if at <= self.end.get() {
            self.pages.borrow_mut().recorder.linked(device, at);
        }
    }

    /// A node's user knows that a device was revoked.
    pub(super) fn knows_cut(&self, node: NodeIndex, device: NodeIndex, at: Duration) {
        if at <= self.end.get() {
            self.pages.borrow_mut().recorder.knows_cut(node, device, at);
        }
    }

    /// How a node's user sees a room.
    pub(super) fn sees_room(&self, node: NodeIndex, room: RoomIndex, seen: RoomSeen, at: Duration) {
        if at <= self.end.get() {
            self.pages.borrow_mut().recorder.sees_room(node, room, seen, at);
        }
    }

    /// Someone could not do to a room what they were to do.
    pub(super) fn hindered(&self, by: NodeIndex, room: RoomIndex, deed: RoomDeed, at: Duration) {
        if at <= self.end.get() {
            self.pages.borrow_mut().recorder.hindered(by, room, deed, at);
        }
    }

    /// A node showed it.
    pub(super) fn shown(&self, message: MessageIndex, node: NodeIndex, at: Duration) {
        if at > self.end.get() {
            return;
        }
        let mut pages = self.pages.borrow_mut();
        match pages.fates.get(message) {
            Some(Fate::Written(written)) => {
                let at = at.max(*written);
                pages.shown(message, node, at);
            }
            Some(Fate::Planned) => pages.early.entry(message).or_default().push((node, at)),
            Some(Fate::Unsure(tried)) => {
                let tried = *tried;
                pages.written(message, tried);
                pages.shown(message, node, at.max(tried));
            }
            // Not of this run, or of one who did not write it.
            Some(Fate::Skipped) | None => {}
        }
    }

    /// A file is whole on a node.
    pub(super) fn file_whole(&self, message: MessageIndex, node: NodeIndex, at: Duration) {
        if at <= self.end.get() {
            self.pages.borrow_mut().recorder.file_whole(message, node, at);
        }
    }

    /// A file could not be fetched or kept on a node.
    pub(super) fn file_failed(&self, message: MessageIndex, node: NodeIndex, at: Duration) {
        if at <= self.end.get() {
            self.pages.borrow_mut().recorder.file_failed(message, node);
        }
    }

    pub(super) fn happened(&self, event: &Event, at: Duration) {
        if at <= self.end.get() {
            self.pages.borrow_mut().recorder.happened(event, at);
        }
    }

    /// Something that is no event of a plan happened.
    pub(super) fn noted(&self, kind: &str, label: String, at: Duration) {
        if at <= self.end.get() {
            self.pages.borrow_mut().recorder.noted(kind, label, at);
        }
    }

    pub(super) fn sample(&self, at: Duration, nodes: &[NodeSample]) {
        if at > self.end.get() {
            return;
        }
        let mut pages = self.pages.borrow_mut();
        pages.on = nodes.iter().filter(|node| node.on).count();
        pages.recorder.sample(at, nodes);
    }

    /// For the progress bar.
    pub(super) fn in_short(&self) -> String {
        let pages = self.pages.borrow();
        format!("{} written, {} delivered, {} nodes on", pages.written, pages.delivered, pages.on)
    }

    /// The report of a run that ended at `at`.
    pub(super) fn finish(self, at: Duration, interrupted: bool) -> (Report, Option<Data>) {
        let mut pages = self.pages.into_inner();
        for message in 0..pages.fates.len() {
            if matches!(pages.fates.get(message), Some(Fate::Unsure(_))) {
                pages.skipped(message);
            }
        }
        pages.recorder.finish_with_data(at, interrupted)
    }
}

impl Pages<'_> {
    fn written(&mut self, message: MessageIndex, at: Duration) {
        let Some(fate) = self.fates.get_mut(message) else { return };
        *fate = Fate::Written(at);
        self.written += 1;
        self.recorder.written(message, at);
        for (node, early) in self.early.remove(&message).unwrap_or_default() {
            self.shown(message, node, early.max(at));
        }
    }

    fn skipped(&mut self, message: MessageIndex) {
        if let Some(fate) = self.fates.get_mut(message) {
            *fate = Fate::Skipped;
            self.recorder.skipped(message);
        }
    }

    fn shown(&mut self, message: MessageIndex, node: NodeIndex, at: Duration) {
        self.recorder.shown(message, node, at);
        self.delivered = self.recorder.delivered_count();
    }
}
