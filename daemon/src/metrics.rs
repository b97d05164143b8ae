//! What the daemon counts about itself, for Prometheus. It knows none of those who count; how it is asked
//! for is in `scrape.rs`.
//!
//! One [`Metrics`] is shared by engine and network. To count is one atomic addition; histograms,
//! which take a lock, are only fed once per batch, commit or sync. What is a state and not a count
//! is set by the engine every second, and by the network when it is asked.
//!
//! Labels have closed sets of values, all of them exposed from the start. None holds a name, an
//! identity, a peer id or an address. `docs/operations.md` lists every metric.

mod blobs;
mod depot;
mod describe;
mod engine;
#[cfg(test)]
mod exposed;
mod net;
mod process;
mod stem;
mod sync;
mod traffic;

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

pub use blobs::BlobMetrics;
pub use depot::DepotMetrics;
pub use describe::{Counter, Gauge, Histogram};
pub use engine::{Commit, EngineMetrics};
pub use net::{ConnectionMetrics, NetMetrics, PublishFailures, Queue, Queues};
pub use stem::StemMetrics;
pub use sync::{Ended, Frame, Frames, SyncMetrics};
pub use traffic::{AckMetrics, EnvelopeMetrics, RefusedEnvelopes};

use describe::Describe;
use process::ProcessFigures;

/// All metrics of one daemon.
#[derive(Debug)]
pub struct Metrics {
    /// Envelopes on their way in and out.
    pub envelopes: EnvelopeMetrics,
    /// Acks on their way in and out.
    pub acks: AckMetrics,
    /// Batches, commits, mailbox and outbox.
    pub engine: EngineMetrics,
    /// Peers, gossip and queues.
    pub net: NetMetrics,
    /// Files that are fetched directly.
    pub blobs: BlobMetrics,
    /// The stem.
    pub stem: StemMetrics,
    /// Syncs.
    pub sync: SyncMetrics,
    /// What is kept for others, beside envelopes.
    pub depot: DepotMetrics,
    registry: Registry,
}

impl Metrics {
    /// All at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(ProcessFigures::new()));
        let mut describe = Describe(registry.sub_registry_with_prefix("martlet"));
        let build =
            describe.gauges("build_info", "Always 1; the version is in the label", ["version"]);
        build([env!("CARGO_PKG_VERSION")]).set(1);
        Self {
            envelopes: EnvelopeMetrics::new(&mut describe),
            acks: AckMetrics::new(&mut describe),
            engine: EngineMetrics::new(&mut describe),
            net: NetMetrics::new(&mut describe),
            blobs: BlobMetrics::new(&mut describe),
            stem: StemMetrics::new(&mut describe),
            sync: SyncMetrics::new(&mut describe),
            depot: DepotMetrics::new(&mut describe),
            registry,
        }
    }

    /// All of them, in Prometheus' text format.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail, and our encoders only pass its errors on.
        text::encode(&mut text, &self.registry).unwrap_or_default();
        from_open_metrics(&text)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// OpenMetrics 1.0, which the library writes, as Prometheus' text format 0.0.4. There a counter has
/// its whole name in the comments too, and there are neither units nor an end.
fn from_open_metrics(text: &str) -> String {
    let mut converted = String::with_capacity(text.len());
    let mut help = None;
    for line in text.lines() {
        if let Some(of) = line.strip_prefix("# HELP ") {
            help = of.split_once(' ');
        } else if let Some((name, kind)) =
            line.strip_prefix("# TYPE ").and_then(|of| of.split_once(' '))
        {
            let suffix = if kind == "counter" { "_total" } else { "" };
            if let Some((_, help)) = help.take() {
                converted.push_str(&format!("# HELP {name}{suffix} {help}\n"));
            }
            converted.push_str(&format!("# TYPE {name}{suffix} {kind}\n"));
        } else if !line.starts_with('#') {
            converted.push_str(line);
            converted.push('\n');
        }
    }
    converted
}
