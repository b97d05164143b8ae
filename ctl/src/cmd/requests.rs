//! `requests`: unknown people who have written.

use clap::builder::NonEmptyStringValueParser;
use martlet_protocol::control::{
    Contact, ErrorCode, MessageRequest, Problem, RequestAccept, RequestList,
};
use martlet_protocol::ids::OLD_ID_CHARS;

use super::Context;
use crate::client::{Client, ClientError, encode};
use crate::complete::requests;
use crate::exit::Failure;
use crate::render::{Page, Paint, argument, count, one_line, word};

/// Accept or drop unknown people who have written
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List them, the oldest first
    #[command(after_help = "\
Example:
  martletctl requests list")]
    List,
    /// Make someone a contact. Their messages become a conversation, and they see that these were delivered
    #[command(after_help = "\
Examples:
  martletctl requests accept 1 --name carol
  martletctl requests accept martlet1q7x --name carol")]
    Accept {
        /// Their ID, a beginning of it that no other has, or its number in the list
        #[arg(value_parser = NonEmptyStringValueParser::new(), add = requests())]
        id: String,
        /// Your name for them
        #[arg(long)]
        name: String,
    },
    /// Drop someone's messages, and all that they send later. They are not told
    #[command(after_help = "\
Examples:
  martletctl requests drop 1
  martletctl requests drop martlet1q7x

Whoever was dropped stays dropped until you add them: martletctl contact add")]
    Drop {
        /// Their ID, a beginning of it that no other has, or its number in the list
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
                let id = find(client, &id).await?;
                let path = format!("/v1/requests/{}/accept", encode(&id));
                let contact: Contact = client.post(&path, &RequestAccept { name }).await?;
                context.output.show(&contact, |contact, page| {
                    page.line(format!(
                        "Added {}. What they wrote: martletctl history {}",
                        word(&contact.name),
                        argument(&contact.name)
                    ));
                })
            }
            Verb::Drop { id } => {
                let id = find(client, &id).await?;
                client.delete(&format!("/v1/requests/{}", encode(&id))).await?;
                context.output.done("Dropped.")
            }
        }
    }
}

/// The ID that is meant: a whole one is passed on as it is, for the rest the daemon is asked who has written.
async fn find(client: &Client, text: &str) -> Result<String, Failure> {
    if text.len() >= OLD_ID_CHARS {
        return Ok(text.to_owned());
    }
    let RequestList { requests } = client.get("/v1/requests").await?;
    let beginning = text.to_lowercase();
    let meant: Vec<&MessageRequest> = match text.parse::<usize>() {
        Ok(number) => number.checked_sub(1).and_then(|at| requests.get(at)).into_iter().collect(),
        Err(_) => requests.iter().filter(|request| request.id.starts_with(&beginning)).collect(),
    };
    let unknown = |detail| {
        Failure::Client(ClientError::Problem(Problem::new(ErrorCode::UnknownRequest, detail)))
    };
    match meant.as_slice() {
        [one] => Ok(one.id.clone()),
        [] => Err(unknown(format!("there is no request {text:?}; see: martletctl requests list"))),
        several => Err(unknown(format!(
            "{} requests are from an ID that starts with {text:?}; give more of it, or its number in the list",
            several.len()
        ))),
    }
}

fn human(list: &RequestList, page: &mut Page) {
    if list.requests.is_empty() {
        return page.line("Nobody unknown has written.");
    }
    for (at, request) in list.requests.iter().enumerate() {
        page.line(format!("{}. {}", at + 1, page.paint(Paint::Bold, &word(&request.id))));
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
    page.line("martletctl requests accept NUMBER --name NAME, or martletctl requests drop NUMBER");
}
