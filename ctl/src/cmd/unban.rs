//! `unban`: lift a ban.

use super::Context;
use crate::client::encode;
use crate::exit::Failure;

/// Lift a ban, and forget what the node did
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl peers --banned
  martletctl unban …abcdefgh")]
pub(crate) struct Args {
    /// Its peer id, or the end of one that `martletctl peers --banned` shows
    #[arg(value_name = "PEER")]
    peer: String,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        context.client()?.delete(&format!("/v1/bans/{}", encode(&self.peer))).await?;
        context.output.done("The ban is lifted.")
    }
}
