//! Stamps of own envelopes, made beside the engine.
//!
//! In a network that asks for stamps an own envelope is written to the outbox without one and waits
//! there. After the commit the engine hands out a [`StampJob`] as an effect; whoever carries out
//! effects runs it ([`StampJob::run`]: the daemon on a thread of its own, a test or a simulator on
//! the spot) and gives the [`Input::Stamped`] back. Only then the envelope goes into the mailbox and
//! to gossip. Nothing of the work is persisted but its result: after a start the outbox tells what
//! still lacks its stamp.
//!
//! Few jobs are out at a time; the rest waits in the user's queue, in order. A job whose envelope
//! nobody waits for any more (deleted, expired, the vault locked) is cancelled after the commit that
//! made it so.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::limits::{STAMP_ATTEMPTS_PER_LOOK, STAMP_JOBS_MAX};
use martlet_protocol::{EnvelopeId, stamp};

use crate::engine::Input;
use crate::user::User;

/// One stamp to be made.
#[derive(Debug)]
pub struct StampJob {
    number: u64,
    id: EnvelopeId,
    bits: u8,
    is_cancelled: Arc<AtomicBool>,
}

/// What became of a [`StampJob`].
#[derive(Debug)]
pub struct StampResult {
    number: u64,
    pub(super) id: EnvelopeId,
    /// `None`: it was cancelled.
    pub(super) nonce: Option<u64>,
}

/// The jobs that are out. All are cancelled when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Stamps {
    last_number: u64,
    out: BTreeMap<u64, (EnvelopeId, Arc<AtomicBool>)>,
}

impl StampJob {
    /// Does the work: `2^bits` hashes on average, the first nonce that will do. Returns the input to
    /// give back to the engine. A cancelled job ends within
    /// [`STAMP_ATTEMPTS_PER_LOOK`] hashes.
    #[must_use]
    pub fn run(self) -> Input {
        let Self { number, id, bits, is_cancelled } = self;
        let mut start = 0;
        let nonce = loop {
            if is_cancelled.load(Ordering::Relaxed) {
                break None;
            }
            let found = stamp::make(&id, bits, start, STAMP_ATTEMPTS_PER_LOOK);
            if found.is_some() {
                break found;
            }
            start = start.wrapping_add(STAMP_ATTEMPTS_PER_LOOK);
        };
        Input::Stamped(StampResult { number, id, nonce })
    }
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
        let Input::Stamped(result) = job(8).run() else { panic!("a result") };
        assert!(result.nonce.is_some_and(|nonce| stamp::check(&result.id, nonce, 8)));
        // Of the most bits, which would take minutes.
        let mut stamps = Stamps::default();
        stamps.out.insert(1, (EnvelopeId([7; 32]), Arc::clone(&is_cancelled)));
        let running = job(32);
        let running = std::thread::spawn(move || running.run());
        drop(stamps);
        let Ok(Input::Stamped(result)) = running.join() else { panic!("a result") };
        assert_eq!(result.nonce, None);
    }
}
