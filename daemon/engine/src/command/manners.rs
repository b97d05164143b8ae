//! Conversations as a whole: the list of them, how the user wants them to be, drafts, and notes about people.

use martlet_protocol::control::{
    Contact, ContactNote, ConversationChange, ConversationList, ConversationSettings, Draft,
    DraftRequest, Settings, SettingsChange,
};
use martlet_protocol::message::Text;

use super::contacts::shown;
use super::{Command, CommandError};
use crate::engine::Engine;
use crate::error::Fault;
use crate::turn::Turn;

/// All conversations, the newest first.
#[derive(Debug)]
pub struct ListConversations {}

/// How the user wants one conversation to be.
#[derive(Debug)]
pub struct SetConversation {
    /// The contact's name.
    pub name: String,
    /// What changes.
    pub change: ConversationChange,
}

/// Whether the user is to be told of what came in a conversation.
#[derive(Debug)]
pub struct GetNews {
    /// The contact's name.
    pub name: String,
}

/// What the user has not read of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct News {
    /// Whether nobody is to be notified of it.
    pub is_muted: bool,
    /// Messages that are unread.
    pub unread: u64,
}

/// How the user wants all conversations to be.
#[derive(Debug)]
pub struct GetSettings {}

/// Changes that.
#[derive(Debug)]
pub struct SetSettings {
    /// What changes.
    pub change: SettingsChange,
}

/// What the user began to write.
#[derive(Debug)]
pub struct GetDraft {
    /// The contact's name.
    pub name: String,
}

/// Keeps what the user began to write, or forgets it.
#[derive(Debug)]
pub struct SetDraft {
    /// The contact's name.
    pub name: String,
    /// The text; `None` to forget it.
    pub request: Option<DraftRequest>,
}

/// Keeps a note about a contact.
#[derive(Debug)]
pub struct SetContactNote {
    /// The contact's name.
    pub name: String,
    /// The note.
    pub request: ContactNote,
}

/// Tells a contact that the user is writing.
#[derive(Debug)]
pub struct TypeTo {
    /// The contact's name.
    pub name: String,
}

impl Command for ListConversations {
    type Reply = ConversationList;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<ConversationList, Fault> {
        Ok(engine.user_mut()?.conversations(turn)?)
    }
}

impl Command for SetConversation {
    type Reply = ConversationSettings;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<ConversationSettings, Fault> {
        let user = engine.user_mut()?;
        let identity = user.conversation_called(&self.name)?;
        user.set_conversation(turn, &identity, &self.change)
    }
}

impl Command for GetNews {
    type Reply = News;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, _turn: &mut Turn<'_>) -> Result<News, Fault> {
        let user = engine.user_mut()?;
        let identity = user.conversation_called(&self.name)?;
        let is_muted = user.conversation_settings(&identity).muted;
        Ok(News { is_muted, unread: user.unread_of(&identity) })
    }
}

impl Command for GetSettings {
    type Reply = Settings;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, _turn: &mut Turn<'_>) -> Result<Settings, Fault> {
        Ok(engine.user_mut()?.settings())
    }
}

impl Command for SetSettings {
    type Reply = Settings;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Settings, Fault> {
        Ok(engine.user_mut()?.set_settings(turn, &self.change)?)
    }
}

impl Command for GetDraft {
    type Reply = Draft;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Draft, Fault> {
        let user = engine.user_mut()?;
        let identity = user.conversation_called(&self.name)?;
        Ok(user.draft(turn, &identity)?)
    }
}

impl Command for SetDraft {
    type Reply = Draft;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Draft, Fault> {
        let user = engine.user_mut()?;
        let identity = user.conversation_called(&self.name)?;
        let text = match self.request {
            Some(DraftRequest { text }) => Some(Text::new(text).map_err(CommandError::from)?),
            None => None,
        };
        Ok(user.set_draft(turn, &identity, text.as_ref())?)
    }
}

impl Command for SetContactNote {
    type Reply = Contact;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Contact, Fault> {
        let user = engine.user_mut()?;
        let identity = user.identity_of(&self.name)?;
        user.set_contact_note(turn, &identity, self.request.text)?;
        let note = user.contact_note(turn, &identity)?;
        Ok(Contact { note, ..shown(user, &identity, &self.name)? })
    }
}

impl Command for TypeTo {
    type Reply = ();

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<(), Fault> {
        let user = engine.user_mut()?;
        let identity = user.reachable_identity_of(&self.name)?;
        Ok(user.type_to(turn, identity)?)
    }
}
