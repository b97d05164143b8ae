//! Contacts, and the requests of those who aren't yet.

use martlet_protocol::IdentityId;
use martlet_protocol::control::{
    Contact as ShownContact, ErrorCode, EventBody, MessageRequest, Problem,
};
use martlet_protocol::limits::CONTACTS_MAX;
use martlet_store::StoreError;
use martlet_store::records::{Body, MESSAGES, OUTBOUND_SESSIONS, RequestRecord};
use martlet_store::vault::Key;

use super::User;
use crate::directory::clean_name;
use crate::turn::{Fault, Turn};

/// Characters of a request's first message that are shown before it is accepted.
const PREVIEW_CHARS: usize = 80;

impl User {
    pub(crate) fn identity_of(&self, name: &str) -> Result<IdentityId, Problem> {
        self.directory.identity_of(name).ok_or_else(|| {
            Problem::new(
                ErrorCode::UnknownContact,
                format!("there is no contact called {name:?}; martletctl contact list shows all"),
            )
        })
    }

    pub(crate) fn show_contact(&self, identity: &IdentityId) -> Option<ShownContact> {
        let contact = self.directory.contact(identity)?;
        Some(ShownContact {
            name: contact.name().to_owned(),
            id: identity.to_string(),
            added_at: contact.added_at(),
            devices: u32::try_from(contact.bundles().len()).unwrap_or(u32::MAX),
            unread: self.conversation_record(identity).map_or(0, |record| record.unread),
        })
    }

    pub(crate) fn add_contact(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        name: &str,
    ) -> Result<(), Fault> {
        let name = self.free_name(name)?;
        if identity == self.identity {
            let detail = "this is your own ID; a contact is someone else";
            return Err(Problem::new(ErrorCode::OwnId, detail).into());
        }
        if let Some(contact) = self.directory.contact(&identity) {
            let detail = format!("this ID is your contact {:?} already", contact.name());
            return Err(Problem::new(ErrorCode::AlreadyContact, detail).into());
        }
        if self.directory.contacts_len() >= CONTACTS_MAX {
            let detail = format!("there are {CONTACTS_MAX} contacts, the most there can be");
            return Err(Problem::new(ErrorCode::LimitReached, detail).into());
        }
        let now = turn.now;
        self.directory.add(turn.vault()?, identity, name.clone(), now)?;
        self.emit(turn, EventBody::ContactAdded { name, id: identity.to_string() })?;
        if self.directory.remove_request(turn.vault()?, &identity)? {
            self.show_requested(turn, identity)?;
            self.look_again(turn)?;
        }
        self.watch_bundle(turn, identity)?;
        self.tell_interest(turn);
        self.look_up_bundles(turn);
        Ok(())
    }

    pub(crate) fn rename_contact(
        &mut self,
        turn: &mut Turn<'_>,
        from: &str,
        to: &str,
    ) -> Result<IdentityId, Fault> {
        let identity = self.identity_of(from)?;
        let to = if from == to { to.to_owned() } else { self.free_name(to)? };
        self.directory.rename(turn.vault()?, identity, to.clone())?;
        self.emit(turn, EventBody::ContactRenamed { from: from.to_owned(), to })?;
        Ok(identity)
    }

    /// Removes a contact, the conversation, and what waits to be sent.
    pub(crate) fn remove_contact(&mut self, turn: &mut Turn<'_>, name: &str) -> Result<(), Fault> {
        let identity = self.identity_of(name)?;
        self.clear_outbox(turn, identity)?;
        self.remove_sessions(turn, identity)?;
        self.remove_messages(turn, identity)?;
        self.outbound.remove(&identity);
        self.dirty.outbound.remove(&identity);
        let records = turn.vault()?;
        records.delete(&OUTBOUND_SESSIONS, Key::Named(&identity.0))?;
        self.directory.remove(records, &identity)?;
        self.forget_bundle(turn.now.day(), identity);
        self.tell_interest(turn);
        self.emit(turn, EventBody::ContactRemoved { name: name.to_owned() })?;
        Ok(())
    }

    /// Requests with a message: a session's key alone is not shown.
    pub(crate) fn waiting_requests(&self) -> impl Iterator<Item = &RequestRecord> {
        self.directory.requests().filter(|request| {
            self.conversation_record(&request.identity).is_some_and(|record| record.received > 0)
        })
    }

    pub(crate) fn show_request(
        &self,
        turn: &mut Turn<'_>,
        request: &RequestRecord,
    ) -> Result<MessageRequest, StoreError> {
        let first = turn.vault()?.range(&MESSAGES, Some(&request.identity.0), 0..=u64::MAX, 1)?;
        let preview = first.first().and_then(|(_, message)| match &message.body {
            Body::Text(text) => Some(text.chars().take(PREVIEW_CHARS).collect()),
            Body::Unknown(_) => None,
        });
        Ok(MessageRequest {
            id: request.identity.to_string(),
            suggested_name: request.suggested_name.clone(),
            first_at: request.first_at,
            messages: self.conversation_record(&request.identity).map_or(0, |r| r.received),
            preview,
        })
    }

    /// Discards a request and what came with it.
    pub(crate) fn drop_request(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
    ) -> Result<(), Fault> {
        if !self.directory.remove_request(turn.vault()?, &identity)? {
            return Err(unknown_request().into());
        }
        self.remove_sessions(turn, identity)?;
        self.remove_messages(turn, identity)?;
        self.look_again(turn)?;
        Ok(())
    }

    /// The followers of the event log have not seen the messages of an accepted request yet.
    fn show_requested(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
    ) -> Result<(), StoreError> {
        let messages =
            turn.vault()?.range(&MESSAGES, Some(&identity.0), 0..=u64::MAX, usize::MAX)?;
        for (position, message) in messages.into_iter().filter(|(_, message)| !message.own) {
            let message = self.show(&identity, position, &message);
            self.emit(turn, EventBody::MessageReceived { message })?;
        }
        Ok(())
    }

    /// There is room now for what may have been refused for lack of it: look at the whole mailbox
    /// once more. What was taken before is recognized as such.
    fn look_again(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        self.last_arrival = turn.mailbox().stats()?.last_arrival;
        self.looked_at = 0;
        self.counters.processed_arrival = 0;
        self.dirty.counters = true;
        Ok(())
    }

    fn free_name(&self, name: &str) -> Result<String, Problem> {
        let name = clean_name(name)?;
        if self.directory.identity_of(&name).is_some() {
            let detail = format!("there is a contact called {name:?} already; choose another name");
            return Err(Problem::new(ErrorCode::NameTaken, detail));
        }
        Ok(name)
    }
}

pub(crate) fn unknown_request() -> Problem {
    let detail = "there is no request from this ID; martletctl requests list shows all";
    Problem::new(ErrorCode::UnknownRequest, detail)
}
