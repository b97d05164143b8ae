//! `local` and `netns`: a scenario with real processes.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::{block_on, failed, refused};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::report::{self, Report};
use crate::run::{self, Hosts, Local, Netns, RunError, RunOptions};
use crate::scenario::{PlanOptions, Scenario, ScenarioError, parse_duration};

/// Expectations were not met, or the run failed.
const NOT_MET: u8 = 1;

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// A scenario file, or the name of a ready one
    #[arg(value_name = "FILE|NAME")]
    scenario: String,
    /// What chance the plan is made with: the same seed, the same plan [default: the scenario's]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// How many nodes: groups of several are made larger or smaller [default: the scenario's]
    #[arg(long, value_name = "N")]
    nodes: Option<usize>,
    /// How long to run it, as 30s or 10m [default: the scenario's]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    duration: Option<Duration>,
    /// Write report.json and report.html to this directory
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Print the report as JSON instead of a summary
    #[arg(long)]
    json: bool,
    /// Leave the directory with configurations, logs and databases, and say where it is
    #[arg(long)]
    keep: bool,
    /// Where to put the data
    #[arg(long, value_name = "DIR", default_value = "/tmp")]
    dir: PathBuf,
}

pub(super) fn local(args: RunArgs) -> ExitCode {
    with(&args, |plan, options| {
        let hosts = Local::new(plan, options)?;
        go(plan, &hosts, &args, hosts.path())
    })
}

pub(super) fn netns(args: RunArgs) -> ExitCode {
    with(&args, |plan, options| {
        let hosts = Netns::new(plan, options)?;
        go(plan, &hosts, &args, hosts.path())
    })
}

fn with(
    args: &RunArgs,
    run: impl FnOnce(&Plan, &RunOptions) -> Result<Report, RunError>,
) -> ExitCode {
    let plan = match plan(args) {
        Ok(plan) => plan,
        Err(error) => return refused(&error),
    };
    let options = RunOptions { program: None, dir: args.dir.clone(), keep: args.keep };
    let report = match run(&plan, &options) {
        Ok(report) => report,
        Err(error @ RunError::Refused { .. }) => return refused(&error),
        Err(error) => return failed(&error),
    };
    conclude(&report, args.json, args.report.as_deref())
}

fn plan(args: &RunArgs) -> Result<Plan, ScenarioError> {
    let options = PlanOptions { seed: args.seed, nodes: args.nodes, duration: args.duration };
    Scenario::find(&args.scenario)?.plan(&options)
}

fn go(plan: &Plan, hosts: &impl Hosts, args: &RunArgs, data: &Path) -> Result<Report, RunError> {
    let progress = Progress::new(&plan.name, plan.duration);
    for note in hosts.notes() {
        progress.say(&format!("Note: {note}."));
    }
    let interrupted = async {
        // Without a handler the signal ends the program, as always.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let report = block_on(run::run(plan, hosts, &progress, interrupted))??;
    drop(progress);
    if args.keep {
        eprintln!("The nodes' data and logs: {}", data.display());
    }
    Ok(report)
}

/// Prints and writes what came of a run; the exit code tells whether it was as expected.
pub(super) fn conclude(report: &Report, json: bool, directory: Option<&Path>) -> ExitCode {
    if let Some(directory) = directory
        && let Err(error) = report::write(report, directory)
    {
        return failed(&error);
    }
    if json {
        print(&report.to_json());
    } else {
        print(&run::summary(report));
    }
    // Of a run that was interrupted none is met.
    let missed =
        report.expectations.iter().filter(|outcome| !outcome.passed && !report.interrupted);
    for outcome in missed {
        eprintln!(
            "martlet-testnet: {} was not met: wanted {}, found {}{}",
            outcome.name,
            outcome.wanted,
            outcome.found,
            if outcome.missed_by.is_empty() {
                String::new()
            } else {
                format!(", missed by {}", outcome.missed_by)
            }
        );
    }
    if report.interrupted {
        eprintln!("martlet-testnet: interrupted; the report is of what ran");
    }
    if report.passed { ExitCode::SUCCESS } else { ExitCode::from(NOT_MET) }
}

/// Prints a text. Whoever reads it may have seen enough and gone.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
