//! What a whole network costs: simulations, each in a process of its own, whose processor time and memory are read.
//!
//! A *copy* is an envelope that a node received and looked at, new or known; copies that gossip itself drops are in the
//! bytes but are not counted. What the network costs without traffic, keys and contacts included, is measured first and
//! taken away.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::report::{Carried, IdleNetwork, NetworkFigures};
use crate::cluster::{Cluster, ClusterError, usage};
use crate::report::Report;

/// How much is simulated.
#[derive(Debug, Clone, Copy)]
pub(super) struct NetworkCounts {
    /// Nodes of the network with traffic.
    pub(super) nodes: u64,
    /// Envelopes a second, all users together.
    pub(super) rates: &'static [u64],
    /// For how long.
    pub(super) seconds: u64,
    /// Sizes of networks without traffic.
    pub(super) idle: &'static [u64],
}

/// Bytes of each text.
const TEXT_BYTES: u64 = 200;
/// What a network does before the traffic, and after it, that all may arrive.
const LEAD_S: u64 = 30;
/// Each node has so many links.
const DEGREE: u64 = 6;
/// How often the child's figures are read: the last reading is at most so old when it ends.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// The two lengths of an idle network's run, between which its processor time is taken.
const IDLE_S: [u64; 2] = [60, 360];

/// What a simulation gave, and what it cost.
struct Run {
    report: Report,
    cpu_s: f64,
    rss_mib: f64,
}

pub(super) async fn run(
    cluster: &Cluster,
    counts: &NetworkCounts,
) -> Result<NetworkFigures, ClusterError> {
    let NetworkCounts { nodes, rates, seconds, idle } = *counts;
    let all_s = LEAD_S + seconds + LEAD_S;
    let quiet = simulate(cluster, &scenario(nodes, all_s, "")).await?;
    let mut carried = Vec::new();
    for rate in rates {
        let every_ms = nodes * 1000 / rate;
        let end = LEAD_S + seconds;
        let traffic = format!(
            "[[traffic]]\nfrom = \"node\"\nto = \"contacts\"\nevery = \"{every_ms}ms\"\n\
             size = {TEXT_BYTES}\nstart = \"{LEAD_S}s\"\nend = \"{end}s\"\n"
        );
        eprintln!("  {nodes} nodes, {rate} envelopes a second …");
        let run = simulate(cluster, &scenario(nodes, all_s, &traffic)).await?;
        let figures = carries(*rate, &run, &quiet);
        eprintln!("  {figures}");
        carried.push(figures);
    }
    let mut idle_networks = Vec::new();
    for nodes in idle {
        let [short, long] = IDLE_S;
        eprintln!("  {nodes} idle nodes …");
        let short_run = simulate(cluster, &scenario(*nodes, short, "")).await?;
        let long_run = simulate(cluster, &scenario(*nodes, long, "")).await?;
        let per_node_s = (long_run.cpu_s - short_run.cpu_s) / *nodes as f64 / (long - short) as f64;
        let figures = IdleNetwork {
            nodes: *nodes,
            rss_mib_per_node: long_run.rss_mib / *nodes as f64,
            cpu_pct_per_node: per_node_s * 100.0,
        };
        eprintln!("  {figures}");
        idle_networks.push(figures);
    }
    Ok(NetworkFigures { nodes, seconds, carried, idle: idle_networks })
}

/// The processor time of a copy of an envelope, in a network of ten nodes and 40 envelopes a second.
pub(super) async fn cost_of_copy(cluster: &Cluster) -> Result<Duration, ClusterError> {
    const COUNTS: NetworkCounts = NetworkCounts { nodes: 10, rates: &[40], seconds: 60, idle: &[] };
    let figures = run(cluster, &COUNTS).await?;
    let cost_us = figures.carried.first().map_or(0.0, |carried| carried.cpu_us_per_copy);
    Ok(Duration::from_secs_f64(cost_us.max(0.0) / 1e6))
}

fn scenario(nodes: u64, seconds: u64, traffic: &str) -> String {
    format!(
        "duration = \"{seconds}s\"\n[[nodes]]\nname = \"node\"\ncount = {nodes}\n\
         [topology]\nkind = \"random-regular\"\ndegree = {DEGREE}\n\
         [links]\nlatency = \"50ms\"\njitter = \"20ms\"\n\
         [[contacts]]\npairs = \"ring\"\n{traffic}"
    )
}

fn carries(rate: u64, run: &Run, quiet: &Run) -> Carried {
    let copies = |run: &Run| -> u64 {
        run.report.nodes.iter().map(|node| node.envelopes_new + node.envelopes_duplicate).sum()
    };
    let received = |run: &Run| run.report.traffic.received_bytes as f64;
    let messages = &run.report.messages;
    let envelope_bytes = |run: &Run| run.report.traffic.envelope_bytes as f64;
    let more_copies = copies(run).saturating_sub(copies(quiet)).max(1) as f64;
    let per_payload_byte = (received(run) - received(quiet)) / messages.payload_bytes.max(1) as f64;
    Carried {
        envelopes_per_s: rate,
        delivery: messages.delivery_ratio,
        p50_ms: messages.latency.p50_s * 1000.0,
        p99_ms: messages.latency.p99_s * 1000.0,
        cpu_us_per_copy: (run.cpu_s - quiet.cpu_s) * 1e6 / more_copies,
        bytes_per_payload_byte: per_payload_byte / run.report.nodes.len() as f64,
        bytes_per_payload_byte_all: per_payload_byte,
        bytes_per_envelope_byte: (received(run) - received(quiet))
            / (envelope_bytes(run) - envelope_bytes(quiet)).max(1.0),
    }
}

/// Runs a scenario in a process of its own.
async fn simulate(cluster: &Cluster, scenario: &str) -> Result<Run, ClusterError> {
    let dir = cluster.path();
    let (file, output) = (dir.join("network.toml"), dir.join("report.json"));
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ClusterError::File { path, source }
    };
    fs::write(&file, scenario).map_err(failed(&file))?;
    let mut child = Command::new(cluster.program())
        .arg("sim")
        .arg(&file)
        // One thread waits for none: what is measured is the work.
        .args(["--json", "--threads", "1"])
        .stdin(Stdio::null())
        .stdout(File::create(&output).map_err(failed(&output))?)
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed(cluster.program()))?;
    let (mut cpu_s, mut rss_mib) = (0.0_f64, 0.0_f64);
    let status = loop {
        // One that has just ended has no figures any more; the last ones count.
        if let Ok(now) = usage(child.id()) {
            cpu_s = cpu_s.max(now.cpu.as_secs_f64());
            rss_mib = rss_mib.max(now.rss_bytes as f64 / f64::from(1 << 20));
        }
        if let Some(status) = child.try_wait().map_err(failed(cluster.program()))? {
            break status;
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    };
    if !status.success() {
        return Err(ClusterError::Wrong(format!("a simulation failed: {status}")));
    }
    let report = Report::read(&output).map_err(|error| ClusterError::Wrong(error.to_string()))?;
    Ok(Run { report, cpu_s, rss_mib })
}
