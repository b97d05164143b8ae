//! How people want to be seen: the user's own profile, who is told, and what contacts say of themselves.
//!
//! Contacts are told only while the user shares it, and once there is a conversation with them: else adding someone would
//! send them something. Which version each was told is on disk, so what is told is made right after whatever happens: a
//! crash, a block that is lifted, a message that expired before it was delivered.

use std::collections::{BTreeMap, BTreeSet};

use martlet_protocol::IdentityId;
use martlet_protocol::control::{OwnProfile, ProfileChange};
use martlet_protocol::message::{Picture, Profile, profile};
use martlet_store::records::{
    Body, CONTACT_PICTURES, CONTACT_PROFILES, ContactProfileRecord, Happened, MessageRecord,
    OWN_PROFILE, OwnProfileRecord, PROFILE_TOLD, PictureRecord, ProfileToldRecord, State,
};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

use super::User;
use crate::conversation::{Author, ConversationRef, person};
use crate::directory::{DirectoryError, clean_name};
use crate::error::{CommandError, Fault};
use crate::kinds::{self, When};
use crate::limits::PROFILES_TOLD_PER_TICK_MAX;
use crate::turn::Turn;

/// In the place of a version: what a contact was told expired, so that what they know isn't known.
const NOT_KNOWN: u64 = u64::MAX;

/// The user's profile, who was told, and what contacts said, but for their pictures.
#[derive(Default)]
pub(super) struct Profiles {
    own: OwnProfileRecord,
    /// The name given at `init`, which everyone is offered.
    offered: Option<String>,
    /// Which version contacts were told; who is missing was told nothing, or that it was withdrawn.
    told: BTreeMap<IdentityId, u64>,
    /// What contacts said; one that withdrew it is there, so that an older one that comes late is known to be older.
    theirs: BTreeMap<IdentityId, ContactProfileRecord>,
    /// Contacts to look at: what they were told may not be what is so.
    to_look_at: BTreeSet<IdentityId>,
}

impl Profiles {
    pub(super) fn load(records: &VaultTxn, offered: Option<String>) -> Result<Self, StoreError> {
        let own = records.get(&OWN_PROFILE, Key::Named(b""))?.unwrap_or_default();
        let told = records.scan(&PROFILE_TOLD)?.into_iter();
        let told =
            told.map(|ProfileToldRecord { identity, version }| (identity, version)).collect();
        let theirs = records.scan(&CONTACT_PROFILES)?.into_iter();
        let theirs = theirs.map(|record: ContactProfileRecord| (record.identity, record)).collect();
        Ok(Self { own, offered, told, theirs, to_look_at: BTreeSet::new() })
    }

    /// The version that contacts are to know; 0 for none.
    fn wanted(&self) -> u64 {
        let OwnProfileRecord { name, picture, is_shared, version, .. } = &self.own;
        let says_something = name.is_some() || !picture.is_empty();
        if *is_shared && says_something { *version } else { 0 }
    }

    fn told(&self, identity: &IdentityId) -> u64 {
        self.told.get(identity).copied().unwrap_or_default()
    }

    /// What a contact calls themselves, if they said so.
    pub(super) fn name_of(&self, identity: &IdentityId) -> Option<&str> {
        self.theirs.get(identity)?.name.as_deref()
    }

    /// Bytes of a contact's picture, if they have one.
    pub(super) fn picture_bytes_of(&self, identity: &IdentityId) -> Option<u64> {
        self.theirs.get(identity).map(|record| record.picture_bytes).filter(|bytes| *bytes > 0)
    }

    /// Something happened by which a contact may have to be told.
    pub(super) fn look_at(&mut self, identity: IdentityId) {
        if self.told(&identity) != self.wanted() {
            self.to_look_at.insert(identity);
        }
    }
}

impl User {
    /// The name given at `init`, which everyone is offered whom the user writes to.
    pub(crate) fn name(&self) -> Option<&String> {
        self.profiles.offered.as_ref()
    }

    /// The user's own profile.
    pub(crate) fn own_profile(&self) -> OwnProfile {
        let OwnProfileRecord { name, picture, is_shared, version, changed_at } = &self.profiles.own;
        let wanted = self.profiles.wanted();
        let told = self.profiles.told.values().filter(|told| wanted > 0 && **told == wanted);
        OwnProfile {
            name: name.clone(),
            picture_bytes: u64::try_from(picture.len()).ok().filter(|bytes| *bytes > 0),
            shared: *is_shared,
            told: u64::try_from(told.count()).unwrap_or(u64::MAX),
            offered_name: self.profiles.offered.clone(),
            changed_at: (*version > 0).then_some(*changed_at),
        }
    }

    /// The user's own picture, if there is one.
    pub(crate) fn own_picture(&self) -> Option<Vec<u8>> {
        Some(self.profiles.own.picture.clone()).filter(|picture| !picture.is_empty())
    }

    /// Changes what is named; all contacts are to be looked at.
    pub(crate) fn change_profile(
        &mut self,
        turn: &mut Turn<'_>,
        change: ProfileChange,
    ) -> Result<OwnProfile, Fault> {
        let ProfileChange { name, shared } = change;
        let name = name.map(|name| clean_name(&name)).transpose();
        let name = name.map_err(DirectoryError::from)?;
        let own = &self.profiles.own;
        let changed = OwnProfileRecord {
            name: name.or(own.name.clone()),
            is_shared: shared.unwrap_or(own.is_shared),
            ..own.clone()
        };
        Ok(self.put_profile(turn, changed)?)
    }

    /// Gives the user's profile another picture.
    pub(crate) fn set_picture(
        &mut self,
        turn: &mut Turn<'_>,
        picture: Vec<u8>,
    ) -> Result<OwnProfile, Fault> {
        let picture = Picture::new(picture).map_err(CommandError::from)?;
        let picture = picture.as_bytes().to_vec();
        Ok(self.put_profile(turn, OwnProfileRecord { picture, ..self.profiles.own.clone() })?)
    }

    /// Takes name and picture away, and ends sharing.
    pub(crate) fn clear_profile(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let own = &self.profiles.own;
        let (version, changed_at) = (own.version, own.changed_at);
        let empty = OwnProfileRecord { version, changed_at, ..OwnProfileRecord::default() };
        self.put_profile(turn, empty).map(|_| ())
    }

    fn put_profile(
        &mut self,
        turn: &mut Turn<'_>,
        changed: OwnProfileRecord,
    ) -> Result<OwnProfile, StoreError> {
        let own = &self.profiles.own;
        let is_same = (&own.name, &own.picture) == (&changed.name, &changed.picture);
        if is_same && own.is_shared == changed.is_shared {
            return Ok(self.own_profile());
        }
        let version = own.version + u64::from(!is_same);
        self.profiles.own = OwnProfileRecord { version, changed_at: turn.now, ..changed };
        turn.vault()?.put(&OWN_PROFILE, Key::Named(b""), &self.profiles.own)?;
        self.look_at_all_profiles();
        Ok(self.own_profile())
    }

    /// Looks at what each contact was told.
    pub(super) fn look_at_all_profiles(&mut self) {
        for identity in self.directory.identities() {
            self.profiles.look_at(*identity);
        }
    }

    /// Tells contacts what they are to know, a few at a time.
    pub(super) fn tell_profiles(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        for _ in 0..PROFILES_TOLD_PER_TICK_MAX {
            let Some(identity) = self.profiles.to_look_at.pop_first() else { break };
            self.tell_profile(turn, identity)?;
        }
        Ok(())
    }

    /// Tells one contact, if they are to be told something else than they were. Who is blocked, or to whom there is no
    /// conversation yet, is looked at again once that is otherwise.
    fn tell_profile(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
    ) -> Result<(), StoreError> {
        let wanted = self.profiles.wanted();
        let conversation = ConversationRef::direct(&identity);
        if self.profiles.told(&identity) == wanted
            || !self.directory.is_contact(&identity)
            || self.directory.is_blocked(&identity)
            || !self.timeline.is_begun(&conversation)
        {
            return Ok(());
        }
        let OwnProfileRecord { name, picture, .. } = &self.profiles.own;
        let profile = match wanted {
            0 => Profile::default(),
            _ => Profile { name: name.clone(), picture: Picture::new(picture.clone()).ok() },
        };
        let deed = self.write(turn, &identity, kinds::profile::body(&profile), State::Queued);
        self.send_deed(turn, identity, &deed)?;
        self.note_told(turn, identity, wanted)
    }

    fn note_told(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        version: u64,
    ) -> Result<(), StoreError> {
        let key = Key::Named(&identity.0);
        if version == 0 {
            self.profiles.told.remove(&identity);
            return turn.vault()?.delete(&PROFILE_TOLD, key).map(|_| ());
        }
        self.profiles.told.insert(identity, version);
        turn.vault()?.put(&PROFILE_TOLD, key, &ProfileToldRecord { identity, version })
    }

    /// An own deed expired. If it told a profile, or that one was withdrawn, the contact doesn't know: they are told once
    /// more.
    pub(super) fn profile_expired(
        &mut self,
        turn: &mut Turn<'_>,
        conversation: ConversationRef,
        deed: &MessageRecord,
    ) -> Result<(), StoreError> {
        if matches!(deed.body, Body::Raw { kind: profile::KIND, .. }) {
            let identity = person(&conversation);
            self.note_told(turn, identity, NOT_KNOWN)?;
            self.profiles.look_at(identity);
        }
        Ok(())
    }

    /// A contact says how they want to be seen.
    pub(super) fn take_profile(
        &mut self,
        turn: &mut Turn<'_>,
        author: Author,
        when: When,
        profile: Profile,
    ) -> Result<(), StoreError> {
        let identity = author.identity;
        if !self.directory.is_contact(&identity) {
            return Ok(());
        }
        let known = self.profiles.theirs.get(&identity);
        let last = known.map(|known| When { at: known.sent_at, id: known.id });
        if last.is_some_and(|last| last >= when) {
            return Ok(());
        }
        // A name that can't be shown as one is none.
        let name = profile.name.and_then(|name| clean_name(&name).ok());
        let picture =
            profile.picture.map(|picture| picture.as_bytes().to_vec()).unwrap_or_default();
        let was = self.contact_picture(turn, &identity)?.unwrap_or_default();
        let is_news = self.profiles.name_of(&identity) != name.as_deref() || was != picture;
        let (stored_at, key, records) = (turn.now, Key::Named(&identity.0), turn.vault()?);
        let picture_bytes = u64::try_from(picture.len()).unwrap_or_default();
        let When { at: sent_at, id } = when;
        let record = ContactProfileRecord { identity, name, picture_bytes, sent_at, id, stored_at };
        records.put(&CONTACT_PROFILES, key, &record)?;
        if picture.is_empty() {
            records.delete(&CONTACT_PICTURES, key)?;
        } else if was != picture {
            records.put(&CONTACT_PICTURES, key, &PictureRecord(picture))?;
        }
        self.profiles.theirs.insert(identity, record);
        if is_news {
            self.emit(turn, Happened::ContactProfile(identity))?;
        }
        Ok(())
    }

    /// A contact's picture, as it came.
    pub(crate) fn contact_picture(
        &self,
        turn: &mut Turn<'_>,
        identity: &IdentityId,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let found = turn.vault()?.get(&CONTACT_PICTURES, Key::Named(&identity.0))?;
        Ok(found.map(|PictureRecord(picture)| picture))
    }

    /// A contact is removed: what they said of themselves, and what they were told.
    pub(super) fn forget_profile(
        &mut self,
        turn: &mut Turn<'_>,
        identity: &IdentityId,
    ) -> Result<(), StoreError> {
        self.profiles.to_look_at.remove(identity);
        self.profiles.theirs.remove(identity);
        turn.vault()?.delete(&CONTACT_PROFILES, Key::Named(&identity.0))?;
        turn.vault()?.delete(&CONTACT_PICTURES, Key::Named(&identity.0))?;
        self.note_told(turn, *identity, 0)
    }
}
