//! Runs the chat line by line: for screen readers, slow lines and scripts. What comes is printed, what is typed is sent.

mod answer;
mod command;
mod end;
mod obey;
mod own;

use std::io::{self, BufRead};

use martlet_protocol::control::{Delivery, Direction, EndedReason, Event, EventBody};
use martlet_protocol::limits::TEXT_BYTES_MAX;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval, sleep_until};

use super::feed::{Daemon, unlock};
use super::model::{Ask, Feed, Happened, Link, Model, Place, Row, Secret, Told};
use super::text::{in_one_line, short};
use super::unsent;
use crate::client::{Client, ClientError};
use crate::exit::{BEGIN, Failure};
use crate::limits::{CHAT_STATUS_INTERVAL, CHAT_UNSENT_MAX};
use crate::passphrase;
use crate::render::{Clock, Output, block, recalled, replaced};
use command::{Command, Typed};
use own::{Own, of_whom};

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
    let named = wanted.is_some();
    let mut plain = Plain {
        model: Model::new(Clock::system(), SCREEN, wanted),
        daemon: Daemon::start(client),
        client,
        output,
        opening: None,
        opened_at: Instant::now(),
        own: Own::default(),
        asked_timers: None,
        ready: false,
        ended: false,
        unsent: 0,
    };
    if !named {
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
    /// Whether it is known who is written to, so that lines can be read.
    ready: bool,
    /// Whether no more lines are read.
    ended: bool,
    /// How many messages could not be sent.
    unsent: u64,
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
                }
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

    async fn tell_link(&mut self, before: &Link) -> Result<(), Failure> {
        match self.model.link.clone() {
            Link::Connecting => Ok(()),
            Link::Up if *before == Link::Connecting => Ok(()),
            Link::Up => self.say("The daemon is back."),
            Link::Lost => self.say("The daemon went away; waiting for it. What you type is kept."),
            Link::NoDaemon(why) | Link::Broken(why) if self.ended => self.give_up(&why),
            Link::NoDaemon(why) if !self.ready => Err(Failure::Failed(why)),
            Link::NoDaemon(why) | Link::Broken(why) => self.say(&why),
            Link::NoIdentity => Err(Failure::Failed(format!("there is no identity yet: {BEGIN}"))),
            // Nothing is being read yet, so the passphrase can be.
            Link::Locked if !self.ready => self.unlock().await,
            Link::Locked => self.say("The vault is locked. /unlock asks for its passphrase."),
        }
    }

    async fn unlock(&mut self) -> Result<(), Failure> {
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

    fn print_page(
        &mut self,
        place: &Place,
        before: Option<&str>,
        messages: usize,
    ) -> Result<(), Failure> {
        let is_opening = before.is_none() && self.opening.as_ref() == Some(place);
        if (before.is_none() && !is_opening) || self.model.open.as_ref() != Some(place) {
            return Ok(());
        }
        self.opening = None;
        let Some(conversation) = self.model.conversation(place) else { return Ok(()) };
        let rows = &conversation.rows;
        let rows = match before {
            None => &rows[rows.len().saturating_sub(OPENING_MESSAGES)..],
            Some(_) => &rows[..messages.min(rows.len())],
        };
        for row in rows {
            self.print_row(place, row)?;
        }
        if before.is_some() && !conversation.more {
            self.say("This is the beginning.")?;
        }
        Ok(())
    }

    fn print_row(&self, place: &Place, row: &Row) -> Result<(), Failure> {
        let time = self.model.clock.day_and_minute(row.sent_at);
        let name = match place {
            Place::Contact(name) => short(name),
            Place::Notes | Place::Requests => String::new(),
        };
        let who = match row.direction {
            Direction::In => of_whom(name, row.extra.author.as_deref()),
            Direction::Out => format!("you to {name}"),
            Direction::Note => "you".to_owned(),
        };
        let new = if row.is_unread() { " (new)" } else { "" };
        let mention = if row.extra.mentions_you { " (mentions you)" } else { "" };
        let taken_back = format!("({})", recalled(row.extra.recalled_by.as_deref()));
        let text = if row.state == Delivery::Recalled { &taken_back } else { &row.text };
        self.say(&format!("{time} {who}{new}{mention}: {text}"))
    }

    fn print_event(&mut self, event: &Event) -> Result<(), Failure> {
        match &event.body {
            EventBody::MessageReceived { message } => {
                let time = self.model.clock.minute(message.sent_at);
                let author = message.author.as_deref().map(crate::render::person);
                let name = of_whom(short(&message.conversation), author.as_deref());
                self.say(&format!("{time} {name}: {}", message.text))
            }
            EventBody::MessageQueued { message } => {
                let first = self.model.outgoing.queue.front();
                let is_own = self.own.excerpt(&message.id).is_some()
                    || first.is_some_and(|first| first.text == message.text);
                if is_own {
                    self.own.add(&message.id, &message.text);
                    return Ok(());
                }
                let place = match message.direction {
                    Direction::In | Direction::Out => Place::Contact(message.conversation.clone()),
                    Direction::Note => Place::Notes,
                };
                self.print_row(&place, &Row::of(message.clone()))
            }
            EventBody::MessageState { id, conversation, state } => {
                let word = match state {
                    Delivery::NeedsConfirmation
                    | Delivery::NeedsState
                    | Delivery::Queued
                    | Delivery::Sent => return Ok(()),
                    Delivery::Delivered => "delivered to",
                    Delivery::Read => "read by",
                    Delivery::Expired => "not delivered, expired: to",
                    Delivery::Recalled => "recalled, to",
                };
                let Some(text) = self.own.excerpt(id) else { return Ok(()) };
                self.say(&format!("{word} {}: {text}", short(conversation)))
            }
            EventBody::RequestReceived { suggested_name, .. } => {
                let name = suggested_name.as_deref().map_or("someone".to_owned(), short);
                self.say(&format!("{name}, whom you don't know, has written: /requests"))
            }
            EventBody::ContactAdded { name, .. } => {
                self.say(&format!("{} is a contact now.", short(name)))
            }
            EventBody::ContactDevicesChanged { name, devices } => {
                self.say(&crate::render::new_device(name, *devices))
            }
            EventBody::MessagesLost { conversation, count } => {
                self.say(&crate::render::lost(conversation, *count))
            }
            EventBody::MessageEdited { message } if message.direction == Direction::In => self.say(
                &format!("{} edited: {}", short(&message.conversation), in_one_line(&message.text)),
            ),
            EventBody::MessageReaction { conversation, direction, emoji, .. } => {
                let who = crate::render::who(*direction, conversation);
                match emoji {
                    Some(emoji) => self.say(&format!("{who} reacted: {}", short(emoji))),
                    None => self.say(&format!("{who} took a reaction back.")),
                }
            }
            EventBody::MessageEdited { .. }
            | EventBody::MessageReached { .. }
            | EventBody::MessageRead { .. }
            | EventBody::Typing { .. }
            | EventBody::FileProgress { .. }
            | EventBody::FileReceived { .. }
            | EventBody::FileFailed { .. }
            | EventBody::ContactRenamed { .. }
            | EventBody::ContactRemoved { .. }
            | EventBody::ContactReachable { .. }
            | EventBody::ContactVerified { .. }
            | EventBody::InviteUsed { .. }
            | EventBody::RoomJoined { .. }
            | EventBody::RoomChanged { .. }
            | EventBody::RoomLeft { .. }
            | EventBody::RoomUndone { .. }
            | EventBody::RoomEquivocation { .. }
            | EventBody::InviteRefused { .. }
            | EventBody::InviteAccepted { .. }
            | EventBody::ConversationRead { .. }
            | EventBody::ConversationCleared { .. }
            | EventBody::ContactProfile { .. }
            | EventBody::ContactDevices { .. }
            | EventBody::DevicesChanged
            | EventBody::Gone { .. } => Ok(()),
            EventBody::ContactTerminated { name } => {
                self.say(&format!("the identity of {} was terminated", short(name)))
            }
            EventBody::AccountTerminated => self.say("your identity was terminated"),
            EventBody::MessageEnded { id, conversation, reason, by } => {
                self.own.forget(id);
                match reason {
                    EndedReason::Recalled => {
                        let how = recalled(by.as_deref().map(crate::render::person).as_deref());
                        self.say(&format!("a message was {how}: {}", short(conversation)))
                    }
                    EndedReason::Replaced => self.say(&replaced(&short(conversation))),
                    EndedReason::Expired | EndedReason::Burned | EndedReason::Deleted => Ok(()),
                }
            }
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
        self.ask_all(asks);
        Ok(())
    }

    fn ask_all(&mut self, asks: Vec<Ask>) {
        for ask in asks {
            self.daemon.ask(ask);
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
