//! Whom the user verified, and which of their devices came later.

use martlet_protocol::control::Verified;
use martlet_protocol::{DeviceId, IdentityId, UnixMillis};
use martlet_store::records::{CONTACTS, VerifiedRecord};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

use super::{Contact, Directory};

impl Contact {
    /// The devices known of them.
    pub(crate) fn devices(&self) -> impl Iterator<Item = DeviceId> {
        self.bundles().all().iter().map(|bundle| bundle.certificate().device())
    }

    /// Whether the user compared safety numbers with them, and has confirmed the devices that they have now.
    pub(crate) fn verified(&self) -> Verified {
        match &self.record().verified {
            None => Verified::No,
            Some(verified) => {
                match self.devices().all(|device| verified.devices.contains(&device)) {
                    true => Verified::Yes,
                    false => Verified::Changed,
                }
            }
        }
    }

    /// That the user compared safety numbers with them: when, and which devices they had.
    pub(crate) fn verified_record(&self) -> Option<&VerifiedRecord> {
        self.record().verified.as_ref()
    }

    /// When the user compared safety numbers with them last.
    pub(crate) fn verified_at(&self) -> Option<UnixMillis> {
        self.record().verified.as_ref().map(|verified| verified.at)
    }
}

impl Directory {
    /// The user compared safety numbers with a contact, and takes the devices that they have now.
    pub(crate) fn verify(
        &mut self,
        records: &mut VaultTxn,
        identity: &IdentityId,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let Some(contact) = self.contacts.get_mut(identity) else { return Ok(()) };
        let devices = contact.devices().collect();
        *contact.verified_mut() = Some(VerifiedRecord { at: now, devices, told: Vec::new() });
        records.put(&CONTACTS, Key::Named(&identity.0), contact.record())
    }

    /// The user compared safety numbers with a contact on another device; whether that is news.
    pub(crate) fn verify_as(
        &mut self,
        records: &mut VaultTxn,
        identity: &IdentityId,
        (at, devices): (UnixMillis, Vec<DeviceId>),
    ) -> Result<bool, StoreError> {
        let Some(contact) = self.contacts.get_mut(identity) else { return Ok(false) };
        let known = contact.verified_record();
        if known.is_some_and(|known| known.at == at && known.devices == devices) {
            return Ok(false);
        }
        *contact.verified_mut() = Some(VerifiedRecord { at, devices, told: Vec::new() });
        records.put(&CONTACTS, Key::Named(&identity.0), contact.record())?;
        Ok(true)
    }

    /// The user no longer holds them to be verified; whether they did.
    pub(crate) fn unverify(
        &mut self,
        records: &mut VaultTxn,
        identity: &IdentityId,
    ) -> Result<bool, StoreError> {
        let Some(contact) = self.contacts.get_mut(identity) else { return Ok(false) };
        if contact.verified_mut().take().is_none() {
            return Ok(false);
        }
        records.put(&CONTACTS, Key::Named(&identity.0), contact.record())?;
        Ok(true)
    }

    /// Notes the devices that a verified contact has now; whether the user is to be told of a new one. The first that
    /// is ever known of them is none: there was nothing to confirm before.
    pub(crate) fn note_devices(
        &mut self,
        records: &mut VaultTxn,
        identity: &IdentityId,
    ) -> Result<bool, StoreError> {
        let Some(contact) = self.contacts.get_mut(identity) else { return Ok(false) };
        let devices: Vec<_> = contact.devices().collect();
        let Some(verified) = contact.verified_mut() else { return Ok(false) };
        let is_new = |device: &&DeviceId| {
            !verified.devices.contains(device) && !verified.told.contains(device)
        };
        let new: Vec<_> = devices.iter().filter(is_new).copied().collect();
        if new.is_empty() {
            return Ok(false);
        }
        let is_first = verified.devices.is_empty();
        match is_first {
            true => verified.devices = new,
            false => verified.told.extend(new),
        }
        records.put(&CONTACTS, Key::Named(&identity.0), contact.record())?;
        Ok(!is_first)
    }
}
