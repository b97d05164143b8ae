//! `calibrate`: what work takes on this machine, for simulations.

use std::path::PathBuf;

use clap::Args;

use crate::bench;
use crate::cluster::ClusterError;
use crate::fidelity::costs_text;

#[derive(Debug, Args)]
pub(super) struct CalibrateArgs {
    /// Where to write the scenario's [settings.costs] [default: standard output]
    #[arg(value_name = "FILE")]
    out: Option<PathBuf>,
    /// A directory on the disk to measure
    #[arg(long, value_name = "DIR", default_value = "/tmp")]
    dir: PathBuf,
}

pub(super) async fn run(args: CalibrateArgs) -> Result<(), ClusterError> {
    let costs = bench::calibrate(&args.dir).await?;
    let text = costs_text(costs).map_err(|error| ClusterError::Wrong(error.to_string()))?;
    match args.out {
        Some(path) => {
            std::fs::write(&path, text).map_err(|source| ClusterError::File { path, source })
        }
        None => {
            print!("{text}");
            Ok(())
        }
    }
}
