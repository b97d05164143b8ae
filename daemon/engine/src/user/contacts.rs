//! Contacts: added, renamed, removed.

use crate::limits::CONTACTS_MAX;
use martlet_protocol::control::{Contact as ShownContact, EventBody};
use martlet_protocol::nearest::nearest;
use martlet_protocol::{Id, IdentityId, Rendezvous, UnixMillis};
use martlet_store::records::Happened;

use super::User;
use crate::conversation::ConversationRef;
use crate::directory::{DirectoryError, clean_name};
use crate::error::Fault;
use crate::turn::Turn;

impl User {
    pub(crate) fn identity_of(&self, name: &str) -> Result<IdentityId, DirectoryError> {
        let identity = self.directory.identity_of(name);
        identity.ok_or_else(|| self.unknown_contact(name))
    }

    pub(crate) fn unknown_contact(&self, name: &str) -> DirectoryError {
        let nearest = nearest(name, self.directory.by_name().map(|(known, _)| known));
        DirectoryError::UnknownContact {
            name: name.to_owned(),
            nearest: nearest.map(str::to_owned),
        }
    }

    pub(crate) fn show_contact(&self, identity: &IdentityId) -> Option<ShownContact> {
        let contact = self.directory.contact(identity)?;
        Some(ShownContact {
            name: contact.name().to_owned(),
            id: contact.id().to_string(),
            added_at: contact.added_at(),
            devices: u32::try_from(contact.bundles().len()).unwrap_or(u32::MAX),
            unread: self.timeline.unread(&ConversationRef::direct(identity)),
        })
    }

    pub(crate) fn add_contact(
        &mut self,
        turn: &mut Turn<'_>,
        id: &Id,
        name: &str,
    ) -> Result<(), Fault> {
        let identity = id.identity;
        let name = self.free_name(name)?;
        if identity == self.identity {
            return Err(DirectoryError::OwnId.into());
        }
        if let Some(contact) = self.directory.contact(&identity) {
            let name = contact.name().to_owned();
            return Err(DirectoryError::AlreadyContact { name }.into());
        }
        if self.directory.contacts_len() >= CONTACTS_MAX {
            return Err(DirectoryError::TooManyContacts { max: CONTACTS_MAX }.into());
        }
        let now = turn.now;
        // What they said themselves counts more than a text, which may be of before they said it.
        let said = self.directory.requests().rendezvous(&identity).cloned();
        let said = said.filter(|said| !said.secret.is_none());
        let typed = || Rendezvous { secret: id.secret.clone(), reset_at: UnixMillis(0) };
        let rendezvous = said.unwrap_or_else(typed);
        self.directory.add(turn.vault()?, (identity, rendezvous), name, now)?;
        // What they write from now on may wait in the place of what is still being removed.
        let conversation = ConversationRef::direct(&identity);
        self.timeline.remove_held(turn.vault()?, conversation, usize::MAX)?;
        self.emit(turn, Happened::ContactAdded(identity))?;
        self.accept_stranger(turn, identity)?;
        self.resume_sessions(turn, identity)?;
        self.watch_bundle(turn, identity)?;
        self.tell_interest(turn);
        self.look_up_bundles(turn, [identity]);
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
        let (id, from) = (self.view().id_text(&identity), Some(from.to_owned()));
        let body = EventBody::ContactRenamed { id, from, to };
        self.emit_as(turn, Happened::ContactRenamed(identity), body)?;
        Ok(identity)
    }

    /// Removes a contact, the conversation, and what waits to be sent.
    pub(crate) fn remove_contact(&mut self, turn: &mut Turn<'_>, name: &str) -> Result<(), Fault> {
        let identity = self.identity_of(name)?;
        self.pings.forget(&identity);
        let records = turn.vault()?;
        let up_to = self.timeline.begin_removal(records, ConversationRef::direct(&identity))?;
        self.unfinished.remove(identity, up_to);
        self.keyring.inbound.leave(identity);
        self.keyring.outbound.end(records, &identity)?;
        self.keyring.forget_bundles(&identity);
        self.directory.remove(records, &identity)?;
        self.plan_nothing_of(identity);
        self.tell_interest(turn);
        let body = EventBody::ContactRemoved { name: Some(name.to_owned()) };
        self.emit_as(turn, Happened::ContactRemoved, body)?;
        Ok(())
    }

    fn free_name(&self, name: &str) -> Result<String, DirectoryError> {
        let name = clean_name(name)?;
        match self.directory.identity_of(&name) {
            Some(_) => Err(DirectoryError::NameTaken { name }),
            None => Ok(name),
        }
    }
}
