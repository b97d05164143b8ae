//! What is asked of the daemon, and what it answers.

use martlet_protocol::control::{
    Contact, ConversationSettings, ConversationSummary, ConversationTimers, Diagnosis, History,
    Message, MessageRequest, ReadResponse, Room, SearchResults, SendResponse, Status,
    TimersRequest,
};

use super::{Place, Secret};
use crate::client::ClientError;

/// What is to be asked of the daemon, or done by who runs the model.
#[derive(Debug)]
pub(crate) enum Ask {
    Status,
    Doctor,
    Contacts,
    Rooms,
    Requests,
    /// When the newest messages came, for the list.
    Conversations,
    Page {
        place: Place,
        before: Option<String>,
    },
    Send {
        ticket: u64,
        place: Place,
        text: String,
        reply_to: Option<String>,
    },
    /// What a message is to say instead.
    Edit {
        id: String,
        place: Place,
        text: String,
    },
    /// With nothing: the reaction is withdrawn.
    React {
        id: String,
        emoji: Option<String>,
    },
    /// What was typed in a conversation before.
    Draft {
        name: String,
    },
    /// What is being typed in it; empty for nothing.
    KeepDraft {
        name: String,
        text: String,
    },
    /// The user writes to this contact.
    Typing {
        name: String,
    },
    Read {
        name: String,
    },
    Accept {
        id: String,
        name: String,
    },
    Drop {
        id: String,
    },
    /// Looks for messages in all conversations.
    Search {
        words: String,
    },
    /// Makes a contact of who has this ID.
    Add {
        id: String,
        name: String,
    },
    /// How long messages with a contact live.
    Timers {
        name: String,
    },
    SetTimers {
        name: String,
        request: TimersRequest,
    },
    /// Whether nobody is notified of a conversation, and whether it stands first; what is absent stays.
    Settings {
        name: String,
        muted: Option<bool>,
        pinned: Option<bool>,
    },
    Recall {
        id: String,
    },
    Delete {
        id: String,
    },
    Unlock(Secret),
    /// Draw everything anew.
    Redraw,
    /// Stop this process, as Ctrl+Z does.
    Suspend,
    Quit,
}

/// What the daemon answered.
#[derive(Debug)]
pub(crate) enum Told {
    Status(Box<Status>),
    Doctor(Diagnosis),
    Contacts(Vec<Contact>),
    Rooms(Vec<Room>),
    Requests(Vec<MessageRequest>),
    Conversations(Vec<ConversationSummary>),
    Page {
        place: Place,
        before: Option<String>,
        history: History,
    },
    PageFailed {
        place: Place,
        error: ClientError,
    },
    Sent {
        ticket: u64,
        place: Place,
        result: Result<SendResponse, ClientError>,
    },
    Draft {
        name: String,
        text: String,
    },
    Edited {
        place: Place,
        text: String,
        result: Result<Box<Message>, ClientError>,
    },
    Read {
        name: String,
        answer: ReadResponse,
    },
    /// A request was accepted, or a contact added.
    Accepted(Contact),
    Found {
        words: String,
        found: SearchResults,
    },
    Timers {
        name: String,
        timers: ConversationTimers,
    },
    Settings {
        name: String,
        settings: ConversationSettings,
    },
    Dropped {
        id: String,
    },
    Unlocked(Result<(), ClientError>),
    /// An event tells what came of it.
    Done,
    Failed(ClientError),
}
