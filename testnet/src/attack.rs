//! Attacks: one hostile peer (or fifty) against a network of real daemons, while two honest users
//! write to each other.
//!
//! Each attack has a network of its own on loopback: Alice and Bob, connected only by way of a
//! mailbox node, which the attacker connects to as anybody can. First they talk in quiet, then
//! under attack. What must hold is in `attack/report.rs`.

mod arena;
mod blobs;
mod deeds;
pub(crate) mod frames;
mod link;
mod report;
mod siege;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use martletd::limits::PEER_ENVELOPES_PER_MINUTE_DEFAULT;

use crate::cluster::{Cluster, ClusterError, to_json};
use arena::Arena;
use report::{Figures, Report};
use siege::Siege;

/// Seconds of each attack, unless told otherwise: with the default share, a flood of 20,000
/// messages a second passes what an honest peer may bring after 12.
pub const SECONDS_DEFAULT: u64 = 20;
/// Seconds of each attack with `--quick`.
const SECONDS_QUICK: u64 = 5;
/// Seconds of [`Attack::DeafPeers`] with `--quick`: a peer may take nothing for eight.
const SECONDS_QUICK_DEAF: u64 = 15;
/// The share of a peer with `--quick`: small, so that a slow build gets past it.
const SHARE_QUICK: u32 = 4800;
/// Seconds of quiet before the attack, as a part of the attack's.
const QUIET_PART: u32 = 2;

/// How to attack.
#[derive(Debug, Clone)]
pub struct AttackOptions {
    /// The attacks, in order.
    pub attacks: Vec<Attack>,
    /// Print one JSON object.
    pub json: bool,
    /// Seconds of each; the default if none.
    pub seconds: Option<u64>,
    /// Smaller shares, shorter times.
    pub quick: bool,
    /// Where the data is put.
    pub dir: PathBuf,
    /// Leave the directories.
    pub keep: bool,
}

/// An attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Attack {
    /// Floods envelopes that every node must take for good
    FloodValid,
    /// Floods bytes that are nothing at all
    FloodGarbage,
    /// Repeats what others have sent
    Replay,
    /// Sends envelopes that have expired, or that end too late
    WrongTimes,
    /// Lies in reconciliations: endless rounds, ids it hasn't got, oversized and foreign frames
    LyingSync,
    /// Opens streams without end
    ManyStreams,
    /// Opens streams, begins to speak on each, and stalls
    StalledStreams,
    /// Asks for files what nobody can read, or half of it, on more streams than it may open
    BlobQuestions,
    /// Subscribes under twelve names, and reads nothing of the gossip
    DeafPeers,
    /// Floods subscriptions and control messages of gossip
    FloodControl,
    /// Acknowledges what others have not received
    ForgedAcks,
    /// Sends other bodies under the tags of honest envelopes
    ClaimedTags,
    /// Sends again what was acknowledged and purged, to nodes that have forgotten that they saw it
    Reinjected,
    /// Floods under fifty names at once
    Sybils,
}

impl Attack {
    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// What it does, in one line.
    #[must_use]
    pub fn about(self) -> String {
        let value = self.to_possible_value();
        value.and_then(|value| value.get_help().map(ToString::to_string)).unwrap_or_default()
    }
}

/// Prints the attacks.
pub fn list() {
    for attack in Attack::value_variants() {
        println!("{:16} {}", attack.name(), attack.about());
    }
}

/// Runs the attacks and prints the figures.
///
/// # Errors
/// When a daemon fails, or a promise was broken: the message names the attacks.
pub async fn run(options: AttackOptions) -> Result<(), ClusterError> {
    if cfg!(debug_assertions) && !options.quick {
        eprintln!("This is a debug build: use `cargo run --release -p martlet-testnet -- attack`.");
    }
    let mut report = Report { quick: options.quick, attacks: Vec::new(), ok: true };
    for attack in &options.attacks {
        eprintln!("{}: {} …", attack.name(), attack.about());
        let figures = one(*attack, &options).await.map_err(|source| ClusterError::Part {
            part: attack.name(),
            source: Box::new(source),
        })?;
        if let Some(reason) = &figures.inconclusive {
            eprintln!("{}: inconclusive: {reason}", attack.name());
        }
        for broken in &figures.broken {
            eprintln!("{}: BROKEN: {broken}", attack.name());
        }
        report.ok &= figures.ok;
        report.attacks.push(figures);
    }
    match (options.json, report.attacks.as_slice()) {
        (true, [only]) => println!("{}", to_json(only)?),
        (true, _) => println!("{}", to_json(&report)?),
        (false, _) => print!("{}", report.table()),
    }
    if report.ok { Ok(()) } else { Err(ClusterError::Wrong(report.broken())) }
}

/// Runs one attack on a network of its own.
async fn one(attack: Attack, options: &AttackOptions) -> Result<Figures, ClusterError> {
    let mut cluster = Cluster::of_this_program(&options.dir)?;
    if options.keep {
        cluster.keep();
        eprintln!("{}: {}", attack.name(), cluster.path().display());
    }
    let share = if options.quick { SHARE_QUICK } else { PEER_ENVELOPES_PER_MINUTE_DEFAULT };
    against(attack, &cluster, share, options).await
}

/// Runs one attack in quick form on a network in `cluster`, for tests.
///
/// # Errors
/// When a daemon fails, or a promise was broken.
pub async fn quick(attack: Attack, cluster: &Cluster) -> Result<(), ClusterError> {
    let options = AttackOptions {
        attacks: vec![attack],
        json: true,
        seconds: None,
        quick: true,
        dir: PathBuf::new(),
        keep: false,
    };
    let figures = against(attack, cluster, SHARE_QUICK, &options).await?;
    if let Some(reason) = &figures.inconclusive {
        eprintln!("{}: inconclusive: {reason}", attack.name());
    }
    if figures.ok { Ok(()) } else { Err(ClusterError::Wrong(to_json(&figures)?)) }
}

async fn against(
    attack: Attack,
    cluster: &Cluster,
    share: u32,
    options: &AttackOptions,
) -> Result<Figures, ClusterError> {
    let default = match (options.quick, attack) {
        (true, Attack::DeafPeers) => SECONDS_QUICK_DEAF,
        (true, _) => SECONDS_QUICK,
        (false, _) => SECONDS_DEFAULT,
    };
    let duration = Duration::from_secs(options.seconds.unwrap_or(default));
    let mut arena = Arena::start(cluster, share).await?;
    let watch = arena.watch()?;
    let rest = tokio::time::sleep(duration / QUIET_PART);
    let (quiet, ()) = arena.talk("quiet", rest).await?;
    let past = arena.bystander.heard();
    if attack == Attack::Reinjected {
        arena.forget_gossip().await?;
    }
    let watch = if attack == Attack::Reinjected { arena.watch()? } else { watch };
    let mut siege = Siege::begin(&arena, past, duration)?;
    let (traffic, fate) = arena
        .talk("siege", async {
            let began = Instant::now();
            let fate = deeds::press(attack, &mut siege).await;
            // Honest messages flow as long in any case.
            tokio::time::sleep(duration.saturating_sub(began.elapsed())).await;
            fate
        })
        .await?;
    let fate = fate?;
    drop(siege);
    let after = match attack {
        Attack::DeafPeers => Some(arena.rss_once_quiet().await?),
        _ => None,
    };
    let peak = watch.peak();
    Ok(Figures::new(attack, duration, share, &quiet, &traffic, (peak, after), fate))
}
