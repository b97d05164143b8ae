//! What goes to one device, and comes of one, in the sessions of Olm; and what is done where one is lost.
//!
//! A device whose envelope is well sealed and signed, and opens in no session, is told so in a new one. It goes on in that, and
//! sends again what it has no receipt of. So it goes where a vault was put back from a copy that nobody noticed, or too much was
//! lost on the way.

use martlet_protocol::bundle::Bundle;
use martlet_protocol::crypto::olm::OlmKeys;
use martlet_protocol::crypto::seal::Recipient;
use martlet_protocol::message::{DeviceMessage, OlmRenewed};
use martlet_protocol::{EnvelopeId, ExpiryHour, IdentityId};
use martlet_store::StoreError;

use super::User;
use super::outbox::defect;
use crate::conversation::Author;
use crate::keyring::olm::{self, OlmFault, OlmKept, OlmOpened, OlmOpening, With};
use crate::kinds;
use crate::turn::Turn;

/// What an envelope of a device's said.
pub(super) enum Heard {
    /// This.
    Message(DeviceMessage, Keeping),
    /// What was kept before.
    Again,
    /// Nothing that can be read.
    Nothing,
}

/// What is kept of the session that opened something.
pub(super) enum Keeping {
    /// It is kept, and is so no more if nothing of what it said is wanted.
    Kept(Box<OlmKept>),
    /// Its sender is not known here: it is kept if they are once that is done.
    Later(Box<OlmOpened>),
    /// Nothing.
    No,
}

impl User {
    /// The content of the envelope that carries `message` to one device of `identity`.
    pub(super) fn seal_to(
        &self,
        turn: &mut Turn<'_>,
        identity: &IdentityId,
        bundle: &Bundle,
        message: &DeviceMessage,
        with: With,
    ) -> Result<Vec<u8>, StoreError> {
        let to = Author { identity: *identity, device: bundle.certificate().device() };
        self.seal_to_keys(turn, (to, bundle.olm(), bundle.recipient()), message, with)
    }

    /// The same, by a device's keys.
    pub(super) fn seal_to_keys(
        &self,
        turn: &mut Turn<'_>,
        (to, keys, recipient): (Author, &OlmKeys, Recipient<'_>),
        message: &DeviceMessage,
        with: With,
    ) -> Result<Vec<u8>, StoreError> {
        let now = turn.now;
        let with = if kinds::is_fleeting(message) { With::Once } else { with };
        let payload = self.keyring.encrypt_olm(
            turn.vault_and_rng()?,
            now,
            (to, keys),
            message.encode(),
            with,
        );
        let payload = payload.map_err(|fault| match fault {
            OlmFault::Store(error) => error,
            OlmFault::Olm(error) => defect(&error),
        })?;
        let mut addressing = self.addressing(&to.identity, now);
        if let Some(end) = kinds::ends_at(message) {
            addressing.expiry = ExpiryHour::of_use_until(end, now);
        }
        martlet_protocol::crypto::seal::seal(
            turn.rng,
            &addressing,
            self.keyring.device(),
            &to.identity,
            &[recipient],
            &self.direct(&to.identity),
            &payload,
        )
        .map_err(|error| defect(&error))
    }

    /// Opens what a device sent. Of who is known it is kept at once: what is said may be answered.
    pub(super) fn hear(
        &mut self,
        turn: &mut Turn<'_>,
        from: Author,
        id: &EnvelopeId,
        payload: &[u8],
    ) -> Result<Heard, StoreError> {
        let is_known = self.is_known(&from.identity);
        let now = turn.now;
        let opened = match self.keyring.decrypt_olm(turn.vault()?, from, id, payload)? {
            OlmOpening::Opened(opened) => opened,
            OlmOpening::Taken => return Ok(Heard::Again),
            OlmOpening::Failed(error) => {
                tracing::debug!(%error, "what a device sent opens in no session");
                if is_known {
                    self.renew_olm(turn, from, *id)?;
                }
                return Ok(Heard::Nothing);
            }
        };
        let message = match DeviceMessage::decode(&opened.message) {
            Ok(message) => message,
            Err(error) => {
                tracing::debug!(%error, "a malformed device message");
                return Ok(Heard::Nothing);
            }
        };
        let state = match is_known {
            _ if kinds::is_fleeting(&message) => Keeping::No,
            true => Keeping::Kept(Box::new(olm::keep(turn.vault()?, &opened, id, now)?)),
            false => Keeping::Later(opened),
        };
        Ok(Heard::Message(message, state))
    }

    /// What a device sent was wanted, or not.
    pub(super) fn have_heard(
        &mut self,
        turn: &mut Turn<'_>,
        state: Keeping,
        (from, id): (Author, &EnvelopeId),
        is_wanted: bool,
    ) -> Result<(), StoreError> {
        let now = turn.now;
        match state {
            Keeping::Kept(kept) if !is_wanted => olm::undo(turn.vault()?, *kept, id),
            // They became a contact by it.
            Keeping::Later(opened) if is_wanted && self.is_known(&from.identity) => {
                olm::keep(turn.vault()?, &opened, id, now).map(|_| ())
            }
            Keeping::Kept(_) | Keeping::Later(_) | Keeping::No => Ok(()),
        }
    }

    /// With the day's chores.
    pub(super) fn forget_old_olm(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let sure = turn.sure;
        let Self { directory, keyring, identity: own, .. } = self;
        olm::forget_old(turn.vault()?, sure, |Author { identity, device }| {
            (identity == own || directory.id_of(identity).is_some())
                && keyring.identities.is_valid(identity, device)
        })
    }

    /// Whether someone is a contact, in a room with the user, or the user themselves.
    pub(super) fn is_known(&self, identity: &IdentityId) -> bool {
        *identity == self.identity || self.directory.id_of(identity).is_some()
    }

    /// Tells a device that an envelope of its did not open, in a new session, if it may be told now.
    fn renew_olm(
        &mut self,
        turn: &mut Turn<'_>,
        Author { identity, device }: Author,
        envelope: EnvelopeId,
    ) -> Result<(), StoreError> {
        let is_held = self.directory.is_blocked(&identity) || self.needs_confirmation(&identity);
        let own = self.keyring.device().device();
        if is_held || !self.is_active() || device == own {
            return Ok(());
        }
        let now = turn.now;
        let usable = self.directory.bundles_of(&identity).map(|bundles| bundles.usable(now));
        let of_device = |bundle: &&Bundle| bundle.certificate().device() == device;
        let Some(bundle) = usable.and_then(|mut usable| usable.find(of_device)) else {
            return Ok(());
        };
        if !olm::may_renew(turn.vault()?, Author { identity, device }, now)? {
            return Ok(());
        }
        let message = DeviceMessage::OlmRenewed(OlmRenewed { envelope });
        let content = self.seal_to(turn, &identity, bundle, &message, With::Anew)?;
        self.post_control(turn, identity, content)?;
        Ok(())
    }

    /// A device could not open something of this one's. What it has not acknowledged is sent again, with a new session's key; of
    /// the user's devices it is told once more. (The session that it began is the one to write with from now on.)
    pub(super) fn take_olm_renewed(
        &mut self,
        turn: &mut Turn<'_>,
        Author { identity, device }: Author,
        OlmRenewed { envelope }: &OlmRenewed,
    ) -> Result<bool, StoreError> {
        if !self.is_known(&identity) {
            return Ok(false);
        }
        tracing::debug!(%envelope, "a device could not open it");
        let lacks_key = |user: &Self| {
            user.outbox.keys(Some(identity)).any(|(_, sealed_to)| sealed_to.device == device)
        };
        if !self.put_back.resent.may_renew(identity, turn.steady) {
            return Ok(true);
        }
        self.send_again_in_rooms(turn, (&identity, &device))?;
        self.begin_room_sessions_anew(turn, &identity)?;
        if lacks_key(self) {
            let theirs = self.outbox.of_session_with(&identity, &self.identity);
            self.take_back(turn, theirs, false)?;
            self.keyring.outbound.end(turn.vault()?, &identity)?;
            self.unfinished.send_later(identity);
        }
        self.tell_state(turn, (identity, Some(device)), self.identity)?;
        self.offer_past_again(turn, &device)?;
        // Greetings are of no use later and not sent again. This device may have been put back with all that it has, and not know it.
        for room in self.directory.rooms().shared_with(&identity).collect::<Vec<_>>() {
            self.greet_device(turn, &room, Author { identity, device })?;
        }
        Ok(true)
    }
}
