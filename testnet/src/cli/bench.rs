//! `bench`: what things cost, alone or beside another build.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;

use crate::bench::limits::{ROUNDS_MAX, RUN_MAX_DEFAULT};
use crate::bench::{Against, BenchOptions, Part, SENDERS_DEFAULT, SENDERS_MAX};
use crate::scenario::parse_duration;

#[derive(Debug, Args)]
pub(super) struct BenchArgs {
    /// Run only these parts [default: all that don't take long]
    #[arg(value_name = "NAME", value_delimiter = ',', value_enum)]
    parts: Vec<Part>,
    /// The same, as it was called before
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_enum, hide = true)]
    only: Vec<Part>,
    /// Run each part by this build and by another one in turn, and print both figures and their ratio:
    /// the path of the other build's martlet-testnet
    #[arg(long, value_name = "PROGRAM")]
    against: Option<PathBuf>,
    /// With --against: how often each part is run by each build
    #[arg(long, value_name = "N", requires = "against", default_value_t = 3,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=ROUNDS_MAX as u64))]
    rounds: usize,
    /// With --against: longest run of one part of one build, which is ended then
    #[arg(long, value_name = "TIME", requires = "against", value_parser = parse_duration,
        default_value = RUN_MAX_DEFAULT)]
    run_max: Duration,
    /// Smaller counts and shorter times: a try, not a measurement
    #[arg(long)]
    quick: bool,
    /// Print one JSON object with the figures
    #[arg(long)]
    json: bool,
    /// Where to put the data: a directory on the disk to be measured
    #[arg(long, value_name = "DIR", default_value = "/tmp")]
    dir: PathBuf,
    /// Connections that send at once in the throughput part
    #[arg(long, value_name = "N", default_value_t = SENDERS_DEFAULT)]
    senders: usize,
    /// Leave the directories with logs and databases, and say where they are
    #[arg(long, conflicts_with = "against")]
    keep: bool,
}

/// Why the other build can't be run.
#[derive(Debug, thiserror::Error)]
#[error(
    "--against {}: {reason}; name the other build's martlet-testnet, such as ../before/target/release/martlet-testnet",
    program.display()
)]
pub(super) struct NoProgram {
    program: PathBuf,
    reason: String,
}

impl BenchArgs {
    /// That what is named as the other build is a program: before anything is run.
    pub(super) fn check(&self) -> Result<(), NoProgram> {
        let Some(program) = &self.against else { return Ok(()) };
        let reason = match std::fs::metadata(program) {
            Ok(found) if found.is_file() && found.permissions().mode() & 0o111 != 0 => {
                return Ok(());
            }
            Ok(_) => "it is no program".to_owned(),
            Err(error) => error.to_string(),
        };
        Err(NoProgram { program: program.clone(), reason })
    }

    pub(super) fn options(self) -> BenchOptions {
        let (rounds, run_max) = (self.rounds, self.run_max);
        BenchOptions {
            only: self.parts.into_iter().chain(self.only).collect(),
            quick: self.quick,
            json: self.json,
            dir: self.dir,
            senders: self.senders.clamp(1, SENDERS_MAX),
            keep: self.keep,
            against: self.against.map(|program| Against { program, rounds, run_max }),
        }
    }
}
