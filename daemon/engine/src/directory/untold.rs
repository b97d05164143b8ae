//! Contacts who are still to learn by what the user's bundles are found, since that was reset, or that the user accepted
//! their invite.

use martlet_protocol::{IdentityId, UnixMillis};
use martlet_store::records::CONTACTS;
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

use super::Directory;

impl Directory {
    /// Marks a contact as untold, or as told.
    pub(crate) fn set_untold(
        &mut self,
        records: &mut VaultTxn,
        identity: &IdentityId,
        is_untold: bool,
    ) -> Result<(), StoreError> {
        let Some(contact) = self.contacts.get_mut(identity) else { return Ok(()) };
        if contact.is_untold() != is_untold {
            contact.set_untold(is_untold);
            records.put(&CONTACTS, Key::Named(&identity.0), contact.record())?;
        }
        if is_untold {
            self.to_tell.insert(*identity);
        } else {
            self.to_tell.remove(identity);
        }
        Ok(())
    }

    /// Marks all contacts as untold. [`Self::write_untold`] writes that.
    pub(crate) fn set_all_untold(&mut self) {
        self.contacts.values_mut().for_each(|contact| contact.set_untold(true));
        self.to_tell = self.contacts.keys().copied().collect();
        self.unwritten.clone_from(&self.to_tell);
    }

    /// Whether there is something left to write.
    pub(crate) fn has_unwritten(&self) -> bool {
        !self.unwritten.is_empty()
    }

    /// Writes who is untold: as many as that, who they are.
    pub(crate) fn write_untold(
        &mut self,
        records: &mut VaultTxn,
        max: usize,
    ) -> Result<Vec<IdentityId>, StoreError> {
        let mut written = Vec::new();
        while written.len() < max
            && let Some(identity) = self.unwritten.pop_first()
        {
            if let Some(contact) = self.contacts.get(&identity) {
                records.put(&CONTACTS, Key::Named(&identity.0), contact.record())?;
            }
            written.push(identity);
        }
        Ok(written)
    }

    /// Forgets invites that the user accepted and that are good no more: whoever made them will not see that.
    pub(crate) fn forget_ended_invites(
        &mut self,
        records: &mut VaultTxn,
        sure: UnixMillis,
    ) -> Result<(), StoreError> {
        for (identity, contact) in &mut self.contacts {
            if contact.invite().is_some_and(|invite| invite.expires_at < sure) {
                contact.forget_invite();
                records.put(&CONTACTS, Key::Named(&identity.0), contact.record())?;
            }
        }
        Ok(())
    }

    /// Whether a contact is untold.
    pub(crate) fn is_untold(&self, identity: &IdentityId) -> bool {
        self.contacts.get(identity).is_some_and(super::Contact::is_untold)
    }

    /// All who are untold are to be told now.
    pub(crate) fn tell_all_untold(&mut self) {
        let untold = self.contacts.iter().filter(|(_, contact)| contact.is_untold());
        self.to_tell = untold.map(|(identity, _)| *identity).collect();
    }

    /// The next who is to be told now; once.
    pub(crate) fn next_to_tell(&mut self) -> Option<IdentityId> {
        self.to_tell.pop_first()
    }
}
