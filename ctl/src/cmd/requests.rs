//! `requests`: unknown people who have written.

use clap::builder::NonEmptyStringValueParser;
use martlet_protocol::control::{Contact, RequestAccept, RequestList};

use super::Context;
use crate::client::encode;
use crate::complete::requests;
use crate::exit::Failure;
use crate::render::{Page, Paint, count, one_line, word};

/// Accept or drop unknown people who have written
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List those who wait, the oldest first
    #[command(after_help = "\
Example:
  martletctl requests list")]
    List,
    /// Make someone a contact; their messages become a conversation, and they see them delivered
    #[command(after_help = "\
Example:
  martletctl requests accept martlet1… --name carol")]
    Accept {
        /// Their ID
        #[arg(value_parser = NonEmptyStringValueParser::new(), add = requests())]
        id: String,
        /// Your name for them
        #[arg(long)]
        name: String,
    },
    /// Drop someone's messages, and what they send later; they are not told
    #[command(after_help = "\
Example:
  martletctl requests drop martlet1…

Whoever was dropped stays dropped until you add them: martletctl contact add")]
    Drop {
        /// Their ID
        #[arg(value_parser = NonEmptyStringValueParser::new(), add = requests())]
        id: String,
    },
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        match self.verb {
            Verb::List => {
                let list: RequestList = client.get("/v1/requests").await?;
                context.output.show(&list, human)
            }
            Verb::Accept { id, name } => {
                let path = format!("/v1/requests/{}/accept", encode(&id));
                let contact: Contact = client.post(&path, &RequestAccept { name }).await?;
                context.output.show(&contact, |contact, page| {
                    let name = word(&contact.name);
                    page.line(format!("Added {name}. What they wrote: martletctl history {name}"));
                })
            }
            Verb::Drop { id } => {
                client.delete(&format!("/v1/requests/{}", encode(&id))).await?;
                context.output.done("Dropped.")
            }
        }
    }
}

fn human(list: &RequestList, page: &mut Page) {
    if list.requests.is_empty() {
        return page.line("Nobody unknown has written.");
    }
    for request in &list.requests {
        page.line(page.paint(Paint::Bold, &word(&request.id)));
        let name = match &request.suggested_name {
            Some(name) => format!("calls themselves \"{}\" (unverified)", word(name)),
            None => "gives no name".to_owned(),
        };
        let messages = count(request.messages, "message");
        page.line(format!("  {name}; {messages}, {}", page.clock().ago(request.first_at)));
        if let Some(preview) = &request.preview {
            page.line(format!("  {}", one_line(preview)));
        }
    }
    page.line("");
    page.line("martletctl requests accept ID --name NAME, or martletctl requests drop ID");
}
