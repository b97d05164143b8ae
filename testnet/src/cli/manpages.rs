//! `manpages`: manual pages of all three programs, one for each verb, from the definitions of their command lines.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;

use super::{Cli, failed};

#[derive(Debug, Args)]
pub(super) struct ManpagesArgs {
    /// The directory to write them to; made if it isn't there
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

pub(super) fn run(args: &ManpagesArgs) -> ExitCode {
    match write(&args.directory) {
        Ok(pages) => {
            println!("{pages} pages");
            ExitCode::SUCCESS
        }
        Err(error) => failed(&error),
    }
}

/// Says how many there are.
fn write(directory: &Path) -> io::Result<usize> {
    fs::create_dir_all(directory)?;
    // A daemon is of section 8, what people run of section 1.
    let daemon = named(martletd::cli::command());
    let mut pages = page(&daemon, "8", directory)?;
    for program in [martletctl::cli::command(), Cli::command()] {
        pages += all(&named(program), directory)?;
    }
    Ok(pages)
}

/// A page of the command, and of each of its verbs.
fn all(command: &Command, directory: &Path) -> io::Result<usize> {
    let mut pages = page(command, "1", directory)?;
    for verb in command.get_subcommands() {
        if !verb.is_hide_set() && verb.get_name() != "help" {
            pages += all(verb, directory)?;
        }
    }
    Ok(pages)
}

fn page(command: &Command, section: &str, directory: &Path) -> io::Result<usize> {
    let source = format!("Martlet {}", env!("CARGO_PKG_VERSION"));
    let page = Man::new(command.clone()).section(section).manual("Martlet").source(source);
    let mut roff = Vec::new();
    page.render(&mut roff)?;
    fs::write(directory.join(page.get_filename()), laid_out(&String::from_utf8_lossy(&roff)))?;
    Ok(1)
}

/// With lines that are indented as they are (examples, tables), no hyphens within paths and commands, and examples under
/// a heading of their own.
fn laid_out(roff: &str) -> String {
    let mut lines = Vec::new();
    let mut is_filled = true;
    for line in roff.lines() {
        if line.starts_with(' ') == is_filled {
            lines.push(if is_filled { ".nf" } else { ".fi" });
            is_filled = !is_filled;
        }
        lines.push(line);
        if line.starts_with(".TH ") {
            lines.extend([".ad l", ".nh"]);
        }
    }
    let text = lines.join("\n") + "\n";
    let text = text.replace(".SH EXTRA\nExamples:\n", ".SH EXAMPLES\n");
    text.replace(".SH EXTRA\nExample:\n", ".SH EXAMPLES\n").replace(".SH EXTRA\n", ".SH MORE\n")
}

/// With the names of verbs spelt out: `martletctl-contact-add`.
fn named(command: Command) -> Command {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    type TestResult = Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn every_verb_has_a_page_and_examples_keep_their_lines() -> TestResult {
        let directory = tempfile::tempdir()?;
        assert!(write(directory.path())? > 50);
        for name in
            ["martletd.8", "martletctl.1", "martletctl-network-create.1", "martlet-testnet-sim.1"]
        {
            let page = fs::read_to_string(directory.path().join(name))?;
            assert!(page.contains("\n.SH SYNOPSIS\n"), "{name}");
        }
        let page = fs::read_to_string(directory.path().join("martletctl-contact-add.1"))?;
        assert!(page.contains("\n.SH EXAMPLES\n.nf\n  martletctl contact add "), "{page}");
        Ok(())
    }
}
