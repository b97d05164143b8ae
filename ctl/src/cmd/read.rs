//! `read`: mark a conversation read.

use clap::builder::NonEmptyStringValueParser;
use martlet_protocol::control::ReadResponse;

use super::Context;
use crate::client::encode;
use crate::complete::conversations;
use crate::exit::Failure;
use crate::render::{count, lost, word};

/// Mark a conversation's messages as read
///
/// The sender is told, unless receipts are off. Messages that burn begin to do so. history and inbox only show messages, and
/// leave them unread; the chat marks what it shows.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  martletctl read bob")]
pub(crate) struct Args {
    /// The contact's name, or the room's
    #[arg(value_parser = NonEmptyStringValueParser::new(), add = conversations())]
    name: String,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let path = format!("/v1/conversations/{}/read", encode(&self.name));
        let read: ReadResponse = context.client()?.post_empty(&path).await?;
        context.output.show(&read, |read, page| {
            let messages = count(read.marked, "message");
            page.line(format!("Marked {messages} from {} as read.", word(&self.name)));
            if read.lost > 0 {
                page.line(format!("{}.", lost(&self.name, read.lost)));
            }
        })
    }
}
