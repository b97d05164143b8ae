//! `lock`: close the vault.

use super::Context;
use crate::exit::Failure;

/// Close the vault: forget its keys until the next unlock
///
/// The daemon goes on relaying and keeping others' messages, and yours are waiting for you.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  martletctl lock")]
pub(crate) struct Args {}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        context.client()?.post_empty::<()>("/v1/lock").await?;
        context.output.done("The vault is locked.")
    }
}
