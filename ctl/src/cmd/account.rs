//! `account`: the account as a whole.

mod directory;
mod erase;
mod export;
mod lock_root;
mod phrase;
mod terminate;

use super::Context;
use crate::exit::Failure;

/// Take all that you have here along, erase it, look after the root, or end your identity
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Export(export::Args),
    Erase(erase::Args),
    LockRoot(lock_root::Args),
    Phrase(phrase::Args),
    Terminate(terminate::Args),
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self.verb {
            Verb::Export(args) => args.run(context).await,
            Verb::Erase(args) => args.run(context).await,
            Verb::LockRoot(args) => args.run(context).await,
            Verb::Phrase(args) => args.run(context).await,
            Verb::Terminate(args) => args.run(context).await,
        }
    }
}
