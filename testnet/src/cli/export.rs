//! `martlet-testnet export`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::scenario::{DrawArgs, Drawn};
use super::{failed, refused};
use crate::export::{self, Engine, ExportOptions, Source};
use crate::scenario::show_duration;

const HELP: &str = "\
The directory gets a README.md with the commands that run it. The README, and this command, name \
what of the scenario is left out. The same scenario and seed give the same files. \
docs/export.md tells more.

Examples:
  martlet-testnet export kubernetes first-contact --out k8s \\
      --image registry.example/martlet:0.1
  martlet-testnet export compose my-scenario.toml --out compose
  martlet-testnet export shadow split-and-heal --out shadow --seed 7";

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(super) struct ExportArgs {
    /// What will run it
    #[arg(value_name = "ENGINE", value_enum)]
    engine: Engine,
    /// A scenario file, or the name of a ready one
    scenario: String,
    /// The directory to write into; made if it isn't there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The container image, for kubernetes and compose
    #[arg(long, value_name = "NAME", default_value = "localhost/martlet:latest")]
    image: String,
    #[command(flatten)]
    drawn: DrawArgs,
    /// Write into a directory that isn't empty, over files of the same names
    #[arg(long)]
    force: bool,
}

impl ExportArgs {
    pub(super) fn run(self) -> ExitCode {
        let Drawn { scenario, options, plan } = match self.drawn.draw(&self.scenario) {
            Ok(drawn) => drawn,
            Err(error) => return refused(&error),
        };
        let mut arguments = vec!["--seed".to_owned(), plan.seed.to_string()];
        if let Some(nodes) = options.nodes {
            arguments.extend(["--nodes".to_owned(), nodes.to_string()]);
        }
        if let Some(duration) = options.duration {
            arguments.extend(["--duration".to_owned(), show_duration(duration)]);
        }
        for setting in scenario.settings() {
            arguments.extend(["--set".to_owned(), setting.to_string()]);
        }
        let edges = scenario.edges().map(|(file, text)| (file.to_owned(), text.to_owned()));
        let source = Source { text: scenario.text().to_owned(), edges, arguments };
        let options = ExportOptions { image: self.image };
        let made = match export::export(self.engine, &plan, &source, &options) {
            Ok(made) => made,
            Err(error) => return refused(&error),
        };
        if let Err(error) = export::write(&self.out, &made.files, self.force) {
            return failed(&error);
        }
        for warning in &made.warnings {
            eprintln!("martlet-testnet: left out: {warning}");
        }
        let (nodes, files) = (plan.nodes.len(), made.files.len());
        let readme = self.out.join("README.md");
        println!("{nodes} nodes, {files} files; {} says how to run them", readme.display());
        ExitCode::SUCCESS
    }
}
