//! Stamps of own envelopes, made beside the engine.
//!
//! In a network that asks for stamps an own envelope is written to the outbox without one and waits
//! there. After the commit the engine hands out a [`StampJob`] as an effect; whoever carries out
//! effects runs it ([`StampJob::run`]: the daemon on a thread of its own, a test or a simulator on
//! the spot) and gives what it returns back to the engine. Only then the envelope goes into the mailbox and
//! to gossip. Nothing of the work is persisted but its result: after a start the outbox tells what
//! still lacks its stamp.
//!
//! Few jobs are out at a time; the rest waits in the user's queue, in order. A job whose envelope
//! nobody waits for any more (deleted, expired, the vault locked) is cancelled after the commit that
//! made it so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::limits::STAMP_ATTEMPTS_PER_LOOK;
use martlet_protocol::{EnvelopeId, stamp};

/// One stamp to be made.
#[derive(Debug)]
pub struct StampJob {
    pub(crate) number: u64,
    pub(crate) id: EnvelopeId,
    pub(crate) bits: u8,
    pub(crate) is_cancelled: Arc<AtomicBool>,
}

/// What became of a [`StampJob`].
#[derive(Debug)]
pub struct StampResult {
    pub(crate) number: u64,
    pub(crate) id: EnvelopeId,
    /// `None`: it was cancelled.
    pub(crate) nonce: Option<u64>,
}

impl StampJob {
    /// Does the work: `2^bits` hashes on average, the first nonce that will do. Returns what
    /// the engine gets back. A cancelled job ends within
    /// [`STAMP_ATTEMPTS_PER_LOOK`] hashes.
    #[must_use]
    pub fn run(self) -> StampResult {
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
        StampResult { number, id, nonce }
    }
}
