//! What a node's work takes, where a scenario charges for it (`settings.costs`).
//!
//! A node is one processor: what it has to do makes it busy for so long, and what it sends leaves no
//! sooner than it is done. Nothing else waits, so a node takes what arrives while it is busy in the
//! same turn, as the daemon's engine takes a batch.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use martlet_engine::Observer;
use martlet_engine::observer::{Database, Dropped, Opening, State};
use martlet_store::mailbox::{Acknowledged, Inserted};
use martletd::metrics::Metrics;
use tokio::time::Instant;

use crate::plan::Costs;

/// What is due so soon is due: tokio's timers round up to whole milliseconds, and times with costs in
/// them are not whole. So they are rounded to the nearest.
const HALF_TICK: Duration = Duration::from_micros(500);

/// The work of one node.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Work {
    costs: Option<Costs>,
    busy_until: Option<Instant>,
}

impl Work {
    pub(super) fn new(costs: Option<Costs>) -> Self {
        Self { costs, busy_until: None }
    }

    /// When what it does now is done.
    pub(super) fn done_at(&self) -> Instant {
        let now = Instant::now();
        self.busy_until.map_or(now, |until| until.max(now))
    }

    /// Makes it busy with one more of what `cost` chooses.
    pub(super) fn charge(&mut self, cost: impl Fn(&Costs) -> u32) {
        if let Some(costs) = &self.costs {
            let takes = Duration::from_micros(cost(costs).into());
            self.busy_until = Some(self.done_at() + takes);
        }
    }
}

/// How much sooner than it is due something may be taken.
pub(super) fn slack(costs: Option<Costs>) -> Duration {
    if costs.is_some() { HALF_TICK } else { Duration::ZERO }
}

/// The engine's observer: its metrics, and beside them what it costs.
#[derive(Debug)]
pub(super) struct Charging {
    pub(super) metrics: Arc<Metrics>,
    pub(super) work: Arc<Mutex<Work>>,
}

impl Charging {
    fn charge(&self, cost: impl Fn(&Costs) -> u32) {
        self.work.lock().unwrap_or_else(PoisonError::into_inner).charge(cost);
    }
}

impl Observer for Charging {
    fn envelope(&self, outcome: Inserted, bytes: usize) {
        self.charge(|costs| costs.envelope_us);
        self.metrics.envelope(outcome, bytes);
    }

    fn opening(&self, outcome: Opening) {
        self.metrics.opening(outcome);
    }

    fn deed_dropped(&self, why: Dropped) {
        self.metrics.deed_dropped(why);
    }

    fn statements_invalid(&self, count: usize) {
        self.metrics.statements_invalid(count);
    }

    fn ack(&self, outcome: Acknowledged) {
        self.metrics.ack(outcome);
    }

    fn quota(&self, bytes: u64) {
        self.metrics.quota(bytes);
    }

    fn state(&self, state: &State) {
        self.metrics.state(state);
    }

    fn commit_begins(&self, database: Database) {
        self.metrics.commit_begins(database);
    }

    fn commit_ended(&self, database: Database, succeeded: bool) {
        self.charge(|costs| costs.commit_us);
        self.metrics.commit_ended(database, succeeded);
    }
}
