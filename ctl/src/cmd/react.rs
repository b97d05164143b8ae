//! `react`: react to a message.

use clap::builder::NonEmptyStringValueParser;
use martlet_protocol::control::{Direction, Message, Reaction, ReactionRequest};

use super::Context;
use crate::client::encode;
use crate::exit::Failure;
use crate::render::{short, word};

/// React to a message with an emoji, or take that back
///
/// You have one reaction to a message: another one takes its place. The other side sees it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl react 5f0c1a 👍          the beginning of an id is enough: martletctl history bob --ids
  martletctl react 5f0c1a --remove")]
pub(crate) struct Args {
    /// The message's id, or its beginning
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    id: String,

    /// The emoji, or another short text
    #[arg(required_unless_present = "remove", conflicts_with = "remove")]
    emoji: Option<String>,

    /// Take your reaction back
    #[arg(long)]
    remove: bool,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let path = format!("/v1/messages/{}/reaction", encode(&self.id));
        match self.emoji {
            Some(emoji) => {
                let request = ReactionRequest { emoji };
                let message: Message = client.post(&path, &request).await?;
                context.output.show(&message, |message, page| {
                    let emoji = word(&request.emoji);
                    page.line(format!("Reacted to {} with {emoji}.", short(&message.id)));
                })
            }
            None => {
                let message: Message =
                    client.get(&format!("/v1/messages/{}", encode(&self.id))).await?;
                let is_own = |reaction: &Reaction| reaction.direction != Direction::In;
                let Some(own) = message.reactions.iter().find(|it| is_own(it)) else {
                    let id = short(&message.id);
                    return context.output.done(&format!(
                        "You have not reacted to {id}; there is nothing to take back."
                    ));
                };
                client.delete(&format!("/v1/messages/{}/reaction", message.id)).await?;
                let (emoji, id) = (word(&own.emoji), short(&message.id));
                context.output.done(&format!("Took your reaction to {id} back: {emoji}."))
            }
        }
    }
}
