//! Contacts.

use martlet_protocol::control::{Contact, ContactAdd, ContactList};
use martlet_protocol::{Id, IdentityId};

use super::Command;
use crate::directory::DirectoryError;
use crate::engine::Engine;
use crate::error::Fault;
use crate::turn::Turn;
use crate::user::User;

/// All contacts, by name.
#[derive(Debug)]
pub struct ListContacts {}

/// A new contact.
#[derive(Debug)]
pub struct AddContact {
    /// Who, and under what name.
    pub request: ContactAdd,
}

/// One contact.
#[derive(Debug)]
pub struct GetContact {
    /// Its name.
    pub name: String,
}

/// Another name for a contact.
#[derive(Debug)]
pub struct RenameContact {
    /// Its name so far.
    pub name: String,
    /// Its name from now on.
    pub new_name: String,
}

/// Removes a contact and the conversation.
#[derive(Debug)]
pub struct RemoveContact {
    /// Its name.
    pub name: String,
}

impl Command for ListContacts {
    type Reply = ContactList;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, _turn: &mut Turn<'_>) -> Result<ContactList, Fault> {
        let user = engine.user_mut()?;
        let contacts =
            user.directory.by_name().filter_map(|(_, id)| user.show_contact(id)).collect();
        Ok(ContactList { contacts })
    }
}

impl Command for AddContact {
    type Reply = Contact;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Contact, Fault> {
        let user = engine.user_mut()?;
        let id = parse_id(&self.request.id)?;
        user.add_contact(turn, &id, &self.request.name)?;
        shown(user, &id.identity, &self.request.name)
    }
}

impl Command for GetContact {
    type Reply = Contact;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Contact, Fault> {
        let user = engine.user_mut()?;
        let identity = user.identity_of(&self.name)?;
        let note = user.contact_note(turn, &identity)?;
        let safety_number = Some(user.show_safety_number(&identity));
        let device_list = user.show_devices(&identity);
        Ok(Contact { note, safety_number, device_list, ..shown(user, &identity, &self.name)? })
    }
}

impl Command for RenameContact {
    type Reply = Contact;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Contact, Fault> {
        let user = engine.user_mut()?;
        let identity = user.rename_contact(turn, &self.name, &self.new_name)?;
        shown(user, &identity, &self.new_name)
    }
}

impl Command for RemoveContact {
    type Reply = ();

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<(), Fault> {
        engine.user_mut()?.remove_contact(turn, &self.name)
    }
}

pub(super) fn parse_id(text: &str) -> Result<Id, DirectoryError> {
    Ok(text.parse::<Id>()?)
}

/// How the contact that a command was about is shown; `name` is what it was called.
pub(super) fn shown(user: &User, identity: &IdentityId, name: &str) -> Result<Contact, Fault> {
    let contact = user.show_contact(identity);
    Ok(contact.ok_or_else(|| user.unknown_contact(name))?)
}
