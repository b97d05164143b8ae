//! Requests: first messages of people who aren't contacts.

use martlet_protocol::control::{Contact, RequestList};

use super::Command;
use super::contacts::{parse_id, shown};
use crate::directory::DirectoryError;
use crate::engine::Engine;
use crate::error::Fault;
use crate::turn::Turn;

/// All requests, oldest first.
#[derive(Debug)]
pub struct ListRequests {}

/// Makes the sender a contact, and the messages a conversation.
#[derive(Debug)]
pub struct AcceptRequest {
    /// The sender's ID.
    pub id: String,
    /// A name for them.
    pub name: String,
}

/// Discards a request and its messages.
#[derive(Debug)]
pub struct DropRequest {
    /// The sender's ID.
    pub id: String,
}

impl Command for ListRequests {
    type Reply = RequestList;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<RequestList, Fault> {
        let user = engine.user_mut()?;
        let requests = user.show_requests(turn)?;
        Ok(RequestList { requests })
    }
}

impl Command for AcceptRequest {
    type Reply = Contact;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Contact, Fault> {
        let user = engine.user_mut()?;
        let id = parse_id(&self.id)?;
        if !user.directory.requests().is_waiting(&id.identity) {
            return Err(DirectoryError::UnknownRequest.into());
        }
        user.add_contact(turn, &id, &self.name)?;
        shown(user, &id.identity, &self.name)
    }
}

impl Command for DropRequest {
    type Reply = ();

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<(), Fault> {
        let identity = parse_id(&self.id)?.identity;
        engine.user_mut()?.drop_request(turn, identity)
    }
}
