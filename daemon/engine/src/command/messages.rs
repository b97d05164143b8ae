//! Messages and conversations.

use martlet_protocol::control::{
    History, HistoryQuery, Inbox, Message, ReadResponse, SendRequest, SendResponse,
};
use martlet_protocol::message::Text;

use super::{Command, CommandError};
use crate::engine::Engine;
use crate::error::Fault;
use crate::turn::Turn;

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
    /// The contact's name.
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

/// Unread messages, by conversation.
#[derive(Debug)]
pub struct GetInbox {}

impl Command for SendText {
    type Reply = SendResponse;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<SendResponse, Fault> {
        let user = engine.user_mut()?;
        let SendRequest { to, text } = self.request;
        let identity = user.identity_of(&to)?;
        let text = Text::new(text).map_err(CommandError::from)?;
        Ok(user.send_text(turn, identity, &text)?)
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
        let identity = user.identity_of(&self.name)?;
        user.history(turn, &identity, self.query.limit, self.query.before.as_deref())
    }
}

impl Command for MarkRead {
    type Reply = ReadResponse;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<ReadResponse, Fault> {
        let user = engine.user_mut()?;
        let identity = user.identity_of(&self.name)?;
        let (marked, lost) = user.mark_read(turn, identity)?;
        Ok(ReadResponse { marked, lost })
    }
}

impl Command for GetInbox {
    type Reply = Inbox;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Inbox, Fault> {
        Ok(engine.user_mut()?.inbox(turn)?)
    }
}
