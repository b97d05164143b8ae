//! The end of the chat in plain mode: it waits for what is not sent yet, and says what could not be.

use std::io::{IsTerminal, stdin};

use super::super::model::{Happened, Link, Place};
use super::super::unsent;
use super::Plain;
use crate::exit::Failure;
use crate::limits::{CHAT_OPENING_MAX, CHAT_OUTGOING_MAX, CHAT_UNSENT_MAX};
use crate::render::count;

impl Plain<'_> {
    /// Whether another line is read. From a pipe, only where there is room for it: nobody could type it once more. Not while the
    /// newest messages of a conversation are still to come: a line may be about one of them.
    pub(super) fn reads(&self) -> bool {
        let is_opening = matches!(self.opening, Some(Place::Contact(_) | Place::Notes));
        if is_opening && self.model.link == Link::Up && self.opened_at.elapsed() < CHAT_OPENING_MAX
        {
            return false;
        }
        let has_room = self.model.outgoing.queue.len() < CHAT_OUTGOING_MAX;
        self.ready && !self.ended && self.held.is_none() && (has_room || stdin().is_terminal())
    }

    /// Whether all is sent, and nothing more is read.
    pub(super) fn is_over(&self) -> bool {
        self.ended && self.ready && self.model.outgoing.queue.is_empty()
    }

    /// Reads no more. What was read before is still sent.
    pub(super) fn end(&mut self) -> Result<(), Failure> {
        self.ended = true;
        let waiting = self.model.outgoing.queue.len();
        match self.model.link.clone() {
            _ if waiting == 0 => Ok(()),
            Link::NoDaemon(why) | Link::Broken(why) => self.give_up(&why),
            Link::Connecting | Link::Up => Ok(()),
            Link::Lost | Link::Locked | Link::NoIdentity => self.say(&format!(
                "{} for the daemon: the chat ends when it has all, or after {} s.",
                match waiting {
                    1 => "1 message waits".to_owned(),
                    more => format!("{} wait", count(more as u64, "message")),
                },
                CHAT_UNSENT_MAX.as_secs(),
            )),
        }
    }

    /// Ends, once all else that was asked is done.
    pub(super) async fn leave(&mut self) -> Result<(), Failure> {
        let finished = self.daemon.finish(CHAT_UNSENT_MAX).await;
        for told in finished.told {
            self.take(Happened::Told(Box::new(told))).await?;
        }
        if !finished.is_all {
            return Err(Failure::TimedOut(format!(
                "the daemon has not answered within {} s: what was asked last may not be done",
                CHAT_UNSENT_MAX.as_secs()
            )));
        }
        self.outcome()
    }

    /// Ends, though messages wait.
    pub(super) fn give_up(&self, why: &str) -> Result<(), Failure> {
        unsent::tell(&self.model, why, self.output)?;
        self.outcome()
    }

    /// Fails if something was not sent or not done.
    fn outcome(&self) -> Result<(), Failure> {
        let why = "what was printed above says why";
        match (self.unsent, self.undone) {
            (0, 0) => Ok(()),
            (0, undone) => {
                let were = if undone == 1 { "was" } else { "were" };
                let commands = count(undone, "command");
                Err(Failure::Failed(format!("{commands} {were} not done: {why}")))
            }
            (unsent, _) => Err(unsent::failure(unsent, why)),
        }
    }
}
