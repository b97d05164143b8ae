//! The directory: whom the user knows.
//!
//! Contacts with their names and their devices' bundles, those who ask to be contacts, and when whose
//! bundles were looked up. What changes here is written into the batch's transaction at once: that is the
//! buffer, and a failed commit throws away both it and this.

mod contact;
mod dropped;
mod error;
mod lookups;
mod name;
mod requests;
mod untold;

use std::collections::{BTreeMap, BTreeSet};

use martlet_protocol::bundle::Bundle;
use martlet_protocol::{IdentityId, Rendezvous, UnixMillis};
use martlet_store::records::{CONTACTS, ContactRecord};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

pub(crate) use contact::Contact;
use dropped::Dropped;
pub use error::DirectoryError;
use lookups::Lookups;
pub use name::{NameError, clean_name};
use requests::Requests;
pub(crate) use requests::{Accepted, Kept};

/// Whom the user knows.
pub(crate) struct Directory {
    contacts: BTreeMap<IdentityId, Contact>,
    names: BTreeMap<String, IdentityId>,
    requests: Requests,
    dropped: Dropped,
    lookups: Lookups,
    /// Contacts who are untold, and to be told now.
    to_tell: BTreeSet<IdentityId>,
}

/// A bundle of a contact's was new.
pub(crate) struct NewBundle {
    /// Whether it is the first that is known of them.
    pub(crate) is_first: bool,
}

impl Directory {
    /// Loads it from the vault.
    pub(crate) fn load(records: &VaultTxn) -> Result<Self, StoreError> {
        let mut directory = Self {
            contacts: BTreeMap::new(),
            names: BTreeMap::new(),
            requests: Requests::load(records)?,
            dropped: Dropped::load(records)?,
            lookups: Lookups::default(),
            to_tell: BTreeSet::new(),
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

    /// Makes `identity` a contact. The name must be free.
    pub(crate) fn add(
        &mut self,
        records: &mut VaultTxn,
        (identity, rendezvous): (IdentityId, Rendezvous),
        name: String,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let (bundles, is_untold) = (Vec::new(), false);
        let record =
            ContactRecord { identity, name, added_at: now, bundles, rendezvous, is_untold };
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
        let is_first = contact.bundles().is_empty();
        if !contact.update(bundle, now) {
            return Ok(None);
        }
        records.put(&CONTACTS, Key::Named(&identity.0), contact.record())?;
        Ok(Some(NewBundle { is_first }))
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

    pub(crate) fn dropped_mut(&mut self) -> &mut Dropped {
        &mut self.dropped
    }
}
