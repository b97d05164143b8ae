//! `contact`: the people you know.

mod verify;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use martlet_protocol::Id;
use martlet_protocol::control::{
    Contact, ContactAdd, ContactList, ContactNote, ContactRename, Verified,
};

use super::Context;
use super::handle;
use super::text::given;
use crate::client::encode;
use crate::complete::contacts;
use crate::exit::Failure;
use crate::picture;
use crate::render::{Page, Paint, Question, Table, argument, block, word};

/// Add, list, rename and remove the people you know
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Add someone by the ID they gave you, or by their handle
    ///
    /// A handle is taken only if one person answers to it, in just these letters. That proves nothing: compare safety numbers.
    #[command(after_help = "\
Examples:
  martletctl contact add martlet1… --name bob
  martletctl contact add @bob                  calls them bob; --name NAME calls them otherwise")]
    Add {
        /// Their ID, or @ and their handle
        id: String,
        /// Your name for them
        #[arg(long)]
        name: Option<String>,
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
    /// Write the picture that a contact lets you see into a file
    ///
    /// It is made anew in a process of its own first: it came from someone else.
    #[command(after_help = "\
Example:
  martletctl contact picture bob bob.jpg")]
    Picture {
        /// Your name for them
        #[arg(value_parser = NonEmptyStringValueParser::new(), add = contacts())]
        name: String,
        /// The file to write, which must not be there
        file: PathBuf,
    },
    /// Keep a note about a contact, which nobody else sees
    #[command(after_help = "\
Examples:
  martletctl contact note bob 'met at the harbour; key compared 2026-11-29'
  martletctl contact note bob ''     forgets it")]
    Note {
        /// Your name for them
        #[arg(value_parser = NonEmptyStringValueParser::new(), add = contacts())]
        name: String,
        /// The note; - reads it from standard input
        text: String,
    },
    /// Compare safety numbers with a contact, to know that nobody is between you
    ///
    /// Both of you run this with the other's name, and both see the same 60 digits, and the same QR code. Compare them
    /// face to face, or on the phone, never in a message. The number changes with neither devices nor a reset of the ID.
    /// Verifying again confirms devices that a verified contact has got since.
    #[command(after_help = "\
Examples:
  martletctl contact verify bob                  shows the number, and the QR code
  martletctl contact verify bob --compared       you have compared it yourselves
  martletctl contact verify bob 01234 56789 …    or give the digits that bob has
  martletctl contact verify bob martletsafe1…    or the text of bob's QR code; - reads it from standard input")]
    Verify(verify::Args),
    /// No longer hold a contact to be verified
    #[command(after_help = "\
Example:
  martletctl contact unverify bob")]
    Unverify {
        /// Your name for them
        #[arg(value_parser = NonEmptyStringValueParser::new(), add = contacts())]
        name: String,
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
                let by_handle = id.starts_with('@');
                let request = match (by_handle, name) {
                    (true, name) => {
                        let one = handle::the_one(client, &id).await?;
                        ContactAdd { id: one.id, name: name.unwrap_or(one.handle) }
                    }
                    (false, Some(name)) => ContactAdd { id, name },
                    (false, None) => {
                        let why = "an ID needs your name for them: --name NAME";
                        return Err(Failure::Usage(why.to_owned()));
                    }
                };
                let contact: Contact = client.post("/v1/contacts", &request).await?;
                context.output.show(&contact, |contact, page| {
                    added(contact, page);
                    if by_handle {
                        let name = argument(&contact.name);
                        page.line(format!(
                            "Anyone can claim a handle: make sure that it is they: martletctl contact verify {name}"
                        ));
                    }
                })
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
            Verb::Picture { name, file } => {
                let came = client.get_bytes(&format!("{}/picture", path(&name))).await?;
                let unusable = |reason| Failure::Failed(format!("the picture: {reason}"));
                let picture = picture::anew(came, picture::Shape::Profile, &context.before)
                    .await
                    .map_err(unusable)?;
                let mut options = OpenOptions::new();
                let made = options.write(true).create_new(true).mode(0o600).open(&file);
                let written = made.and_then(|mut made| made.write_all(&picture));
                written.map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))?;
                let file = word(&file.display().to_string());
                context.output.done(&format!("The picture of {} is in {file}.", word(&name)))
            }
            Verb::Note { name, text } => {
                let request = ContactNote { text: given(text)? };
                let path = format!("{}/note", path(&name));
                let contact: Contact = client.post(&path, &request).await?;
                context.output.show(&contact, |contact, page| {
                    page.line(match contact.note {
                        Some(_) => format!("Noted of {}.", word(&contact.name)),
                        None => format!("Forgot the note about {}.", word(&contact.name)),
                    });
                })
            }
            Verb::Verify(args) => args.run(context).await,
            Verb::Unverify { name } => {
                client.delete(&format!("{}/verify", path(&name))).await?;
                context.output.done(&format!("{} is not verified any more.", word(&name)))
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
        let to = argument(&contact.name);
        page.line(format!("Added {name}. Write to them: martletctl send {to} 'Hello!'"));
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
        let keys = match (contact.devices, contact.verified) {
            _ if contact.terminated_at.is_some() => (Paint::Dim, "terminated".to_owned()),
            _ if contact.blocked => (Paint::Dim, "blocked".to_owned()),
            (_, Verified::Changed) => (Paint::Bad, "changed".to_owned()),
            (0, Verified::No | Verified::Yes) => (Paint::Warn, "awaited".to_owned()),
            (_, Verified::Yes) => (Paint::Good, "verified".to_owned()),
            (_, Verified::No) => (Paint::Good, "known".to_owned()),
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
    match contact.devices {
        // Nothing waits for them any more.
        0 if contact.terminated_at.is_some() => {}
        0 => page.field(
            "Devices",
            "not known yet: messages wait until their keys are found on the network",
        ),
        devices => page.field("Devices", &devices.to_string()),
    }
    verify::show(contact, page);
    page.field("Unread", &contact.unread.to_string());
    if let Some(name) = &contact.calls_themselves {
        page.field("Calls", &format!("themselves {}; nobody has checked that", word(name)));
    }
    if let Some(bytes) = contact.picture_bytes {
        let name = argument(&contact.name);
        page.field("Picture", &format!("{bytes} bytes: martletctl contact picture {name} FILE"));
    }
    if let Some(note) = &contact.note {
        page.field("Note", &block(note, 0));
    }
    if let Some(at) = contact.terminated_at {
        let at = page.clock().day_and_minute(at);
        page.field("Terminated", &format!("{at}: nothing more can be sent to them"));
    }
    if contact.invite_pending {
        page.field("Invite", "accepted; their device has not heard of it yet");
    }
    if contact.blocked {
        page.field("Blocked", "yes: to them you are away; martletctl unblock lifts it");
    }
    if contact.device_list.len() > 1 || contact.device_list.iter().any(|it| it.name.is_some()) {
        page.line("");
        super::device::listed(&contact.device_list, page);
    }
}
