//! `martlet-testnet scenario …`

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::failed;
use crate::plan::Plan;
use crate::report::Origin;
use crate::scenario::{
    PlanOptions, READY, Scenario, ScenarioError, Setting, Summary, parse_duration,
};

#[derive(Debug, Subcommand)]
pub(super) enum ScenarioCommand {
    /// List the ready scenarios; any command takes their names
    List {
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Print the text of a ready scenario: to read, or to begin one of your own with
    Show {
        /// Its name
        name: String,
    },
    /// Check scenarios, and show how many nodes, links and messages they have; nothing is run
    ///
    /// Errors are shown with file, line and key. Exit codes: 0 all are right; 1 one is not.
    Check(CheckArgs),
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Files, or names of ready scenarios
    #[arg(value_name = "FILE", required = true)]
    files: Vec<String>,
    #[command(flatten)]
    drawn: DrawArgs,
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

/// How a plan is drawn from a scenario: the flags that all commands share which run one.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct DrawArgs {
    /// The number that all random choices come from: the same seed gives the same run [default: the
    /// scenario's, or 1]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// How many nodes: groups of several are made larger or smaller [default: as the scenario says]
    #[arg(long, value_name = "N")]
    nodes: Option<usize>,
    /// How long to run, such as 90s or 10m [default: as the scenario says]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    duration: Option<Duration>,
    /// Another value for a key of the scenario, such as links.latency=80ms; repeat it
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<Setting>,
}

/// A scenario, and what it comes to.
pub(super) struct Drawn {
    pub(super) scenario: Scenario,
    pub(super) options: PlanOptions,
    pub(super) plan: Plan,
}

impl DrawArgs {
    /// The plan of the scenario of this name, or of the file at this path.
    pub(super) fn draw(&self, name_or_path: &str) -> Result<Drawn, ScenarioError> {
        let Self { seed, nodes, duration, set } = self;
        let mut options = PlanOptions { seed: *seed, nodes: *nodes, duration: *duration };
        let settings = options.take_nodes(set)?;
        let scenario = Scenario::find(name_or_path)?.with(&settings)?;
        let plan = scenario.plan(&options)?;
        Ok(Drawn { scenario, options, plan })
    }
}

impl Drawn {
    /// What a report is to say of it.
    pub(super) fn origin(&self) -> Origin {
        Origin::of(&self.scenario, &self.options)
    }
}

impl ScenarioCommand {
    pub(super) fn run(self) -> ExitCode {
        match self {
            Self::List { json } => list(json),
            Self::Show { name } => show(&name),
            Self::Check(args) => args.run(),
        }
    }
}

impl CheckArgs {
    fn run(self) -> ExitCode {
        let mut code = ExitCode::SUCCESS;
        let mut summaries = Vec::new();
        for file in &self.files {
            match self.drawn.draw(file).map(|drawn| Summary::of(&drawn.plan)) {
                Ok(summary) if self.json => summaries.push(summary),
                Ok(summary) => println!("{summary}"),
                Err(error) => code = failed(&error),
            }
        }
        if self.json {
            print_json(&summaries);
        }
        code
    }
}

fn list(json: bool) -> ExitCode {
    let mut summaries = Vec::new();
    for ready in READY {
        match DrawArgs::default().draw(ready.name).map(|drawn| Summary::of(&drawn.plan)) {
            Ok(summary) => summaries.push(summary),
            Err(error) => return failed(&error),
        }
    }
    if json {
        print_json(&summaries);
        return ExitCode::SUCCESS;
    }
    let width = READY.iter().map(|ready| ready.name.len()).max().unwrap_or(0);
    for summary in summaries {
        println!("{:width$}  {}", summary.name, summary.description);
    }
    ExitCode::SUCCESS
}

fn show(name: &str) -> ExitCode {
    match READY.iter().find(|ready| ready.name == name) {
        Some(ready) => {
            print!("{}", ready.text);
            ExitCode::SUCCESS
        }
        None => {
            let names: Vec<&str> = READY.iter().map(|ready| ready.name).collect();
            failed(&ScenarioError::Unknown { name: name.to_owned(), ready: names.join(", ") })
        }
    }
}

fn print_json(summaries: &[Summary]) {
    // Numbers and texts always become JSON.
    if let Ok(text) = serde_json::to_string_pretty(summaries) {
        println!("{text}");
    }
}
