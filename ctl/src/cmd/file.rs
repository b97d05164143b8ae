//! `file`: files that came and went with messages.

mod fetch;
mod heard;

use std::env;
use std::io::{IsTerminal, stdout};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use martlet_protocol::control::{
    Contact, Direction, ErrorCode, FileList, Message, MessageFile, Problem, RoomPerson, Verified,
};
use martlet_protocol::file::{FileName, voice};
use martlet_protocol::limits::HISTORY_PAGE_MAX;
use serde::Serialize;

use super::Context;
use crate::client::{Client, ClientError, encode};
use crate::complete::conversations;
use crate::exit::Failure;
use crate::file::{Bar, There, Unfinished, look, place};
use crate::render::{
    Page, Paint, Question, Table, argument, bytes, in_room, person, short, state_name, word,
};
use fetch::{accept, cancel, file_state, forget, refuse};
use heard::Heard;

/// The program that opens a file with whatever the desktop has for it.
const OPENER: &str = "xdg-open";
/// Where files are that were opened, below `XDG_RUNTIME_DIR`.
const OPENED: &str = "martlet-files";

/// List, save and open files that were sent with messages
///
/// A file of up to 24 KiB is in its message. One of up to 4 MiB (512 KiB where the network is not on one LAN) comes through other nodes, though
/// its sender is off by then. A larger one is fetched from who sent it, while both are on. Up to 1 MiB from a contact is fetched by itself,
/// more when you accept it. Each ends with its message: when that expires, burns, is recalled or deleted, the file is gone here. What you
/// saved elsewhere stays.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List files, the newest first
    #[command(after_help = "\
Examples:
  martletctl file list
  martletctl file list bob --limit 10")]
    List {
        /// Only those of the conversation with this contact, or in this room
        #[arg(value_parser = NonEmptyStringValueParser::new(), add = conversations())]
        name: Option<String>,
        /// Show at most this many
        #[arg(long, value_name = "N", default_value_t = 50,
            value_parser = clap::value_parser!(u32).range(1..=i64::from(HISTORY_PAGE_MAX)))]
        limit: u32,
    },
    /// Have a file fetched
    ///
    /// Now, or as soon as its sender is on. It goes on after a restart.
    #[command(after_help = "\
Examples:
  martletctl file accept 5f0c1a
  martletctl file accept 5f0c1a --wait --timeout 600")]
    Accept {
        /// The id of its message, or the beginning of it
        id: String,
        /// Wait until it is here
        #[arg(long)]
        wait: bool,
        /// Wait at most this long, then exit with code 5. It is fetched all the same
        #[arg(long, value_name = "SECONDS", requires = "wait", value_parser = super::send::seconds)]
        timeout: Option<Duration>,
    },
    /// Do not have a file fetched
    ///
    /// What is here of it is removed. Its sender is not told. You may accept it later.
    #[command(after_help = "\
Example:
  martletctl file refuse 5f0c1a")]
    Refuse {
        /// The id of its message, or the beginning of it
        id: String,
    },
    /// End the fetching of a file
    ///
    /// What is here of it is removed. You may accept it again.
    #[command(after_help = "\
Example:
  martletctl file cancel 5f0c1a")]
    Cancel {
        /// The id of its message, or the beginning of it
        id: String,
    },
    /// Remove a file of more than 24 KiB from this node, and keep its message
    ///
    /// One that you sent can't be fetched from here any more. One that came can be accepted again, as long as its sender has it.
    #[command(after_help = "\
Example:
  martletctl file forget 5f0c1a")]
    Forget {
        /// The id of its message, or the beginning of it
        id: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Save a file
    ///
    /// Only you can read it then, and nobody can run it as a program. No link is followed. If there is a file in its place
    /// already you are asked.
    #[command(after_help = "\
Examples:
  martletctl file save 5f0c1a              here, under its own name
  martletctl file save 5f0c1a ~/Documents
  martletctl file save 5f0c1a minutes.pdf --yes
  martletctl file save 5f0c1a - | less
  martletctl file save 5f0c1a --thumbnail  how it looks, if its sender made a small picture of it")]
    Save {
        /// The id of its message, or the beginning of it
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
        /// A directory, or a place and name; - writes it to standard output
        to: Option<PathBuf>,
        /// Save it over a file that is there
        #[arg(long)]
        yes: bool,
        /// Save the small picture that its sender made of it, also before the file is here
        #[arg(long)]
        thumbnail: bool,
    },
    /// Open a file with the program that the desktop has for it
    ///
    /// You are asked first if it came from someone whom you have not verified. What is opened stays in XDG_RUNTIME_DIR until
    /// you log out.
    #[command(after_help = "\
Examples:
  martletctl file open 5f0c1a
  martletctl file open 5f0c1a --thumbnail")]
    Open {
        /// The id of its message, or the beginning of it
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
        /// Open it whoever sent it
        #[arg(long)]
        yes: bool,
        /// Open the small picture that its sender made of it, also before the file is here
        #[arg(long)]
        thumbnail: bool,
    },
}

/// What was saved.
#[derive(Debug, Serialize)]
struct Saved {
    path: PathBuf,
    bytes: u64,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self.verb {
            Verb::List { name, limit } => list(context, name, limit).await,
            Verb::Accept { id, wait, timeout } => accept(context, &id, wait, timeout).await,
            Verb::Refuse { id } => refuse(context, &id).await,
            Verb::Cancel { id } => cancel(context, &id).await,
            Verb::Forget { id, yes } => forget(context, &id, yes).await,
            Verb::Save { id, to, yes, thumbnail } => {
                save(context, (&id, what(thumbnail)), to.as_deref(), yes).await
            }
            Verb::Open { id, yes, thumbnail } => open(context, (&id, what(thumbnail)), yes).await,
        }
    }
}

/// What of a message is saved or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    File,
    Thumbnail,
}

fn what(thumbnail: bool) -> What {
    if thumbnail { What::Thumbnail } else { What::File }
}

/// A file that is to be taken from the daemon.
struct Wanted {
    message: Message,
    /// Where it is.
    path: String,
    /// How it is called.
    name: FileName,
    bytes: u64,
    /// Listened to, if it is a voice memo.
    heard: Option<Heard>,
}

impl What {
    async fn of(self, client: &Client, id: &str) -> Result<Wanted, Failure> {
        let (message, file) = message(client, id).await?;
        let path = format!("/v1/files/{}", message.id);
        let name = FileName::harmless(&file.name);
        if self == Self::File {
            let heard = Heard::of(&file);
            return Ok(Wanted { message, path, name, bytes: file.bytes, heard });
        }
        let Some(bytes) = file.thumbnail_bytes else {
            return Err(Failure::Client(ClientError::Problem(Problem::new(
                ErrorCode::NotFound,
                "its sender made no small picture of this file",
            ))));
        };
        // Whatever the file is: this is one of two.
        let path = format!("{path}/thumbnail");
        let is_webp = client.get_bytes(&path).await?.starts_with(b"RIFF");
        let extension = if is_webp { "webp" } else { "jpg" };
        let name = FileName::harmless(&format!("{}-thumbnail.{extension}", name.split().0));
        Ok(Wanted { message, path, name, bytes, heard: None })
    }
}

async fn list(context: &Context, name: Option<String>, limit: u32) -> Result<(), Failure> {
    let mut path = format!("/v1/files?limit={limit}");
    if let Some(name) = &name {
        path.push_str("&in=");
        path.push_str(&encode(name));
    }
    let list: FileList = context.client()?.get(&path).await?;
    context.output.show(&list, listed)?;
    if list.more && !context.output.is_json() {
        context.output.note("There may be more: --limit N");
    }
    Ok(())
}

fn listed(list: &FileList, page: &mut Page) {
    if list.files.is_empty() {
        return page.line("No files.");
    }
    let mut table = Table::new(&["ID", "SENT", "WITH", "BY", "SIZE", "STATE", "FILE", "NAME"]);
    for entry in &list.files {
        table.row(vec![
            (Paint::Bold, short(&entry.id)),
            (Paint::Plain, page.clock().day_and_minute(entry.sent_at)),
            (Paint::Plain, word(&entry.conversation)),
            (Paint::Plain, in_room(entry.author.as_deref(), entry.direction, &entry.conversation)),
            (Paint::Plain, size(&entry.file)),
            (Paint::Plain, state_name(entry.state).to_owned()),
            (Paint::Plain, file_state(&entry.file)),
            (Paint::Plain, word(&entry.file.name)),
        ]);
    }
    table.write(page);
}

/// How much it is; of a voice memo also how long; and whether there is a small picture of it.
fn size(file: &MessageFile) -> String {
    match (file.voice_ms, file.thumbnail_bytes) {
        (Some(ms), _) => format!("{}, {}", bytes(file.bytes), voice::in_words(ms)),
        (None, Some(_)) => format!("{}, thumbnail", bytes(file.bytes)),
        (None, None) => bytes(file.bytes),
    }
}

/// The message that is a file, and what it says of it.
async fn message(client: &Client, id: &str) -> Result<(Message, MessageFile), Failure> {
    let message: Message = client.get(&format!("/v1/messages/{}", encode(id))).await?;
    match message.file.clone() {
        Some(file) => Ok((message, file)),
        None => Err(Failure::Client(ClientError::Problem(Problem::new(
            ErrorCode::NoFile,
            "this message is no file; martletctl file list shows those that there are",
        )))),
    }
}

async fn save(
    context: &Context,
    (id, what): (&str, What),
    to: Option<&Path>,
    yes: bool,
) -> Result<(), Failure> {
    let client = context.client()?;
    let Wanted { message, path, name, bytes: size, mut heard } = what.of(client, id).await?;
    if to == Some(Path::new("-")) {
        if stdout().is_terminal() {
            return Err(Failure::Usage(
                "a file may do anything to a terminal: write it elsewhere, such as: | less"
                    .to_owned(),
            ));
        }
        let mut download = client.get_file(&path).await?;
        while let Some(bytes) = download.next().await? {
            context.output.raw(&bytes)?;
        }
        return Ok(());
    }
    let place = place(to, &name);
    let there = look(&place)?;
    if there == There::File && !yes {
        context.output.confirm(&Question {
            text: &format!("There is a file {} already. Replace it?", shown(&place)),
            refused: "nothing was saved",
            to_do: "replace the file that is there",
        })?;
    }
    let bar = Bar::new(&word(name.as_str()), size, context.output.is_json());
    let taken = take(client, &path, (&place, there), (&bar, &mut heard)).await;
    bar.end();
    let saved = Saved { path: place, bytes: taken? };
    context.output.show(&saved, |saved, page| {
        page.line(format!("Saved {} ({}).", shown(&saved.path), bytes(saved.bytes)));
    })?;
    match of_unverified(client, &message).await? {
        None => {}
        Some(Unverified::Contact(name)) => context.output.note(&format!(
            "It came from {}, whom you have not verified: martletctl contact verify {}",
            word(&name),
            argument(&name)
        )),
        Some(Unverified::Other(who)) => {
            context.output.note(&format!("It came from {who}, who is no contact of yours."));
        }
    }
    if let Some(note) = heard.and_then(Heard::note) {
        context.output.note(&note);
    }
    if message.ends_at.is_some() || message.burn_seconds.is_some() {
        context.output.note("The message ends by itself; what you saved does not.");
    }
    Ok(())
}

/// Puts a file of the daemon's in its place: how many bytes it has.
async fn take(
    client: &Client,
    path: &str,
    (place, there): (&Path, There),
    (bar, heard): (&Bar, &mut Option<Heard>),
) -> Result<u64, Failure> {
    let mut download = client.get_file(path).await?;
    let mut unfinished = Unfinished::begin(place)?;
    let mut size = 0;
    while let Some(bytes) = download.next().await? {
        unfinished.write(&bytes)?;
        if let Some(heard) = heard {
            heard.feed(&bytes);
        }
        size += bytes.len() as u64;
        bar.more(bytes.len() as u64);
    }
    unfinished.finish(there)?;
    Ok(size)
}

async fn open(context: &Context, (id, what): (&str, What), yes: bool) -> Result<(), Failure> {
    let client = context.client()?;
    let Wanted { message, path, name: called, bytes: size, mut heard } =
        what.of(client, id).await?;
    if !yes && let Some(by) = of_unverified(client, &message).await? {
        let name = word(called.as_str());
        context.output.confirm(&Question {
            text: &match by {
                Unverified::Contact(by) => {
                    format!("You have not verified {}, who sent {name}. Open it?", word(&by))
                }
                Unverified::Other(by) => {
                    format!("{by}, who sent {name}, is no contact of yours. Open it?")
                }
            },
            refused: "it was not opened",
            to_do: "open it",
        })?;
    }
    let directory = opened_directory()?;
    // By its id, so that two files of one name are two.
    let name = format!("{}-{}", &message.id.get(..8).unwrap_or(&message.id), called.as_str());
    let place = directory.join(FileName::harmless(&name).as_str());
    let there = look(&place)?;
    let bar = Bar::new(&word(called.as_str()), size, context.output.is_json());
    let taken = take(client, &path, (&place, there), (&bar, &mut heard)).await;
    bar.end();
    taken?;
    if let Some(note) = heard.and_then(Heard::note) {
        context.output.note(&note);
    }
    let status = tokio::process::Command::new(OPENER).arg(&place).status().await;
    let status = status.map_err(|error| {
        Failure::Failed(format!("{OPENER} can't be run: {error}; the file is {}", shown(&place)))
    })?;
    match status.success() {
        true => context.output.done(&format!("Opened {}.", word(called.as_str()))),
        false => Err(Failure::Failed(format!(
            "{OPENER} found no program for it; the file is {}",
            shown(&place)
        ))),
    }
}

/// A directory for what is opened: the user's alone, and gone when they log out.
fn opened_directory() -> Result<PathBuf, Failure> {
    let runtime = env::var_os("XDG_RUNTIME_DIR").filter(|runtime| !runtime.is_empty());
    let runtime = runtime.ok_or_else(|| {
        Failure::Usage("there is no desktop: XDG_RUNTIME_DIR is not set; save the file".to_owned())
    })?;
    let directory = PathBuf::from(runtime).join(OPENED);
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory);
    made.map_err(|error| Failure::Usage(format!("{}: {error}", directory.display())))?;
    Ok(directory)
}

/// Someone of whom the user has not made sure.
enum Unverified {
    /// A contact who is not verified, or has a device that is not confirmed: the user's name for them.
    Contact(String),
    /// Someone in a room who is no contact: as they are shown.
    Other(String),
}

/// Who sent a file, if that is someone of whom the user has not made sure.
async fn of_unverified(client: &Client, message: &Message) -> Result<Option<Unverified>, Failure> {
    if message.direction != Direction::In {
        return Ok(None);
    }
    let name = match message.author.as_deref() {
        None => &message.conversation,
        Some(RoomPerson { name: Some(name), .. }) => name,
        Some(other) => return Ok(Some(Unverified::Other(person(other)))),
    };
    let contact: Contact = client.get(&format!("/v1/contacts/{}", encode(name))).await?;
    Ok((contact.verified != Verified::Yes).then_some(Unverified::Contact(contact.name)))
}

fn shown(place: &Path) -> String {
    word(&place.display().to_string())
}
