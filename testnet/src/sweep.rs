//! A scenario, simulated for many seeds and with many values of its keys: each run in a process of
//! its own, several at a time. What is there already of an earlier try is kept.

mod grid;
pub mod limits;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::plan::Runner;
use crate::report::sweep::{Point, Sweep};
use crate::report::{Origin, Report, ReportError};
use crate::scenario::{
    PlanOptions, Scenario, ScenarioError, Setting, available_bytes, memory_bytes,
};

pub use grid::{Grid, Seeds, Varied};

/// Why a sweep can't be run.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The scenario is wrong, as it is or with some of the values.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\nmartlet-testnet: "))]
    Scenario(Vec<ScenarioError>),
    /// Too many runs.
    #[error(
        "{runs} runs are too many; give fewer seeds or values, so that there are at most {max}"
    )]
    TooMany {
        /// How many there would be.
        runs: usize,
        /// The bound.
        max: usize,
    },
    /// A key is given twice.
    #[error("{key} is given twice; give all its values in one --set")]
    Twice {
        /// The key.
        key: String,
    },
    /// Seeds are given as a value.
    #[error("seeds are given by --seeds, not by --set")]
    SeedSet,
    /// The directory can't be made.
    #[error("cannot make {}: {source}; name another directory with --out", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The program can't be found, to be started for each run.
    #[error("cannot start runs: {0}")]
    Program(io::Error),
    /// The results can't be written.
    #[error(transparent)]
    Report(#[from] ReportError),
}

/// What is to be run.
#[derive(Debug, Clone)]
pub struct SweepOptions {
    /// A scenario file, or the name of a ready one.
    pub scenario: String,
    /// Seeds and values.
    pub grid: Grid,
    /// How long each runs; `None`: as long as the scenario says.
    pub duration: Option<Duration>,
    /// Where reports, page and tables go.
    pub out: PathBuf,
    /// How many run at a time; `None`: as many as there are processors and memory.
    pub jobs: Option<usize>,
    /// The command, for the page.
    pub command: String,
}

/// A run: a point of the grid with a seed.
struct Run {
    point: usize,
    seed: u64,
    name: String,
    settings: Vec<Setting>,
    /// What its report says if it is of this run.
    origin: Origin,
    memory_bytes: u64,
}

/// Runs all that isn't done, and writes page and tables. `tell` is told of each run that ended.
///
/// # Errors
/// [`SweepError`], before anything runs, or when nothing can be written. Runs that fail are in
/// [`Sweep::failed`].
pub fn run(options: &SweepOptions, tell: impl Fn(&str) + Sync) -> Result<Sweep, SweepError> {
    let runs = runs(options)?;
    let out = &options.out;
    std::fs::create_dir_all(out)
        .map_err(|source| SweepError::Directory { path: out.clone(), source })?;
    let program = std::env::current_exe().map_err(SweepError::Program)?;
    let mut done: BTreeMap<usize, Report> = BTreeMap::new();
    let mut left = Vec::new();
    for (place, run) in runs.iter().enumerate() {
        match kept(out, run) {
            Some(report) => drop(done.insert(place, report)),
            None => left.push(place),
        }
    }
    if !done.is_empty() {
        tell(&format!("{} of {} runs are there already", done.len(), runs.len()));
    }
    let jobs = jobs(options, &runs, left.len());
    // All processors, also where there are fewer runs than that.
    let threads = std::thread::available_parallelism().map_or(1, usize::from).div_ceil(jobs);
    let found = Mutex::new((done, BTreeMap::new()));
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(place) = left.get(next.fetch_add(1, Ordering::Relaxed)) {
            let run = &runs[*place];
            let begun = Instant::now();
            let result = one(&program, options, run, threads);
            let took = begun.elapsed().as_secs_f64();
            // A panic of another thread left what it had put in whole.
            let mut found = found.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let count = |found: &(BTreeMap<usize, Report>, BTreeMap<String, String>)| {
                found.0.len() + found.1.len()
            };
            match result {
                Ok(report) => {
                    let verdict = if report.passed { "passed" } else { "missed an expectation" };
                    found.0.insert(*place, report);
                    let told = format!("{}: {verdict}, {took:.1} s", run.name);
                    tell(&format!("{}/{} {told}", count(&found), runs.len()));
                }
                Err(reason) => {
                    found.1.insert(run.name.clone(), reason.clone());
                    tell(&format!("{}/{} {}: {reason}", count(&found), runs.len(), run.name));
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(work);
        }
    });
    let (done, failed) = found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut points: Vec<Point> = options
        .grid
        .points()
        .into_iter()
        .map(|settings| Point {
            values: settings.into_iter().map(|setting| setting.value).collect(),
            runs: Vec::new(),
        })
        .collect();
    for (place, report) in done {
        let run = &runs[place];
        points[run.point].runs.push((run.name.clone(), report));
    }
    let sweep = Sweep {
        command: options.command.clone(),
        parameters: options.grid.parameters(),
        points,
        failed: failed.into_iter().collect(),
    };
    sweep.write(out)?;
    Ok(sweep)
}

/// All runs; each is planned once, so that what is wrong with any is found before the first.
fn runs(options: &SweepOptions) -> Result<Vec<Run>, SweepError> {
    let grid = &options.grid;
    grid.check()?;
    let scenario = Scenario::find(&options.scenario);
    let scenario = scenario.map_err(|error| SweepError::Scenario(vec![error]))?;
    let mut runs = Vec::new();
    let mut errors: Vec<ScenarioError> = Vec::new();
    for (point, settings) in grid.points().into_iter().enumerate() {
        // A value that is wrong is told once, not with each of the others.
        match plan(&scenario, options, point, &settings) {
            Ok(planned) => runs.extend(planned),
            Err(error) if errors.iter().any(|known| known.to_string() == error.to_string()) => {}
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(runs) } else { Err(SweepError::Scenario(errors)) }
}

/// The runs of a point.
fn plan(
    scenario: &Scenario,
    options: &SweepOptions,
    point: usize,
    settings: &[Setting],
) -> Result<Vec<Run>, ScenarioError> {
    let mut plan_options = PlanOptions { duration: options.duration, ..PlanOptions::default() };
    let rest = plan_options.take_nodes(settings)?;
    let scenario = scenario.clone().with(&rest)?;
    let origin = Origin::of(&scenario, &plan_options);
    let all = options.grid.seeds.0.iter().map(|seed| {
        let plan = scenario.plan(&PlanOptions { seed: Some(*seed), ..plan_options })?;
        Ok(Run {
            point,
            seed: *seed,
            name: name(point, settings, *seed),
            settings: settings.to_vec(),
            origin: origin.clone(),
            memory_bytes: memory_bytes(&plan, Runner::Sim),
        })
    });
    all.collect()
}

/// The name of a run's directory.
fn name(point: usize, settings: &[Setting], seed: u64) -> String {
    let of_settings: String = settings.iter().map(|setting| format!("{setting}_")).collect();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.=".contains(c);
    let plain = of_settings.chars().all(is_plain) && of_settings.len() <= limits::NAME_BYTES_MAX;
    if plain { format!("{of_settings}seed={seed}") } else { format!("point-{point}_seed={seed}") }
}

/// The report of an earlier try, if it is of the same run by the same program, and whole.
fn kept(out: &Path, run: &Run) -> Option<Report> {
    let report = Report::read(&Report::path_in(&out.join(&run.name))).ok()?;
    let same = report.made.origin.as_ref() == Some(&run.origin) && report.seed == run.seed;
    (same && !report.interrupted && report.runner == Runner::Sim).then_some(report)
}

/// How many run at a time: as many as there are processors, and as fit into the memory.
fn jobs(options: &SweepOptions, runs: &[Run], left: usize) -> usize {
    let wanted = options.jobs.unwrap_or_else(|| {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let most = runs.iter().map(|run| run.memory_bytes).max().unwrap_or(1).max(1);
        let fit = available_bytes().map_or(usize::MAX, |available| {
            usize::try_from(available / most).unwrap_or(usize::MAX)
        });
        processors.min(fit)
    });
    wanted.clamp(1, left.max(1))
}

/// Runs one, and reads its report.
fn one(
    program: &Path,
    options: &SweepOptions,
    run: &Run,
    threads: usize,
) -> Result<Report, String> {
    let dir = options.out.join(&run.name);
    let mut command = Command::new(program);
    command.arg("sim").arg(&options.scenario).args(["--seed", &run.seed.to_string()]);
    if let Some(duration) = &run.origin.duration {
        command.args(["--duration", duration]);
    }
    for setting in &run.settings {
        command.args(["--set", &setting.to_string()]);
    }
    command.arg("--report").arg(&dir);
    command.args(["--threads", &threads.to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let output = command.output().map_err(|error| format!("cannot be started: {error}"))?;
    match kept(&options.out, run) {
        Some(report) => Ok(report),
        None => Err(reason(&output)),
    }
}

/// The last that it said.
fn reason(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rfind(|line| !line.trim().is_empty());
    let last = last.map(|line| line.trim_start_matches("martlet-testnet: ").to_owned());
    last.unwrap_or_else(|| format!("it gave no report ({})", output.status))
}
