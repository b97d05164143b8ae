//! Benchmarks: real processes, their real control sockets, loopback TCP, durable commits.
//!
//! All times are of one clock, in this process: from just before a request is written to one
//! daemon's socket to the arrival of an event from another's. This process shares the machine with
//! the daemons, so what it costs is in the figures.

mod against;
mod catch_up;
mod costs;
mod file;
mod fill;
mod flow;
mod growth;
mod idle;
mod idle_lan;
mod latency;
pub mod limits;
mod mailbox;
mod network;
mod ready;
mod report;
mod room;
mod sync;
mod throughput;
mod unnoticed_death;

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use martletd::limits::CONTROL_CONNECTIONS_OF_PROCESS_MAX;

use crate::cluster::{Cluster, ClusterError, to_json};
pub use against::Against;
pub use costs::calibrate;

use growth::GrowthCounts;
use network::NetworkCounts;
use report::{Report, SyncFigures};
use room::RoomCounts;
use sync::{Missing, Unlike};

/// Connections that send at once in the throughput part, unless told otherwise: enough that every
/// commit has a batch to take, few enough that this process doesn't hold up the daemons.
pub const SENDERS_DEFAULT: usize = SENDERS_MAX;
/// Most connections that send at once: what a daemon serves of one process, but for a few by which this one asks and
/// follows events.
pub const SENDERS_MAX: usize = CONTROL_CONNECTIONS_OF_PROCESS_MAX - 8;
/// Bytes of each message.
const TEXT_BYTES: usize = 200;
/// Longest wait for any one thing; a daemon that needs longer has failed, whatever the figure.
const WAIT_MAX: Duration = Duration::from_secs(120);

/// How to run the benchmarks.
#[derive(Debug, Clone)]
pub struct BenchOptions {
    /// The parts to run; if empty all but those that take long.
    pub only: Vec<Part>,
    /// Smaller counts and shorter times.
    pub quick: bool,
    /// Print one JSON object.
    pub json: bool,
    /// Where the data is put.
    pub dir: PathBuf,
    /// Connections that send at once in the throughput part.
    pub senders: usize,
    /// Leave the directories.
    pub keep: bool,
    /// Compare with another build.
    pub against: Option<Against>,
}

/// A part, named as its key in the JSON object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Part {
    /// One-way latency of single messages
    LatencyMs,
    /// Messages a second at full speed, and what they cost
    Throughput,
    /// An idle daemon with one peer
    Idle,
    /// Start of two daemons to the first message delivered
    ReadyS,
    /// A returning recipient fetches what waits in a mailbox node
    CatchUp,
    /// The recipient is killed unnoticed while messages are sent
    UnnoticedDeath,
    /// Envelopes into a mailbox a second, and how long it takes to drop those that end
    Mailbox,
    /// Two mailboxes of 100,000 meet; one lacks 1,000, which end at any time
    #[value(name = "sync_100k")]
    Sync100k,
    /// Two mailboxes of 1,000,000 meet; one lacks 1,000, which end in the same few hours
    #[value(name = "sync_1m_clustered")]
    Sync1mClustered,
    /// The same, but they end at any time
    #[value(name = "sync_1m_spread")]
    Sync1mSpread,
    /// Two mailboxes meet with 200,000 in common, and 100,000 each that the other lacks
    SyncLarge,
    /// The five from mailbox to sync_large
    Sync,
    /// Two mailboxes meet with nothing in common and 300,000 each; runs only if named
    #[value(name = "sync_300k")]
    Sync300k,
    /// An empty mailbox meets one of 1,000,000; runs only if named
    SyncEmpty,
    /// Three daemons on a LAN without a way out, idle for ten minutes; runs only if named
    IdleLan,
    /// A room of 64 people: time to the last of them, envelopes, and a change of who is in it; runs only if named
    Room,
    /// A file of 1 GiB between two daemons, beside a bare stream of libp2p's and raw TCP: 3 GiB of disk for a while; runs
    /// only if named
    File,
    /// Simulated networks of 100 to 1,000 nodes, with traffic and without; runs only if named
    Network,
    /// Costs with 1,000 to 100,000 messages in a conversation, 10 to 5,000 contacts, and 1,000 to 30,000
    /// messages for a recipient who is away; runs only if named
    Growth,
}

/// How much of everything.
#[derive(Debug, Clone, Copy)]
struct Counts {
    latency_messages: usize,
    throughput_messages: usize,
    idle: Duration,
    catch_up_messages: usize,
    unnoticed_messages: usize,
    /// Envelopes whose ingest and sweep are measured.
    mailbox_measured: usize,
    sync_small: usize,
    sync_large: usize,
    sync_missing: usize,
    sync_unlike: Unlike,
    idle_lan: Duration,
    room: RoomCounts,
    file_mib: u32,
    network: NetworkCounts,
    growth: GrowthCounts,
}

const FULL: Counts = Counts {
    latency_messages: 1000,
    throughput_messages: 20_000,
    idle: Duration::from_secs(30),
    catch_up_messages: 10_000,
    unnoticed_messages: 300,
    mailbox_measured: 100_000,
    sync_small: 100_000,
    sync_large: 1_000_000,
    sync_missing: 1000,
    sync_unlike: Unlike { common: 200_000, more: [100_000; 2] },
    idle_lan: Duration::from_secs(600),
    room: RoomCounts { members: 64, messages: 100, changes: 20 },
    file_mib: 1024,
    network: NetworkCounts {
        nodes: 100,
        rates: &[10, 50, 100, 200],
        seconds: 20,
        idle: &[100, 300, 1000],
    },
    growth: GrowthCounts {
        messages: &[1000, 10_000, 100_000],
        contacts: &[10, 1000, 5000],
        outbox: &[1000, 10_000, 30_000],
        timed_sends: 300,
        full_speed: 2000,
        paced: 200,
    },
};

const QUICK: Counts = Counts {
    latency_messages: 100,
    throughput_messages: 2000,
    idle: Duration::from_secs(5),
    catch_up_messages: 1000,
    unnoticed_messages: 30,
    mailbox_measured: 2000,
    sync_small: 2000,
    sync_large: 10_000,
    sync_missing: 100,
    sync_unlike: Unlike { common: 4000, more: [2000; 2] },
    idle_lan: Duration::from_secs(20),
    room: RoomCounts { members: 4, messages: 20, changes: 4 },
    // Not in parts, which a file of 4 MiB goes in.
    file_mib: 8,
    network: NetworkCounts { nodes: 10, rates: &[10], seconds: 20, idle: &[10] },
    growth: GrowthCounts {
        messages: &[100, 300],
        contacts: &[5, 50],
        outbox: &[50, 150],
        timed_sends: 30,
        full_speed: 100,
        paced: 20,
    },
};

/// Runs the benchmarks and prints the figures.
///
/// # Errors
/// When a daemon fails or something does not happen in time. A missed target is no error.
pub async fn run(options: BenchOptions) -> Result<(), ClusterError> {
    if let Some(against) = &options.against {
        return against::run(against, &options).await;
    }
    let counts = if options.quick { QUICK } else { FULL };
    let mut report = Report { quick: options.quick, ..Report::default() };
    note_conditions(&options);
    for part in Part::value_variants() {
        if *part == Part::Sync || !part.is_chosen(&options.only) {
            continue;
        }
        let mut cluster = Cluster::of_this_program(&options.dir)?;
        if options.keep {
            cluster.keep();
            eprintln!("{}: {}", name(*part), cluster.path().display());
        }
        if !options.json {
            eprintln!("measuring {} …", name(*part));
        }
        let failed = |source| ClusterError::Part { part: name(*part), source: Box::new(source) };
        match part {
            Part::LatencyMs => {
                let figures = latency::run(&cluster, counts.latency_messages).await;
                report.latency_ms = Some(figures.map_err(failed)?);
            }
            Part::Throughput => {
                let messages = counts.throughput_messages;
                let figures = throughput::run(&cluster, messages, options.senders).await;
                report.throughput = Some(figures.map_err(failed)?);
            }
            Part::Idle => {
                report.idle = Some(idle::run(&cluster, counts.idle).await.map_err(failed)?);
            }
            Part::ReadyS => {
                report.ready_s = Some(ready::run(&cluster).await.map_err(failed)?);
            }
            Part::CatchUp => {
                let figures = catch_up::run(&cluster, counts.catch_up_messages).await;
                report.catch_up = Some(figures.map_err(failed)?);
            }
            Part::UnnoticedDeath => {
                let figures = unnoticed_death::run(&cluster, counts.unnoticed_messages).await;
                report.unnoticed_death = Some(figures.map_err(failed)?);
            }
            Part::Mailbox => {
                let dir = cluster.path().join("mailbox");
                let (all, measured) = (counts.sync_large, counts.mailbox_measured);
                let figures = tokio::task::block_in_place(|| mailbox::run(&dir, all, measured));
                report.mailbox = Some(figures.map_err(failed)?);
            }
            Part::Sync100k => {
                let figures = counts.sync(&cluster, counts.sync_small, Missing::Spread).await;
                report.sync_100k = Some(figures.map_err(failed)?);
            }
            Part::Sync1mClustered => {
                let figures = counts.sync(&cluster, counts.sync_large, Missing::Clustered).await;
                report.add_large(figures.map_err(failed)?, |report| &mut report.sync_1m_clustered);
            }
            Part::Sync1mSpread => {
                let figures = counts.sync(&cluster, counts.sync_large, Missing::Spread).await;
                report.add_large(figures.map_err(failed)?, |report| &mut report.sync_1m_spread);
            }
            Part::SyncLarge => {
                let figures = sync::large(&cluster, counts.sync_unlike).await;
                report.sync_large = Some(figures.map_err(failed)?);
            }
            Part::Sync300k => {
                let more = [3 * counts.sync_small; 2];
                let figures = sync::large(&cluster, Unlike { common: 0, more }).await;
                report.sync_300k = Some(figures.map_err(failed)?);
            }
            Part::SyncEmpty => {
                let more = [0, counts.sync_large];
                let figures = sync::large(&cluster, Unlike { common: 0, more }).await;
                report.sync_empty = Some(figures.map_err(failed)?);
            }
            // Its parts are run.
            Part::Sync => {}
            Part::IdleLan => {
                let figures = idle_lan::run(&cluster, counts.idle_lan).await;
                report.named.idle_lan = Some(figures.map_err(failed)?);
            }
            Part::Room => {
                report.named.room = Some(room::run(&cluster, counts.room).await.map_err(failed)?);
            }
            Part::File => {
                report.named.file =
                    Some(file::run(&cluster, counts.file_mib).await.map_err(failed)?);
            }
            Part::Network => {
                let figures = network::run(&cluster, &counts.network).await;
                report.named.network = Some(figures.map_err(failed)?);
            }
            Part::Growth => {
                let figures = growth::run(&cluster, &counts.growth).await;
                report.named.growth = Some(figures.map_err(failed)?);
            }
        }
    }
    if options.json {
        println!("{}", to_json(&report)?);
    } else {
        print!("{}", report.table());
    }
    Ok(())
}

impl Part {
    /// Whether it is among `chosen`, or all are.
    fn is_chosen(self, chosen: &[Self]) -> bool {
        let is_sync = match self {
            Self::Mailbox
            | Self::Sync100k
            | Self::Sync1mClustered
            | Self::Sync1mSpread
            | Self::SyncLarge => true,
            Self::LatencyMs
            | Self::Throughput
            | Self::Idle
            | Self::ReadyS
            | Self::CatchUp
            | Self::UnnoticedDeath
            | Self::Sync
            | Self::Sync300k
            | Self::SyncEmpty
            | Self::IdleLan
            | Self::Room
            | Self::File
            | Self::Network
            | Self::Growth => false,
        };
        // What takes minutes is only run where someone asks for it.
        let by_default = chosen.is_empty()
            && !matches!(
                self,
                Self::Sync300k
                    | Self::SyncEmpty
                    | Self::IdleLan
                    | Self::Room
                    | Self::File
                    | Self::Network
                    | Self::Growth
            );
        by_default || chosen.contains(&self) || is_sync && chosen.contains(&Self::Sync)
    }
}

impl Counts {
    async fn sync(
        &self,
        cluster: &Cluster,
        envelopes: usize,
        which: Missing,
    ) -> Result<SyncFigures, ClusterError> {
        sync::run(cluster, envelopes, self.sync_missing, which).await
    }
}

/// Says on stderr what makes figures worthless.
fn note_conditions(options: &BenchOptions) {
    if cfg!(debug_assertions) {
        eprintln!("This is a debug build: use `cargo run --release -p martlet-testnet -- bench`.");
    }
    if options.quick {
        eprintln!("--quick: small counts. A try, not a measurement.");
    }
    /// `TMPFS_MAGIC`, statfs(2).
    const TMPFS: rustix::fs::FsWord = 0x0102_1994;
    if rustix::fs::statfs(&options.dir).is_ok_and(|found| found.f_type == TMPFS) {
        eprintln!(
            "{} is in memory, so commits cost nothing: name a directory on a disk with --dir.",
            options.dir.display()
        );
    }
}

fn name(part: Part) -> String {
    part.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}
