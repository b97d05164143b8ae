//! `account export`: all that the vault holds of its user, in files or as one stream.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use martlet_protocol::control::ExportLine;
use martlet_protocol::excerpt;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use super::directory::ExportDirectory;
use crate::client::Lines;
use crate::cmd::Context;
use crate::exit::Failure;
use crate::render::{Page, count, json, word};

/// Messages after which it is told again how far it is.
const TOLD_EVERY: u64 = 10_000;

/// Write all that you have here into files that need no Martlet to be read
///
/// Your name and ID, contacts with your notes about them, drafts, conversations with all messages and what they said before
/// they were edited, rooms with all that was done and written there, your notes, requests, blocked people, settings: as JSON, one value a line. No key is in it, so it is no
/// backup: it can't be put back (martletctl backup can). It is not encrypted. What it means is in README.txt there.
/// `-` writes all of it to standard output instead, for a program that encrypts it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl account export ~/martlet-2026-11-29
  martletctl account export - | age -p > martlet-2026-11-29.jsonl.age
  martletctl account export - | gpg -c > martlet-2026-11-29.jsonl.gpg
  age -d martlet-2026-11-29.jsonl.age | tail -n 1     it is whole if this says \"type\":\"end\"")]
pub(crate) struct Args {
    /// The directory: one that isn't there yet, or is empty; `-` for standard output
    #[arg(value_name = "DIR")]
    to: PathBuf,
}

/// What was written, as JSON.
#[derive(Debug, Serialize)]
struct Exported {
    directory: PathBuf,
    files: u64,
    messages: u64,
    unreadable: u64,
}

/// What the last line says.
struct End {
    messages: u64,
    unreadable: u64,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        if self.to == Path::new("-") {
            let lines = context.client()?.lines("/v1/account/export").await?;
            let end = each(lines, context, &mut Stream(io::stdout().lock())).await?;
            warn_of(&end, context);
            return Ok(());
        }
        // From here on a signal takes away what was begun.
        let interrupted = interrupted()?;
        // Before the daemon is asked: it may be refused.
        let mut directory = ExportDirectory::begin(&self.to)?;
        let lines = context.client()?.lines("/v1/account/export").await?;
        // What was begun is removed when this ends, however it does.
        let end = tokio::select! {
            end = each(lines, context, &mut directory) => end?,
            () = interrupted => return Err(Failure::Interrupted),
        };
        let (path, files) = directory.finish()?;
        warn_of(&end, context);
        let End { messages, unreadable } = end;
        let exported = Exported { directory: path, files, messages, unreadable };
        context.output.show(&exported, human)
    }
}

/// Where lines go.
pub(super) trait Sink {
    /// Takes a line: what it is, and as it came.
    fn take(&mut self, line: &ExportLine, text: &str) -> Result<(), Failure>;
}

/// Standard output.
struct Stream<W>(W);

impl<W: Write> Sink for Stream<W> {
    fn take(&mut self, line: &ExportLine, text: &str) -> Result<(), Failure> {
        self.0.write_all(text.as_bytes())?;
        self.0.write_all(b"\n")?;
        if let ExportLine::End { .. } = line {
            self.0.flush()?;
        }
        Ok(())
    }
}

/// Gives each line of an export to `sink`, until the last.
async fn each(mut lines: Lines, context: &Context, sink: &mut impl Sink) -> Result<End, Failure> {
    let mut told = 0;
    let mut messages = 0;
    while let Some(text) = lines.next().await? {
        let line: ExportLine = serde_json::from_str(&text).map_err(|error| {
            // It may hold a message.
            let reason = excerpt::message(&error.to_string());
            Failure::Failed(format!(
                "a line of the export is not understood: {reason}; is martletctl as new as martletd?"
            ))
        })?;
        // No control character, whoever looks at it in a terminal.
        sink.take(&line, &json(&text))?;
        match line {
            ExportLine::End { messages, unreadable, .. } => {
                return Ok(End { messages, unreadable });
            }
            ExportLine::Message { .. } => messages += 1,
            ExportLine::Export { .. }
            | ExportLine::Account { .. }
            | ExportLine::Picture { .. }
            | ExportLine::Blocked { .. }
            | ExportLine::Request { .. }
            | ExportLine::RequestMessage { .. }
            | ExportLine::Contact { .. }
            | ExportLine::Room { .. }
            | ExportLine::RoomOperation { .. }
            | ExportLine::File { .. }
            | ExportLine::Thumbnail { .. }
            | ExportLine::Lost { .. } => {}
        }
        if messages >= told + TOLD_EVERY {
            told = messages;
            context.output.progress(&format!("{} so far", count(messages, "message")));
        }
    }
    Err(Failure::Failed("the daemon ended the export before its last line: try again".to_owned()))
}

/// Waits for what usually ends a program, from now on.
fn interrupted() -> Result<impl Future<Output = ()>, Failure> {
    let unusable = |error| Failure::Usage(format!("cannot wait for signals: {error}"));
    let of = |kind| signal(kind).map_err(unusable);
    let mut interrupt = of(SignalKind::interrupt())?;
    let (mut end, mut hangup) = (of(SignalKind::terminate())?, of(SignalKind::hangup())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = end.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}

fn warn_of(end: &End, context: &Context) {
    if end.unreadable > 0 {
        let unreadable = count(end.unreadable, "message");
        context.output.note(&format!("warning: {unreadable} can't be read, and are not in it"));
    }
}

fn human(exported: &Exported, page: &mut Page) {
    let messages = count(exported.messages, "message");
    let files = count(exported.files, "file");
    let directory = word(&exported.directory.display().to_string());
    page.line(format!("Exported: {messages}, {files} in {directory}. It is not encrypted."));
}
