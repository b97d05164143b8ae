//! `recall`: take a message back.

use clap::builder::NonEmptyStringValueParser;
use martlet_protocol::control::SendResponse;

use super::Context;
use crate::client::encode;
use crate::exit::Failure;
use crate::render::word;

/// Take a message of yours back; of a room that you moderate, anyone's
///
/// What is not delivered yet leaves all mailboxes. The contact's devices delete what they have of it, and show that
/// there was a message, without its text. They may have read it before, and a changed client may keep it. In a room all
/// members' devices do so, and show who took it back, if that was a moderator.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl recall 5f0c…                    the whole id, as `send` and `history --json` have it
  martletctl recall \"$(martletctl send bob 'Oops')\"")]
pub(crate) struct Args {
    /// The message's id
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    id: String,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let path = format!("/v1/messages/{}/recall", encode(&self.id));
        let recalled: SendResponse = context.client()?.post_empty(&path).await?;
        context.output.show(&recalled, |recalled, page| {
            page.line(format!("Took back {}.", word(&recalled.id)));
        })
    }
}
