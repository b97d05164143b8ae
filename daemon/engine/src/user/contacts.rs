//! Contacts, and the requests of those who aren't yet.

use martlet_protocol::IdentityId;
use martlet_protocol::control::{
    Contact as ShownContact, ErrorCode, EventBody, MessageRequest, Problem,
};
use martlet_protocol::limits::{CONTACTS_MAX, NAME_BYTES_MAX};
use martlet_store::StoreError;
use martlet_store::records::{
    Body, CONTACTS, ContactRecord, MESSAGES, OUTBOUND_SESSIONS, REQUESTS, RequestRecord,
};
use martlet_store::vault::Key;

use super::{Contact, User};
use crate::turn::{Fault, Turn};

/// Characters of a request's first message that are shown before it is accepted.
const PREVIEW_CHARS: usize = 80;

impl User {
    pub(crate) fn identity_of(&self, name: &str) -> Result<IdentityId, Problem> {
        self.names.get(name).copied().ok_or_else(|| {
            Problem::new(
                ErrorCode::UnknownContact,
                format!("there is no contact called {name:?}; martletctl contact list shows all"),
            )
        })
    }

    pub(crate) fn show_contact(&self, identity: &IdentityId) -> Option<ShownContact> {
        let Contact { record, bundles } = self.contacts.get(identity)?;
        Some(ShownContact {
            name: record.name.clone(),
            id: identity.to_string(),
            added_at: record.added_at,
            devices: u32::try_from(bundles.len()).unwrap_or(u32::MAX),
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
        if let Some(contact) = self.contacts.get(&identity) {
            let detail = format!("this ID is your contact {:?} already", contact.record.name);
            return Err(Problem::new(ErrorCode::AlreadyContact, detail).into());
        }
        if self.contacts.len() >= CONTACTS_MAX {
            let detail = format!("there are {CONTACTS_MAX} contacts, the most there can be");
            return Err(Problem::new(ErrorCode::LimitReached, detail).into());
        }
        let record =
            ContactRecord { identity, name: name.clone(), added_at: turn.now, bundles: Vec::new() };
        turn.vault()?.put(&CONTACTS, Key::Named(&identity.0), &record)?;
        self.names.insert(name.clone(), identity);
        self.contacts.insert(identity, Contact::from_record(record));
        self.emit(turn, EventBody::ContactAdded { name, id: identity.to_string() })?;
        if self.requests.remove(&identity).is_some() {
            turn.vault()?.delete(&REQUESTS, Key::Named(&identity.0))?;
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
        if let Some(contact) = self.contacts.get_mut(&identity) {
            contact.record.name.clone_from(&to);
            turn.vault()?.put(&CONTACTS, Key::Named(&identity.0), &contact.record)?;
        }
        self.names.remove(from);
        self.names.insert(to.clone(), identity);
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
        records.delete(&CONTACTS, Key::Named(&identity.0))?;
        self.forget_bundle(turn.now.day(), identity);
        self.contacts.remove(&identity);
        self.names.remove(name);
        self.looked_up.remove(&identity);
        self.tell_interest(turn);
        self.emit(turn, EventBody::ContactRemoved { name: name.to_owned() })?;
        Ok(())
    }

    /// Requests with a message: a session's key alone is not shown.
    pub(crate) fn waiting_requests(&self) -> impl Iterator<Item = &RequestRecord> {
        self.requests.values().filter(|request| {
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
        if self.requests.remove(&identity).is_none() {
            return Err(unknown_request().into());
        }
        turn.vault()?.delete(&REQUESTS, Key::Named(&identity.0))?;
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
        if self.names.contains_key(&name) {
            let detail = format!("there is a contact called {name:?} already; choose another name");
            return Err(Problem::new(ErrorCode::NameTaken, detail));
        }
        Ok(name)
    }
}

/// A name without white space around it: 1 to 64 bytes, no control characters.
///
/// # Errors
/// `invalid-name`.
pub fn clean_name(name: &str) -> Result<String, Problem> {
    let name = name.trim();
    let reason = if name.is_empty() {
        "it is empty"
    } else if name.len() > NAME_BYTES_MAX {
        "it is longer than 64 bytes"
    } else if name.chars().any(char::is_control) {
        "it has control characters"
    } else if name.contains('/') {
        "it has a '/'"
    } else {
        return Ok(name.to_owned());
    };
    Err(Problem::new(ErrorCode::InvalidName, format!("this can't be a name: {reason}")))
}

pub(crate) fn unknown_request() -> Problem {
    let detail = "there is no request from this ID; martletctl requests list shows all";
    Problem::new(ErrorCode::UnknownRequest, detail)
}
