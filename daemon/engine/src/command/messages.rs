//! Messages and conversations.

use martlet_protocol::control::{
    EditRequest, History, HistoryQuery, Inbox, Message, ReactionRequest, ReadResponse, SendRequest,
    SendResponse,
};
use martlet_protocol::message::{Emoji, Text};

use super::ends::asked;
use super::{Command, CommandError};
use crate::engine::Engine;
use crate::error::Fault;
use crate::turn::Turn;
use crate::visible::has_something_visible;

pub use crate::user::{FindCursor, FoundMessage};

/// Commits a text to a contact, and sends it.
#[derive(Debug)]
pub struct SendText {
    /// To whom, and what.
    pub request: SendRequest,
}

/// One message, by id.
#[derive(Debug)]
pub struct GetMessage {
    /// Its id.
    pub id: String,
}

/// A page of a conversation.
#[derive(Debug)]
pub struct GetHistory {
    /// The contact's name, or the room's.
    pub name: String,
    /// Which page.
    pub query: HistoryQuery,
}

/// Marks a conversation as read.
#[derive(Debug)]
pub struct MarkRead {
    /// The contact's name.
    pub name: String,
}

/// Gives a message of the user's another text.
#[derive(Debug)]
pub struct EditMessage {
    /// Its id.
    pub id: String,
    /// What it says from now on.
    pub request: EditRequest,
}

/// Looks for a message by the beginning of its id, at some messages.
#[derive(Debug)]
pub struct FindMessage {
    /// From where on.
    pub from: FindFrom,
}

/// Where to look for a message.
#[derive(Debug)]
pub enum FindFrom {
    /// From the newest on, for one whose id begins so.
    Beginning(String),
    /// Where it was looked for last.
    Cursor(FindCursor),
}

/// Reacts to a message, or withdraws that.
#[derive(Debug)]
pub struct React {
    /// Its id.
    pub id: String,
    /// With what; `None` to withdraw the reaction there is.
    pub request: Option<ReactionRequest>,
}

/// A text of which there is something to be seen. What others write is shown whatever it is.
pub(super) fn to_send(text: String) -> Result<Text, CommandError> {
    let text = Text::new(text)?;
    match has_something_visible(text.as_str()) {
        true => Ok(text),
        false => Err(CommandError::InvisibleText),
    }
}

/// Unread messages, by conversation.
#[derive(Debug)]
pub struct GetInbox {}

impl Command for SendText {
    type Reply = SendResponse;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<SendResponse, Fault> {
        let user = engine.user_mut()?;
        let SendRequest { to, text, expire_seconds, burn_seconds, reply_to } = self.request;
        let identity = user.written_to(&to)?;
        let text = to_send(text)?;
        let default = user.timers_in(&identity);
        let timers = asked(expire_seconds, burn_seconds, default).map_err(CommandError::from)?;
        let reply_to = match reply_to {
            Some(id) => Some(user.answered(turn, &identity, &id)?),
            None => None,
        };
        Ok(user.send_text(turn, identity, &text, timers, reply_to)?)
    }
}

impl Command for GetMessage {
    type Reply = Message;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Message, Fault> {
        engine.user_mut()?.find_message(turn, &self.id)
    }
}

impl Command for GetHistory {
    type Reply = History;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<History, Fault> {
        let user = engine.user_mut()?;
        let identity = user.conversation_called(&self.name)?;
        user.history(turn, &identity, &self.query)
    }
}

impl Command for MarkRead {
    type Reply = ReadResponse;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<ReadResponse, Fault> {
        let user = engine.user_mut()?;
        let identity = user.conversation_called(&self.name)?;
        let (marked, lost) = user.mark_read(turn, identity)?;
        Ok(ReadResponse { marked, lost })
    }
}

impl Command for EditMessage {
    type Reply = Message;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Message, Fault> {
        let text = to_send(self.request.text)?;
        engine.user_mut()?.edit_message(turn, &self.id, &text)
    }
}

impl Command for FindMessage {
    type Reply = FoundMessage;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<FoundMessage, Fault> {
        let user = engine.user_mut()?;
        match self.from {
            FindFrom::Beginning(text) => user.begin_finding(turn, &text),
            FindFrom::Cursor(cursor) => user.go_on_finding(turn, cursor),
        }
    }
}

impl Command for React {
    type Reply = Message;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Message, Fault> {
        let emoji = match self.request {
            Some(ReactionRequest { emoji }) => {
                let emoji = Emoji::new(emoji).map_err(CommandError::from)?;
                if !has_something_visible(emoji.as_str()) {
                    return Err(CommandError::InvisibleReaction.into());
                }
                Some(emoji)
            }
            None => None,
        };
        engine.user_mut()?.react(turn, &self.id, emoji)
    }
}

impl Command for GetInbox {
    type Reply = Inbox;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Inbox, Fault> {
        Ok(engine.user_mut()?.inbox(turn)?)
    }
}
