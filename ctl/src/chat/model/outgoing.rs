//! Messages on their way to the daemon: one at a time, in order, none twice and none lost while it is away.

use std::collections::VecDeque;

use martlet_protocol::UnixMillis;
use martlet_protocol::control::{Direction, ErrorCode, History, SendResponse};

use super::{About, Ask, Link, Model, Place};
use crate::client::ClientError;
use crate::limits::CHAT_OUTGOING_MAX;

/// Those that wait, the first first.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    pub(crate) queue: VecDeque<Waiting>,
    tickets: u64,
    /// The id of the last one that the daemon took.
    last: Option<String>,
    /// The one that the daemon refused just now.
    pub(crate) refused: Option<(Place, String)>,
}

/// One that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waiting {
    ticket: u64,
    pub(crate) place: Place,
    pub(crate) text: String,
    /// The message that it answers.
    pub(super) reply_to: Option<String>,
    pub(crate) fate: Fate,
    /// When it was given to the daemon, and the ids of own messages that were there before: it is none of these.
    since: UnixMillis,
    before: Vec<String>,
}

/// What became of it so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The daemon does not have it.
    Waits,
    /// It was given to the daemon, and its answer is waited for.
    Asked,
    /// The daemon went away before it had answered: the history will tell.
    Unknown,
    /// An event has told that it is on disk; only the answer has not come.
    Stored,
}

impl Model {
    /// Takes what was typed, to be sent.
    pub(super) fn send_draft(&mut self, asks: &mut Vec<Ask>) {
        let Some(place) = self.open.clone().filter(|place| *place != Place::Requests) else {
            return;
        };
        let Some(conversation) = self.conversations.get_mut(&place) else { return };
        if conversation.draft.text().trim().is_empty() {
            return;
        }
        if self.outgoing.queue.len() >= CHAT_OUTGOING_MAX {
            self.notice =
                Some("Too many messages wait for the daemon: this one stays here.".to_owned());
            return;
        }
        if let Some(About::Edit { id }) = &conversation.about {
            if self.link != Link::Up {
                self.notice = Some("The daemon is away: try again when it is back.".to_owned());
                return;
            }
            let id = id.clone();
            conversation.about = None;
            let text = conversation.draft.take();
            return asks.push(Ask::Edit { id, place, text });
        }
        let reply_to = match conversation.about.take() {
            Some(About::Reply { id, .. } | About::Edit { id }) => Some(id),
            None => None,
        };
        let text = conversation.draft.take();
        conversation.scroll = 0;
        // What was new has been seen by who answers.
        conversation.unread_from = None;
        self.queue_text(place, text, reply_to, asks);
        self.keep_drafts(asks);
        self.hold_scroll(asks);
        self.read_open(asks);
    }

    /// Sends a text once those before it are sent. False if too many wait.
    pub(crate) fn queue_text(
        &mut self,
        place: Place,
        text: String,
        reply_to: Option<String>,
        asks: &mut Vec<Ask>,
    ) -> bool {
        if self.outgoing.queue.len() >= CHAT_OUTGOING_MAX {
            return false;
        }
        self.outgoing.tickets += 1;
        let ticket = self.outgoing.tickets;
        let waiting = Waiting {
            ticket,
            place,
            text,
            reply_to,
            fate: Fate::Waits,
            since: UnixMillis(0),
            before: Vec::new(),
        };
        self.outgoing.queue.push_back(waiting);
        self.send_next(asks);
        true
    }

    /// The newest but so many of a conversation that the daemon was not given.
    fn unsent(&self, place: &Place, back: usize) -> Option<usize> {
        let those = self.outgoing.queue.iter().enumerate().rev();
        let mut those = those.filter(|(_, it)| it.place == *place && it.fate == Fate::Waits);
        those.nth(back).map(|(at, _)| at)
    }

    /// Takes back that one. None if the daemon has all of them.
    pub(crate) fn withdraw(&mut self, place: &Place, back: usize) -> Option<Waiting> {
        let at = self.unsent(place, back)?;
        self.outgoing.queue.remove(at)
    }

    /// Gives that one another text.
    pub(crate) fn reword(&mut self, place: &Place, back: usize, text: &str) {
        let waiting = self.unsent(place, back).and_then(|at| self.outgoing.queue.get_mut(at));
        if let Some(waiting) = waiting {
            waiting.text = text.to_owned();
        }
    }

    /// Gives the first one to the daemon, if it is there and has none.
    pub(super) fn send_next(&mut self, asks: &mut Vec<Ask>) {
        if self.link != Link::Up {
            return;
        }
        let Some(first) = self.outgoing.queue.front_mut() else { return };
        match first.fate {
            Fate::Asked | Fate::Stored => {}
            Fate::Waits => {
                let rows = self.conversations.get(&first.place).map_or(&[][..], |it| &it.rows);
                let newest = rows.iter().rev().find(|row| row.direction != Direction::In);
                let newest = newest.map(|row| row.id.clone());
                first.before = newest.into_iter().chain(self.outgoing.last.clone()).collect();
                first.since = self.clock.now();
                first.fate = Fate::Asked;
                let reply_to = first.reply_to.clone();
                let (ticket, place, text) = (first.ticket, first.place.clone(), first.text.clone());
                asks.push(Ask::Send { ticket, place, text, reply_to });
            }
            // The daemon has ended since, so what it wrote of it is in the history.
            Fate::Unknown => {
                let place = first.place.clone();
                asks.push(Ask::Page { place, before: None });
            }
        }
    }

    /// The daemon's answer to a message.
    pub(super) fn sent(
        &mut self,
        ticket: u64,
        place: &Place,
        result: Result<SendResponse, ClientError>,
        asks: &mut Vec<Ask>,
    ) {
        let is_first = self.outgoing.queue.front().is_some_and(|first| first.ticket == ticket);
        let Some(first) = self.outgoing.queue.front_mut().filter(|_| is_first) else { return };
        match result {
            // The event brings it to the conversation.
            Ok(SendResponse { id, .. }) => {
                self.outgoing.queue.pop_front();
                self.outgoing.last = Some(id);
            }
            Err(_) if first.fate == Fate::Stored => drop(self.outgoing.queue.pop_front()),
            Err(ClientError::NotRunning { .. } | ClientError::Connect { .. }) => {
                first.fate = Fate::Waits;
                return;
            }
            Err(ClientError::Disconnected { .. }) => {
                first.fate = Fate::Unknown;
                // The daemon may be back already.
                return self.send_next(asks);
            }
            Err(ClientError::Problem(problem))
                if matches!(problem.code, ErrorCode::Locked | ErrorCode::Stopping) =>
            {
                first.fate = Fate::Waits;
                return;
            }
            Err(error) => {
                let text = std::mem::take(&mut first.text);
                self.outgoing.queue.pop_front();
                self.outgoing.refused = Some((place.clone(), text.clone()));
                self.give_back(place, text);
                // What became of it is to be seen.
                self.attention.leaving = None;
                self.notice = Some(error.to_string());
            }
        }
        self.send_next(asks);
    }

    /// Whether a message whose fate was unknown is in the history, and if not, it is sent again.
    pub(super) fn settle(&mut self, place: &Place, history: &History, asks: &mut Vec<Ask>) {
        let Some(first) = self.outgoing.queue.front_mut() else { return };
        if first.fate != Fate::Unknown || first.place != *place {
            return;
        }
        let newer = history.messages.iter().rev().take_while(|message| {
            !first.before.contains(&message.id) && message.stored_at >= first.since
        });
        let mut own = newer.filter(|message| message.direction != Direction::In);
        if own.any(|message| message.text == first.text) {
            self.outgoing.queue.pop_front();
        } else {
            first.fate = Fate::Waits;
        }
        self.send_next(asks);
    }

    /// An own message was committed, of which the answer may come later or never.
    pub(super) fn committed(&mut self, place: &Place, id: &str, text: &str, asks: &mut Vec<Ask>) {
        let Some(first) = self.outgoing.queue.front_mut() else { return };
        let is_other = first.before.iter().any(|before| before == id);
        if is_other || first.place != *place || first.text != text {
            return;
        }
        match first.fate {
            Fate::Waits | Fate::Stored => {}
            Fate::Asked => first.fate = Fate::Stored,
            Fate::Unknown => {
                self.outgoing.queue.pop_front();
                self.send_next(asks);
            }
        }
    }

    /// A text that was refused stands in the input again, before what was typed since.
    pub(super) fn give_back(&mut self, place: &Place, text: String) {
        let conversation = self.conversations.entry(place.clone()).or_default();
        let since = conversation.draft.take();
        let joined = if since.is_empty() { text } else { format!("{text}\n{since}") };
        conversation.draft = super::Input::of(&joined);
    }
}
