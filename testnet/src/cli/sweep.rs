//! `sweep`: a scenario, simulated for many seeds and values.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::{failed, refused};
use crate::report::sweep::PAGE_NAME;
use crate::scenario::{parse_duration, show_duration};
use crate::sweep::{self, Grid, Seeds, SweepError, SweepOptions, Varied};

const HELP: &str = "\
Every combination of the values is simulated with every seed, each in a process of its own. \
DIR gets a directory with the report of each run; index.html with means, spread and confidence bands; \
and two tables for programs, runs.csv and summary.csv. If a sweep was interrupted, run the same command \
again: it keeps the reports that are there, if they are of this scenario and by this version.

Examples:
  martlet-testnet sweep split-and-heal --seeds 1..20 --out sweep
  martlet-testnet sweep split-and-heal --seeds 1..5 --set nodes=16,32 \\
      --set links.latency=20ms,80ms --out sweep
  martlet-testnet compare sweep

Exit codes: 0 all runs met their expectations; 1 one did not, or gave no report; 2 wrong usage, or the \
scenario can't be run with some of the values: nothing was run.";

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(super) struct SweepArgs {
    /// A scenario file, or the name of a ready one
    #[arg(value_name = "FILE|NAME")]
    scenario: String,
    /// The seeds: such as 1..20 (both ends included), or 3,5,8
    #[arg(long, value_name = "SEEDS", default_value = "1..5")]
    seeds: Seeds,
    /// A key of the scenario and several values for it, such as links.latency=20ms,80ms, or nodes=50,100; repeat it
    #[arg(long, value_name = "KEY=VALUE,VALUE")]
    set: Vec<Varied>,
    /// How long to run each [default: as the scenario says]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    duration: Option<Duration>,
    /// The directory for reports, page and tables; made if it isn't there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How many run at a time [default: as many as there are processors, and as fit into the memory]
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
}

pub(super) fn run(args: SweepArgs) -> ExitCode {
    let command = command(&args);
    let SweepArgs { scenario, seeds, set, duration, out, jobs } = args;
    let grid = Grid { seeds, varied: set };
    let options = SweepOptions { scenario, grid, duration, out, jobs, command };
    let sweep = match sweep::run(&options, |line| eprintln!("{line}")) {
        Ok(sweep) => sweep,
        Err(
            error @ (SweepError::Directory { .. } | SweepError::Program(_) | SweepError::Report(_)),
        ) => {
            return failed(&error);
        }
        Err(error) => return refused(&error),
    };
    let runs = sweep.runs();
    println!("{runs} runs; {}", options.out.join(PAGE_NAME).display());
    let all_passed =
        sweep.points.iter().flat_map(|point| &point.runs).all(|(_, report)| report.passed);
    if all_passed && sweep.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The command, as a shell takes it.
fn command(args: &SweepArgs) -> String {
    let seeds: Vec<String> = args.seeds.0.iter().map(u64::to_string).collect();
    let is_range = args.seeds.0.windows(2).all(|pair| pair[0].checked_add(1) == Some(pair[1]));
    let seeds = match (seeds.as_slice(), is_range) {
        ([first, .., last], true) => format!("{first}..{last}"),
        (all, _) => all.join(","),
    };
    let mut words = vec!["martlet-testnet".into(), "sweep".into(), args.scenario.clone()];
    words.extend(["--seeds".into(), seeds]);
    for varied in &args.set {
        words.extend(["--set".into(), format!("{}={}", varied.key, varied.values.join(","))]);
    }
    if let Some(duration) = args.duration {
        words.extend(["--duration".into(), show_duration(duration)]);
    }
    words.extend(["--out".into(), args.out.display().to_string()]);
    words.iter().map(|word| crate::report::quoted(word)).collect::<Vec<_>>().join(" ")
}
