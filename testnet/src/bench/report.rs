//! The figures, their targets, and how they are printed.

use std::fmt::{self, Write};

use serde::Serialize;

/// All figures; a part that did not run has none.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Report {
    /// Present if these are no measurement.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) quick: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) latency_ms: Option<Latency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) throughput_per_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) throughput_lost: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cpu_s_per_1000: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) idle: Option<Idle>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ready_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) catch_up: Option<CatchUp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unnoticed_death: Option<UnnoticedDeath>,
    #[serde(flatten)]
    pub(super) mailbox: Option<MailboxFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sync_100k: Option<SyncFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sync_1m_clustered: Option<SyncFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sync_1m_spread: Option<SyncFigures>,
    /// The most that a daemon had in the last two, after its start or after the sync.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rss_1m_mib: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sync_large: Option<SyncLarge>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sync_300k: Option<SyncLarge>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sync_empty: Option<SyncLarge>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) idle_lan: Option<IdleLan>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) network: Option<NetworkFigures>,
}

/// Simulated networks.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct NetworkFigures {
    /// Nodes of the one with traffic.
    pub(super) nodes: u64,
    /// How long users wrote, virtual seconds.
    pub(super) seconds: u64,
    pub(super) carried: Vec<Carried>,
    pub(super) idle: Vec<IdleNetwork>,
}

/// What a network does with so much traffic, and what it costs beyond what it costs without.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Carried {
    pub(super) envelopes_per_s: u64,
    /// Delivered of written, 0 to 1.
    pub(super) delivery: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    /// Processor time of the simulation for each envelope that a node received.
    pub(super) cpu_us_per_copy: f64,
    /// Bytes that a node received on average, for each byte of text delivered in the network.
    pub(super) bytes_per_payload_byte: f64,
    /// The same of all nodes together.
    pub(super) bytes_per_payload_byte_all: f64,
    /// Bytes that a node received, for each byte of the envelopes it took, padding included.
    pub(super) bytes_per_envelope_byte: f64,
}

/// What a node costs in a simulated network in which nobody says anything.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct IdleNetwork {
    pub(super) nodes: u64,
    pub(super) rss_mib_per_node: f64,
    /// Percent of a core, if the simulation went as fast as time.
    pub(super) cpu_pct_per_node: f64,
}

/// From the send call on one socket to the event on the other, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Latency {
    pub(super) p50: f64,
    pub(super) p99: f64,
}

/// What an idle daemon costs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Idle {
    /// Percent of one core.
    pub(super) cpu_pct: f64,
    /// Resident memory, MiB.
    pub(super) rss_mib: f64,
}

/// A recipient comes back to a mailbox node; the sender is off.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct CatchUp {
    /// From the start of its process to the last message.
    pub(super) seconds: f64,
    pub(super) lost: usize,
}

/// A recipient that was killed comes back.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct UnnoticedDeath {
    pub(super) sent: usize,
    pub(super) lost: usize,
    /// From the start of its process to the last message.
    pub(super) seconds_after_return: f64,
}

/// The mailbox alone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct MailboxFigures {
    /// Envelopes a second, durably, into a mailbox with a million.
    pub(super) ingest_per_s: f64,
    /// The same into others.
    pub(super) ingest: Ingest,
    /// To drop 100,000 that ended.
    pub(super) sweep_s: f64,
}

/// Envelopes a second, durably.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Ingest {
    /// Into an empty mailbox.
    pub(super) empty: f64,
    /// Into one with a fifth of a million.
    pub(super) fifth: f64,
}

/// Two daemons with nearly the same mailbox meet.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct SyncFigures {
    /// From the dial until both have everything on disk.
    pub(super) seconds: f64,
    /// Syncs that took.
    pub(super) passes: usize,
    /// Bytes both ways to find what is missing; envelopes apart.
    pub(super) bytes: usize,
    /// Start of the process until it answers.
    pub(super) start_s: f64,
    /// Memory of the daemon that had more, MiB, files that the system caches apart.
    pub(super) rss_mib: f64,
}

/// Two daemons with very different mailboxes meet.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct SyncLarge {
    /// From the dial until both have everything on disk.
    pub(super) seconds: f64,
    /// Envelopes brought across, both ways together.
    pub(super) per_s: f64,
    /// What the two still lacked after two minutes.
    pub(super) missing: u64,
}

/// Three daemons on a LAN without a way out, of which nobody wants anything.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct IdleLan {
    /// How long they were watched.
    pub(super) seconds: f64,
    /// Whether they were in network namespaces and found each other by mDNS; else on loopback.
    pub(super) namespaces: bool,
    /// Percent of one core, of the one that used most.
    pub(super) cpu_pct: f64,
    /// Resident memory, MiB, of the one that used most.
    pub(super) rss_mib: f64,
    /// Lines that all of them logged above level `info`, from when they were connected.
    pub(super) log_above_info: usize,
    /// Lines of any level.
    pub(super) log_lines: usize,
}

/// One line of the table.
struct Row {
    name: &'static str,
    value: f64,
    unit: &'static str,
    target: Target,
}

enum Target {
    AtMost(f64),
    AtLeast(f64),
}

impl Report {
    /// The figures as people read them.
    pub(super) fn table(&self) -> String {
        let mut table = String::new();
        // Writing to a String can't fail.
        let _ = writeln!(table, "{:<38} {:>12}  {:<8} {:>9}", "", "measured", "", "target");
        for Row { name, value, unit, target } in self.rows() {
            let (met, target) = match target {
                Target::AtMost(most) => (value <= most, format!("≤ {most}")),
                Target::AtLeast(least) => (value >= least, format!("≥ {least}")),
            };
            let met = if met { "met" } else { "NOT met" };
            let value = if unit.is_empty() { format!("{value:.0}") } else { significant(value) };
            let _ = writeln!(table, "{name:<38} {value:>12}  {unit:<8} {target:>9}  {met}");
        }
        if let Some(network) = &self.network {
            network.write(&mut table);
        }
        if self.quick {
            table.push_str("(--quick: small counts; no measurement)\n");
        }
        table
    }

    /// Adds a sync of a million, and the memory it took.
    pub(super) fn add_large(
        &mut self,
        figures: SyncFigures,
        part: impl FnOnce(&mut Self) -> &mut Option<SyncFigures>,
    ) {
        self.rss_1m_mib = Some(self.rss_1m_mib.unwrap_or(0.0).max(figures.rss_mib));
        *part(self) = Some(figures);
    }

    fn rows(&self) -> Vec<Row> {
        use Target::{AtLeast, AtMost};
        let mut rows = Vec::new();
        let mut row = |name, value, unit, target| {
            if let Some(value) = value {
                rows.push(Row { name, value, unit, target });
            }
        };
        row("latency, p50", self.latency_ms.map(|l| l.p50), "ms", AtMost(2.0));
        row("latency, p99", self.latency_ms.map(|l| l.p99), "ms", AtMost(5.0));
        row("throughput", self.throughput_per_s, "/s", AtLeast(5000.0));
        row("  lost", self.throughput_lost.map(count), "", AtMost(0.0));
        row("  CPU, both daemons", self.cpu_s_per_1000, "s/1,000", AtMost(0.3));
        row("idle, CPU", self.idle.map(|i| i.cpu_pct), "% core", AtMost(0.4));
        row("idle, memory", self.idle.map(|i| i.rss_mib), "MiB", AtMost(25.0));
        row("start to first message delivered", self.ready_s, "s", AtMost(2.0));
        row("return to messages in a mailbox", self.catch_up.map(|c| c.seconds), "s", AtMost(3.0));
        row("  lost", self.catch_up.map(|c| count(c.lost)), "", AtMost(0.0));
        let death = self.unnoticed_death;
        row(
            "return after an unnoticed death",
            death.map(|d| d.seconds_after_return),
            "s",
            AtMost(3.0),
        );
        row("  lost", death.map(|d| count(d.lost)), "", AtMost(0.0));
        let mailbox = self.mailbox;
        row("into a mailbox of 1,000,000", mailbox.map(|m| m.ingest_per_s), "/s", AtLeast(2e4));
        row("  of 200,000", mailbox.map(|m| m.ingest.fifth), "/s", AtLeast(2e4));
        row("  that is empty", mailbox.map(|m| m.ingest.empty), "/s", AtLeast(2e4));
        row("sweep of 100,000", mailbox.map(|m| m.sweep_s), "s", AtMost(1.0));
        let sync = self.sync_100k;
        row("sync of 100,000, 1,000 missing", sync.map(|s| s.seconds), "s", AtMost(1.0));
        row("  passes", sync.map(|s| count(s.passes)), "", AtMost(1.0));
        let sync = self.sync_1m_clustered;
        row("sync of 1,000,000, in few hours", sync.map(|s| s.seconds), "s", AtMost(2.0));
        row("  to find them", sync.map(|s| count(s.bytes) / 1000.0), "KB", AtMost(200.0));
        let sync = self.sync_1m_spread;
        row("sync of 1,000,000, in all hours", sync.map(|s| s.seconds), "s", AtMost(2.0));
        for (name, sync) in [
            ("sync of 100,000 more on each side", self.sync_large),
            ("sync of 300,000 with 300,000 others", self.sync_300k),
            ("sync of an empty one with 1,000,000", self.sync_empty),
        ] {
            row(name, sync.map(|s| s.per_s), "/s", AtLeast(2e4));
            let missing = sync.map(|s| u32::try_from(s.missing).map_or(f64::INFINITY, f64::from));
            row("  missing", missing, "", AtMost(0.0));
        }
        row("memory with 1,000,000", self.rss_1m_mib, "MiB", AtMost(150.0));
        let lan = self.idle_lan;
        row("idle LAN, CPU", lan.map(|l| l.cpu_pct), "% core", AtMost(0.5));
        row("idle LAN, memory", lan.map(|l| l.rss_mib), "MiB", AtMost(25.0));
        row("  log lines above info", lan.map(|l| count(l.log_above_info)), "", AtMost(0.0));
        rows
    }
}

impl NetworkFigures {
    /// Appends its two tables.
    fn write(&self, table: &mut String) {
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

/// A figure rounded to what the measurement supports: four decimals, as the JSON object has it.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

/// Three significant digits, at least.
fn significant(value: f64) -> String {
    match value {
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v if v >= 1.0 => format!("{v:.2}"),
        v => format!("{v:.3}"),
    }
}

fn count(items: usize) -> f64 {
    u32::try_from(items).map_or(f64::INFINITY, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            quick: false,
            latency_ms: Some(Latency { p50: 0.75, p99: 7.0 }),
            throughput_per_s: Some(6000.0),
            throughput_lost: Some(0),
            cpu_s_per_1000: Some(0.2),
            idle: Some(Idle { cpu_pct: 0.1, rss_mib: 20.0 }),
            ready_s: Some(0.5),
            catch_up: Some(CatchUp { seconds: 1.0, lost: 3 }),
            unnoticed_death: Some(UnnoticedDeath { sent: 300, lost: 0, seconds_after_return: 1.0 }),
            mailbox: Some(MailboxFigures {
                ingest_per_s: 30_000.0,
                ingest: Ingest { empty: 50_000.0, fifth: 40_000.0 },
                sweep_s: 0.5,
            }),
            sync_100k: Some(sync()),
            sync_1m_clustered: Some(sync()),
            sync_1m_spread: Some(sync()),
            rss_1m_mib: Some(100.0),
            sync_large: Some(SyncLarge { seconds: 5.0, per_s: 40_000.0, missing: 0 }),
            sync_300k: Some(SyncLarge { seconds: 15.0, per_s: 40_000.0, missing: 0 }),
            sync_empty: Some(SyncLarge { seconds: 25.0, per_s: 40_000.0, missing: 0 }),
            idle_lan: Some(IdleLan {
                seconds: 600.0,
                namespaces: true,
                cpu_pct: 0.1,
                rss_mib: 20.0,
                log_above_info: 0,
                log_lines: 0,
            }),
            network: Some(NetworkFigures {
                nodes: 100,
                seconds: 60,
                carried: vec![Carried {
                    envelopes_per_s: 10,
                    delivery: 1.0,
                    p50_ms: 100.0,
                    p99_ms: 200.0,
                    cpu_us_per_copy: 50.0,
                    bytes_per_payload_byte: 10.0,
                    bytes_per_payload_byte_all: 1000.0,
                    bytes_per_envelope_byte: 4.0,
                }],
                idle: vec![IdleNetwork {
                    nodes: 100,
                    rss_mib_per_node: 2.0,
                    cpu_pct_per_node: 0.1,
                }],
            }),
        }
    }

    fn sync() -> SyncFigures {
        SyncFigures { seconds: 0.5, passes: 1, bytes: 150_000, start_s: 0.1, rss_mib: 50.0 }
    }

    #[test]
    fn json_has_the_documented_keys() -> Result<(), serde_json::Error> {
        let json = serde_json::to_value(report())?;
        for pointer in [
            "/latency_ms/p50",
            "/latency_ms/p99",
            "/throughput_per_s",
            "/throughput_lost",
            "/cpu_s_per_1000",
            "/idle/cpu_pct",
            "/idle/rss_mib",
            "/ready_s",
            "/catch_up/seconds",
            "/catch_up/lost",
            "/unnoticed_death/sent",
            "/unnoticed_death/lost",
            "/unnoticed_death/seconds_after_return",
            "/ingest_per_s",
            "/sweep_s",
            "/sync_100k/seconds",
            "/sync_100k/passes",
            "/sync_100k/bytes",
            "/sync_1m_clustered/seconds",
            "/sync_1m_clustered/bytes",
            "/sync_1m_spread/seconds",
            "/rss_1m_mib",
            "/sync_large/seconds",
            "/sync_large/per_s",
            "/sync_large/missing",
            "/sync_300k/per_s",
            "/sync_empty/per_s",
            "/idle_lan/seconds",
            "/idle_lan/cpu_pct",
            "/idle_lan/rss_mib",
            "/idle_lan/log_above_info",
            "/idle_lan/log_lines",
            "/network/carried/0/envelopes_per_s",
            "/network/carried/0/delivery",
            "/network/carried/0/p50_ms",
            "/network/carried/0/p99_ms",
            "/network/carried/0/cpu_us_per_copy",
            "/network/carried/0/bytes_per_payload_byte",
            "/network/carried/0/bytes_per_envelope_byte",
            "/network/idle/0/nodes",
            "/network/idle/0/rss_mib_per_node",
            "/network/idle/0/cpu_pct_per_node",
        ] {
            assert!(json.pointer(pointer).is_some_and(serde_json::Value::is_number), "{pointer}");
        }
        assert_eq!(serde_json::to_string(&Report::default())?, "{}");
        Ok(())
    }

    #[test]
    fn the_table_says_what_is_not_met() {
        let table = report().table();
        let not_met: Vec<&str> = table.lines().filter(|line| line.contains("NOT met")).collect();
        assert_eq!(not_met.len(), 2, "{table}");
        assert!(not_met[0].starts_with("latency, p99"), "{table}");
        assert!(not_met[1].starts_with("  lost"), "{table}");
    }
}
