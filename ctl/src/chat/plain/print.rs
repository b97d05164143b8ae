//! What is printed of messages and events in plain mode.

use martlet_protocol::control::{Delivery, Direction, EndedReason, Event, EventBody};

use super::super::model::{Place, Row};
use super::super::text::{in_one_line, short};
use super::own::of_whom;
use super::{OPENING_MESSAGES, Plain};
use crate::exit::Failure;
use crate::render::{recalled, replaced};

impl Plain<'_> {
    /// Prints a page of a conversation that has just come.
    pub(super) fn print_page(
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

    /// Prints a message.
    pub(super) fn print_row(&self, place: &Place, row: &Row) -> Result<(), Failure> {
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

    /// Says what happened.
    pub(super) fn print_event(&mut self, event: &Event) -> Result<(), Failure> {
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
}
