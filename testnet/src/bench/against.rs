//! Two builds on one machine, in turn: this one, the other, this one, the other, …
//!
//! Each part is run for itself, so that a part that an older build does not know costs nothing else, and the two
//! runs of a pair are as near to each other in time as can be. Both builds run as children, so what starts them is
//! the same. They are ended with this process, whichever way it ends.

mod better;
mod child;
mod compare;
mod figures;
mod table;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use tokio::signal::unix::{SignalKind, signal};

use super::{BenchOptions, Part, name, note_conditions};
use crate::cluster::{Cluster, ClusterError, to_json};
use child::{Build, Runner};
use compare::{Comparison, PartComparison, Side};

/// Another build to measure beside this one.
#[derive(Debug, Clone)]
pub struct Against {
    /// Its `martlet-testnet`.
    pub program: PathBuf,
    /// How often each part is run by each build.
    pub rounds: usize,
    /// Longest run of one part of one build.
    pub run_max: Duration,
}

/// Runs the parts by both builds, and prints how they compare.
///
/// # Errors
/// When the other build is none, or a run failed; the comparison of all else is printed before.
pub(super) async fn run(against: &Against, options: &BenchOptions) -> Result<(), ClusterError> {
    note_conditions(options);
    let mut terminated = signal(SignalKind::terminate()).map_err(wrong)?;
    let comparison = tokio::select! {
        comparison = measure(against, options) => comparison?,
        // What runs is ended as its handle is dropped.
        interrupted = tokio::signal::ctrl_c() => return Err(ended_early(interrupted.err())),
        _ = terminated.recv() => return Err(ended_early(None)),
    };
    if options.json {
        println!("{}", to_json(&comparison)?);
    } else {
        print!("{}", table::table(&comparison, table::columns(&io::stdout())));
    }
    match comparison.failed_runs() {
        0 => Ok(()),
        failed => Err(ClusterError::Wrong(format!("{failed} runs of a part failed"))),
    }
}

async fn measure(against: &Against, options: &BenchOptions) -> Result<Comparison, ClusterError> {
    let cluster = Cluster::of_this_program(&options.dir)?;
    let runner = Runner::new(Some(cluster.program().to_owned()), against.run_max);
    let other = runner.build(&against.program).await?;
    let this = runner.build(cluster.program()).await?;
    let parts: Vec<String> = Part::value_variants()
        .iter()
        .filter(|part| **part != Part::Sync && part.is_chosen(&options.only))
        .map(|part| name(*part))
        .collect();
    let turns = Turns {
        rounds: against.rounds,
        // What a child that was killed leaves there goes with this directory.
        args: arguments(options, cluster.path()),
        parts,
        quick: options.quick,
        quiet: options.json,
    };
    Ok(interleaved(&runner, [this, other], &turns).await)
}

/// What is run in turn.
struct Turns {
    parts: Vec<String>,
    rounds: usize,
    /// What each run is given besides the part's name.
    args: Vec<OsString>,
    quick: bool,
    /// Say nothing of how far it is.
    quiet: bool,
}

/// Runs each part by both builds in turn.
async fn interleaved(runner: &Runner, builds: [Build; 2], turns: &Turns) -> Comparison {
    let ([mut this, mut other], rounds) = (builds, turns.rounds);
    let mut compared = Vec::new();
    for part in &turns.parts {
        let mut comparison = PartComparison::new(part, rounds);
        for round in 0..rounds {
            for side in [Side::This, Side::Other] {
                if !comparison.is_worth_running(side) {
                    continue;
                }
                if !turns.quiet {
                    eprintln!("{part}, round {} of {rounds}: {} …", round + 1, side.words());
                }
                let build = match side {
                    Side::This => &mut this,
                    Side::Other => &mut other,
                };
                let outcome = runner.measure(build, part, &turns.args).await;
                if !turns.quiet
                    && let Some(trouble) = outcome.trouble()
                {
                    eprintln!("  {trouble}");
                }
                comparison.add(side, round, outcome);
            }
        }
        compared.push(comparison);
    }
    Comparison { this, other, rounds, quick: turns.quick, parts: compared }
}

/// What each run of a part is given besides its name.
fn arguments(options: &BenchOptions, dir: &Path) -> Vec<OsString> {
    let mut args: Vec<OsString> = vec!["--json".into(), "--dir".into(), dir.into()];
    args.extend(["--senders".into(), options.senders.to_string().into()]);
    if options.quick {
        args.push("--quick".into());
    }
    args
}

fn ended_early(error: Option<io::Error>) -> ClusterError {
    error.map_or_else(|| ClusterError::Wrong("it was interrupted".to_owned()), wrong)
}

fn wrong(error: io::Error) -> ClusterError {
    ClusterError::Wrong(error.to_string())
}
