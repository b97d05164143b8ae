//! `sim`: a scenario with simulated nodes.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::run::{conclude, write_data};
use super::scenario::{DrawArgs, Drawn};
use super::{block_on, failed, refused};
use crate::plan::{Plan, Runner};
use crate::progress::Progress;
use crate::report::{Data, Report};
use crate::scenario::check_memory;
use crate::sim::{self, SimError, Watch};

/// How often the progress shown is brought up to date.
const SHOW_INTERVAL: Duration = Duration::from_millis(200);

/// How many threads simulate.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct ThreadArgs {
    /// How many threads simulate; the result is the same with any number [default: as many as there are processors]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

impl ThreadArgs {
    /// For this plan; where it can't be divided among more than one, that is said.
    pub(super) fn of(self, plan: &Plan) -> NonZeroUsize {
        let processors = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let threads = self.threads.unwrap_or(processors);
        if threads.get() > 1 && plan.nodes.len() > 1 && sim::threads_of_use(plan) == 1 {
            eprintln!(
                "martlet-testnet: links of less than a millisecond join all nodes, so one thread simulates them; give \
                 links.latency at least 1ms to use more"
            );
        }
        threads
    }
}

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
    /// Write the raw data to this directory: messages, receipts of envelopes, links, nodes
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    threads: ThreadArgs,
}

pub(super) fn run(args: &SimArgs) -> ExitCode {
    let drawn = match args.drawn.draw(&args.scenario) {
        Ok(drawn) => drawn,
        Err(error) => return refused(&error),
    };
    match simulated(drawn, args.data.as_deref(), args.threads) {
        Ok(report) => conclude(&report, args.json, args.report.as_deref()),
        Err(code) => code,
    }
}

/// The report of a simulation, or the exit code where there is none.
pub(super) fn simulated(
    drawn: Drawn,
    data: Option<&Path>,
    threads: ThreadArgs,
) -> Result<Report, ExitCode> {
    if let Some(available) = crate::scenario::available_bytes() {
        check_memory(&drawn.plan, Runner::Sim, available).map_err(|error| refused(&error))?;
    }
    let origin = drawn.origin();
    let plan = Arc::new(drawn.plan);
    let (report, found) = match block_on(simulate(&plan, threads, data.is_some())) {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return Err(failed(&error)),
        Err(error) => return Err(failed(&error)),
    };
    let report = report.with_origin(origin);
    write_data(found, &plan, &report, data)?;
    Ok(report)
}

/// Simulates, and shows how far it is.
async fn simulate(
    plan: &Arc<Plan>,
    threads: ThreadArgs,
    with_data: bool,
) -> Result<(Report, Option<Data>), SimError> {
    let (simulated, threads) = (Arc::clone(plan), threads.of(plan));
    with_progress(plan, move |watch| sim::run_with_data(&simulated, watch, threads, with_data))
        .await
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
