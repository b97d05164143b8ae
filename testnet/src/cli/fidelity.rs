//! `fidelity`: a scenario, simulated and with real processes, side by side.

use std::io::Read;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::scenario::DrawArgs;
use super::{block_on, failed, refused};
use crate::cluster::ClusterError;
use crate::fidelity::{Fidelity, comparable, parse_costs};
use crate::plan::{Costs, Plan};
use crate::progress::Progress;
use crate::report::{self, Report, ReportError};
use crate::run::{self, Extras, Hosts, Local, RunError, RunOptions};
use crate::scenario::ScenarioError;
use crate::sim::{self, SimError, Watch};

#[derive(Debug, Args)]
pub(super) struct FidelityArgs {
    /// Scenario files, or names of ready ones
    #[arg(value_name = "FILE|NAME", required = true)]
    scenarios: Vec<String>,
    #[command(flatten)]
    drawn: DrawArgs,
    /// Charge the simulation for the time that work takes: a file that martlet-testnet calibrate wrote
    #[arg(long, value_name = "FILE")]
    costs: Option<PathBuf>,
    /// Write both reports to directories sim and local in this directory; of several scenarios, in one
    /// directory for each
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Print a JSON array
    #[arg(long)]
    json: bool,
    /// Where to put the processes' data
    #[arg(long, value_name = "DIR", default_value = "/tmp")]
    dir: PathBuf,
}

/// Why there is nothing to compare.
#[derive(Debug, thiserror::Error)]
enum FidelityError {
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    #[error(transparent)]
    Sim(#[from] SimError),
    #[error(transparent)]
    Local(#[from] RunError),
    #[error(transparent)]
    Report(#[from] ReportError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error("{path}: {reason}", path = path.display())]
    Costs { path: PathBuf, reason: String },
    #[error("interrupted")]
    Interrupted,
}

pub(super) fn run(args: &FidelityArgs) -> ExitCode {
    let mut all = Vec::new();
    for scenario in &args.scenarios {
        match compared(scenario, args) {
            Ok(found) if args.json => all.push(found),
            Ok(found) => println!("{}", found.table()),
            Err(
                error @ (FidelityError::Scenario(_)
                | FidelityError::Costs { .. }
                | FidelityError::Local(RunError::Refused { .. })),
            ) => return refused(&error),
            Err(error) => return failed(&error),
        }
    }
    if args.json {
        println!("{}", serde_json::json!(all));
    }
    ExitCode::SUCCESS
}

fn compared(scenario: &str, args: &FidelityArgs) -> Result<Fidelity, FidelityError> {
    let drawn = args.drawn.draw(scenario)?;
    let (mut plan, mut notes) = comparable(&drawn.plan);
    let charged = args.costs.as_deref().map(costs).transpose()?.or(plan.settings.costs.take());
    let options = RunOptions { program: None, dir: args.dir.clone(), ..RunOptions::default() };
    // First of all, since it may be refused.
    let hosts = Local::new(&plan, &options)?;
    notes.extend(hosts.notes().iter().map(|note| format!("local: {note}")));
    let local = local(&plan, &hosts)?;
    drop(hosts);
    plan.settings.costs = charged;
    let plan = Arc::new(plan);
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let sim = sim::run(&plan, &Arc::new(Watch::default()), threads)?;
    if let Some(directory) = &args.report {
        for (report, runner) in [(&sim, "sim"), (&local, "local")] {
            report::write(report, &directory.join(Path::new(&plan.name)).join(runner))?;
        }
    }
    Ok(Fidelity::of(&sim, &local, charged, notes))
}

fn costs(path: &Path) -> Result<Costs, FidelityError> {
    let wrong = |reason: &dyn std::fmt::Display| FidelityError::Costs {
        path: path.to_owned(),
        reason: reason.to_string(),
    };
    let mut text = String::new();
    let read = martlet_input::open(path).and_then(|mut file| file.read_to_string(&mut text));
    read.map_err(|error| wrong(&error))?;
    parse_costs(&text).map_err(|error| wrong(&error))
}

fn local(plan: &Plan, hosts: &Local) -> Result<Report, FidelityError> {
    let progress = Progress::new(&plan.name, plan.duration);
    let interrupted = async {
        // Without a handler the signal ends the program, as always.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let (report, _) = block_on(run::run(plan, hosts, &progress, interrupted, Extras::default()))??;
    if report.interrupted { Err(FidelityError::Interrupted) } else { Ok(report) }
}
