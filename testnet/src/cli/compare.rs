//! `martlet-testnet compare`.

use std::path::PathBuf;

use clap::Args;

use crate::report::ReportError;
use crate::report::compare::Comparisons;

/// What to compare.
#[derive(Debug, Args)]
pub(super) struct CompareArgs {
    /// A report.json, a directory with one, or a directory of such directories
    a: PathBuf,
    /// What to compare it with; of directories of reports, those of the same name are compared
    b: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Prints two reports beside each other.
pub(super) fn run(args: &CompareArgs) -> Result<(), ReportError> {
    let found = Comparisons::read(&args.a, &args.b)?;
    if args.json {
        println!("{}", serde_json::json!(found));
    } else {
        print!("{}", found.table());
    }
    Ok(())
}
