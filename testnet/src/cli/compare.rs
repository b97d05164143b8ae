//! `martlet-testnet compare`.

use std::path::PathBuf;

use clap::Args;

use crate::report::ReportError;
use crate::report::compare::Compared;

/// What to compare.
#[derive(Debug, Args)]
pub(super) struct CompareArgs {
    /// Each a report.json, a directory with one, or a directory of such directories, such as a sweep's
    ///
    /// Of two reports it shows both values, and the difference. Of more it shows the mean and the spread. Of
    /// two directories of reports, those of the same name are compared; of a single one, all that are in it.
    #[arg(value_name = "REPORT", required = true)]
    reports: Vec<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Prints reports beside each other.
pub(super) fn run(args: &CompareArgs) -> Result<(), ReportError> {
    let found = Compared::read(&args.reports)?;
    if args.json {
        println!("{}", serde_json::json!(found));
    } else {
        print!("{}", found.table());
    }
    Ok(())
}
