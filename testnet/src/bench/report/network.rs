//! What simulated networks cost.

use std::fmt::{self, Write};

use serde::Serialize;

/// Simulated networks.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(in crate::bench) struct NetworkFigures {
    /// Nodes of the one with traffic.
    pub(in crate::bench) nodes: u64,
    /// How long users wrote, virtual seconds.
    pub(in crate::bench) seconds: u64,
    pub(in crate::bench) carried: Vec<Carried>,
    pub(in crate::bench) idle: Vec<IdleNetwork>,
}

/// What a network does with so much traffic, and what it costs beyond what it costs without.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(in crate::bench) struct Carried {
    pub(in crate::bench) envelopes_per_s: u64,
    /// Delivered of written, 0 to 1.
    pub(in crate::bench) delivery: f64,
    pub(in crate::bench) p50_ms: f64,
    pub(in crate::bench) p99_ms: f64,
    /// Processor time of the simulation for each envelope that a node received.
    pub(in crate::bench) cpu_us_per_copy: f64,
    /// Bytes that a node received on average, for each byte of text delivered in the network.
    pub(in crate::bench) bytes_per_payload_byte: f64,
    /// The same of all nodes together.
    pub(in crate::bench) bytes_per_payload_byte_all: f64,
    /// Bytes that a node received, for each byte of the envelopes it took, padding included.
    pub(in crate::bench) bytes_per_envelope_byte: f64,
}

/// What a node costs in a simulated network in which nobody says anything.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(in crate::bench) struct IdleNetwork {
    pub(in crate::bench) nodes: u64,
    pub(in crate::bench) rss_mib_per_node: f64,
    /// Percent of a core, if the simulation went as fast as time.
    pub(in crate::bench) cpu_pct_per_node: f64,
}

impl NetworkFigures {
    /// Appends its two tables.
    pub(super) fn write(&self, table: &mut String) {
        // Writing to a String can't fail.
        let _ = writeln!(
            table,
            "\n{} simulated nodes, {} s of traffic\n{:>11} {:>10} {:>8} {:>8} {:>12} {:>23} {:>19}",
            self.nodes,
            self.seconds,
            "envelopes/s",
            "delivery",
            "p50 ms",
            "p99 ms",
            "CPU us/copy",
            "bytes/byte of text",
            "of envelope"
        );
        for of in &self.carried {
            let _ = writeln!(table, "{of}");
        }
        let _ =
            writeln!(table, "\n{:>11} {:>14} {:>18}", "idle nodes", "MiB a node", "% core a node");
        for of in &self.idle {
            let _ = writeln!(table, "{of}");
        }
    }
}

/// A row of the table.
impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>11} {:>8.2} % {:>8.0} {:>8.0} {:>12.0} {:>23.1} {:>19.1}",
            self.envelopes_per_s,
            self.delivery * 100.0,
            self.p50_ms,
            self.p99_ms,
            self.cpu_us_per_copy,
            self.bytes_per_payload_byte,
            self.bytes_per_envelope_byte
        )
    }
}

/// A row of the table.
impl fmt::Display for IdleNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mib, cpu) = (self.rss_mib_per_node, self.cpu_pct_per_node);
        write!(f, "{:>11} {mib:>14.2} {cpu:>18.3}", self.nodes)
    }
}
