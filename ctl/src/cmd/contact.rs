//! `contact`: the people you know.

use clap::builder::NonEmptyStringValueParser;
use martlet_protocol::Id;
use martlet_protocol::control::{Contact, ContactAdd, ContactList, ContactRename};

use super::Context;
use crate::client::encode;
use crate::complete::contacts;
use crate::exit::Failure;
use crate::render::{Page, Paint, Question, Table, word};

/// Add, list, rename and remove the people you know
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Add someone by the ID they gave you
    #[command(after_help = "\
Example:
  martletctl contact add martlet1… --name bob")]
    Add {
        /// Their ID
        id: String,
        /// Your name for them
        #[arg(long)]
        name: String,
    },
    /// List your contacts
    #[command(after_help = "\
Example:
  martletctl contact list")]
    List,
    /// Show one contact, with the ID
    #[command(after_help = "\
Example:
  martletctl contact show bob")]
    Show {
        /// Your name for them
        #[arg(value_parser = NonEmptyStringValueParser::new(), add = contacts())]
        name: String,
    },
    /// Give a contact another name
    #[command(after_help = "\
Example:
  martletctl contact rename bob robert")]
    Rename {
        /// The name now
        #[arg(value_parser = NonEmptyStringValueParser::new(), add = contacts())]
        name: String,
        /// The new name
        new: String,
    },
    /// Remove a contact, and the conversation with them
    #[command(after_help = "\
Example:
  martletctl contact remove bob --yes")]
    Remove {
        /// Your name for them
        #[arg(value_parser = NonEmptyStringValueParser::new(), add = contacts())]
        name: String,
        /// Don't ask
        #[arg(long, short)]
        yes: bool,
    },
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        match self.verb {
            Verb::Add { id, name } => {
                let request = ContactAdd { id, name };
                let contact: Contact = client.post("/v1/contacts", &request).await?;
                context.output.show(&contact, added)
            }
            Verb::List => {
                let list: ContactList = client.get("/v1/contacts").await?;
                context.output.show(&list, listed)
            }
            Verb::Show { name } => {
                let contact: Contact = client.get(&path(&name)).await?;
                context.output.show(&contact, shown)
            }
            Verb::Rename { name, new } => {
                let request = ContactRename { name: new };
                let contact: Contact = client.patch(&path(&name), &request).await?;
                context.output.show(&contact, |contact, page| {
                    page.line(format!("{} is now {}.", word(&name), word(&contact.name)));
                })
            }
            Verb::Remove { name, yes } => {
                if !yes {
                    // Asked only about someone there is.
                    let contact: Contact = client.get(&path(&name)).await?;
                    let name = word(&contact.name);
                    context.output.confirm(&Question {
                        text: &format!("Remove {name} and the whole conversation with them?"),
                        refused: "nothing was removed",
                        to_do: "remove the contact and the conversation",
                    })?;
                }
                client.delete(&path(&name)).await?;
                context.output.done(&format!("Removed {}.", word(&name)))
            }
        }
    }
}

fn path(name: &str) -> String {
    format!("/v1/contacts/{}", encode(name))
}

fn added(contact: &Contact, page: &mut Page) {
    let name = word(&contact.name);
    if contact.devices > 0 {
        page.line(format!("Added {name}. Write to them: martletctl send {name} 'Hello!'"));
    } else {
        page.line(format!(
            "Added {name}. Their keys are being looked for on the network; messages wait until they are found, so you \
             can write already."
        ));
        if contact.id.parse::<Id>().is_ok_and(|id| id.secret.is_none()) {
            page.line(
                "The ID is a short one, of before 2026-12. If nobody is found, ask them for their ID of now: \
                 martletctl id",
            );
        }
    }
}

fn listed(list: &ContactList, page: &mut Page) {
    if list.contacts.is_empty() {
        return page.line("No contacts yet: martletctl contact add ID --name NAME");
    }
    let mut table = Table::new(&["NAME", "UNREAD", "KEYS", "ADDED", "ID"]);
    for contact in &list.contacts {
        let unread = match contact.unread {
            0 => (Paint::Dim, "-".to_owned()),
            unread => (Paint::Warn, unread.to_string()),
        };
        let keys = match contact.devices {
            0 => (Paint::Warn, "awaited".to_owned()),
            _ => (Paint::Good, "known".to_owned()),
        };
        table.row(vec![
            (Paint::Bold, word(&contact.name)),
            unread,
            keys,
            (Paint::Plain, page.clock().ago(contact.added_at)),
            (Paint::Plain, word(&contact.id)),
        ]);
    }
    table.write(page);
}

fn shown(contact: &Contact, page: &mut Page) {
    page.field("Name", &page.paint(Paint::Bold, &word(&contact.name)));
    page.field("ID", &word(&contact.id));
    page.field("Added", &page.clock().day_and_minute(contact.added_at));
    let devices = match contact.devices {
        0 => "not known yet: messages wait until their keys are found on the network".to_owned(),
        devices => devices.to_string(),
    };
    page.field("Devices", &devices);
    page.field("Unread", &contact.unread.to_string());
}
