//! The stamps that are being made.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use martlet_protocol::EnvelopeId;

use crate::limits::STAMP_JOBS_MAX;
use crate::stamping::{StampJob, StampResult};
use crate::user::User;

/// The jobs that are out. All are cancelled when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Stamps {
    last_number: u64,
    out: BTreeMap<u64, (EnvelopeId, Arc<AtomicBool>)>,
}

impl Stamps {
    /// Cancels what nobody waits for any more, and takes from the user's queue what can be handed
    /// out now. Where no stamps are asked for there is nothing to look at.
    pub(super) fn hand_out(&mut self, user: Option<&mut User>) -> Vec<StampJob> {
        let Some(user) = user else { return Vec::new() };
        for (id, is_cancelled) in self.out.values() {
            if !user.lacks_stamp(id) {
                is_cancelled.store(true, Ordering::Relaxed);
            }
        }
        let mut jobs = Vec::new();
        while self.out.len() < STAMP_JOBS_MAX
            && let Some((id, bits)) = user.next_to_stamp()
        {
            let is_out = |(of, is_cancelled): &(EnvelopeId, Arc<AtomicBool>)| {
                *of == id && !is_cancelled.load(Ordering::Relaxed)
            };
            if self.out.values().any(is_out) {
                continue;
            }
            self.last_number += 1;
            let is_cancelled = Arc::new(AtomicBool::new(false));
            self.out.insert(self.last_number, (id, Arc::clone(&is_cancelled)));
            jobs.push(StampJob { number: self.last_number, id, bits, is_cancelled });
        }
        jobs
    }

    /// A job has come back.
    pub(super) fn came_back(&mut self, result: &StampResult) {
        self.out.remove(&result.number);
    }

    /// The user is gone.
    pub(super) fn cancel_all(&self) {
        self.out.values().for_each(|(_, is_cancelled)| is_cancelled.store(true, Ordering::Relaxed));
    }
}

impl Drop for Stamps {
    fn drop(&mut self) {
        self.cancel_all();
    }
}

#[cfg(test)]
mod tests {
    use martlet_protocol::stamp;

    use super::*;

    #[test]
    fn a_cancelled_job_ends_without_a_stamp() {
        let is_cancelled = Arc::new(AtomicBool::new(false));
        let job = |bits| StampJob {
            number: 1,
            id: EnvelopeId([7; 32]),
            bits,
            is_cancelled: Arc::clone(&is_cancelled),
        };
        let result = job(8).run();
        assert!(result.nonce.is_some_and(|nonce| stamp::check(&result.id, nonce, 8)));
        // Of the most bits, which would take minutes.
        let mut stamps = Stamps::default();
        stamps.out.insert(1, (EnvelopeId([7; 32]), Arc::clone(&is_cancelled)));
        let running = job(32);
        let running = std::thread::spawn(move || running.run());
        drop(stamps);
        let Ok(result) = running.join() else { panic!("a result") };
        assert_eq!(result.nonce, None);
    }
}
