//! Batches, commits, mailbox and outbox.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use martlet_engine::Observer;
use martlet_engine::observer::{Database, Dropped, Opening, State};
use martlet_store::mailbox::{Acknowledged, Inserted};

use super::Metrics;
use super::describe::{Counter, Describe, Gauge, Histogram};

/// Seconds. From what a commit takes on a fast disk to what users take for a standstill.
const COMMIT_SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// Inputs. The largest batch has `limits::ENGINE_BATCH_MAX`, 1,024.
const BATCH_INPUTS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// What the engine counts.
#[derive(Debug)]
pub struct EngineMetrics {
    /// Inputs taken into one batch.
    pub batch_inputs: Histogram,
    /// Commits of the vault.
    pub vault: Commit,
    /// Commits of the mailbox.
    pub mailbox: Commit,
    /// Envelopes addressed to this device.
    pub openings: Openings,
    /// Edits, reactions and receipts that did nothing.
    pub deeds_dropped: DeedsDropped,
    /// Statements about identities that are not valid.
    pub statements_invalid: Counter,
    /// Live envelopes.
    pub envelopes: Gauge,
    /// Bytes of them.
    pub bytes: Gauge,
    /// Bytes allowed.
    pub quota_bytes: Gauge,
    /// Tombstones.
    pub tombstones: Gauge,
    /// Envelopes whose acks came before them.
    pub orphans: Gauge,
    /// Messages not yet delivered; 0 while locked.
    pub outbox: Gauge,
    /// Whether there is a user whose vault is open.
    pub unlocked: Gauge,
}

/// Envelopes addressed to this device, and what became of them.
#[derive(Debug)]
pub struct Openings {
    opened: Counter,
    failed: Counter,
    waits: Counter,
    refused: Counter,
}

/// Edits, reactions and receipts of contacts that did nothing, by why.
#[derive(Debug)]
pub struct DeedsDropped {
    foreign: Counter,
    recalled: Counter,
    gone: Counter,
    unseen: Counter,
    waited: Counter,
}

/// Commits of one database.
#[derive(Debug)]
pub struct Commit {
    seconds: Histogram,
    failed: Counter,
    /// When the one under way began. The time is the machine's own, not the engine's: nothing is decided
    /// by it.
    begun: Mutex<Option<Instant>>,
}

impl EngineMetrics {
    pub(super) fn new(describe: &mut Describe<'_>) -> Self {
        let batch_inputs = describe.histogram(
            "batch_inputs",
            "Inputs (network events, commands, ticks) that the engine took into one batch",
            BATCH_INPUTS,
        );
        let seconds = describe.durations(
            "commit_duration",
            "Commits that changed something, until they were on disk",
            COMMIT_SECONDS,
            "database",
        );
        let failed = describe.counters(
            "commits_failed",
            "Commits that failed: the disk is full or failing",
            ["database"],
        );
        let openings = describe.counters(
            "openings",
            "Envelopes addressed to this device, by what became of them",
            ["result"],
        );
        let deeds_dropped = describe.counters(
            "deeds_dropped",
            "Edits, reactions and receipts of contacts that did nothing, by why",
            ["reason"],
        );
        let commit = |database| Commit {
            seconds: seconds(database),
            failed: failed([database]),
            begun: Mutex::default(),
        };
        Self {
            batch_inputs,
            vault: commit("vault"),
            mailbox: commit("mailbox"),
            openings: Openings {
                opened: openings(["opened"]),
                failed: openings(["failed"]),
                waits: openings(["waits"]),
                refused: openings(["refused"]),
            },
            deeds_dropped: DeedsDropped {
                foreign: deeds_dropped(["foreign"]),
                recalled: deeds_dropped(["recalled"]),
                gone: deeds_dropped(["gone"]),
                unseen: deeds_dropped(["unseen"]),
                waited: deeds_dropped(["waited"]),
            },
            statements_invalid: describe.counter(
                "statements_invalid",
                "Statements about identities and their devices that were not valid",
            ),
            envelopes: describe.gauge("mailbox_envelopes", "Live envelopes in the mailbox"),
            bytes: describe.bytes("mailbox", "Content of the live envelopes in the mailbox"),
            quota_bytes: describe.bytes("mailbox_quota", "What the mailbox may hold"),
            tombstones: describe
                .gauge("mailbox_tombstones", "Purged envelopes remembered until they expire"),
            orphans: describe
                .gauge("orphan_acks", "Envelopes that are not here, but acks for them are"),
            outbox: describe.gauge(
                "outbox_messages",
                "The user's own messages not yet delivered; 0 while the vault is locked",
            ),
            unlocked: describe
                .gauge("vault_unlocked", "1 while there is a user whose vault is open"),
        }
    }

    fn commit(&self, database: Database) -> &Commit {
        match database {
            Database::Mailbox => &self.mailbox,
            Database::Vault => &self.vault,
        }
    }
}

impl Commit {
    fn begins(&self) {
        *self.begun.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn ended(&self, succeeded: bool) {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner).take();
        match begun {
            Some(begun) if succeeded => self.seconds.observe(begun.elapsed().as_secs_f64()),
            Some(_) | None => {}
        }
        self.failed.inc_by(u64::from(!succeeded));
    }
}

impl Observer for Metrics {
    fn envelope(&self, outcome: Inserted, bytes: usize) {
        let counters = &self.envelopes;
        match outcome {
            Inserted::New { .. } => {
                counters.new_bytes.inc_by(u64::try_from(bytes).unwrap_or(u64::MAX));
                &counters.new
            }
            Inserted::Known | Inserted::Purged => &counters.duplicate,
            Inserted::Full => &counters.refused.full,
            Inserted::OverShare => &counters.refused.over_share,
        }
        .inc();
    }

    fn opening(&self, outcome: Opening) {
        let counters = &self.engine.openings;
        match outcome {
            Opening::Opened => &counters.opened,
            Opening::Failed => &counters.failed,
            Opening::Waits => &counters.waits,
            Opening::Refused => &counters.refused,
        }
        .inc();
    }

    fn deed_dropped(&self, why: Dropped) {
        let counters = &self.engine.deeds_dropped;
        match why {
            Dropped::Foreign => &counters.foreign,
            Dropped::Recalled => &counters.recalled,
            Dropped::Gone => &counters.gone,
            Dropped::Unseen => &counters.unseen,
            Dropped::Waited => &counters.waited,
        }
        .inc();
    }

    fn statements_invalid(&self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.engine.statements_invalid.inc_by(count);
    }

    fn ack(&self, outcome: Acknowledged) {
        let counters = &self.acks;
        match outcome {
            Acknowledged::NoEnvelope => &counters.orphan,
            Acknowledged::Accepted => &counters.accepted,
            Acknowledged::Purged => &counters.purged,
            Acknowledged::Invalid => &counters.invalid,
            Acknowledged::Known => &counters.known,
        }
        .inc();
    }

    fn quota(&self, bytes: u64) {
        self.engine.quota_bytes.set(bytes);
    }

    fn state(&self, state: &State) {
        let gauges = &self.engine;
        gauges.envelopes.set(state.mailbox.envelopes);
        gauges.bytes.set(state.mailbox.bytes);
        gauges.tombstones.set(state.mailbox.tombstones);
        gauges.orphans.set(u64::try_from(state.orphans).unwrap_or(u64::MAX));
        gauges.outbox.set(state.outbox);
        gauges.unlocked.set(u64::from(state.is_unlocked));
    }

    fn commit_begins(&self, database: Database) {
        self.engine.commit(database).begins();
    }

    fn commit_ended(&self, database: Database, succeeded: bool) {
        self.engine.commit(database).ended(succeeded);
    }
}
