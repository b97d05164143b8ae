//! `sim`: a scenario with simulated nodes.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::run::conclude;
use super::scenario::DrawArgs;
use super::{block_on, failed, refused};
use crate::plan::{Plan, Runner};
use crate::progress::Progress;
use crate::scenario::{Scenario, ScenarioError, check_memory};
use crate::sim::{self, SimError, Watch};

/// How often the progress shown is brought up to date.
const SHOW_INTERVAL: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub(super) struct SimArgs {
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
}

pub(super) fn run(args: &SimArgs) -> ExitCode {
    let plan = match plan(args) {
        Ok(plan) => plan,
        Err(error) => return refused(&error),
    };
    let plan = Arc::new(plan);
    let simulation = with_progress(&plan, {
        let plan = Arc::clone(&plan);
        move |watch| sim::run(&plan, watch)
    });
    match block_on(simulation) {
        Ok(Ok(report)) => conclude(&report, args.json, args.report.as_deref()),
        Ok(Err(error)) => failed(&error),
        Err(error) => failed(&error),
    }
}

fn plan(args: &SimArgs) -> Result<Plan, ScenarioError> {
    let plan = Scenario::find(&args.scenario)?.plan(&args.drawn.options())?;
    if let Some(available) = crate::scenario::available_bytes() {
        check_memory(&plan, Runner::Sim, available)?;
    }
    Ok(plan)
}

/// Does `work` on a plan, which says how far it is by the watch, and shows that. An interrupt ends it early.
pub(super) async fn with_progress<T: Send + 'static>(
    plan: &Plan,
    work: impl FnOnce(&Arc<Watch>) -> Result<T, SimError> + Send + 'static,
) -> Result<T, SimError> {
    let watch = Arc::new(Watch::default());
    let mut simulation = tokio::task::spawn_blocking({
        let watch = Arc::clone(&watch);
        move || work(&watch)
    });
    let progress = Progress::new(&plan.name, plan.duration);
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    let mut show = tokio::time::interval(SHOW_INTERVAL);
    let mut is_interrupted = false;
    loop {
        tokio::select! {
            ended = &mut simulation => return ended.unwrap_or(Err(SimError::Panicked)),
            _ = show.tick() => progress.at(watch.at(), "simulated"),
            _ = &mut interrupted, if !is_interrupted => {
                is_interrupted = true;
                watch.stop();
            }
        }
    }
}
