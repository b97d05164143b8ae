//! `delete`: delete messages on this device.

use clap::builder::NonEmptyStringValueParser;

use super::Context;
use crate::client::encode;
use crate::exit::Failure;
use crate::render::count;

/// Delete messages on this device
///
/// The contact keeps theirs: recall takes back what you wrote.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl delete 5f0c… 77e1…
  martletctl history bob --json | jq -r '.messages[].id' | xargs martletctl delete")]
pub(crate) struct Args {
    /// The messages' ids
    #[arg(required = true, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    ids: Vec<String>,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        for id in &self.ids {
            client.delete(&format!("/v1/messages/{}", encode(id))).await?;
        }
        let deleted = u64::try_from(self.ids.len()).unwrap_or(u64::MAX);
        context.output.done(&format!("Deleted {} on this device.", count(deleted, "message")))
    }
}
