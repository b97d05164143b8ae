//! `martlet-testnet scenario …`

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::failed;
use crate::scenario::{PlanOptions, READY, Scenario, ScenarioError, Summary, parse_duration};

#[derive(Debug, Subcommand)]
pub(super) enum ScenarioCommand {
    /// The ready scenarios, which any command takes by their names
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
    /// Whether scenarios are right, and what they come to; nothing is run
    ///
    /// What is wrong is told with file, line and key. Exit codes: 0 all are right; 1 one is not.
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
#[derive(Debug, Clone, Copy, Default, Args)]
pub(super) struct DrawArgs {
    /// Whence all chance comes: the same seed gives the same run [default: the scenario's, or 1]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// So many nodes: groups of several are made larger or smaller [default: as the scenario says]
    #[arg(long, value_name = "N")]
    nodes: Option<usize>,
    /// Run so long, such as 90s or 10m [default: as the scenario says]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    duration: Option<Duration>,
}

impl DrawArgs {
    pub(super) fn options(self) -> PlanOptions {
        let Self { seed, nodes, duration } = self;
        PlanOptions { seed, nodes, duration }
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
            match summary(file, &self.drawn.options()) {
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

fn summary(file: &str, options: &PlanOptions) -> Result<Summary, ScenarioError> {
    Ok(Summary::of(&Scenario::find(file)?.plan(options)?))
}

fn list(json: bool) -> ExitCode {
    let mut summaries = Vec::new();
    for ready in READY {
        match summary(ready.name, &PlanOptions::default()) {
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
