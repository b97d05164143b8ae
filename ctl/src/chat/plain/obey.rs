//! What commands do in plain mode.

use martlet_protocol::control::{Delivery, Direction};

use super::super::model::{Ask, Fate, Link, Place, RECALL, Row, not_done, timers};
use super::super::text::{in_one_line, short};
use super::super::unsent;
use super::Plain;
use super::command::{COMMANDS, Command};
use crate::exit::Failure;

/// The message that a command is about.
enum Target {
    /// The daemon has it.
    Sent(String),
    /// It waits in the chat, and is the newest but so many that do.
    Unsent(usize),
    /// It, or one of which it depends which it is, was given to the daemon, and the answer has not come.
    OnItsWay,
    Nothing,
}

impl Plain<'_> {
    /// Does what a command says.
    pub(super) async fn obey(&mut self, command: Command<'_>) -> Result<(), Failure> {
        let mut asks = Vec::new();
        match command {
            // Done by who calls this.
            Command::Say(_) | Command::Quit => {}
            Command::Help => {
                for (command, what) in COMMANDS {
                    self.say(&format!("{command}: {what}"))?;
                }
            }
            Command::List => self.list()?,
            Command::Open(name) => match self.model.has_conversation(name) {
                true => self.open(Place::Contact(name.to_owned()), &mut asks)?,
                false => self.say(&format!("There is no contact called {}: /list", short(name)))?,
            },
            Command::Notes => self.open(Place::Notes, &mut asks)?,
            Command::More | Command::Timers("") if self.model.link != Link::Up => {
                self.undone += 1;
                self.say(&not_done("that", &self.model.link))?;
            }
            Command::More => match self.model.open.clone() {
                Some(place) if self.model.ask_older(&place, &mut asks) => {}
                Some(_) => self.say("There is nothing older.")?,
                None => self.say("Of which conversation? /open NAME")?,
            },
            Command::Find(text) => self.find(text)?,
            Command::Search(words) => asks.push(Ask::Search { words: words.to_owned() }),
            Command::Reply(back, text) => match self.message(back) {
                Some(id) => self.send(text, Some(id))?,
                None => self.refuse("There is no such message to answer.", text)?,
            },
            Command::Edit(back, text) => match (self.target(back, true), self.model.open.clone()) {
                (Target::Sent(id), Some(place)) => {
                    asks.push(Ask::Edit { id, place, text: text.to_owned() });
                }
                (Target::Unsent(back), Some(place)) => {
                    self.model.reword(&place, back, text);
                    self.say("Edited before it was sent.")?;
                }
                (Target::OnItsWay, Some(place)) => {
                    self.undone += 1;
                    self.output.note_whole(&unsent::edit(&place, text));
                    self.say(&not_done("the edit", &self.model.link))?;
                }
                (Target::Nothing, _) | (_, None) => {
                    self.refuse("There is no such message of yours.", text)?;
                }
            },
            Command::React(back, emoji) => match self.message(back) {
                Some(id) => asks.push(Ask::React { id, emoji: emoji.map(str::to_owned) }),
                None => {
                    self.undone += 1;
                    self.say("There is no such message to react to.")?;
                }
            },
            Command::Timers(text) => match (self.contact(), text) {
                (None, _) => self.say("Of which conversation? /open NAME")?,
                (Some(name), "") => {
                    self.asked_timers = Some(name.clone());
                    asks.push(Ask::Timers { name });
                }
                (Some(name), text) => match timers(text) {
                    Ok(request) => {
                        self.asked_timers = Some(name.clone());
                        asks.push(Ask::SetTimers { name, request });
                    }
                    Err(why) => self.say(&why)?,
                },
            },
            Command::Mute(is_set) => self.set(Some(is_set), None, &mut asks)?,
            Command::Pin(is_set) => self.set(None, Some(is_set), &mut asks)?,
            Command::Add { id, name } => {
                asks.push(Ask::Add { id: id.to_owned(), name: name.to_owned() });
            }
            Command::Recall => match (self.target(0, true), self.model.open.clone()) {
                (Target::Sent(id), _) => asks.push(Ask::Recall { id }),
                (Target::Unsent(back), Some(place)) => {
                    let text = self.model.withdraw(&place, back).map(|waiting| waiting.text);
                    let text = in_one_line(&text.unwrap_or_default());
                    self.say(&format!("Taken back before it was sent: {text}"))?;
                }
                (Target::OnItsWay, _) => {
                    self.undone += 1;
                    self.say(&not_done(RECALL, &self.model.link))?;
                }
                (Target::Nothing, _) | (Target::Unsent(_), None) => {
                    self.undone += 1;
                    self.say("There is nothing of yours to recall.")?;
                }
            },
            Command::Requests => self.requests()?,
            Command::Accept { number, name } => match self.request(number) {
                Some(id) => asks.push(Ask::Accept { id, name: name.to_owned() }),
                None => self.say("There is no such request: /requests")?,
            },
            Command::Drop(number) => match self.request(number) {
                Some(id) => asks.push(Ask::Drop { id }),
                None => self.say("There is no such request: /requests")?,
            },
            Command::Status => self.status()?,
            Command::Unlock => self.unlock().await?,
        }
        self.ask_all(asks)
    }

    /// Whether a command is about a message of which the daemon, which is there, will say more soon: which one is the last is
    /// known then.
    pub(super) fn waits(&self, command: Command<'_>) -> bool {
        let target = match command {
            Command::Edit(back, _) => self.target(back, true),
            Command::Recall => self.target(0, true),
            Command::Reply(back, _) | Command::React(back, _) => self.target(back, false),
            _ => return false,
        };
        let is_on_its_way = match target {
            Target::OnItsWay => true,
            // Only of notes: they can't be answered before they are there.
            Target::Unsent(_) => matches!(command, Command::Reply(..) | Command::React(..)),
            Target::Sent(_) | Target::Nothing => false,
        };
        is_on_its_way && self.model.link == Link::Up
    }

    fn open(&mut self, place: Place, asks: &mut Vec<Ask>) -> Result<(), Failure> {
        let is_loaded = self.model.conversation(&place).is_some_and(|it| it.loaded);
        self.model.show(place.clone(), asks);
        self.opened()?;
        if is_loaded { self.print_page(&place, None, 0) } else { Ok(()) }
    }

    /// Says why a text is not sent, and gives it back.
    fn refuse(&mut self, why: &str, text: &str) -> Result<(), Failure> {
        self.unsent += 1;
        if let Some(place) = &self.model.open {
            self.output.note_whole(&unsent::line(place, text));
        }
        self.say(why)
    }

    /// The newest message but so many: of the user's, which can be edited and recalled; or else of the contact's, or of notes.
    fn target(&self, back: usize, is_own: bool) -> Target {
        let Some(place) = &self.model.open else { return Target::Nothing };
        let mut back = back;
        let mut unseen = Vec::new();
        if is_own || *place == Place::Notes {
            let mut waiting = self.model.outgoing.queue.iter().filter(|it| it.place == *place);
            let unsent = waiting.clone().filter(|it| it.fate == Fate::Waits).count();
            if back < unsent {
                return Target::Unsent(back);
            }
            back -= unsent;
            if waiting.any(|it| it.fate != Fate::Waits) || self.recalling.is_some() {
                return Target::OnItsWay;
            }
            // The answer may come before the event.
            unseen = self.own.taken(place);
        }
        let rows = self.model.open_conversation().map_or(&[][..], |it| &it.rows);
        unseen.retain(|id| !rows.iter().any(|row| row.id == *id));
        if is_own && *place == Place::Notes {
            unseen.clear();
        }
        let is_it = |row: &&Row| {
            is_own == (row.direction == Direction::Out)
                && row.state != Delivery::Recalled
                && !row.is_notice
        };
        let rows = rows.iter().rev().filter(is_it).map(|row| row.id.as_str());
        let mut those = unseen.into_iter().chain(rows);
        those.nth(back).map_or(Target::Nothing, |id| Target::Sent(id.to_owned()))
    }

    /// The newest message but so many of the contact's; of notes, of the user's.
    fn message(&self, back: usize) -> Option<String> {
        match self.target(back, false) {
            Target::Sent(id) => Some(id),
            Target::Unsent(_) | Target::OnItsWay | Target::Nothing => None,
        }
    }

    /// With whom the open conversation is.
    fn contact(&self) -> Option<String> {
        match &self.model.open {
            Some(Place::Contact(name)) => Some(name.clone()),
            Some(Place::Notes | Place::Requests) | None => None,
        }
    }

    fn set(
        &self,
        muted: Option<bool>,
        pinned: Option<bool>,
        asks: &mut Vec<Ask>,
    ) -> Result<(), Failure> {
        match self.contact() {
            Some(name) => asks.push(Ask::Settings { name, muted, pinned }),
            None => return self.say("Which conversation? /open NAME"),
        }
        Ok(())
    }

    fn request(&self, number: usize) -> Option<String> {
        let request = self.model.requests.list.get(number.checked_sub(1)?)?;
        Some(request.id.clone())
    }

    fn list(&self) -> Result<(), Failure> {
        for place in self.model.places() {
            let Place::Contact(name) = &place else { continue };
            let unread = self.model.conversation(&place).map_or(0, |it| it.unread);
            let new = if unread > 0 { format!(", {unread} new") } else { String::new() };
            self.say(&format!("{}{new}", short(name)))?;
        }
        if self.model.contacts.is_empty() && self.model.rooms.is_empty() {
            self.say("No contacts yet: martletctl contact add ID --name NAME")?;
        }
        self.requests_waiting()
    }

    fn requests_waiting(&self) -> Result<(), Failure> {
        match self.model.requests.list.len() {
            0 => Ok(()),
            waiting => self.say(&format!("{waiting} unknown people have written: /requests")),
        }
    }

    fn find(&self, text: &str) -> Result<(), Failure> {
        let Some(place) = &self.model.open else {
            return self.say("In which conversation? /open NAME");
        };
        let Some(conversation) = self.model.conversation(place) else { return Ok(()) };
        let wanted = text.to_lowercase();
        let mut found = 0;
        for row in &conversation.rows {
            if row.text.to_lowercase().contains(&wanted) {
                found += 1;
                self.print_row(place, row)?;
            }
        }
        let further =
            if conversation.more { " among those loaded; /more loads older ones" } else { "" };
        self.say(&format!("{found} found{further}."))
    }

    fn requests(&self) -> Result<(), Failure> {
        for (number, request) in self.model.requests.list.iter().enumerate() {
            let name = request.suggested_name.as_deref().map_or("no name".to_owned(), short);
            let preview = in_one_line(request.preview.as_deref().unwrap_or_default());
            let (number, id) = (number + 1, short(&request.id));
            self.say(&format!("{number}. calls themselves {name}: {preview}\n{id}"))?;
        }
        match self.model.requests.list.is_empty() {
            true => self.say("Nobody unknown has written."),
            false => self.say("/accept NUMBER NAME makes a contact, /drop NUMBER drops."),
        }
    }

    fn status(&self) -> Result<(), Failure> {
        let peers = self.model.status.as_ref().map_or(0, |status| status.peers_connected);
        self.say(&crate::render::count(u64::from(peers), "peer"))?;
        for finding in self.model.doctor.iter().flat_map(|diagnosis| &diagnosis.findings) {
            self.say(&format!("{}. To do: {}", finding.problem, finding.advice))?;
        }
        let waiting = self.model.outgoing.queue.len();
        match waiting {
            0 => {}
            1 => self.say("1 message waits for the daemon.")?,
            waiting => self.say(&format!("{waiting} messages wait for the daemon."))?,
        }
        self.requests_waiting()
    }
}
