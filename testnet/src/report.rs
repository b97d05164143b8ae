//! What a run gives: `report.json`, whose shape is stable, and all that is made of it.
//!
//! Times are seconds of the run (virtual ones in `sim`), bytes are bytes on the links. A
//! simulation's report has nothing of the machine it ran on: with the same plan it is the same,
//! byte for byte.

use serde::{Deserialize, Serialize};

use crate::plan::Runner;

pub mod compare;
pub mod data;
mod devices;
#[cfg(test)]
pub(crate) mod example;
mod file;
mod files;
mod html;
mod many;
mod measures;
mod origin;
pub mod recorder;
mod rooms;
mod statistics;
pub mod sweep;
pub(crate) mod words;

pub use data::Data;
pub use devices::{CutOff, DeviceReport, Devices};
pub use file::{ReportError, write};
pub use files::{Fetched, FileNode, FileReport, FilesReport};
pub use html::DrawError;
pub(crate) use html::{places, said};
pub use many::Many;
pub(crate) use origin::quoted;
pub use origin::{Edges, Origin};
pub use rooms::RoomReport;
pub use statistics::Statistics;

/// The version of the shape. A new field does not change it; a changed meaning does.
pub const SCHEMA: u32 = 1;

/// A report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// By what it was made, and of what.
    #[serde(flatten)]
    pub made: Made,
    /// The scenario's name.
    pub scenario: String,
    /// What it shows.
    pub description: String,
    /// The seed it ran with.
    pub seed: u64,
    /// What ran it.
    pub runner: Runner,
    /// How long it should run, seconds.
    pub duration_s: f64,
    /// How long it ran; less if it was interrupted.
    pub ran_s: f64,
    /// Whether it was interrupted.
    pub interrupted: bool,
    /// Whether every expectation was met (none is, of a run that was interrupted).
    pub passed: bool,
    /// What was expected, and what was.
    pub expectations: Vec<Outcome>,
    /// Messages.
    pub messages: Messages,
    /// Bytes.
    pub traffic: Traffic,
    /// How envelopes spread; only where the runner sees them arrive (`sim`).
    pub spread: Option<Spread>,
    /// What was so at many times.
    pub series: Series,
    /// What happened, in order of time.
    pub events: Vec<EventMark>,
    /// How long it took, after each heal and start, until all that had been written before was
    /// delivered.
    pub convergence: Vec<Convergence>,
    /// How long envelopes were kept.
    pub retention: Retention,
    /// The nodes.
    pub nodes: Vec<NodeReport>,
    /// Pairs of `nodes`, by index.
    pub links: Vec<[usize; 2]>,
}

/// By what a report was made, and of what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Made {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What it was made of, and by what; absent in reports of before it was there, and in those that
    /// no command made.
    #[serde(default)]
    pub origin: Option<Origin>,
}

impl Report {
    /// The same, made of this.
    #[must_use]
    pub fn with_origin(mut self, origin: Origin) -> Self {
        self.made.origin = Some(origin);
        self
    }

    /// Whether it ran as expected, in a few words.
    #[must_use]
    pub fn verdict(&self) -> String {
        let failed = self.expectations.iter().filter(|outcome| !outcome.passed).count();
        let all = self.expectations.len();
        match (self.interrupted, failed, all) {
            (true, _, _) => "interrupted".to_owned(),
            (false, 0, 0) => "ran; nothing was expected".to_owned(),
            (false, 0, _) => format!("passed: all {all} expectations met"),
            (false, _, _) => format!("failed: {failed} of {all} expectations missed"),
        }
    }

    /// The command that runs the same again; absent without an origin. A scenario that isn't a ready
    /// one has to be in its file.
    #[must_use]
    pub fn command(&self) -> Option<String> {
        origin::command(self)
    }
}

/// One expectation, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Its key in the scenario file.
    pub name: String,
    /// What was wanted, as shown to a person.
    pub wanted: String,
    /// What was found, as shown to a person.
    pub found: String,
    /// Whether it was met.
    pub passed: bool,
    /// By how much it was missed, as shown to a person; empty if it was met.
    pub missed_by: String,
}

/// What became of the messages.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Messages {
    /// Asked for by the plan, up to the end of the run.
    pub planned: u64,
    /// Taken by the writer's daemon.
    pub written: u64,
    /// Not written, since the writer's node was off.
    pub skipped: u64,
    /// Shown to the recipient.
    pub delivered: u64,
    /// Of those, shown more than once.
    pub duplicated: u64,
    /// Of those, shown before an earlier one of the same writer.
    pub out_of_order: u64,
    /// `delivered / written`; 1 if none was written.
    pub delivery_ratio: f64,
    /// Bytes of text delivered, and of files that all have who were to get them.
    pub payload_bytes: u64,
    /// From writing to being shown.
    pub latency: Latency,
    /// The same of those whose recipient was on and reachable from writing on; absent if all were,
    /// or none.
    pub latency_reachable: Option<Latency>,
    /// Of all, without the time in which the recipient was off, or in another group of a partition
    /// than the writer. Of none in reports of before it was there.
    #[serde(default)]
    pub latency_connected: Latency,
    /// On each device; absent if nobody has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<Devices>,
    /// In each room.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rooms: Vec<RoomReport>,
    /// What became of files; absent if the scenario has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<FilesReport>,
    /// What those read who were cut off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cut_off: Vec<CutOff>,
}

/// A distribution of times, seconds.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Latency {
    /// How many there are.
    pub count: u64,
    /// The smallest.
    pub min_s: f64,
    /// Half are at most this.
    pub p50_s: f64,
    /// 90 % are.
    pub p90_s: f64,
    /// 99 % are.
    pub p99_s: f64,
    /// All are.
    pub max_s: f64,
    /// Ascending upper bounds, a factor of `10^(1/10)` apart, and how many are at most each and
    /// over the one before.
    pub histogram: Vec<(f64, u64)>,
}

/// Bytes on the links.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Traffic {
    /// Received by all nodes.
    pub received_bytes: u64,
    /// Sent by all nodes.
    pub sent_bytes: u64,
    /// Received by all nodes, for each byte of text delivered; absent if none was.
    pub amplification: Option<f64>,
    /// Bytes of the envelopes that nodes took into their mailboxes from others, summed over all nodes.
    #[serde(default)]
    pub envelope_bytes: u64,
    /// The most that one node received.
    pub received_bytes_max: u64,
    /// Received by all nodes in streams, without what encryption, multiplexing and the transport
    /// add: the same of every runner. 0 in reports of before it was there.
    #[serde(default)]
    pub stream_bytes: u64,
}

/// How envelopes spread, over all that were made in the run: at `age_s[i]` after its making, the
/// part of the nodes that were on which had seen an envelope was `median[i]`, in the slowest tenth
/// of the envelopes `p10[i]` or less.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Spread {
    /// Ages, seconds, ascending, a constant factor apart.
    pub age_s: Vec<f64>,
    /// Of the envelope in the middle, 0 to 1.
    pub median: Vec<f64>,
    /// Of the one that a tenth of them are slower than.
    pub p10: Vec<f64>,
    /// Of the one that a tenth of them are faster than.
    pub p90: Vec<f64>,
    /// How many envelopes.
    pub envelopes: u64,
}

/// What was so at `t_s[i]`; all of one length.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Series {
    /// Seconds of the run.
    pub t_s: Vec<f64>,
    /// Messages written until then.
    pub written: Vec<u64>,
    /// Messages delivered until then.
    pub delivered: Vec<u64>,
    /// Nodes that are on.
    pub nodes_on: Vec<u64>,
    /// Connections, each once.
    pub connections: Vec<u64>,
    /// Live envelopes in all mailboxes.
    pub mailbox_envelopes: Vec<u64>,
    /// Their bytes.
    pub mailbox_bytes: Vec<u64>,
    /// Bytes received by all nodes until then.
    pub received_bytes: Vec<u64>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventMark {
    /// When, seconds.
    pub at_s: f64,
    /// `partition`, `heal`, `crash`, …: the word of the scenario file.
    pub kind: String,
    /// For a person: "split into 2 groups of 10 and 10".
    pub label: String,
    /// For a partition, the group of each node, by its index in `nodes`; else empty.
    pub groups: Vec<usize>,
}

/// How long it took until all that had been written before `after` was delivered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Convergence {
    /// The event's label.
    pub after: String,
    /// When it was, seconds.
    pub at_s: f64,
    /// Messages written before and not yet delivered then.
    pub outstanding: u64,
    /// Seconds until the last of them was delivered; absent if some never was.
    pub took_s: Option<f64>,
}

/// How long envelopes were kept, by the receive time of the node that kept them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Retention {
    /// The longest that any node was seen to keep one, seconds.
    pub oldest_s: f64,
    /// Looks at a mailbox that found one kept over six days (and the hour in which it is swept).
    pub over_six_days: u64,
    /// Live envelopes in all mailboxes at the end.
    pub left_at_end: u64,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct NodeReport {
    /// Its name.
    pub name: String,
    /// `full`, `edge` or `mailbox`.
    pub role: String,
    /// Whether it has a user.
    pub user: bool,
    /// Its cluster or LAN, where the topology has such.
    pub cluster: Option<usize>,
    /// The group it was in, in the last partition.
    pub partition: Option<usize>,
    /// Whether it is on at the end.
    pub on: bool,
    /// Bytes received.
    pub received_bytes: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Envelopes taken into the mailbox.
    pub envelopes_new: u64,
    /// Bytes of these.
    #[serde(default)]
    pub envelopes_new_bytes: u64,
    /// Envelopes that were there already.
    pub envelopes_duplicate: u64,
    /// Connections at the end.
    pub connections: u64,
    /// Live envelopes in the mailbox: at the end, and the most seen.
    pub mailbox_envelopes: u64,
    /// See above.
    pub mailbox_envelopes_max: u64,
    /// Bytes of them at the end.
    pub mailbox_bytes: u64,
    /// Messages its user wrote.
    pub written: u64,
    /// Messages shown to its user.
    pub delivered: u64,
}
