//! The directory: whom the user knows.
//!
//! Contacts with their names and their devices' bundles, those who ask to be contacts, and when whose
//! bundles were looked up. What changes here is written into the batch's transaction at once: that is the
//! buffer, and a failed commit throws away both it and this.

mod blocked;
mod bundles;
mod contact;
mod dropped;
mod early_copies;
mod error;
mod handles;
mod invites;
mod lately;
mod lookups;
mod name;
mod past;
mod people;
mod progress;
mod requests;
mod room_error;
mod rooms;
mod shared;
mod siblings;
mod trust;
mod untold;

use std::collections::{BTreeMap, BTreeSet};

use martlet_protocol::bundle::Bundle;
use martlet_protocol::{DeviceId, Id, IdentityId, NetworkTag, Rendezvous, RoomId, UnixMillis};
use martlet_store::records::{AcceptedInvite, CONTACTS, ContactRecord};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

use crate::limits::ID_DIGITS_MIN;
use blocked::Blocked;
pub(crate) use bundles::Bundles;
pub(crate) use contact::Contact;
use dropped::Dropped;
pub use error::DirectoryError;
pub(crate) use handles::Claims;
use handles::Handles;
use invites::Invites;
pub(crate) use invites::{Worth, state as invite_state};
use lookups::Lookups;
pub use name::{NameError, clean_name};
use people::People;
use requests::Requests;
pub(crate) use requests::{Accepted, Kept};
pub use room_error::RoomError;
use rooms::Rooms;
pub(crate) use rooms::{Known as KnownRoom, is_about_room, is_same_name, line as room_line};
pub(crate) use shared::{Shared, Subject};
pub(crate) use siblings::{Giving, Next, Siblings};

/// Whom the user knows.
pub(crate) struct Directory {
    contacts: BTreeMap<IdentityId, Contact>,
    names: BTreeMap<String, IdentityId>,
    requests: Requests,
    dropped: Dropped,
    blocked: Blocked,
    invites: Invites,
    handles: Handles,
    lookups: Lookups,
    siblings: Siblings,
    shared: Shared,
    rooms: Rooms,
    people: People,
    /// Contacts who are untold, and to be told now.
    to_tell: BTreeSet<IdentityId>,
    /// Contacts who are untold, and whose records don't say so yet.
    unwritten: BTreeSet<IdentityId>,
}

/// A bundle of a contact's was new.
pub(crate) struct NewBundle {
    /// Whether it is the first that is known of them.
    pub(crate) is_first: bool,
}

impl Directory {
    /// Loads that of `own` from the vault, in a network.
    pub(crate) fn load(
        records: &VaultTxn,
        own: IdentityId,
        network: NetworkTag,
    ) -> Result<Self, StoreError> {
        let mut directory = Self {
            contacts: BTreeMap::new(),
            names: BTreeMap::new(),
            requests: Requests::load(records)?,
            dropped: Dropped::load(records)?,
            blocked: Blocked::load(records)?,
            invites: Invites::load(records)?,
            handles: Handles::load(records, network)?,
            lookups: Lookups::default(),
            siblings: Siblings::load(records, own)?,
            shared: Shared::load(records)?,
            rooms: Rooms::load(records, own)?,
            people: People::load(records)?,
            to_tell: BTreeSet::new(),
            unwritten: BTreeSet::new(),
        };
        for record in records.scan(&CONTACTS)? {
            directory.insert(record);
        }
        Ok(directory)
    }

    fn insert(&mut self, record: ContactRecord) {
        self.names.insert(record.name.clone(), record.identity);
        self.contacts.insert(record.identity, Contact::from_record(record));
    }

    /// Whom the user calls `name`.
    pub(crate) fn identity_of(&self, name: &str) -> Option<IdentityId> {
        self.names.get(name).copied()
    }

    /// The contact with this identity.
    pub(crate) fn contact(&self, identity: &IdentityId) -> Option<&Contact> {
        self.contacts.get(identity)
    }

    pub(crate) fn is_contact(&self, identity: &IdentityId) -> bool {
        self.contacts.contains_key(identity)
    }

    /// Whether to them the user is away.
    pub(crate) fn is_blocked(&self, identity: &IdentityId) -> bool {
        self.blocked.contains(identity)
    }

    /// All contacts, by identity.
    pub(crate) fn identities(&self) -> impl Iterator<Item = &IdentityId> {
        self.contacts.keys()
    }

    /// All contacts, by name.
    pub(crate) fn by_name(&self) -> impl Iterator<Item = (&str, &IdentityId)> {
        self.names.iter().map(|(name, identity)| (name.as_str(), identity))
    }

    pub(crate) fn contacts_len(&self) -> usize {
        self.contacts.len()
    }

    /// Makes `identity` a contact, perhaps by an invite of theirs. The name must be free.
    pub(crate) fn add(
        &mut self,
        records: &mut VaultTxn,
        (identity, rendezvous): (IdentityId, Rendezvous),
        (name, invite): (String, Option<AcceptedInvite>),
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let record = ContactRecord {
            identity,
            name,
            added_at: now,
            bundles: Vec::new(),
            rendezvous,
            is_untold: false,
            verified: None,
            invite,
        };
        records.put(&CONTACTS, Key::Named(&identity.0), &record)?;
        self.insert(record);
        Ok(())
    }

    /// Calls a contact by another name, which must be free.
    pub(crate) fn rename(
        &mut self,
        records: &mut VaultTxn,
        identity: IdentityId,
        name: String,
    ) -> Result<(), StoreError> {
        let Some(contact) = self.contacts.get_mut(&identity) else { return Ok(()) };
        self.names.remove(contact.name());
        contact.rename(name.clone());
        records.put(&CONTACTS, Key::Named(&identity.0), contact.record())?;
        self.names.insert(name, identity);
        Ok(())
    }

    /// Forgets a contact.
    pub(crate) fn remove(
        &mut self,
        records: &mut VaultTxn,
        identity: &IdentityId,
    ) -> Result<(), StoreError> {
        records.delete(&CONTACTS, Key::Named(&identity.0))?;
        if let Some(contact) = self.contacts.remove(identity) {
            self.names.remove(contact.name());
        }
        self.lookups.forget(identity);
        self.to_tell.remove(identity);
        Ok(())
    }

    /// Takes a contact's bundle; `None` if it is not newer than what is known, or of nobody known.
    pub(crate) fn take_bundle(
        &mut self,
        records: &mut VaultTxn,
        identity: &IdentityId,
        bundle: Bundle,
        now: UnixMillis,
    ) -> Result<Option<NewBundle>, StoreError> {
        let Some(contact) = self.contacts.get_mut(identity) else { return Ok(None) };
        let is_first = contact.bundles().all().is_empty();
        if !contact.update(bundle, now) {
            return Ok(None);
        }
        records.put(&CONTACTS, Key::Named(&identity.0), contact.record())?;
        Ok(Some(NewBundle { is_first }))
    }

    /// The bundles of the devices of a contact, or of the user's own others.
    pub(crate) fn bundles_of(&self, identity: &IdentityId) -> Option<&Bundles> {
        if identity == self.siblings.identity() {
            return Some(self.siblings.bundles());
        }
        let contact = self.contact(identity).map(Contact::bundles);
        contact.or_else(|| self.people.get(identity).map(people::Person::bundles))
    }

    /// The ID of a contact, or of someone who is in a room with the user.
    pub(crate) fn id_of(&self, identity: &IdentityId) -> Option<Id> {
        let contact = self.contact(identity).map(Contact::id);
        contact.or_else(|| self.people.get(identity).and_then(people::Person::id))
    }

    /// Forgets the bundles of devices of a contact, or of the user's own, that do not count any more.
    pub(crate) fn retain_bundles(
        &mut self,
        records: &mut VaultTxn,
        identity: &IdentityId,
        is_valid: impl Fn(&DeviceId) -> bool,
    ) -> Result<(), StoreError> {
        if identity == self.siblings.identity() {
            return self.siblings.retain(records, is_valid);
        }
        let Some(contact) = self.contacts.get_mut(identity) else {
            return self.people.retain_bundles(records, identity, is_valid);
        };
        if contact.retain_bundles(is_valid) {
            records.put(&CONTACTS, Key::Named(&identity.0), contact.record())?;
        }
        Ok(())
    }

    /// A contact said by what their bundles are found; whether that is news.
    pub(crate) fn take_rendezvous(
        &mut self,
        records: &mut VaultTxn,
        identity: &IdentityId,
        rendezvous: &Rendezvous,
    ) -> Result<bool, StoreError> {
        let Some(contact) = self.contacts.get_mut(identity) else { return Ok(false) };
        if !contact.take_rendezvous(rendezvous) {
            return Ok(false);
        }
        records.put(&CONTACTS, Key::Named(&identity.0), contact.record())?;
        Ok(true)
    }

    /// Rooms.
    pub(crate) fn rooms(&self) -> &Rooms {
        &self.rooms
    }

    pub(crate) fn rooms_mut(&mut self) -> &mut Rooms {
        &mut self.rooms
    }

    /// People who are in a room with the user, and are no contacts.
    pub(crate) fn people(&self) -> &People {
        &self.people
    }

    pub(crate) fn people_mut(&mut self) -> &mut People {
        &mut self.people
    }

    /// The room with this name, or this id, or an id that begins so.
    pub(crate) fn room_of(&self, name: &str) -> Result<RoomId, RoomError> {
        self.rooms.find(name)
    }

    /// What a room is called here: its name, and the beginning of its id where something else is called so, or might be taken
    /// for it.
    pub(crate) fn room_name(&self, known: &KnownRoom) -> String {
        let name = known.name();
        let is_taken = self.names.keys().any(|other| rooms::is_same_name(other, name))
            || self.rooms.has_namesake(known);
        if is_taken || rooms::is_like_id(name) || clean_name(name).as_deref() != Ok(name) {
            let id = known.room.id().to_string();
            return format!("{name} ({})", &id[..ID_DIGITS_MIN]);
        }
        name.to_owned()
    }

    /// The user's other devices.
    pub(crate) fn siblings(&self) -> &Siblings {
        &self.siblings
    }

    pub(crate) fn siblings_mut(&mut self) -> &mut Siblings {
        &mut self.siblings
    }

    /// What is the same on all of the user's devices.
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn shared_mut(&mut self) -> &mut Shared {
        &mut self.shared
    }

    /// The handle that the user claims, and those that they look for.
    pub(crate) fn handles(&self) -> &Handles {
        &self.handles
    }

    pub(crate) fn handles_mut(&mut self) -> &mut Handles {
        &mut self.handles
    }

    /// Invites that the user made.
    pub(crate) fn invites(&self) -> &Invites {
        &self.invites
    }

    pub(crate) fn invites_mut(&mut self) -> &mut Invites {
        &mut self.invites
    }

    /// What unknown people sent.
    pub(crate) fn requests(&self) -> &Requests {
        &self.requests
    }

    pub(crate) fn requests_mut(&mut self) -> &mut Requests {
        &mut self.requests
    }

    /// Unknown people whose request was dropped.
    pub(crate) fn dropped(&self) -> &Dropped {
        &self.dropped
    }

    /// People to whom the user is away.
    pub(crate) fn blocked(&self) -> &Blocked {
        &self.blocked
    }

    pub(crate) fn blocked_mut(&mut self) -> &mut Blocked {
        &mut self.blocked
    }

    pub(crate) fn dropped_mut(&mut self) -> &mut Dropped {
        &mut self.dropped
    }
}
