//! `completions`: for shells.

use serde::Serialize;

use super::Context;
use crate::complete::Shell;
use crate::exit::Failure;

/// Print the completions of a shell
///
/// They complete verbs, options and, while the daemon runs and its vault is open, names of contacts. The script
/// asks martletctl itself, so it needs no renewal after an update.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl completions bash > ~/.local/share/bash-completion/completions/martletctl
  martletctl completions fish > ~/.config/fish/completions/martletctl.fish
  martletctl completions zsh > ~/.zfunc/_martletctl    with ~/.zfunc in your fpath")]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

/// The script, as JSON.
#[derive(Serialize)]
struct Script<'a> {
    shell: &'a str,
    script: &'a str,
}

impl Args {
    /// Runs the verb.
    #[expect(clippy::unused_async, reason = "the same shape as every verb")]
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let script = self.shell.script()?;
        let script = Script { shell: self.shell.name(), script: &String::from_utf8_lossy(&script) };
        context.output.show(&script, |script, page| page.raw_line(script.script.trim_end()))
    }
}
