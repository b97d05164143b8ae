//! `rerun`: what a report tells of, once more.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::run::{ProcessOptions, conclude, with_processes};
use super::scenario::Drawn;
use super::sim::{ThreadArgs, simulated};
use super::{failed, refused};
use crate::plan::Runner;
use crate::report::Report;

/// The first report and the second differ.
const DIFFERS: u8 = 1;

#[derive(Debug, Args)]
pub(super) struct RerunArgs {
    /// A report.json, or a directory with one
    #[arg(value_name = "REPORT.json")]
    report_json: PathBuf,
    /// Write report.json and report.html to this directory
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Print the report as JSON instead of a summary
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    threads: ThreadArgs,
}

/// Why a report can't be made again.
#[derive(Debug, thiserror::Error)]
enum RerunError {
    /// It has no scenario in it.
    #[error(
        "{} does not tell what it was made of: it is by an earlier version, or not by a command; run its scenario again",
        .0.display()
    )]
    NoOrigin(PathBuf),
    /// Its nodes are elsewhere.
    #[error("{} is of nodes started elsewhere, by their agents; start those, and run: {}", path.display(), command)]
    Agents {
        /// The report.
        path: PathBuf,
        /// The command.
        command: String,
    },
}

pub(super) fn rerun(args: &RerunArgs) -> ExitCode {
    let path = Report::path_in(&args.report_json);
    let first = match Report::bytes(&path) {
        Ok(first) => first,
        Err(error) => return failed(&error),
    };
    let report = match Report::parse(&path, &first) {
        Ok(report) => report,
        Err(error) => return failed(&error),
    };
    let Some(origin) = &report.made.origin else { return refused(&RerunError::NoOrigin(path)) };
    let drawn = origin
        .scenario(report.seed)
        .and_then(|(scenario, options)| Ok((scenario.plan(&options)?, scenario, options)));
    let drawn = match drawn {
        Ok((plan, scenario, options)) => Drawn { scenario, options, plan },
        Err(error) => return refused(&error),
    };
    if !origin.is_of_this_program() {
        eprintln!(
            "martlet-testnet: the report is by {}, and this is {}: figures may differ",
            origin.program(),
            drawn.origin().program()
        );
    }
    let runner = report.runner;
    let again = match runner {
        Runner::Sim => simulated(drawn, None, args.threads),
        Runner::Local | Runner::Netns => {
            let options =
                ProcessOptions { keep: false, dir: "/tmp".into(), data: None, dashboard: None };
            with_processes(&drawn, runner, &options)
        }
        Runner::Agents => {
            let command = report.command().unwrap_or_default();
            return refused(&RerunError::Agents { path, command });
        }
    };
    let again = match again {
        Ok(again) => again,
        Err(code) => return code,
    };
    let concluded = conclude(&again, args.json, args.report.as_deref());
    // What runs in real time is never the same.
    if runner != Runner::Sim {
        return concluded;
    }
    if again.to_json().as_bytes() == first {
        eprintln!("martlet-testnet: the same report, byte for byte");
        return ExitCode::SUCCESS;
    }
    let why = if report.interrupted || again.interrupted { ": one was interrupted" } else { "" };
    eprintln!("martlet-testnet: the report differs from {}{why}", path.display());
    ExitCode::from(DIFFERS)
}
