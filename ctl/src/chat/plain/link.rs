//! The daemon's coming and going in plain mode, and the passphrase of a locked vault.

use std::io::{IsTerminal, stdin};

use martlet_protocol::control::{ErrorCode, Problem, Status};
use tokio::time::{Instant, timeout_at};

use super::super::feed::unlock;
use super::super::model::{Link, Secret};
use super::super::text::short;
use super::command::Typed;
use super::{Plain, read_line};
use crate::client::ClientError;
use crate::exit::{BEGIN, Failure};
use crate::limits::{CHAT_GIVE_BACK_MAX, CHAT_OUTGOING_MAX};
use crate::passphrase;
use crate::render::block;

/// Why the passphrase is not asked for.
const NO_TERMINAL: &str = "the vault is locked, and standard input is not a terminal, where its passphrase could be asked for: \
    run martletctl unlock before, or martletctl unlock --passphrase-file FILE";

impl Plain<'_> {
    /// Says that the daemon came or went, or what is to be done about it.
    pub(super) async fn tell_link(&mut self, before: &Link) -> Result<(), Failure> {
        match self.model.link.clone() {
            Link::Connecting => Ok(()),
            Link::Up if *before == Link::Connecting => Ok(()),
            Link::Up => self.say("The daemon is back."),
            Link::Lost => self.say("The daemon went away; waiting for it. What you type is kept."),
            Link::NoDaemon(why) | Link::Broken(why) if self.ended => self.give_up(&why),
            Link::NoDaemon(_) | Link::Broken(_) if !self.ready && !stdin().is_terminal() => {
                // Unless it has come since.
                match self.client.get::<Status>("/v1/status").await {
                    Ok(_) => Ok(()),
                    Err(error) => self.end_unread(error.into()).await,
                }
            }
            Link::NoDaemon(why) | Link::Broken(why) => self.say(&why),
            Link::NoIdentity => {
                let why = format!("there is no identity yet: {BEGIN}");
                self.end_unread(Failure::Failed(why)).await
            }
            // Nothing is being read yet, so the passphrase can be.
            Link::Locked
                if !self.ready && self.model.needs_passphrase() && !stdin().is_terminal() =>
            {
                let problem = Problem::new(ErrorCode::Locked, NO_TERMINAL);
                self.end_unread(ClientError::Problem(problem).into()).await
            }
            Link::Locked if !self.ready => self.unlock().await,
            Link::Locked => self.say("The vault is locked. /unlock asks for its passphrase."),
        }
    }

    /// Asks for the passphrase, and opens the vault.
    pub(super) async fn unlock(&mut self) -> Result<(), Failure> {
        if self.model.needs_passphrase() && !stdin().is_terminal() {
            self.undone += 1;
            return self.say(NO_TERMINAL);
        }
        let mut secret = Secret::new();
        if self.model.needs_passphrase() {
            self.say("The vault is locked.")?;
            secret.push(&passphrase::ask("Passphrase: ", self.output).await?);
        }
        match unlock(self.client, secret).await {
            Ok(()) => self.say("The vault is open."),
            Err(error @ ClientError::Problem(_)) if self.ready => self.say(&error.to_string()),
            Err(error) => Err(error.into()),
        }
    }

    /// Ends before anything was read. What a pipe has brought is given back, in lines.
    async fn end_unread(&self, why: Failure) -> Result<(), Failure> {
        if stdin().is_terminal() {
            return Err(why);
        }
        let until = Instant::now() + CHAT_GIVE_BACK_MAX;
        for _ in 0..CHAT_OUTGOING_MAX {
            let line = timeout_at(until, tokio::task::spawn_blocking(read_line)).await;
            match line {
                Ok(Ok(Ok(Typed::Line(line)))) => {
                    let to = self.wanted.as_deref().map(|name| format!(", to {}", short(name)));
                    let to = to.unwrap_or_default();
                    self.output.note_whole(&format!("not sent{to}: {}", block(&line, 2)));
                }
                Ok(Ok(Ok(Typed::TooLong))) => {}
                Ok(Ok(Ok(Typed::End) | Err(_)) | Err(_)) | Err(_) => return Err(why),
            }
        }
        self.output.note("more lines came: they were not read");
        Err(why)
    }
}
