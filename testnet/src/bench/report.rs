//! The figures, their targets, and how they are printed.

mod figures;
mod growth;
mod network;

use std::fmt::Write;

use serde::Serialize;

pub(super) use figures::{
    CatchUp, FileFigures, Idle, IdleLan, Ingest, Latency, MailboxFigures, RoomFigures, SyncFigures,
    SyncLarge, Throughput, UnnoticedDeath,
};
pub(super) use growth::{Figure, GrowthFigures, Stage};
pub(super) use network::{Carried, IdleNetwork, NetworkFigures};

/// All figures; a part that did not run has none.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Report {
    /// Present if these are no measurement.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) quick: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) latency_ms: Option<Latency>,
    #[serde(flatten)]
    pub(super) throughput: Option<Throughput>,
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
    #[serde(flatten)]
    pub(super) named: Named,
}

/// Figures of parts that run only if they are named.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Named {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) idle_lan: Option<IdleLan>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) room: Option<RoomFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<FileFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) network: Option<NetworkFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) growth: Option<GrowthFigures>,
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
        let rows = self.rows();
        if !rows.is_empty() {
            let _ = writeln!(table, "{:<38} {:>12}  {:<8} {:>9}", "", "measured", "", "target");
        }
        for Row { name, value, unit, target } in rows {
            let (met, target) = match target {
                Target::AtMost(most) => (value <= most, format!("≤ {most}")),
                Target::AtLeast(least) => (value >= least, format!("≥ {least}")),
            };
            let met = if met { "met" } else { "NOT met" };
            let value = if unit.is_empty() { format!("{value:.0}") } else { significant(value) };
            let _ = writeln!(table, "{name:<38} {value:>12}  {unit:<8} {target:>9}  {met}");
        }
        if let Some(network) = &self.named.network {
            network.write(&mut table);
        }
        if let Some(growth) = &self.named.growth {
            growth.write(&mut table);
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
        let throughput = self.throughput;
        row("throughput", throughput.map(|t| t.per_s), "/s", AtLeast(5000.0));
        row("  lost", throughput.map(|t| count(t.lost)), "", AtMost(0.0));
        row("  CPU, both daemons", throughput.map(|t| t.cpu_s_per_1000), "s/1,000", AtMost(0.3));
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
        let lan = self.named.idle_lan;
        row("idle LAN, CPU", lan.map(|l| l.cpu_pct), "% core", AtMost(0.5));
        row("idle LAN, memory", lan.map(|l| l.rss_mib), "MiB", AtMost(25.0));
        row("  log lines above info", lan.map(|l| count(l.log_above_info)), "", AtMost(0.0));
        let room = self.named.room;
        row("  times a direct message's", room.map(|r| r.to_last_factor), "times", AtMost(3.0));
        row("  envelopes per message", room.map(|r| r.envelopes_per_message), "each", AtMost(1.0));
        row("  key change, CPU", room.map(|r| r.key_change_cpu_ms), "ms", AtMost(200.0));
        let file = self.named.file;
        row("file, times a bare stream", file.map(|f| f.of_bare_stream), "times", AtLeast(0.6));
        row("  memory meanwhile", file.map(|f| f.rss_growth_mib), "MiB more", AtMost(16.0));
        rows
    }
}

/// A figure rounded to what the measurement supports: four decimals, as the JSON object has it.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

/// Three significant digits, at least; of what is below 0.1 as many as were measured.
pub(super) fn significant(value: f64) -> String {
    match value {
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v if v >= 1.0 => format!("{v:.2}"),
        v if v >= 0.1 => format!("{v:.3}"),
        v => format!("{v:.4}"),
    }
}

fn count(items: usize) -> f64 {
    u32::try_from(items).map_or(f64::INFINITY, f64::from)
}

/// A report with every figure.
#[cfg(test)]
pub(super) fn example() -> Report {
    tests::report()
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn report() -> Report {
        Report {
            quick: false,
            latency_ms: Some(Latency { p50: 0.75, p99: 7.0 }),
            throughput: Some(Throughput { per_s: 6000.0, lost: 0, cpu_s_per_1000: 0.2 }),
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
            named: Named {
                idle_lan: Some(IdleLan {
                    seconds: 600.0,
                    namespaces: true,
                    cpu_pct: 0.1,
                    rss_mib: 20.0,
                    log_above_info: 0,
                    log_lines: 0,
                }),
                room: Some(RoomFigures {
                    members: 64,
                    direct_p50_ms: 1.0,
                    to_last_p50_ms: 2.5,
                    to_last_p99_ms: 9.0,
                    to_last_factor: 2.5,
                    envelopes_per_message: 1.0,
                    key_change_cpu_ms: 80.0,
                }),
                file: Some(FileFigures {
                    mib: 1024,
                    mb_per_s: 400.0,
                    bare_stream_mb_per_s: 500.0,
                    raw_tcp_mb_per_s: 3000.0,
                    of_bare_stream: 0.8,
                    rss_growth_mib: 8.0,
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
                growth: Some(growth::example()),
            },
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
            "/file/mb_per_s",
            "/file/bare_stream_mb_per_s",
            "/file/raw_tcp_mb_per_s",
            "/file/rss_growth_mib",
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
            "/growth/messages/0/size",
            "/growth/messages/0/send_p50_ms",
            "/growth/factor/messages/send_p50_ms",
        ] {
            assert!(json.pointer(pointer).is_some_and(serde_json::Value::is_number), "{pointer}");
        }
        assert_eq!(serde_json::to_string(&Report::default())?, "{}");
        Ok(())
    }

    #[test]
    fn numbers_have_three_significant_digits_or_what_was_measured() {
        let shown = [1234.5, 12.345, 1.2345, 0.1234, 0.0084].map(significant);
        assert_eq!(shown, ["1234", "12.3", "1.23", "0.123", "0.0084"]);
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
