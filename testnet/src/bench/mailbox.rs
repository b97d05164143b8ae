//! The mailbox alone: how fast it takes envelopes, and how fast they go when they end.

use std::path::Path;
use std::time::{Duration, Instant};

use martlet_engine::limits::SWEEP_BATCH_MAX;

use super::fill::{self, HOURS};
use super::report::{Ingest, MailboxFigures, rounded};
use crate::cluster::ClusterError;

/// Fills a mailbox in `dir`, measuring the first envelopes, those after a fifth, and those after
/// all `envelopes`, `measured` each; then sweeps the last, which end first.
pub(super) fn run(
    dir: &Path,
    envelopes: usize,
    measured: usize,
) -> Result<MailboxFigures, ClusterError> {
    let mailbox = fill::open(dir)?;
    // The first hour is left for those that are swept.
    let spread = |number: u32| 1 + number % (HOURS - 1);
    let empty = fill::put(&mailbox, measured, spread)?;
    let fifth = envelopes / 5;
    fill::put(&mailbox, fifth.saturating_sub(measured), spread)?;
    let at_fifth = fill::put(&mailbox, measured, spread)?;
    eprintln!("  filling a mailbox with {envelopes} envelopes …");
    fill::put(&mailbox, envelopes.saturating_sub(fifth.max(measured) + measured), spread)?;
    let full = fill::put(&mailbox, measured, |_| 0)?;

    let ended = fill::expiry(fill::now(), 0).instant();
    let started = Instant::now();
    let mut swept = 0;
    loop {
        let mut txn = mailbox.begin().map_err(fill::store)?;
        let count = txn.sweep(ended, SWEEP_BATCH_MAX).map_err(fill::store)?;
        txn.commit().map_err(fill::store)?;
        swept += count;
        if count == 0 {
            break;
        }
    }
    let took = started.elapsed();
    if swept != measured {
        return Err(ClusterError::Wrong(format!("{swept} swept of {measured}")));
    }
    Ok(MailboxFigures {
        ingest_per_s: per_second(measured, full),
        ingest: Ingest {
            empty: per_second(measured, empty),
            fifth: per_second(measured, at_fifth),
        },
        sweep_s: rounded(took.as_secs_f64()),
    })
}

fn per_second(count: usize, took: Duration) -> f64 {
    let count = u32::try_from(count).map_or(f64::INFINITY, f64::from);
    (count / took.as_secs_f64()).round()
}
