//! The main figures of a report, by name: what is compared, and what is swept over.

use super::words::{bytes, count, short, time};
use super::{Latency, Report};

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Things.
    Count,
    /// How many times as much.
    Ratio,
    /// A part of a whole, 0 to 1.
    Part,
    /// Seconds.
    Time,
    /// Bytes.
    Bytes,
}

impl Unit {
    /// A value, for people.
    pub(crate) fn said(self, value: f64) -> String {
        match self {
            Self::Count => count(value.round() as u64),
            Self::Ratio | Self::Part => short(value),
            Self::Time => time(value),
            Self::Bytes => bytes(value),
        }
    }
}

/// A figure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measure {
    /// Its name, with the unit.
    pub(crate) name: &'static str,
    /// What it is, in a few words.
    pub(crate) title: &'static str,
    pub(crate) unit: Unit,
    /// Of a report; absent if it has none.
    pub(crate) value: fn(&Report) -> Option<f64>,
}

const fn measure(
    name: &'static str,
    title: &'static str,
    unit: Unit,
    value: fn(&Report) -> Option<f64>,
) -> Measure {
    Measure { name, title, unit, value }
}

/// All of them, in the order in which they are shown.
pub(crate) const MEASURES: [Measure; 27] = [
    measure("written", "Messages written", Unit::Count, |report| {
        Some(report.messages.written as f64)
    }),
    measure("delivered", "Messages delivered", Unit::Count, |report| {
        Some(report.messages.delivered as f64)
    }),
    measure("delivery_ratio", "Part that was delivered", Unit::Part, |report| {
        Some(report.messages.delivery_ratio)
    }),
    measure("duplicated", "Messages shown twice", Unit::Count, |report| {
        Some(report.messages.duplicated as f64)
    }),
    measure("out_of_order", "Messages out of order", Unit::Count, |report| {
        Some(report.messages.out_of_order as f64)
    }),
    measure("latency_p50_s", "Half shown within", Unit::Time, |report| {
        of_any(&report.messages.latency, |latency| latency.p50_s)
    }),
    measure("latency_p90_s", "90 % shown within", Unit::Time, |report| {
        of_any(&report.messages.latency, |latency| latency.p90_s)
    }),
    measure("latency_p99_s", "99 % shown within", Unit::Time, |report| {
        of_any(&report.messages.latency, |latency| latency.p99_s)
    }),
    measure("latency_max_s", "All shown within", Unit::Time, |report| {
        of_any(&report.messages.latency, |latency| latency.max_s)
    }),
    measure("latency_connected_p50_s", "Half within, while connected", Unit::Time, |report| {
        of_any(&report.messages.latency_connected, |latency| latency.p50_s)
    }),
    measure("latency_connected_p99_s", "99 % within, while connected", Unit::Time, |report| {
        of_any(&report.messages.latency_connected, |latency| latency.p99_s)
    }),
    measure("latency_reachable_p99_s", "99 % within, of those reachable", Unit::Time, |report| {
        of_any(report.messages.latency_reachable.as_ref()?, |latency| latency.p99_s)
    }),
    measure("spread_half_s", "Until half of the nodes have it", Unit::Time, |report| {
        let spread = report.spread.as_ref()?;
        let reached = spread.median.iter().position(|part| *part >= 0.5)?;
        spread.age_s.get(reached).copied()
    }),
    measure("received_bytes", "Received by all nodes", Unit::Bytes, |report| {
        Some(report.traffic.received_bytes as f64)
    }),
    measure("received_bytes_mean", "Received by a node, on average", Unit::Bytes, |report| {
        let nodes = report.nodes.len();
        (nodes > 0).then(|| report.traffic.received_bytes as f64 / nodes as f64)
    }),
    measure("received_bytes_max", "Received by the busiest node", Unit::Bytes, |report| {
        Some(report.traffic.received_bytes_max as f64)
    }),
    measure("amplification", "Bytes received per payload byte", Unit::Ratio, |report| {
        report.traffic.amplification
    }),
    measure("files_whole_ratio", "Part of the files that came", Unit::Part, |report| {
        Some(report.messages.files.as_ref()?.whole_ratio)
    }),
    measure("files_to_each_p50_s", "Half of the files whole within", Unit::Time, |report| {
        of_any(&report.messages.files.as_ref()?.to_each, |latency| latency.p50_s)
    }),
    measure("files_to_each_p99_s", "99 % of the files whole within", Unit::Time, |report| {
        of_any(&report.messages.files.as_ref()?.to_each, |latency| latency.p99_s)
    }),
    measure("files_to_all_max_s", "The last file whole at all within", Unit::Time, |report| {
        of_any(&report.messages.files.as_ref()?.to_all, |latency| latency.max_s)
    }),
    measure("files_fetched_bytes", "Files fetched directly", Unit::Bytes, |report| {
        Some(report.messages.files.as_ref()?.fetched_bytes as f64)
    }),
    measure("convergence_last_s", "All there after the last heal or start", Unit::Time, |report| {
        report.convergence.last()?.took_s
    }),
    measure(
        "mailbox_envelopes_max",
        "Envelopes in all mailboxes, at most",
        Unit::Count,
        |report| report.series.mailbox_envelopes.iter().max().map(|most| *most as f64),
    ),
    measure("kept_longest_s", "The longest that an envelope was kept", Unit::Time, |report| {
        Some(report.retention.oldest_s)
    }),
    measure("left_at_end", "Envelopes left at the end", Unit::Count, |report| {
        Some(report.retention.left_at_end as f64)
    }),
    measure("nodes_on_at_end", "Nodes on at the end", Unit::Count, |report| {
        Some(report.nodes.iter().filter(|node| node.on).count() as f64)
    }),
];

fn of_any(latency: &Latency, value: fn(&Latency) -> f64) -> Option<f64> {
    (latency.count > 0).then(|| value(latency))
}
