//! What is asked of the daemon, and what it answers.

use martlet_protocol::control::{
    Contact, ConversationSettings, ConversationSummary, ConversationTimers, Diagnosis, ErrorCode,
    History, Message, MessageRequest, ReadResponse, Room, SearchResults, SendResponse, Status,
    TimersRequest,
};

use super::{Link, Place, Secret};
use crate::client::ClientError;
use crate::render::one_line;

/// What [`Ask::Recall`] is for.
pub(crate) const RECALL: &str = "the recall";

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
    /// The message is taken back.
    Recalled {
        id: String,
    },
    /// An event tells what came of it.
    Done,
    /// Something that the user wanted ([`Ask::wanted`]) was not done.
    Undone {
        what: &'static str,
        error: ClientError,
    },
    /// The same of what the chat asked by itself.
    Failed(ClientError),
}

impl Ask {
    /// What it is for, if the user wants it done. Of the rest some is asked again by and by, and some waits for the daemon.
    pub(crate) fn wanted(&self) -> Option<&'static str> {
        Some(match self {
            Self::Edit { .. } => "the edit",
            Self::React { .. } => "the reaction",
            Self::Accept { .. } => "accepting the request",
            Self::Drop { .. } => "dropping the request",
            Self::Search { .. } => "the search",
            Self::Add { .. } => "adding the contact",
            Self::SetTimers { .. } => "setting the timers",
            Self::Settings { .. } => "changing the conversation",
            Self::Recall { .. } => RECALL,
            Self::Delete { .. } => "deleting the message",
            Self::Status
            | Self::Doctor
            | Self::Contacts
            | Self::Rooms
            | Self::Requests
            | Self::Conversations
            | Self::Page { .. }
            | Self::Send { .. }
            | Self::Draft { .. }
            | Self::KeepDraft { .. }
            | Self::Typing { .. }
            | Self::Read { .. }
            | Self::Timers { .. }
            | Self::Unlock(_)
            | Self::Redraw
            | Self::Suspend
            | Self::Quit => return None,
        })
    }
}

/// That something that the user wanted was not asked of a daemon that is not there.
pub(crate) fn not_done(what: &str, link: &Link) -> String {
    match link {
        Link::Locked => {
            format!("The vault is locked: {what} was not done. Unlock it, then try again.")
        }
        Link::Connecting | Link::Up | Link::Lost | Link::NoDaemon(_) => {
            format!("The daemon is away: {what} was not done. Try again when it is back.")
        }
        Link::NoIdentity => format!("There is no identity: {what} was not done."),
        Link::Broken(why) => format!("{}: {what} was not done.", one_line(why)),
    }
}

/// That it was asked, and failed.
pub(super) fn failed(what: &str, error: &ClientError) -> String {
    match error {
        ClientError::NotRunning { .. } => not_done(what, &Link::Lost),
        ClientError::Disconnected { .. } | ClientError::Timeout => {
            format!(
                "The daemon went away before it had answered: perhaps {what} was not done. Try again when it is back."
            )
        }
        ClientError::Problem(problem) if problem.code == ErrorCode::Locked => {
            not_done(what, &Link::Locked)
        }
        ClientError::Problem(problem) if problem.code == ErrorCode::Stopping => {
            not_done(what, &Link::Lost)
        }
        ClientError::Connect { .. }
        | ClientError::Problem(_)
        | ClientError::Protocol(_)
        | ClientError::UnknownEvent { .. } => one_line(&error.to_string()),
    }
}
