//! Batches, commits, mailbox and outbox.

use std::time::Instant;

use martlet_store::StoreError;
use martlet_store::mailbox::MailboxStats;

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

/// Commits of one database.
#[derive(Debug)]
pub struct Commit {
    seconds: Histogram,
    failed: Counter,
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
        let commit = |database| Commit { seconds: seconds(database), failed: failed([database]) };
        Self {
            batch_inputs,
            vault: commit("vault"),
            mailbox: commit("mailbox"),
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

    /// The mailbox is so full now.
    pub fn set_mailbox(&self, stats: &MailboxStats) {
        self.envelopes.set(stats.envelopes);
        self.bytes.set(stats.bytes);
        self.tombstones.set(stats.tombstones);
    }
}

impl Commit {
    /// Does a commit and observes it. The time is the machine's own, not the engine's: nothing is
    /// decided by it.
    pub fn observe<T>(
        &self,
        commit: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let begun = Instant::now();
        let result = commit();
        match &result {
            Ok(_) => self.seconds.observe(begun.elapsed().as_secs_f64()),
            Err(_) => {
                self.failed.inc();
            }
        }
        result
    }
}
