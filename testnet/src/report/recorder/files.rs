//! What becomes of files.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::copies::Copies;
use super::{MessageIndex, NodeSample, latency, ratio, rounded, seconds};
use crate::plan::{NodeIndex, Plan, Way};
use crate::report::files::FILES_TOLD_MAX;
use crate::report::{Fetched, FileNode, FileReport, FilesReport};

/// Takes down what becomes of files.
#[derive(Debug, Default)]
pub(super) struct FileLog {
    /// When a file was whole first at a person, by their first device.
    whole: BTreeMap<(MessageIndex, NodeIndex), Duration>,
    failed: BTreeSet<(MessageIndex, NodeIndex)>,
    /// Bytes, by who fetched them and from whom.
    fetched: BTreeMap<(NodeIndex, NodeIndex), u64>,
}

impl FileLog {
    /// A file is whole on a node.
    pub(super) fn whole(
        &mut self,
        plan: &Plan,
        message: MessageIndex,
        node: NodeIndex,
        at: Duration,
    ) {
        let Some(planned) = plan.messages.get(message) else { return };
        let person = plan.person(node);
        if planned.file.is_some() && plan.person(planned.from) != person {
            self.whole.entry((message, person)).or_insert(at);
        }
    }

    /// It failed there.
    pub(super) fn failed(&mut self, plan: &Plan, message: MessageIndex, node: NodeIndex) {
        self.failed.insert((message, plan.person(node)));
    }

    pub(super) fn fetched(&mut self, by: NodeIndex, from: NodeIndex, bytes: u64) {
        *self.fetched.entry((by, from)).or_default() += bytes;
    }

    /// What became of all, and the bytes of those that all have who were to get them. `None`: the plan has none.
    pub(super) fn finish(
        self,
        copies: &Copies<'_>,
        written: &[(MessageIndex, Duration)],
        samples: &[NodeSample],
    ) -> Option<(FilesReport, u64)> {
        let plan = copies.plan;
        if !plan.has_files() {
            return None;
        }
        let mut report = FilesReport::default();
        let (mut to_each, mut to_all, mut all_have) = (Vec::new(), Vec::new(), 0);
        for (message, sent) in written {
            let planned = &plan.messages[*message];
            let Some(file) = planned.file else { continue };
            let people = copies.recipients(*message);
            let whole: Vec<Duration> = people
                .iter()
                .filter_map(|person| self.whole.get(&(*message, *person)))
                .map(|at| at.saturating_sub(*sent))
                .collect();
            let missing = people.iter().filter(|it| !self.whole.contains_key(&(*message, **it)));
            report.failed +=
                missing.filter(|person| self.failed.contains(&(*message, **person))).count() as u64;
            let way = plan.network.way_of(file.bytes);
            *match way {
                Way::Message => &mut report.in_messages,
                Way::Parts => &mut report.in_parts,
                Way::Direct => &mut report.direct,
            } += 1;
            report.sent += 1;
            report.bytes += file.bytes;
            report.expected += people.len() as u64;
            report.whole += whole.len() as u64;
            let last = whole.iter().max().copied().filter(|_| whole.len() == people.len());
            if let Some(last) = last {
                all_have += file.bytes;
                to_all.push(last);
            }
            if report.each.len() < FILES_TOLD_MAX {
                report.each.push(FileReport {
                    message: *message,
                    from: planned.from,
                    to: plan.name_of(planned.to).to_owned(),
                    bytes: file.bytes,
                    way: way.word().to_owned(),
                    sent_s: seconds(*sent),
                    expected: people.len() as u64,
                    whole: whole.len() as u64,
                    to_all_s: last.map(seconds),
                });
            }
            to_each.extend(whole);
        }
        report.whole_ratio = match report.expected {
            0 => 1.0,
            expected => rounded(ratio(report.whole, expected)),
        };
        report.to_each = latency::distribution(to_each);
        report.to_all = latency::distribution(to_all);
        for (node, sample) in samples.iter().enumerate() {
            let (received_bytes, sent_bytes) =
                (sample.files_received_bytes, sample.files_sent_bytes);
            report.fetched_bytes += received_bytes;
            if received_bytes > 0 || sent_bytes > 0 {
                report.nodes.push(FileNode { node, received_bytes, sent_bytes });
            }
        }
        let fetched = self.fetched.into_iter();
        report.fetched = fetched.map(|((by, from), bytes)| Fetched { by, from, bytes }).collect();
        Some((report, all_have))
    }
}

impl Way {
    fn word(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Parts => "parts",
            Self::Direct => "direct",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Recorder;
    use super::*;
    use crate::plan::{Accept, Addressee, FilePlan, MessagePlan, NetworkPlan, Runner};
    use crate::report::example;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn files_are_told_of_by_who_has_them_and_who_fetched_them_from_whom() {
        let mut plan = example::plan(3);
        plan.network = NetworkPlan { mailbox_file_bytes: Some(0), ..plan.network };
        let send = |at, to, bytes| MessagePlan {
            at: s(at),
            from: 0,
            to: Addressee::Person(to),
            bytes: 0,
            file: Some(FilePlan { bytes, accept: Accept::Offered }),
        };
        plan.messages = vec![send(1, 1, 1_000), send(2, 1, 100_000), send(3, 2, 100_000)];
        let mut recorder = Recorder::new(&plan, Runner::Sim);
        for message in 0..3 {
            recorder.written(message, plan.messages[message].at);
        }
        recorder.file_whole(0, 1, s(2));
        recorder.file_whole(1, 1, s(12));
        recorder.file_whole(1, 1, s(50));
        // Whoever sent it has it: that is nothing.
        recorder.file_whole(1, 0, s(12));
        recorder.file_failed(2, 2);
        recorder.fetched(1, 0, 60_000);
        recorder.fetched(1, 0, 50_000);
        let mut samples = [NodeSample::default(); 3];
        samples[1].files_received_bytes = 110_000;
        samples[0].files_sent_bytes = 130_000;
        recorder.sample(s(60), &samples);
        let report = recorder.finish(s(100), false);
        let files = report.messages.files.clone().expect("there are some");
        assert_eq!((files.sent, files.in_messages, files.in_parts, files.direct), (3, 1, 0, 2));
        assert_eq!((files.expected, files.whole, files.failed), (3, 2, 1));
        assert_eq!((files.bytes, files.fetched_bytes), (201_000, 110_000));
        assert_eq!((files.to_all.count, files.to_each.max_s), (2, 10.0));
        assert_eq!(files.fetched, [Fetched { by: 1, from: 0, bytes: 110_000 }]);
        let nodes: Vec<_> =
            files.nodes.iter().map(|it| (it.node, it.received_bytes, it.sent_bytes)).collect();
        assert_eq!(nodes, [(0, 0, 130_000), (1, 110_000, 0)]);
        let each: Vec<_> = files.each.iter().map(|it| (it.way.as_str(), it.to_all_s)).collect();
        assert_eq!(each, [("message", Some(1.0)), ("direct", Some(10.0)), ("direct", None)]);
        assert_eq!(report.messages.payload_bytes, 101_000, "what all have");
    }
}
