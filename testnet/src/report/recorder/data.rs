//! Takes down each message and each first receipt of an envelope, for who wants the raw data.
//!
//! Some 40 bytes for each message, and 40 for each node that an envelope comes to.

use std::collections::HashMap;
use std::time::Duration;

use super::messages::MessageLog;
use super::{MessageIndex, seconds};
use crate::plan::{NodeIndex, Plan};
use crate::report::data::{Data, EnvelopeRow, MessageRow, Receipt};

/// What is taken down.
#[derive(Debug, Default)]
pub(super) struct DataLog {
    /// Messages by the ids that their writers' daemons gave them.
    named: HashMap<String, MessageIndex>,
    /// When a writer was told that a message was sent, and delivered.
    told: HashMap<String, [Option<Duration>; 2]>,
    places: HashMap<[u8; 32], u32>,
    envelopes: Vec<EnvelopeRow>,
    /// Of each envelope, over how many links it had come to each node.
    hops: Vec<HashMap<NodeIndex, Option<u16>>>,
    receipts: Vec<Receipt>,
    /// What each node was brought last: when, and by whom made, and over how many links.
    last: HashMap<NodeIndex, (Duration, Vec<(NodeIndex, u16)>)>,
    /// Over how many links the messages came.
    message_hops: HashMap<MessageIndex, u16>,
}

impl DataLog {
    pub(super) fn named(&mut self, message: MessageIndex, id: String) {
        self.named.insert(id, message);
    }

    pub(super) fn told_sent(&mut self, id: String, at: Duration) {
        self.told.entry(id).or_default()[0].get_or_insert(at);
    }

    pub(super) fn told_delivered(&mut self, id: String, at: Duration) {
        self.told.entry(id).or_default()[1].get_or_insert(at);
    }

    pub(super) fn made(&mut self, id: [u8; 32], node: NodeIndex, at: Duration) {
        let envelope = self.place(id);
        if self.envelopes[envelope as usize].made.is_some() {
            return;
        }
        self.envelopes[envelope as usize].made = Some((node, seconds(at)));
        self.take(envelope, node, at, None, Some(0), false);
    }

    /// The first node to bring it is remembered.
    pub(super) fn brought(
        &mut self,
        id: [u8; 32],
        node: NodeIndex,
        from: Option<NodeIndex>,
        at: Duration,
        stem: bool,
    ) {
        let envelope = self.place(id);
        let before = from.and_then(|from| *self.hops[envelope as usize].get(&from)?);
        let hops = before.map(|hops| hops.saturating_add(1));
        self.take(envelope, node, at, from, hops, stem);
        let author = self.envelopes[envelope as usize].made.map(|(author, _)| author);
        let Some((author, hops)) = author.zip(hops) else { return };
        let last = self.last.entry(node).or_default();
        if last.0 != at {
            *last = (at, Vec::new());
        }
        last.1.push((author, hops));
    }

    /// A message was shown: what came in the same instant from its writer brought it. Nothing is
    /// said where that came in several ways, or before.
    pub(super) fn shown(
        &mut self,
        message: MessageIndex,
        from: NodeIndex,
        to: NodeIndex,
        at: Duration,
    ) {
        let Some((_, brought)) = self.last.get(&to).filter(|(last, _)| *last == at) else { return };
        let mut hops = brought.iter().filter(|(author, _)| *author == from).map(|(_, hops)| *hops);
        let Some(first) = hops.next() else { return };
        if hops.all(|other| other == first) {
            self.message_hops.entry(message).or_insert(first);
        }
    }

    /// `missing` is someone who was not shown a message, and was to be.
    pub(super) fn finish(
        self,
        plan: &Plan,
        log: &MessageLog<'_>,
        end: Duration,
        missing: impl Fn(MessageIndex) -> Option<NodeIndex>,
    ) -> Data {
        let mut told = vec![[None; 2]; plan.messages.len()];
        for (id, times) in self.told {
            if let Some(told) = self.named.get(&id).and_then(|message| told.get_mut(*message)) {
                *told = times;
            }
        }
        let within = plan.messages.iter().enumerate().filter(|(_, planned)| planned.at <= end);
        let row = |(message, planned): (MessageIndex, &crate::plan::MessagePlan)| {
            let fate = log.fate(message);
            let [sent, acknowledged] = told[message];
            // Who is told that it was delivered at once is not told before that it was sent.
            let sent = sent.or(acknowledged);
            MessageRow {
                message,
                from: planned.from,
                to: planned.to,
                bytes: planned.bytes,
                planned_s: seconds(planned.at),
                written_s: fate.written.map(seconds),
                sent_s: sent.map(seconds),
                delivered_s: fate.delivered.map(seconds),
                acknowledged_s: acknowledged.map(seconds),
                skipped: fate.skipped,
                duplicated: fate.duplicated,
                hops: self.message_hops.get(&message).copied(),
                missing: match (fate.written, fate.delivered) {
                    (Some(_), None) => missing(message),
                    (Some(_), Some(_)) | (None, _) => None,
                },
            }
        };
        let messages = within.map(row).collect();
        Data { messages, envelopes: self.envelopes, receipts: self.receipts }
    }

    fn place(&mut self, id: [u8; 32]) -> u32 {
        *self.places.entry(id).or_insert_with(|| {
            self.envelopes.push(EnvelopeRow { id, made: None });
            self.hops.push(HashMap::new());
            u32::try_from(self.envelopes.len() - 1).unwrap_or(u32::MAX)
        })
    }

    fn take(
        &mut self,
        envelope: u32,
        node: NodeIndex,
        at: Duration,
        from: Option<NodeIndex>,
        hops: Option<u16>,
        stem: bool,
    ) {
        let all = &mut self.hops[envelope as usize];
        if all.contains_key(&node) {
            return;
        }
        all.insert(node, hops);
        self.receipts.push(Receipt { envelope, node, at_s: seconds(at), from, hops, stem });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_way_of_an_envelope_is_counted_from_who_made_it() {
        let mut log = DataLog::default();
        let id = [1; 32];
        log.made(id, 0, ms(10));
        log.brought(id, 1, Some(0), ms(20), true);
        log.brought(id, 2, Some(1), ms(30), false);
        log.brought(id, 2, Some(0), ms(31), false);
        log.brought(id, 3, None, ms(40), false);
        log.brought(id, 4, Some(3), ms(50), false);
        let ways: Vec<_> =
            log.receipts.iter().map(|receipt| (receipt.node, receipt.hops, receipt.stem)).collect();
        assert_eq!(
            ways,
            [
                (0, Some(0), false),
                (1, Some(1), true),
                (2, Some(2), false),
                (3, None, false),
                (4, None, false)
            ]
        );
    }

    #[test]
    fn the_hops_of_a_message_are_those_of_what_came_from_its_writer_in_that_instant() {
        let mut log = DataLog::default();
        for (number, from) in [(1, 0), (2, 0), (3, 1)] {
            log.made([number; 32], from, ms(0));
        }
        log.brought([1; 32], 5, Some(0), ms(10), false);
        log.brought([3; 32], 5, Some(1), ms(10), false);
        log.shown(7, 0, 5, ms(10));
        // Kept, and opened later: it isn't known which it was.
        log.shown(8, 0, 5, ms(11));
        // Two of one writer at once, over different ways.
        log.brought([1; 32], 6, Some(5), ms(20), false);
        log.brought([2; 32], 6, Some(0), ms(20), false);
        log.shown(9, 0, 6, ms(20));
        assert_eq!(log.message_hops, HashMap::from([(7, 1)]));
    }
}
