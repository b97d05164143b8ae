//! People who are in a room with the user, and are no contacts: how their keys are found, and these.
//!
//! Others told by what secret they are found. What they say themselves, with the key of a session, counts more.

use std::collections::BTreeMap;

use martlet_protocol::bundle::Bundle;
use martlet_protocol::{DeviceId, Id, IdentityId, Rendezvous, UnixMillis};
use martlet_store::records::{ROOM_PEOPLE, RoomPersonRecord};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

use super::Bundles;

/// People who are in a room with the user, and are no contacts.
#[derive(Default)]
pub(crate) struct People(BTreeMap<IdentityId, Person>);

/// One of them.
pub(crate) struct Person {
    record: RoomPersonRecord,
    bundles: Bundles,
}

impl People {
    pub(super) fn load(records: &VaultTxn) -> Result<Self, StoreError> {
        let mut people = BTreeMap::new();
        for record in records.scan(&ROOM_PEOPLE)? {
            let bundles = Bundles::from_records(&record.bundles);
            people.insert(record.identity, Person { record, bundles });
        }
        Ok(Self(people))
    }

    /// One of them.
    pub(crate) fn get(&self, identity: &IdentityId) -> Option<&Person> {
        self.0.get(identity)
    }

    /// All of them.
    pub(crate) fn identities(&self) -> impl Iterator<Item = &IdentityId> {
        self.0.keys()
    }

    /// Whether someone is one of them.
    pub(crate) fn has(&self, identity: &IdentityId) -> bool {
        self.0.contains_key(identity)
    }

    /// Another one told how someone is found, or nobody did; whether they are looked for by another secret than before.
    pub(crate) fn tell(
        &mut self,
        records: &mut VaultTxn,
        identity: IdentityId,
        rendezvous: Option<&Rendezvous>,
    ) -> Result<bool, StoreError> {
        let told = rendezvous.cloned().unwrap_or_default();
        let person = self.entry(identity);
        let is_first = person.record.rendezvous.secret.is_none();
        let is_wanted = !person.record.is_said && person.bundles.all().is_empty();
        let is_news = is_wanted && told.secret != person.record.rendezvous.secret;
        if is_news && !told.secret.is_none() {
            person.record.rendezvous = told;
        }
        person.put(records)?;
        Ok(is_news || is_first)
    }

    /// They said themselves how they are found, and what they call themselves; whether the first is news.
    pub(crate) fn say(
        &mut self,
        records: &mut VaultTxn,
        identity: &IdentityId,
        rendezvous: &Rendezvous,
        name: Option<String>,
    ) -> Result<bool, StoreError> {
        let Some(person) = self.0.get_mut(identity) else { return Ok(false) };
        let record = &mut person.record;
        let is_news = !record.is_said && record.rendezvous.secret != rendezvous.secret
            || rendezvous.replaces(&record.rendezvous);
        let is_same = record.is_said && record.suggested_name == name && !is_news;
        if is_same {
            return Ok(false);
        }
        if is_news {
            record.rendezvous = rendezvous.clone();
        }
        (record.is_said, record.suggested_name) = (true, name);
        person.put(records)?;
        Ok(is_news)
    }

    /// Someone who was a contact is one of them from now on, with their keys.
    pub(crate) fn adopt(
        &mut self,
        records: &mut VaultTxn,
        identity: IdentityId,
        (rendezvous, bundles): (Rendezvous, Vec<Bundle>),
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let person = self.entry(identity);
        (person.record.rendezvous, person.record.is_said) = (rendezvous, true);
        for bundle in bundles {
            person.bundles.update(bundle, now);
        }
        person.put(records)
    }

    /// Takes a bundle; whether it is news, of one of them.
    pub(crate) fn take_bundle(
        &mut self,
        records: &mut VaultTxn,
        identity: &IdentityId,
        bundle: Bundle,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let Some(person) = self.0.get_mut(identity) else { return Ok(false) };
        let is_news = person.bundles.update(bundle, now);
        if is_news {
            person.put(records)?;
        }
        Ok(is_news)
    }

    /// Forgets the bundles of devices that do not count any more.
    pub(super) fn retain_bundles(
        &mut self,
        records: &mut VaultTxn,
        identity: &IdentityId,
        is_valid: impl Fn(&DeviceId) -> bool,
    ) -> Result<(), StoreError> {
        let Some(person) = self.0.get_mut(identity) else { return Ok(()) };
        if person.bundles.retain(is_valid) { person.put(records) } else { Ok(()) }
    }

    /// Someone is in no room with the user any more. What they called themselves stays: what they wrote does.
    pub(crate) fn forget_keys(
        &mut self,
        records: &mut VaultTxn,
        identity: &IdentityId,
    ) -> Result<(), StoreError> {
        let Some(person) = self.0.get_mut(identity) else { return Ok(()) };
        (person.record.rendezvous, person.record.is_said) = (Rendezvous::default(), false);
        person.bundles = Bundles::default();
        person.put(records)
    }

    /// Someone is a contact now.
    pub(crate) fn remove(
        &mut self,
        records: &mut VaultTxn,
        identity: &IdentityId,
    ) -> Result<Option<Person>, StoreError> {
        records.delete(&ROOM_PEOPLE, Key::Named(&identity.0))?;
        Ok(self.0.remove(identity))
    }

    fn entry(&mut self, identity: IdentityId) -> &mut Person {
        self.0.entry(identity).or_insert_with(|| Person {
            record: RoomPersonRecord {
                identity,
                rendezvous: Rendezvous::default(),
                is_said: false,
                suggested_name: None,
                bundles: Vec::new(),
            },
            bundles: Bundles::default(),
        })
    }
}

impl Person {
    /// Their ID, if it is known how they are found.
    pub(crate) fn id(&self) -> Option<Id> {
        (!self.record.rendezvous.secret.is_none()).then(|| self.record.id())
    }

    /// By what their bundles are found.
    pub(crate) fn rendezvous(&self) -> &Rendezvous {
        &self.record.rendezvous
    }

    /// What they call themselves.
    pub(crate) fn suggested_name(&self) -> Option<&str> {
        self.record.suggested_name.as_deref()
    }

    /// The newest bundle of each of their devices.
    pub(crate) fn bundles(&self) -> &Bundles {
        &self.bundles
    }

    fn put(&mut self, records: &mut VaultTxn) -> Result<(), StoreError> {
        self.record.bundles = self.bundles.to_records();
        records.put(&ROOM_PEOPLE, Key::Named(&self.record.identity.0), &self.record)
    }
}
