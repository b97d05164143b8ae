//! Messages on their way: what is known of each, and of all.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use serde::Serialize;

use super::limits::{LATENCIES_MAX, MESSAGES_MAX, MESSAGES_TOLD_MAX};
use crate::plan::NodeIndex;

/// One message. Times are seconds of the run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Told {
    /// Its number, in the order of their becoming known here.
    n: u64,
    from: NodeIndex,
    to: NodeIndex,
    bytes: usize,
    written_s: f64,
    /// When the writer heard that another node has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_s: Option<f64>,
    /// When the recipient had it.
    #[serde(skip_serializing_if = "Option::is_none")]
    delivered_s: Option<f64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    expired: bool,
}

/// All of them.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub(super) struct Totals {
    pub(super) written: u64,
    /// Of which a node other than the writer's has, or had, them.
    pub(super) sent: u64,
    pub(super) delivered: u64,
    pub(super) expired: u64,
    /// From writing to delivery, milliseconds, of the last ones.
    pub(super) p50_ms: Option<f64>,
    pub(super) p99_ms: Option<f64>,
}

/// What a message is when it is first heard of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fresh {
    pub(super) from: NodeIndex,
    pub(super) to: NodeIndex,
    pub(super) bytes: usize,
    pub(super) written_s: f64,
}

#[derive(Debug, Default)]
pub(super) struct Messages {
    kept: BTreeMap<u64, (String, Told)>,
    numbers: HashMap<String, u64>,
    next: u64,
    changed: BTreeSet<u64>,
    counts: Totals,
    latencies_ms: VecDeque<f64>,
    /// Of each node, how many that it wrote are on their way.
    waiting: HashMap<NodeIndex, u64>,
}

impl Messages {
    /// One is heard of; perhaps not for the first time. Whether it was the first time.
    pub(super) fn written(&mut self, id: &str, fresh: Fresh) -> bool {
        if self.numbers.contains_key(id) {
            return false;
        }
        if self.kept.len() >= MESSAGES_MAX
            && let Some((_, (id, oldest))) = self.kept.pop_first()
        {
            self.numbers.remove(&id);
            self.no_longer_waits(&oldest);
        }
        let Fresh { from, to, bytes, written_s } = fresh;
        let told = Told {
            n: self.next,
            from,
            to,
            bytes,
            written_s,
            sent_s: None,
            delivered_s: None,
            expired: false,
        };
        self.numbers.insert(id.to_owned(), self.next);
        self.kept.insert(self.next, (id.to_owned(), told));
        self.changed.insert(self.next);
        self.next += 1;
        self.counts.written += 1;
        *self.waiting.entry(from).or_default() += 1;
        true
    }

    pub(super) fn sent(&mut self, id: &str, at_s: f64) {
        let Some((number, told)) = self.find(id) else { return };
        if told.sent_s.is_none() {
            told.sent_s = Some(at_s.max(told.written_s));
            self.counts.sent += 1;
            self.changed.insert(number);
        }
    }

    /// The recipient has it.
    pub(super) fn delivered(&mut self, id: &str, at_s: f64) {
        let Some((number, told)) = self.find(id) else { return };
        if told.delivered_s.is_some() {
            return;
        }
        let at_s = at_s.max(told.written_s);
        told.delivered_s = Some(at_s);
        // Nobody else can have given it to the recipient.
        let was_sent = told.sent_s.replace(told.sent_s.unwrap_or(at_s)).is_some();
        let told = told.clone();
        self.counts.sent += u64::from(!was_sent);
        self.counts.delivered += 1;
        self.changed.insert(number);
        if !told.expired {
            *self.waiting.entry(told.from).or_default() -= 1;
        }
        if self.latencies_ms.len() >= LATENCIES_MAX {
            self.latencies_ms.pop_front();
        }
        self.latencies_ms.push_back((at_s - told.written_s) * 1e3);
    }

    pub(super) fn expired(&mut self, id: &str) {
        let Some((number, told)) = self.find(id) else { return };
        if told.expired || told.delivered_s.is_some() {
            return;
        }
        told.expired = true;
        let from = told.from;
        self.counts.expired += 1;
        self.changed.insert(number);
        *self.waiting.entry(from).or_default() -= 1;
    }

    /// Messages of a node's user that are on their way.
    pub(super) fn waiting(&self, node: NodeIndex) -> u64 {
        self.waiting.get(&node).copied().unwrap_or(0)
    }

    pub(super) fn totals(&self) -> Totals {
        let mut sorted: Vec<f64> = self.latencies_ms.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let percentile = |part: f64| {
            let last = sorted.len().checked_sub(1)?;
            sorted.get((last as f64 * part).round() as usize).copied()
        };
        Totals { p50_ms: percentile(0.5), p99_ms: percentile(0.99), ..self.counts }
    }

    /// The last ones.
    pub(super) fn last(&self) -> Vec<&Told> {
        let mut last: Vec<_> =
            self.kept.values().rev().take(MESSAGES_TOLD_MAX).map(|(_, told)| told).collect();
        last.reverse();
        last
    }

    /// Those that changed since this was last asked, the last ones of them; of older ones only the
    /// counts are told.
    pub(super) fn take_changed(&mut self) -> Vec<&Told> {
        let changed = std::mem::take(&mut self.changed);
        let skipped = changed.len().saturating_sub(MESSAGES_TOLD_MAX);
        let told = changed.iter().skip(skipped).filter_map(|number| self.kept.get(number));
        told.map(|(_, told)| told).collect()
    }

    /// Nodes whose messages changed.
    pub(super) fn changed_writers(&self) -> Vec<NodeIndex> {
        let told = self.changed.iter().filter_map(|number| self.kept.get(number));
        told.map(|(_, told)| told.from).collect()
    }

    fn find(&mut self, id: &str) -> Option<(u64, &mut Told)> {
        let number = *self.numbers.get(id)?;
        self.kept.get_mut(&number).map(|(_, told)| (number, told))
    }

    fn no_longer_waits(&mut self, told: &Told) {
        if told.delivered_s.is_none() && !told.expired {
            *self.waiting.entry(told.from).or_default() -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh(written_s: f64) -> Fresh {
        Fresh { from: 0, to: 1, bytes: 10, written_s }
    }

    #[test]
    fn a_message_goes_its_way_once_in_whatever_order_it_is_told() {
        let mut messages = Messages::default();
        // The recipient may be heard first.
        for _ in 0..2 {
            messages.written("a", fresh(1.0));
            messages.delivered("a", 1.25);
            messages.sent("a", 1.1);
        }
        messages.written("b", fresh(2.0));
        messages.sent("b", 2.1);
        messages.delivered("unknown", 3.0);
        let totals = messages.totals();
        assert_eq!((totals.written, totals.sent, totals.delivered), (2, 2, 1));
        assert_eq!(totals.p50_ms, Some(250.0));
        assert_eq!(messages.waiting(0), 1);
        messages.expired("b");
        messages.expired("a");
        assert_eq!((messages.waiting(0), messages.totals().expired), (0, 1));
        assert_eq!(messages.take_changed().len(), 2);
        assert!(messages.take_changed().is_empty());
        assert_eq!(messages.last().len(), 2);
    }

    #[test]
    fn however_many_are_written_a_bounded_number_is_kept_and_told() {
        let mut messages = Messages::default();
        for number in 0..MESSAGES_MAX + 10 {
            messages.written(&number.to_string(), fresh(0.0));
        }
        assert_eq!(messages.kept.len(), MESSAGES_MAX);
        assert_eq!(messages.numbers.len(), MESSAGES_MAX);
        assert_eq!(messages.waiting(0), MESSAGES_MAX as u64);
        assert_eq!(messages.totals().written, MESSAGES_MAX as u64 + 10);
        assert_eq!(messages.take_changed().len(), MESSAGES_TOLD_MAX);
        assert_eq!(messages.last().len(), MESSAGES_TOLD_MAX);
    }
}
