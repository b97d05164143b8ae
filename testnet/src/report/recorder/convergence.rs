//! How long it took, after each heal and start, until all that had been written before was
//! delivered.

use std::time::Duration;

use super::happenings::Restoration;
use super::messages::Told;
use super::reach::Reach;
use super::seconds;
use crate::report::Convergence;

/// `restorations` in order of time.
pub(super) fn all(restorations: &[Restoration], told: &[Told], reach: &Reach) -> Vec<Convergence> {
    let mut written: Vec<_> = told.iter().collect();
    written.sort_by_key(|told| told.written);
    let mut written = written.into_iter().peekable();
    let mut waiting: Vec<&Told> = Vec::new();
    let mut found = Vec::new();
    for restoration in restorations {
        let at = restoration.at;
        while let Some(told) = written.next_if(|told| told.written < at) {
            waiting.push(told);
        }
        waiting.retain(|told| told.delivered.is_none_or(|delivered| delivered > at));
        let due = waiting.iter().filter(|told| can_come(told, at, reach));
        let took: Vec<_> =
            due.map(|told| told.delivered.map(|delivered| delivered.saturating_sub(at))).collect();
        let all: Option<Vec<Duration>> = took.iter().copied().collect();
        found.push(Convergence {
            after: restoration.label.clone(),
            at_s: seconds(at),
            outstanding: took.len() as u64,
            took_s: all.map(|all| seconds(all.into_iter().max().unwrap_or_default())),
        });
    }
    found
}

/// Whether the recipient is on and not cut off from the writer.
fn can_come(told: &Told, at: Duration, reach: &Reach) -> bool {
    reach.was_on(told.to, at, at) && reach.were_joined(told.from, told.to, at, at)
}
