//! Rendezvous secrets: by what bundles are found, and how contacts learn of another.
//!
//! Each session's key brings the secret of who made the session. After a reset the old secret is of no use at
//! once: the user's bundles are published by the new one alone, else whom the reset is to keep out would find
//! them as well. So contacts must learn of it without looking: a session begins with each of them, and its
//! key goes to them as any envelope does. It is made anew, when its life is over, until they prove that they
//! have it: who is away for weeks is told as soon as they are back, while their own bundle is still good to
//! write to. They need no bundle of the user's for that.

use std::time::Duration;

use martlet_protocol::{EnvelopeId, IdentityId, Rendezvous};
use martlet_store::StoreError;
use martlet_store::records::{Happened, SealedTo};

use super::User;
use crate::limits::{TOLD_PER_BATCH_MAX, UNTOLD_WRITTEN_PER_BATCH_MAX};
use crate::turn::Turn;

const DAY: Duration = Duration::from_secs(24 * 3600);

impl User {
    /// Resets the secret in the user's ID: who knows the old one, and is no contact, no longer finds their
    /// bundles. Contacts are told.
    pub(crate) fn reset_rendezvous(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let now = turn.now;
        // It stands beside the root.
        turn.effects.wipes = true;
        let (records, rng) = turn.vault_and_rng()?;
        self.keyring.reset_rendezvous(records, rng, now)?;
        let own = self.identity;
        self.keyring.forget_bundles(&own);
        self.watch_sibling_bundles(turn)?;
        self.tell_rendezvous(turn)
    }

    /// The secret is another than before: contacts are told, and the user's other devices.
    pub(super) fn tell_rendezvous(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let own = self.identity;
        self.keyring.outbound.end(turn.vault()?, &own)?;
        self.ensure_session(turn, own)?;
        self.untell_all();
        self.untell_rooms(turn, None)?;
        self.publish_bundle_anew(turn)?;
        self.publish_claim_anew(turn)?;
        self.tell_untold(turn)
    }

    /// All contacts are to be told: in memory at once, in the vault batch by batch. If it is opened anew before that is done,
    /// they are all told again.
    pub(super) fn untell_all(&mut self) {
        self.counters.all_untold = true;
        self.counters.is_dirty = true;
        self.resume_untelling();
    }

    pub(super) fn resume_untelling(&mut self) {
        for identity in self.directory.identities() {
            // Its key told what was.
            self.keyring.outbound.leave(identity);
        }
        self.directory.set_all_untold();
    }

    /// Writes what [`Self::untell_all`] left, as much as one batch may.
    pub(super) fn write_untold_some(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        if !self.counters.all_untold {
            return Ok(());
        }
        for identity in self.directory.write_untold(turn.vault()?, UNTOLD_WRITTEN_PER_BATCH_MAX)? {
            self.keyring.outbound.forget_ended(turn.vault()?, &identity)?;
        }
        if !self.directory.has_unwritten() {
            self.counters.all_untold = false;
            self.counters.is_dirty = true;
        }
        Ok(())
    }

    /// Someone said by what their bundles are found. A contact's are looked for by that from now on.
    pub(super) fn take_rendezvous(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        rendezvous: &Rendezvous,
    ) -> Result<(), StoreError> {
        if !self.directory.take_rendezvous(turn.vault()?, &identity, rendezvous)? {
            return Ok(());
        }
        self.keyring.forget_bundles(&identity);
        // In another shard they are looked up when that is due anyway: else a contact could have the keepers
        // asked as often as they like.
        self.watch_bundle(turn, identity)
    }

    /// The sender of a request, who is a contact now, may have found the user by the secret of before a reset.
    pub(super) fn tell_accepted(
        &mut self,
        turn: &mut Turn<'_>,
        identity: &IdentityId,
    ) -> Result<(), StoreError> {
        if !self.keyring.rendezvous().was_reset() {
            return Ok(());
        }
        self.directory.set_untold(turn.vault()?, identity, true)
    }

    /// Tells those who are to be told now, as many as one batch may.
    pub(super) fn tell_untold(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        for _ in 0..TOLD_PER_BATCH_MAX {
            let Some(identity) = self.directory.next_to_tell() else { return Ok(()) };
            self.tell_if_untold(turn, identity)?;
        }
        Ok(())
    }

    /// Tells a contact by what the user's bundles are found, if they are untold and no key that tells it is
    /// on its way. Where their devices aren't known they are told once a bundle of theirs is found.
    pub(super) fn tell_if_untold(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
    ) -> Result<(), StoreError> {
        let keys = self.keyring.outbound.keys(&identity);
        // Not one that ends before it is seen again who is untold.
        let tomorrow = turn.now.plus(DAY);
        let mut ends = keys.iter().filter_map(|key| self.outbox.end_of(key));
        let is_on_its_way = ends.any(|end| !end.is_past(tomorrow));
        let is_to_tell = self.directory.is_untold(&identity)
            && !self.directory.is_blocked(&identity)
            && !self.needs_confirmation(&identity);
        if !is_to_tell || is_on_its_way {
            return Ok(());
        }
        self.keyring.outbound.end(turn.vault()?, &identity)?;
        self.ensure_session(turn, identity)?;
        Ok(())
    }

    /// A device of `identity`, or of someone in a room, proved that it has the session key in this envelope, and so the secret in it, if
    /// it is the key of the session of now.
    pub(super) fn note_key_received(
        &mut self,
        turn: &mut Turn<'_>,
        identity: &IdentityId,
        (key, sealed_to): (&EnvelopeId, Option<SealedTo>),
    ) -> Result<(), StoreError> {
        if let Some(id) = self.directory.rooms().of_line(identity).map(|it| it.room.id()) {
            let whose = sealed_to.and_then(|sealed_to| sealed_to.of);
            if self.keyring.outbound.keys(identity).contains(key) {
                let rooms = self.directory.rooms_mut();
                rooms.told(turn.vault()?, &id, |who| whose == Some(*who))?;
            }
            return Ok(());
        }
        if self.directory.is_untold(identity) && self.keyring.outbound.keys(identity).contains(key)
        {
            let had_invite =
                self.directory.contact(identity).is_some_and(|contact| contact.invite().is_some());
            self.directory.set_untold(turn.vault()?, identity, false)?;
            if had_invite {
                self.emit(turn, Happened::InviteAccepted(*identity))?;
            }
        }
        Ok(())
    }
}
