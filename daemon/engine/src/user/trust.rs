//! Whom the user verified: safety numbers compared, and what follows when a verified contact has another device.

use martlet_protocol::IdentityId;
use martlet_protocol::control::{self, Verified};
use martlet_protocol::safety::{SafetyCode, SafetyNumber};
use martlet_store::StoreError;
use martlet_store::records::Happened;

use super::User;
use crate::directory::Subject;
use crate::error::{CommandError, Fault};
use crate::turn::Turn;

impl User {
    /// The safety number of the user and a contact.
    pub(crate) fn safety_number(&self, identity: &IdentityId) -> SafetyNumber {
        SafetyNumber::of(&self.identity, identity)
    }

    /// The same, in the words of the control API.
    pub(crate) fn show_safety_number(&self, identity: &IdentityId) -> control::SafetyNumber {
        let number = self.safety_number(identity);
        control::SafetyNumber { digits: number.to_string(), qr: number.to_text() }
    }

    /// The user compared safety numbers with a contact: by themselves, or by the code that the contact has.
    pub(crate) fn verify(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        code: Option<&str>,
    ) -> Result<(), Fault> {
        if let Some(code) = code {
            let code: SafetyCode = code.parse().map_err(CommandError::from)?;
            self.safety_number(&identity).compare(&code).map_err(|differs| {
                let name = self.directory.contact(&identity).map(|contact| contact.name());
                CommandError::SafetyNumberDiffers {
                    name: name.unwrap_or_default().to_owned(),
                    groups: differs.groups,
                }
            })?;
        }
        let now = turn.now;
        self.directory.verify(turn.vault()?, &identity, now)?;
        self.emit(turn, Happened::ContactVerified(identity))?;
        self.share(turn, Subject::Verified(identity))?;
        Ok(self.send_confirmed(turn, identity)?)
    }

    /// The user no longer holds a contact to be verified.
    pub(crate) fn unverify(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
    ) -> Result<(), StoreError> {
        if !self.directory.unverify(turn.vault()?, &identity)? {
            return Ok(());
        }
        self.emit(turn, Happened::ContactVerified(identity))?;
        self.share(turn, Subject::Verified(identity))?;
        self.send_confirmed(turn, identity)
    }

    /// A contact may have other devices than before: the user is told, if they had verified them.
    pub(super) fn note_devices(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
    ) -> Result<(), StoreError> {
        if self.directory.note_devices(turn.vault()?, &identity)? {
            self.emit(turn, Happened::ContactDevicesChanged(identity))?;
        }
        Ok(())
    }

    /// Whether nothing is sent to a contact until the user confirms the devices that they have now.
    pub(super) fn needs_confirmation(&self, identity: &IdentityId) -> bool {
        let contact = self.directory.contact(identity);
        self.timeline.settings().strict_devices
            && contact.is_some_and(|contact| contact.verified() == Verified::Changed)
    }

    /// That something can be sent to a contact's devices now.
    pub(crate) fn check_confirmed(&self, identity: &IdentityId) -> Result<(), CommandError> {
        if self.needs_confirmation(identity) {
            let name = self.directory.contact(identity).map(|contact| contact.name().to_owned());
            return Err(CommandError::NeedsConfirmation { name: name.unwrap_or_default() });
        }
        Ok(())
    }

    /// What waited for the user's word goes, in order.
    pub(super) fn send_confirmed(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
    ) -> Result<(), StoreError> {
        self.tell_if_untold(turn, identity)?;
        self.send_waiting(turn, identity)?;
        self.reach_in_rooms(turn, &identity)
    }

    /// The user is not strict about devices any more: what waited for their word goes.
    pub(super) fn send_all_confirmed(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let is_changed = |identity: &IdentityId| {
            let contact = self.directory.contact(identity);
            contact.is_some_and(|contact| contact.verified() == Verified::Changed)
        };
        let changed: Vec<_> =
            self.directory.identities().filter(|identity| is_changed(identity)).copied().collect();
        changed.into_iter().try_for_each(|identity| self.send_confirmed(turn, identity))
    }
}
