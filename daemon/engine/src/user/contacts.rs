//! Contacts: added, renamed, removed.

use crate::limits::CONTACTS_MAX;
use martlet_protocol::control::{Contact as ShownContact, EventBody};
use martlet_protocol::identity::IdentityState;
use martlet_protocol::nearest::nearest;
use martlet_protocol::{Id, IdentityId, Rendezvous, UnixMillis};
use martlet_store::StoreError;
use martlet_store::records::{AcceptedInvite, Happened};

use super::User;
use crate::conversation::ConversationRef;
use crate::directory::{Contact, DirectoryError, Subject, clean_name};
use crate::error::Fault;
use crate::turn::Turn;

impl User {
    pub(crate) fn identity_of(&self, name: &str) -> Result<IdentityId, DirectoryError> {
        let identity = self.directory.identity_of(name);
        identity.ok_or_else(|| self.unknown_contact(name))
    }

    /// The contact called `name`, to whom something is to be sent.
    pub(crate) fn reachable_identity_of(&self, name: &str) -> Result<IdentityId, DirectoryError> {
        let identity = self.identity_of(name)?;
        self.check_not_ended_or_blocked(&identity, name)?;
        Ok(identity)
    }

    /// That something can be sent to them: neither they nor this device have ended, and they are not blocked.
    pub(crate) fn check_reachable(&self, identity: &IdentityId) -> Result<(), DirectoryError> {
        let contact = self.directory.contact(identity);
        self.check_not_ended_or_blocked(identity, contact.map_or("they", Contact::name))
    }

    fn check_not_ended_or_blocked(
        &self,
        identity: &IdentityId,
        who: &str,
    ) -> Result<(), DirectoryError> {
        self.check_active()?;
        if self.keyring.identities.is_terminated(identity) {
            return Err(DirectoryError::ContactTerminated { who: who.to_owned() });
        }
        if self.directory.is_blocked(identity) {
            return Err(DirectoryError::Blocked { who: who.to_owned() });
        }
        Ok(())
    }

    pub(crate) fn unknown_contact(&self, name: &str) -> DirectoryError {
        let nearest = nearest(name, self.directory.by_name().map(|(known, _)| known));
        DirectoryError::UnknownContact {
            name: name.to_owned(),
            nearest: nearest.map(str::to_owned),
        }
    }

    /// When someone's identity was terminated, by the clock of who did so.
    pub(super) fn terminated_at(&self, identity: &IdentityId) -> Option<UnixMillis> {
        self.keyring.identities.state(identity).and_then(IdentityState::terminated_at)
    }

    pub(crate) fn show_contact(&self, identity: &IdentityId) -> Option<ShownContact> {
        let contact = self.directory.contact(identity)?;
        Some(ShownContact {
            name: contact.name().to_owned(),
            id: contact.id().to_string(),
            added_at: contact.added_at(),
            devices: u32::try_from(contact.bundles().all().len()).unwrap_or(u32::MAX),
            unread: self.timeline.unread(&ConversationRef::direct(identity)),
            note: None,
            device_list: Vec::new(),
            terminated_at: self.terminated_at(identity),
            blocked: self.directory.is_blocked(identity),
            invite_pending: contact.invite().is_some(),
            verified: contact.verified(),
            verified_at: contact.verified_at(),
            safety_number: None,
            calls_themselves: self.profiles.name_of(identity).map(str::to_owned),
            picture_bytes: self.profiles.picture_bytes_of(identity),
        })
    }

    pub(crate) fn add_contact(
        &mut self,
        turn: &mut Turn<'_>,
        id: &Id,
        name: &str,
    ) -> Result<(), Fault> {
        self.add_contact_by(turn, id, name, None)
    }

    /// Adds a contact, perhaps by an invite of theirs.
    pub(super) fn add_contact_by(
        &mut self,
        turn: &mut Turn<'_>,
        id: &Id,
        name: &str,
        invite: Option<AcceptedInvite>,
    ) -> Result<(), Fault> {
        let identity = id.identity;
        if identity == self.identity {
            return Err(DirectoryError::OwnId.into());
        }
        if let Some(contact) = self.directory.contact(&identity) {
            let name = contact.name().to_owned();
            return Err(DirectoryError::AlreadyContact { name }.into());
        }
        let name = self.free_name(name)?;
        self.check_not_ended_or_blocked(&identity, &id.to_string())?;
        if self.directory.contacts_len() >= CONTACTS_MAX {
            return Err(DirectoryError::TooManyContacts { max: CONTACTS_MAX }.into());
        }
        let now = turn.now;
        // What they said themselves counts more than a text, which may be of before they said it.
        let said = self.directory.requests().rendezvous(&identity).cloned();
        let said = said.filter(|said| !said.secret.is_none());
        let typed = || Rendezvous { secret: id.secret.clone(), reset_at: UnixMillis(0) };
        let rendezvous = said.unwrap_or_else(typed);
        self.admit_contact(turn, (identity, rendezvous), (name, invite, now))?;
        Ok(self.share_contact(turn, identity)?)
    }

    /// Makes someone a contact, who was added at some time, perhaps by an invite of theirs.
    pub(super) fn admit_contact(
        &mut self,
        turn: &mut Turn<'_>,
        (identity, rendezvous): (IdentityId, Rendezvous),
        (name, invite, added_at): (String, Option<AcceptedInvite>, UnixMillis),
    ) -> Result<(), StoreError> {
        let named = (name, invite);
        self.directory.add(turn.vault()?, (identity, rendezvous), named, added_at)?;
        self.leave_people(turn, identity)?;
        // What they write from now on may wait in the place of what is still being removed.
        let conversation = ConversationRef::direct(&identity);
        self.timeline.remove_held(turn.vault()?, conversation, usize::MAX)?;
        if self.keyring.came_later() || self.directory.shared().is_applying {
            // What they wrote before was for another device.
            self.timeline.join_midway(conversation);
        }
        if self.recent_put_back(turn.now).is_some() {
            // They may have been one since the copy was made.
            self.directory.set_untold(turn.vault()?, &identity, true)?;
        }
        self.emit(turn, Happened::ContactAdded(identity))?;
        self.accept_stranger(turn, identity)?;
        self.resume_sessions(turn, identity)?;
        self.watch_bundle(turn, identity)?;
        self.tell_interest(turn);
        self.look_up_bundles(turn, [identity]);
        self.show_early_copies_of(identity);
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
        self.rename_as(turn, identity, (from.to_owned(), to))?;
        self.share(turn, Subject::Contact(identity))?;
        Ok(identity)
    }

    /// Calls a contact by another name, which is free.
    pub(super) fn rename_as(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        (from, to): (String, String),
    ) -> Result<(), StoreError> {
        self.directory.rename(turn.vault()?, identity, to.clone())?;
        let (id, from) = (self.view().id_text(&identity), Some(from));
        let body = EventBody::ContactRenamed { id, from, to };
        self.emit_as(turn, Happened::ContactRenamed(identity), body)
    }

    /// Removes a contact, the conversation, and what waits to be sent.
    pub(crate) fn remove_contact(&mut self, turn: &mut Turn<'_>, name: &str) -> Result<(), Fault> {
        let identity = self.identity_of(name)?;
        self.forget_contact(turn, identity)?;
        Ok(self.share_contact(turn, identity)?)
    }

    /// The same of who is a contact.
    pub(super) fn forget_contact(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
    ) -> Result<(), StoreError> {
        let name = self.directory.contact(&identity).map(|contact| contact.name().to_owned());
        let keys = self
            .directory
            .contact(&identity)
            .map(|contact| (contact.rendezvous().clone(), contact.bundles().all().to_vec()));
        self.pings.forget(&identity);
        let records = turn.vault()?;
        let up_to = self.timeline.begin_removal(records, ConversationRef::direct(&identity))?;
        self.unfinished.remove(identity, up_to);
        self.directory.siblings_mut().past_mut().close_line(records, &identity)?;
        self.keyring.inbound.leave(identity);
        self.keyring.outbound.end(records, &identity)?;
        self.keyring.forget_bundles(&identity);
        self.directory.remove(records, &identity)?;
        // Who is in a room with the user goes on to be known, their revoked devices above all.
        if self.directory.rooms().shared_with(&identity).next().is_none() {
            self.keyring.identities.forget(records, &identity)?;
        }
        self.join_people(turn, identity, keys)?;
        self.forget_manners(turn, &identity)?;
        self.forget_profile(turn, &identity)?;
        self.plan_nothing_of(identity);
        self.tell_interest(turn);
        let body = EventBody::ContactRemoved { name };
        self.emit_as(turn, Happened::ContactRemoved, body)
    }

    pub(super) fn free_name(&self, name: &str) -> Result<String, DirectoryError> {
        let name = clean_name(name)?;
        match self.directory.identity_of(&name) {
            Some(_) => Err(DirectoryError::NameTaken { name }),
            None => Ok(name),
        }
    }
}
