//! `draft`: what you began to write.

use clap::builder::NonEmptyStringValueParser;
use martlet_protocol::control::{Draft, DraftRequest};

use super::Context;
use super::text::given;
use crate::client::encode;
use crate::complete::conversations;
use crate::exit::Failure;
use crate::render::{block, word};

/// Keep what you began to write, or show it
///
/// A draft is encrypted like all that is kept, and goes nowhere.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl draft bob 'About the ferry:'
  martletctl draft bob
  martletctl draft bob --remove")]
pub(crate) struct Args {
    /// The contact's name, or the room's
    #[arg(value_parser = NonEmptyStringValueParser::new(), add = conversations())]
    name: String,

    /// The text; - reads it from standard input (a line end at its end is cut)
    #[arg(conflicts_with = "remove")]
    text: Option<String>,

    /// Forget it
    #[arg(long)]
    remove: bool,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let path = format!("/v1/conversations/{}/draft", encode(&self.name));
        let name = word(&self.name);
        if self.remove {
            client.delete(&path).await?;
            return context.output.done(&format!("Forgot the draft for {name}."));
        }
        if let Some(text) = self.text {
            let request = DraftRequest { text: given(text)? };
            let draft: Draft = client.post(&path, &request).await?;
            return context.output.show(&draft, |_, page| {
                page.line(format!("Kept a draft for {name}."));
            });
        }
        let draft: Draft = client.get(&path).await?;
        context.output.show(&draft, |draft, page| match &draft.text {
            Some(text) => page.line(block(text, 0)),
            None => page.line(format!("No draft for {name}.")),
        })
    }
}
