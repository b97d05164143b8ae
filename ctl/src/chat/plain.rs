//! Runs the chat line by line: for screen readers, slow lines and scripts. What comes is printed, what is typed is sent.

mod answer;
mod command;
mod end;
mod link;
mod obey;
mod own;
mod print;

use std::io::{self, BufRead};

use martlet_protocol::limits::TEXT_BYTES_MAX;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval, sleep_until};

use super::feed::Daemon;
use super::model::{Ask, Feed, Happened, Link, Model, Place, RECALL, Told, not_done};
use super::text::short;
use super::unsent;
use crate::client::Client;
use crate::exit::Failure;
use crate::limits::{CHAT_STATUS_INTERVAL, CHAT_UNSENT_MAX};
use crate::render::{Clock, Output, block};
use command::{Command, Typed};
use own::Own;

/// Messages of a conversation that are printed when it is opened.
const OPENING_MESSAGES: usize = 10;

/// What the model reckons with: lines are not counted here.
const SCREEN: (u16, u16) = (80, 24);

/// Runs until what was read up to `/quit` or the end of standard input is sent.
pub(crate) async fn run(
    client: &Client,
    wanted: Option<String>,
    output: &Output,
) -> Result<(), Failure> {
    let mut plain = Plain {
        model: Model::new(Clock::system(), SCREEN, wanted.clone()),
        wanted,
        daemon: Daemon::start(client),
        client,
        output,
        opening: None,
        opened_at: Instant::now(),
        own: Own::default(),
        asked_timers: None,
        held: None,
        recalling: None,
        ready: false,
        ended: false,
        unsent: 0,
        undone: 0,
    };
    if plain.wanted.is_none() {
        plain.say(
            "Who to? /list lists conversations, /open NAME opens one, /help lists commands.",
        )?;
    }
    let mut line: Option<JoinHandle<io::Result<Typed>>> = None;
    let mut status = interval(CHAT_STATUS_INTERVAL);
    // Until when a daemon that is away is waited for at the end.
    let mut patience: Option<Instant> = None;
    loop {
        if plain.is_over() {
            return plain.leave().await;
        }
        patience = match (&plain.model.link, plain.ended) {
            (Link::Up, _) | (_, false) => None,
            (_, true) => patience.or_else(|| Some(Instant::now() + CHAT_UNSENT_MAX)),
        };
        let too_long = async {
            match patience {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        if line.is_none() && plain.reads() {
            line = Some(tokio::task::spawn_blocking(read_line));
        }
        let typed = async {
            match &mut line {
                Some(line) => line.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            happened = plain.daemon.next() => {
                if let Some(happened) = happened {
                    plain.take(happened).await?;
                    plain.do_held().await?;
                }
            }
            typed = typed => {
                line = None;
                let typed = typed.map_err(|error| Failure::Failed(format!("cannot read: {error}")))??;
                plain.typed(typed).await?;
            }
            () = too_long => return plain.give_up("the daemon was away or locked for too long"),
            _ = status.tick() => {
                plain.update(Happened::Tick(Clock::system()))?;
                if plain.model.link == Link::Up {
                    plain.daemon.ask(Ask::Status);
                }
            }
        }
    }
}

struct Plain<'a> {
    model: Model,
    /// The conversation that was named as the chat was started.
    wanted: Option<String>,
    daemon: Daemon,
    client: &'a Client,
    output: &'a Output,
    /// The conversation whose newest page is printed when it comes.
    opening: Option<Place>,
    /// Since when it is waited for.
    opened_at: Instant,
    /// Messages that were typed here.
    own: Own,
    /// Whose timers a command is about.
    asked_timers: Option<String>,
    /// A command about a message that the daemon has not answered yet: done once it has. No line is read before.
    held: Option<String>,
    /// The message whose recall the daemon has not answered yet.
    recalling: Option<String>,
    /// Whether it is known who is written to, so that lines can be read.
    ready: bool,
    /// Whether no more lines are read.
    ended: bool,
    /// How many messages could not be sent.
    unsent: u64,
    /// How many commands could not be done.
    undone: u64,
}

impl Plain<'_> {
    fn say(&self, text: &str) -> Result<(), Failure> {
        self.output.raw(format!("{}\n", block(text, 2)).as_bytes())
    }

    /// Gives the model what happened, and the daemon what it asks.
    fn update(&mut self, happened: Happened) -> Result<(), Failure> {
        for ask in self.model.update(happened) {
            self.daemon.ask(ask);
        }
        match self.model.notice.take() {
            Some(notice) => self.say(&notice),
            None => Ok(()),
        }
    }

    async fn take(&mut self, happened: Happened) -> Result<(), Failure> {
        let before = self.model.open.clone();
        let link = self.model.link.clone();
        match &happened {
            Happened::Feed(Feed::Event(event)) => self.print_event(event)?,
            Happened::Told(told) => {
                // The first is the one that was given to the daemon.
                if let Told::Sent { result: Ok(sent), .. } = &**told
                    && let Some(first) = self.model.outgoing.queue.front()
                {
                    self.own.add(&sent.id, &first.text);
                    self.own.took(&first.place, &sent.id);
                }
                self.count(told);
            }
            _ => {}
        }
        if let Happened::Told(told) = &happened {
            self.print_answer(told)?;
        }
        let (page, contacts) = match &happened {
            Happened::Told(told) => match &**told {
                Told::Page { place, before, history } => {
                    (Some((place.clone(), before.clone(), history.messages.len())), false)
                }
                Told::Contacts(_) => (None, true),
                _ => (None, false),
            },
            _ => (None, false),
        };
        self.update(happened)?;
        if let Some((place, text)) = self.model.outgoing.refused.take() {
            self.unsent += 1;
            self.output.note_whole(&unsent::line(&place, &text));
        }
        // What was found is printed: there is no window for it.
        (self.model.overlay, self.model.seek.search) = (None, None);
        if self.model.open != before {
            self.opened()?;
        }
        if let Some((place, before, messages)) = page {
            self.print_page(&place, before.as_deref(), messages)?;
        }
        self.ready |= contacts;
        if self.model.link != link {
            self.tell_link(&link).await?;
        }
        Ok(())
    }

    /// Says whom lines are for now.
    fn opened(&mut self) -> Result<(), Failure> {
        (self.opening, self.opened_at) = (self.model.open.clone(), Instant::now());
        match &self.model.open {
            Some(Place::Contact(name)) => self.say(&format!("To {}:", short(name))),
            Some(Place::Notes) => self.say("Notes to yourself:"),
            Some(Place::Requests) | None => Ok(()),
        }
    }

    /// Does what a line says.
    async fn typed(&mut self, typed: Typed) -> Result<(), Failure> {
        let line = match typed {
            Typed::Line(line) => line,
            Typed::TooLong => {
                self.unsent += 1;
                return self
                    .say("That is longer than the 16,384 bytes of a message: it was not sent.");
            }
            Typed::End => return self.end(),
        };
        match Command::of(&line) {
            Ok(Command::Say(text)) => self.send(text, None),
            Ok(Command::Quit) => self.end(),
            Ok(command) if self.waits(command) => {
                self.held = Some(line);
                Ok(())
            }
            Ok(command) => self.obey(command).await,
            Err(why) => self.say(&why),
        }
    }

    /// Sends a text, which may answer a message.
    fn send(&mut self, text: &str, reply_to: Option<String>) -> Result<(), Failure> {
        if text.trim().is_empty() {
            return Ok(());
        }
        let Some(place) = self.model.open.clone() else {
            self.unsent += 1;
            return self.say("To whom? /open NAME opens a conversation.");
        };
        let mut asks = Vec::new();
        if !self.model.queue_text(place, text.to_owned(), reply_to, &mut asks) {
            self.unsent += 1;
            return self
                .say("Too many messages wait for the daemon already: this one was not sent.");
        }
        self.ask_all(asks)
    }

    /// What the user wants done is asked of a daemon that is there, or refused.
    fn ask_all(&mut self, asks: Vec<Ask>) -> Result<(), Failure> {
        for ask in asks {
            if let (Some(what), true) = (ask.wanted(), self.model.link != Link::Up) {
                if let Ask::Edit { place, text, .. } = &ask {
                    self.output.note_whole(&unsent::edit(place, text));
                }
                self.undone += 1;
                self.say(&not_done(what, &self.model.link))?;
                continue;
            }
            if let Ask::Recall { id } = &ask {
                self.recalling = Some(id.clone());
            }
            self.daemon.ask(ask);
        }
        Ok(())
    }

    /// Counts what the daemon did not do, and gives back what was typed for it.
    fn count(&mut self, told: &Told) {
        match told {
            Told::Recalled { id } => {
                self.own.untake(id);
                self.recalling = None;
            }
            Told::Undone { what, .. } => {
                self.undone += 1;
                if *what == RECALL {
                    // One at a time is asked.
                    self.recalling = None;
                }
            }
            Told::Edited { place, text, result: Err(_) } => {
                self.undone += 1;
                self.output.note_whole(&unsent::edit(place, text));
            }
            _ => {}
        }
    }

    /// Does the command that waited, if it need not wait any more.
    async fn do_held(&mut self) -> Result<(), Failure> {
        match self.held.take() {
            Some(line) => self.typed(Typed::Line(line)).await,
            None => Ok(()),
        }
    }
}

/// The next line, without its end. Its memory is bounded.
fn read_line() -> io::Result<Typed> {
    let mut input = io::stdin().lock();
    let mut line = Vec::new();
    let mut is_too_long = false;
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() && line.is_empty() && !is_too_long {
            return Ok(Typed::End);
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let part = &buffer[..end.unwrap_or(buffer.len())];
        is_too_long |= line.len() + part.len() > TEXT_BYTES_MAX;
        if !is_too_long {
            line.extend_from_slice(part);
        }
        let is_whole = end.is_some() || buffer.is_empty();
        let used = end.map_or(buffer.len(), |end| end + 1);
        input.consume(used);
        if is_whole && is_too_long {
            return Ok(Typed::TooLong);
        }
        if is_whole {
            let line = line.strip_suffix(b"\r").unwrap_or(&line);
            return Ok(Typed::Line(String::from_utf8_lossy(line).into_owned()));
        }
    }
}
