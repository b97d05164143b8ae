//! What became of each message of the plan.

use std::collections::HashMap;
use std::time::Duration;

use super::reach::Reach;
use super::{MessageIndex, latency, ratio, rounded};
use crate::plan::{Addressee, MessagePlan, NodeIndex};
use crate::report::Messages;

/// A message that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) from: NodeIndex,
    pub(super) to: NodeIndex,
    pub(super) written: Duration,
    pub(super) delivered: Option<Duration>,
}

/// What became of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct FateTold {
    pub(super) written: Option<Duration>,
    pub(super) delivered: Option<Duration>,
    pub(super) skipped: bool,
    pub(super) duplicated: bool,
}

/// What is known of a message. Times in microseconds.
#[derive(Debug, Clone, Copy, Default)]
struct Fate {
    written: Option<Duration>,
    skipped: bool,
    delivered: Option<Shown>,
    twice: bool,
}

#[derive(Debug, Clone, Copy)]
struct Shown {
    at: Duration,
    /// On which node.
    to: NodeIndex,
    /// How many were shown before it: in one instant of a virtual clock there is an order, too.
    order: u64,
}

/// Takes down what becomes of messages.
#[derive(Debug)]
pub(super) struct MessageLog<'a> {
    plan: &'a [MessagePlan],
    fates: Vec<Fate>,
    written: u64,
    delivered: u64,
}

impl<'a> MessageLog<'a> {
    pub(super) fn new(plan: &'a [MessagePlan]) -> Self {
        Self { plan, fates: vec![Fate::default(); plan.len()], written: 0, delivered: 0 }
    }

    pub(super) fn written(&mut self, message: MessageIndex, at: Duration) {
        let fate = &mut self.fates[message];
        self.written += u64::from(fate.written.is_none());
        fate.written.get_or_insert(at);
    }

    pub(super) fn skipped(&mut self, message: MessageIndex) {
        self.fates[message].skipped = true;
    }

    pub(super) fn is_delivered(&self, message: MessageIndex) -> bool {
        self.fates[message].delivered.is_some()
    }

    /// The same node showed it once more.
    pub(super) fn shown_again(&mut self, message: MessageIndex) {
        self.fates[message].twice = true;
    }

    pub(super) fn delivered(&mut self, message: MessageIndex, to: NodeIndex, at: Duration) {
        let fate = &mut self.fates[message];
        if fate.delivered.is_some() {
            fate.twice = true;
            return;
        }
        fate.delivered = Some(Shown { at, to, order: self.delivered });
        self.delivered += 1;
    }

    /// Written until now.
    pub(super) fn written_count(&self) -> u64 {
        self.written
    }

    /// Delivered until now.
    pub(super) fn delivered_count(&self) -> u64 {
        self.delivered
    }

    /// What is known of a message.
    pub(super) fn fate(&self, message: MessageIndex) -> FateTold {
        let fate = self.fates[message];
        FateTold {
            written: fate.written,
            delivered: fate.delivered.map(|shown| shown.at),
            skipped: fate.skipped && fate.written.is_none(),
            duplicated: fate.twice,
        }
    }

    /// What follows from what was seen.
    pub(super) fn settle(&mut self) {
        for (fate, planned) in self.fates.iter_mut().zip(self.plan) {
            // A message that was shown was taken, even if the writer's daemon died before it said
            // so.
            if let Some(shown) = fate.delivered {
                let written = fate.written.get_or_insert(planned.at.min(shown.at));
                *written = (*written).min(shown.at);
            }
        }
    }

    /// The messages that were written, and when, in the plan's order.
    pub(super) fn written_at(&mut self) -> Vec<(MessageIndex, Duration)> {
        self.settle();
        let fates = self.fates.iter().enumerate();
        fates.filter_map(|(message, fate)| Some((message, fate.written?))).collect()
    }

    /// The counts, and the messages that were written, in the plan's order.
    /// `missing` is someone who was not shown a message, and was to be.
    pub(super) fn finish(
        mut self,
        at: Duration,
        reach: &Reach,
        missing: impl Fn(MessageIndex) -> Option<NodeIndex>,
    ) -> (Messages, Vec<Told>) {
        self.settle();
        let pairs = || self.fates.iter().zip(self.plan);
        let told: Vec<_> = pairs()
            .enumerate()
            .filter_map(|(message, (fate, planned))| {
                let from = planned.from;
                let shown_to = fate.delivered.map(|shown| shown.to);
                let to = shown_to.or_else(|| missing(message)).unwrap_or(from);
                let delivered = fate.delivered.map(|shown| shown.at);
                fate.written.map(|written| Told { from, to, written, delivered })
            })
            .collect();

        let mut all = Vec::new();
        let mut reachable = Vec::new();
        let mut connected = Vec::new();
        for told in &told {
            let Some(delivered) = told.delivered else { continue };
            let took = delivered.saturating_sub(told.written);
            all.push(took);
            connected.push(reach.connected(told.from, told.to, told.written, delivered));
            let on = |node| reach.was_on(node, told.written, delivered);
            let joined = reach.were_joined(told.from, told.to, told.written, delivered);
            if joined && on(told.from) && on(told.to) {
                reachable.push(took);
            }
        }
        let (written, delivered) = (told.len() as u64, all.len() as u64);
        let messages = Messages {
            planned: self.plan.iter().filter(|message| message.at <= at).count() as u64,
            written,
            skipped: self.fates.iter().filter(|fate| fate.skipped && fate.written.is_none()).count()
                as u64,
            delivered,
            duplicated: self.fates.iter().filter(|fate| fate.twice).count() as u64,
            out_of_order: self.out_of_order(),
            delivery_ratio: if written == 0 { 1.0 } else { rounded(ratio(delivered, written)) },
            payload_bytes: pairs()
                .filter(|(fate, _)| fate.delivered.is_some())
                .map(|(_, planned)| planned.bytes as u64)
                .sum(),
            latency_reachable: (!reachable.is_empty() && reachable.len() < all.len())
                .then(|| latency::distribution(reachable)),
            latency: latency::distribution(all),
            latency_connected: latency::distribution(connected),
            devices: None,
            rooms: Vec::new(),
            files: None,
            cut_off: Vec::new(),
        };
        (messages, told)
    }

    /// Messages that were shown before an earlier one of the same writer to the same recipient.
    fn out_of_order(&self) -> u64 {
        let mut latest: HashMap<(NodeIndex, Addressee), u64> = HashMap::new();
        let mut count = 0;
        for (fate, planned) in self.fates.iter().zip(self.plan) {
            let Some(shown) = fate.delivered else { continue };
            let latest = latest.entry((planned.from, planned.to)).or_default();
            count += u64::from(shown.order < *latest);
            *latest = (*latest).max(shown.order);
        }
        count
    }
}
