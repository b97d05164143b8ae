//! `completions`: for shells.

use clap_complete::Shell;

use super::Context;
use crate::exit::Failure;

/// Print the completions of a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl completions bash > ~/.local/share/bash-completion/completions/martletctl
  martletctl completions fish > ~/.config/fish/completions/martletctl.fish")]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

impl Args {
    /// Runs the verb. There is nothing to say in JSON: the script is printed as it is.
    #[expect(clippy::unused_async, reason = "the same shape as every verb")]
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        // In memory first: clap_complete panics when it can't write.
        let mut script = Vec::new();
        clap_complete::generate(
            self.shell,
            &mut (context.command_line)(),
            "martletctl",
            &mut script,
        );
        context.output.raw(&script)
    }
}
