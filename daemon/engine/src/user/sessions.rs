//! Sessions to write with, and whom their keys go to.

use martlet_protocol::crypto::session::{OutboundSession, SessionContext};
use martlet_protocol::message::{DeviceMessage, SessionKeyMessage};
use martlet_protocol::{DeviceId, IdentityId};
use martlet_store::StoreError;
use martlet_store::records::SealedTo;

use super::User;
use super::outbox::defect;
use crate::directory::Contact;
use crate::keyring::olm::With;
use crate::turn::Turn;

impl User {
    /// Makes sure that there is a session for exactly the devices of a contact, or of the user's own others, neither used up nor
    /// too old; a new one is announced to each of them. `false` if no device is known, they are blocked or to be confirmed first,
    /// or this device has ended. Of a room see [`Self::ensure_room_session`].
    pub(super) fn ensure_session(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
    ) -> Result<bool, StoreError> {
        let now = turn.now;
        let is_held = self.directory.is_blocked(&identity) || self.needs_confirmation(&identity);
        if is_held || !self.is_active() {
            return Ok(false);
        }
        let Some(bundles) = self.directory.bundles_of(&identity) else { return Ok(false) };
        let devices: Vec<DeviceId> =
            bundles.usable(now).map(|bundle| bundle.certificate().device()).collect();
        if devices.is_empty() {
            return Ok(false);
        }
        let outdated = self.with_outdated_key(&identity, now);
        if self.keyring.outbound.is_current(&identity, &devices, now) && outdated.is_empty() {
            return Ok(true);
        }

        let context = SessionContext {
            sender: self.identity,
            device: self.keyring.device().device(),
            conversation: self.direct(&identity),
        };
        let session =
            OutboundSession::new(turn.rng, context, &devices).map_err(|error| defect(&error))?;
        let mut contents = Vec::new();
        let invite = self.directory.contact(&identity).and_then(Contact::invite);
        for bundle in bundles.usable(now) {
            let Some(grant) = session.grant(&bundle.certificate().device()) else { continue };
            let (suggested_name, rendezvous) =
                (self.name().cloned(), self.keyring.rendezvous().clone());
            let lost_since = match identity == self.identity {
                true => self.recent_put_back(now).map(|put_back| put_back.lost_since),
                false => self.lost_since(&identity),
            };
            let invite = invite.map(|invite| invite.secret.clone());
            let message =
                SessionKeyMessage { grant, suggested_name, rendezvous, lost_since, invite };
            let message = DeviceMessage::SessionKey(Box::new(message));
            // What was not acknowledged may not have opened.
            let is_outdated = outdated.contains(&bundle.certificate().device());
            let with = if is_outdated { With::Anew } else { With::TheLast };
            let content = self.seal_to(turn, &identity, bundle, &message, with)?;
            let (device, made_at) = (bundle.certificate().device(), bundle.created_at());
            let sealed_to = SealedTo { device, made_at, of: None };
            contents.push((content, sealed_to));
        }
        self.keyring.outbound.begin(identity, session, now);
        for (content, sealed_to) in contents {
            let key = self.post_sealed(turn, identity, content, sealed_to)?;
            self.keyring.outbound.add_key(&identity, key);
        }
        Ok(true)
    }
}
