//! Takes down what a runner sees, and makes the report of it.

use std::time::Duration;

use super::{Report, Runner};
use crate::plan::{NodeIndex, Plan};

/// A message of the plan, by its place in [`Plan::messages`].
pub type MessageIndex = usize;

/// Takes down what a runner sees. Times are from the start of the run.
#[derive(Debug)]
pub struct Recorder<'a> {
    plan: &'a Plan,
    runner: Runner,
}

/// What a node is like at some time. Counts are since the start of the run, over restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NodeSample {
    /// Whether it is on. If not, what else is here is what was last seen.
    pub on: bool,
    /// Connections.
    pub connections: u64,
    /// Live envelopes in its mailbox.
    pub mailbox_envelopes: u64,
    /// Their bytes.
    pub mailbox_bytes: u64,
    /// How long ago the oldest of them arrived; where the runner can see it.
    pub mailbox_oldest: Option<Duration>,
    /// Bytes received.
    pub received_bytes: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Envelopes taken into the mailbox.
    pub envelopes_new: u64,
    /// Envelopes that were there already.
    pub envelopes_duplicate: u64,
}

impl<'a> Recorder<'a> {
    /// For a run of `plan`.
    #[must_use]
    pub fn new(plan: &'a Plan, runner: Runner) -> Self {
        Self { plan, runner }
    }

    /// The writer's daemon took the message.
    pub fn written(&mut self, message: MessageIndex, at: Duration) {
        todo!()
    }

    /// The writer's node was off, or refused.
    pub fn skipped(&mut self, message: MessageIndex) {
        todo!()
    }

    /// The message was shown to its recipient.
    pub fn delivered(&mut self, message: MessageIndex, at: Duration) {
        todo!()
    }

    /// An envelope was made by `node`'s user, or first seen anywhere.
    pub fn envelope_made(&mut self, id: [u8; 32], node: NodeIndex, at: Duration) {
        todo!()
    }

    /// A node was brought an envelope for the first time.
    pub fn envelope_seen(&mut self, id: [u8; 32], node: NodeIndex, at: Duration) {
        todo!()
    }

    /// An event of the plan happened.
    pub fn happened(&mut self, event: &crate::plan::Event, at: Duration) {
        todo!()
    }

    /// What all nodes are like, in the plan's order.
    pub fn sample(&mut self, at: Duration, nodes: &[NodeSample]) {
        todo!()
    }

    /// Ends the run at `at`.
    #[must_use]
    pub fn finish(self, at: Duration, interrupted: bool) -> Report {
        todo!()
    }
}
