//! `local` and `netns`: a scenario with real processes.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::scenario::{DrawArgs, Drawn};
use super::{block_on, failed, refused};
use crate::dashboard::{ADDRESS_DEFAULT, Dashboard, Scene, parse_address};
use crate::plan::{Plan, Runner};
use crate::progress::Progress;
use crate::report::{self, Data, Report};
use crate::run::{self, Extras, Hosts, Local, Netns, RunError, RunOptions};

/// Expectations were not met, or the run failed.
const NOT_MET: u8 = 1;

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// A scenario file, or the name of a ready one
    #[arg(value_name = "FILE|NAME")]
    scenario: String,
    #[command(flatten)]
    drawn: DrawArgs,
    /// Write report.json and report.html to this directory
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Print the report as JSON instead of a summary
    #[arg(long)]
    json: bool,
    /// Write the raw data to this directory: messages, links, nodes
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Leave the directory with configurations, logs and databases, and say where it is
    #[arg(long)]
    keep: bool,
    /// Where to put the data
    #[arg(long, value_name = "DIR", default_value = "/tmp")]
    dir: PathBuf,
    /// Serve a page that shows the network while it runs, and breaks it by button. ADDR is an IP of
    /// this machine alone and a port [without ADDR: 127.0.0.1, and a port that the system chooses]
    #[arg(
        long,
        value_name = "ADDR",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = ADDRESS_DEFAULT,
        value_parser = parse_address
    )]
    dashboard: Option<SocketAddr>,
}

impl RunArgs {
    fn options(&self) -> ProcessOptions {
        let Self { keep, dir, data, dashboard, .. } = self;
        let (dir, data) = (dir.clone(), data.clone());
        ProcessOptions { keep: *keep, dir, data, dashboard: *dashboard }
    }
}

/// Where processes have their data, and whether it stays.
pub(super) struct ProcessOptions {
    pub(super) keep: bool,
    pub(super) dir: PathBuf,
    /// Where the raw data goes.
    pub(super) data: Option<PathBuf>,
    /// Where a page shows the run.
    pub(super) dashboard: Option<SocketAddr>,
}

pub(super) fn local(args: &RunArgs) -> ExitCode {
    with(args, Runner::Local)
}

pub(super) fn netns(args: &RunArgs) -> ExitCode {
    with(args, Runner::Netns)
}

fn with(args: &RunArgs, runner: Runner) -> ExitCode {
    let drawn = match args.drawn.draw(&args.scenario) {
        Ok(drawn) => drawn,
        Err(error) => return refused(&error),
    };
    match with_processes(&drawn, runner, &args.options()) {
        Ok(report) => conclude(&report, args.json, args.report.as_deref()),
        Err(code) => code,
    }
}

/// The report of a run with processes, or the exit code where there is none.
pub(super) fn with_processes(
    drawn: &Drawn,
    runner: Runner,
    options: &ProcessOptions,
) -> Result<Report, ExitCode> {
    let ProcessOptions { keep, dir, data, dashboard } = options;
    let by_hand = dashboard.is_some();
    let run_options = RunOptions { program: None, dir: dir.clone(), keep: *keep, by_hand };
    let plan = &drawn.plan;
    let report =
        match runner {
            Runner::Netns => Netns::new(plan, &run_options)
                .and_then(|hosts| go(plan, &hosts, options, hosts.path())),
            Runner::Local | Runner::Sim | Runner::Agents => Local::new(plan, &run_options)
                .and_then(|hosts| go(plan, &hosts, options, hosts.path())),
        };
    match report {
        Ok((report, found)) => {
            let report = report.with_origin(drawn.origin());
            write_data(found, plan, &report, data.as_deref())?;
            Ok(report)
        }
        Err(error @ RunError::Refused { .. }) => Err(refused(&error)),
        Err(error) => Err(failed(&error)),
    }
}

/// Writes the raw data, where it was wanted; else, or if it can't be written, there is an exit code.
pub(super) fn write_data(
    found: Option<Data>,
    plan: &Plan,
    report: &Report,
    directory: Option<&Path>,
) -> Result<(), ExitCode> {
    let Some((found, directory)) = found.zip(directory) else { return Ok(()) };
    report::data::write(&found, plan, report, directory).map_err(|error| failed(&error))?;
    eprintln!("The raw data: {}; read.py there reads it.", directory.display());
    Ok(())
}

fn go(
    plan: &Plan,
    hosts: &impl Hosts,
    options: &ProcessOptions,
    data: &Path,
) -> Result<(Report, Option<Data>), RunError> {
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
    let report = block_on(async {
        let mut extras = Extras { data: options.data.is_some(), dashboard: None };
        if let Some(address) = options.dashboard {
            let scene = Scene::of_plan(plan, hosts.runner(), hosts.abilities());
            let dashboard = Dashboard::open(address, scene).await?;
            progress.say(&format!("Dashboard: {}", dashboard.url()));
            extras.dashboard = Some(dashboard);
        }
        run::run(plan, hosts, &progress, interrupted, extras).await
    })??;
    drop(progress);
    if options.keep {
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
