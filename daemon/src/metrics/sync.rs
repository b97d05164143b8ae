//! Syncs: how many, how they end, how long they take, and what they carry.

use std::time::Duration;

use martlet_protocol::sync::{Request, Response};

use super::describe::{Counter, Describe, Histogram};

/// Seconds. From two equal mailboxes on one machine to the sum of several slow requests.
const SYNC_SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0];

/// What syncs count.
#[derive(Debug)]
pub struct SyncMetrics {
    /// Begun here.
    pub started: Counter,
    /// Begun by a peer.
    pub served: Counter,
    /// Begun here and done: both sides have the same.
    pub complete: Ended,
    /// Done, but something was left for the next one.
    pub partial: Ended,
    /// Ended because the peer refused a request.
    pub refused: Ended,
    /// There was no room here for some of what was fetched.
    pub full: Ended,
    /// Ended by something that no honest peer does.
    pub fault: Ended,
    /// Ended by a lost connection, a time-out, or an error here.
    pub failed: Ended,
    /// Requests of peers that were refused.
    pub requests_refused: Counter,
    /// What was sent.
    pub sent: Frames,
    /// What was received.
    pub received: Frames,
}

/// Syncs that ended in one way.
#[derive(Debug)]
pub struct Ended(Histogram);

/// Bytes of requests and responses, one way.
#[derive(Debug)]
pub struct Frames {
    reconciliation: Counter,
    envelopes: Counter,
    control: Counter,
}

/// What a request or response carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// Digests and reconciliation messages: the cost of finding out.
    Reconciliation,
    /// Envelopes (and acks with them).
    Envelopes,
    /// Ids asked for, offered, wanted or stored; refusals.
    Control,
}

impl SyncMetrics {
    pub(super) fn new(describe: &mut Describe<'_>) -> Self {
        let started = describe.counter("syncs_started", "Syncs begun here");
        let served = describe.counter("syncs_served", "Syncs begun by peers");
        let ended = describe.durations(
            "sync_duration",
            "Syncs begun here that ended, by how",
            SYNC_SECONDS,
            "result",
        );
        let requests_refused =
            describe.counter("sync_requests_refused", "Sync requests of peers that were refused");
        let bytes = describe.byte_counters(
            "sync",
            "Sync requests and responses, encoded, without the transport's share",
            ["direction", "content"],
        );
        let frames = |direction| Frames {
            reconciliation: bytes([direction, "reconciliation"]),
            envelopes: bytes([direction, "envelopes"]),
            control: bytes([direction, "control"]),
        };
        Self {
            started,
            served,
            complete: Ended(ended("complete")),
            partial: Ended(ended("partial")),
            refused: Ended(ended("refused")),
            full: Ended(ended("full")),
            fault: Ended(ended("fault")),
            failed: Ended(ended("failed")),
            requests_refused,
            sent: frames("sent"),
            received: frames("received"),
        }
    }
}

impl Ended {
    /// One ended after so long.
    pub fn observe(&self, after: Duration) {
        self.0.observe(after.as_secs_f64());
    }
}

impl Frames {
    /// Counts a frame's bytes.
    pub fn count(&self, frame: Frame, bytes: usize) {
        let counter = match frame {
            Frame::Reconciliation => &self.reconciliation,
            Frame::Envelopes => &self.envelopes,
            Frame::Control => &self.control,
        };
        counter.inc_by(u64::try_from(bytes).unwrap_or(u64::MAX));
    }
}

impl From<&Request> for Frame {
    fn from(request: &Request) -> Self {
        match request {
            Request::Digests(_)
            | Request::Compare { .. }
            | Request::Reconcile { .. }
            | Request::ShortList { .. } => Self::Reconciliation,
            Request::Push { .. } => Self::Envelopes,
            Request::Fetch(_)
            | Request::Offer(_)
            | Request::Stored(_)
            | Request::Time
            | Request::Lookup { .. } => Self::Control,
        }
    }
}

impl From<&Response> for Frame {
    fn from(response: &Response) -> Self {
        match response {
            Response::Differing(_)
            | Response::Compared { .. }
            | Response::Reconcile(_)
            | Response::Lacking { .. } => Self::Reconciliation,
            Response::Envelopes { .. } => Self::Envelopes,
            Response::Wanted { .. }
            | Response::Pushed { .. }
            | Response::Done
            | Response::Time(_)
            | Response::Refused(_) => Self::Control,
        }
    }
}
