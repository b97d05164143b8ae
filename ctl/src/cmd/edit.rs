//! `edit`: give a message another text.

use clap::builder::NonEmptyStringValueParser;
use martlet_protocol::control::{EditRequest, Message};

use super::Context;
use super::text::given;
use crate::client::encode;
use crate::exit::Failure;
use crate::render::short;

/// Give a message of yours another text
///
/// The other side sees that it was edited, and can see what it said before, as you can: history --edits.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl edit 5f0c1a 'At nine'    the beginning of an id is enough: martletctl history bob --ids
  martletctl edit 5f0c1a - < letter.txt")]
pub(crate) struct Args {
    /// The message's id, or its beginning
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    id: String,

    /// The text from now on; - reads it from standard input (a line end at its end is cut)
    text: String,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let request = EditRequest { text: given(self.text)? };
        let path = format!("/v1/messages/{}", encode(&self.id));
        let message: Message = context.client()?.patch(&path, &request).await?;
        context.output.show(&message, |message, page| {
            page.line(format!("Edited {}.", short(&message.id)));
        })
    }
}
