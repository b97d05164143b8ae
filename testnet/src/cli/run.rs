//! `local` and `netns`: a scenario with real processes.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::{block_on, failed};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::report::{self, Report};
use crate::run::{self, Hosts, Local, Netns, RunError, RunOptions};

/// Expectations were not met, or the run failed.
const NOT_MET: u8 = 1;
/// The scenario can't be run so.
const REFUSED: u8 = 2;

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// A scenario file, or the name of a ready one
    #[arg(value_name = "FILE|NAME")]
    scenario: String,
    /// What chance the plan is made with: the same seed, the same plan
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
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
    with(&args, "local", |plan, options| {
        let hosts = Local::new(plan, options)?;
        go(plan, &hosts, &args, hosts.path())
    })
}

pub(super) fn netns(args: RunArgs) -> ExitCode {
    with(&args, "netns", |plan, options| {
        let hosts = Netns::new(plan, options)?;
        go(plan, &hosts, &args, hosts.path())
    })
}

fn with(
    args: &RunArgs,
    _runner: &str,
    run: impl FnOnce(&Plan, &RunOptions) -> Result<Report, RunError>,
) -> ExitCode {
    let plan = match plan(args) {
        Ok(plan) => plan,
        Err(reason) => {
            eprintln!("martlet-testnet: {reason}");
            return ExitCode::from(REFUSED);
        }
    };
    let options = RunOptions { program: None, dir: args.dir.clone(), keep: args.keep };
    let report = match run(&plan, &options) {
        Ok(report) => report,
        Err(error @ RunError::Refused { .. }) => {
            failed(&error);
            return ExitCode::from(REFUSED);
        }
        Err(error) => return failed(&error),
    };
    conclude(&report, args.json, args.report.as_deref())
}

fn plan(args: &RunArgs) -> Result<Plan, String> {
    // Scenario files are not read yet.
    Err(format!("{}: no scenarios (seed {})", args.scenario, args.seed))
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
    let missed = report.expectations.iter().filter(|outcome| !outcome.passed);
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
