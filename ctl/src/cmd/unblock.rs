//! `unblock`: be there again.

use clap::builder::NonEmptyStringValueParser;

use super::Context;
use crate::client::encode;
use crate::complete::contacts;
use crate::exit::Failure;
use crate::render::word;

/// Unblock someone: what they send from now on is shown
///
/// What they sent while they were blocked is not shown, and they are not told that it came.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl blocked
  martletctl unblock bob")]
pub(crate) struct Args {
    /// A contact's name, or an ID
    #[arg(value_name = "NAME|ID", value_parser = NonEmptyStringValueParser::new(), add = contacts())]
    who: String,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        context.client()?.delete(&format!("/v1/blocked/{}", encode(&self.who))).await?;
        context.output.done(&format!("{} is not blocked any more.", word(&self.who)))
    }
}
