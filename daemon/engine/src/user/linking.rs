//! Linking a further device: what the device with the root sends and writes.
//!
//! The certificate is in the vault, and in the state that contacts are told, in the commit before which nothing of it leaves.
//! Only what is sealed to the new device's own keys tells it that it is linked. So whoever saw the code can end it, and no more.

use martlet_protocol::control::{Link, LinkDevice, LinkState};
use martlet_protocol::identity::{IdentityState, RootKey, Statement};
use martlet_protocol::limits::{CERTIFICATES_PER_IDENTITY_MAX, DEVICES_PER_IDENTITY_MAX};
use martlet_protocol::link::{Join, LinkCode, LinkKeys, LinkSecret, Step, Why, steps};
use martlet_protocol::message::{DeviceMessage, Linked};
use martlet_protocol::{Envelope, ExpiryHour, Header, UnixMillis};
use martlet_store::StoreError;
use martlet_store::records::{LINK_OFFER, LinkOfferRecord};
use martlet_store::vault::Key;
use zeroize::Zeroizing;

use super::User;
use super::devices::is_name_taken;
use super::outbox::{defect, record};
use crate::conversation::Author;
use crate::directory::clean_name;
use crate::error::{CommandError, Fault};
use crate::keyring::olm::With;
use crate::limits::LINK_STEP_USE;
use crate::linking::{End, Offer, OfferReaction as Reaction, is_death, reason, refusal};
use crate::turn::Turn;

impl User {
    /// Makes a code, and waits for a device that comes by it. A code that was made before is good no more: whether there was one
    /// is told, and so is who comes by it.
    pub(crate) fn start_link(&mut self, turn: &mut Turn<'_>) -> Result<Link, Fault> {
        self.check_active()?;
        self.root(turn)?;
        self.start_link_by_phrase(turn)
    }

    /// The same; the root is given with the confirmation.
    pub(crate) fn start_link_by_phrase(&mut self, turn: &mut Turn<'_>) -> Result<Link, Fault> {
        self.check_active()?;
        if !self.has_room_for_device() {
            return Err(CommandError::LinkLimit.into());
        }
        self.keyring.linking.look_at_time(turn.steady);
        if let Some(left) = self.keyring.linking.locked_for(turn.steady) {
            return Err(CommandError::LinkLocked { left }.into());
        }
        let offer = self.keyring.linking.offer.as_ref();
        let replaced = offer.is_some_and(|offer| offer.end().is_none());
        self.end_link(turn, End::Refused { why: Why::Cancelled, by_other: false })?;
        let code = self.link_code(LinkSecret::generate(turn.rng));
        let offer_secret = code.secret.clone();
        let offer = Offer::new(code, turn.now, turn.steady);
        let record =
            LinkOfferRecord { secret: offer_secret, expires_at: turn.now.plus(LINK_STEP_USE) };
        turn.vault()?.put(&LINK_OFFER, Key::Named(b""), &record)?;
        turn.awaited.extend(offer.tags());
        self.keyring.linking.begin(offer);
        Ok(Link { replaced, ..self.show_link(turn)? })
    }

    /// How far the code came that was made last.
    pub(crate) fn show_link(&mut self, turn: &Turn<'_>) -> Result<Link, Fault> {
        self.keyring.linking.look_at_time(turn.steady);
        let offer = self.keyring.linking.offer.as_ref().ok_or(CommandError::NoLink)?;
        let numbers = offer.numbers();
        let (state, why, by_other) = match offer.end() {
            None if numbers.is_some() => (LinkState::Compare, None, false),
            None => (LinkState::Offered, None, false),
            Some(End::Linked) => (LinkState::Linked, None, false),
            Some(End::Expired) => (LinkState::Expired, None, false),
            Some(End::Refused { why, by_other }) => (LinkState::Refused, Some(why), by_other),
        };
        Ok(Link {
            state,
            code: offer.code().map(|code| code.to_text().to_string()),
            expires_at: offer.expires_at,
            numbers: numbers.map(|numbers| numbers.to_string()),
            device: offer.joiner().map(|join| LinkDevice {
                id: join.device().to_string(),
                name: Some(join.name().to_owned()).filter(|name| !name.is_empty()),
            }),
            reason: why.map(reason),
            by_other,
            replaced: false,
        })
    }

    /// The user compared the numbers: the device is linked if they are equal, with messages of before if they wish so, and refused if
    /// not. The root is that of the
    /// vault, or of the phrase.
    pub(crate) fn confirm_link(
        &mut self,
        turn: &mut Turn<'_>,
        (equal, with_history): (bool, bool),
        phrase: Option<&Zeroizing<String>>,
    ) -> Result<Link, Fault> {
        self.check_active()?;
        self.keyring.linking.look_at_time(turn.steady);
        let offer = self.keyring.linking.offer.as_ref().ok_or(CommandError::NoLink)?;
        if offer.numbers().is_none() {
            return Err(CommandError::NothingToCompare.into());
        }
        if !equal {
            self.end_link(turn, End::Refused { why: Why::NumbersDiffer, by_other: false })?;
            return self.show_link(turn);
        }
        let root = self.root_or(turn, phrase)?;
        if !self.has_room_for_device() {
            self.end_link(turn, End::Refused { why: Why::Limit, by_other: false })?;
            return Err(CommandError::LinkLimit.into());
        }
        self.link(turn, &root, with_history)?;
        self.show_link(turn)
    }

    /// The user breaks it off.
    pub(crate) fn cancel_link(&mut self, turn: &mut Turn<'_>) -> Result<(), Fault> {
        self.keyring.linking.look_at_time(turn.steady);
        let offer = self.keyring.linking.offer.as_ref().ok_or(CommandError::NoLink)?;
        if offer.end().is_some() {
            return Err(CommandError::NoLink.into());
        }
        Ok(self.end_link(turn, End::Refused { why: Why::Cancelled, by_other: false })?)
    }

    /// Certifies the device that came by the code, and tells it.
    fn link(
        &mut self,
        turn: &mut Turn<'_>,
        root: &RootKey,
        with_history: bool,
    ) -> Result<(), StoreError> {
        let Some(join) = self.keyring.linking.offer.as_ref().and_then(Offer::joiner).cloned()
        else {
            return Ok(());
        };
        let certificate = root.certify(join.device(), turn.now);
        self.keyring.identities.keep_own(turn.vault()?, [join.details()])?;
        self.state_own(turn, Statement::Certificate(certificate.clone()))?;
        let state = self.keyring.identities.own().map(IdentityState::encode).unwrap_or_default();
        let linked = DeviceMessage::Linked(Box::new(Linked {
            certificate: certificate.as_bytes().to_vec(),
            state,
            rendezvous: self.keyring.rendezvous().clone(),
            name: self.name().cloned(),
            first_secret: root.first_rendezvous_secret(),
        }));
        let identity = self.identity;
        let to = Author { identity, device: join.device() };
        let with = (to, join.olm(), join.recipient());
        let content = self.seal_to_keys(turn, with, &linked, With::TheLast)?;
        // Until it is acknowledged, or ends: also after a restart. What the user has follows once the new device's bundle
        // is here (`user/giving.rs`).
        let record = record(turn, identity, content);
        self.post_record(turn, record)?;
        if with_history {
            self.begin_past(turn, join.device())?;
        }
        self.end_link(turn, End::Linked)
    }

    /// Ends the code that was made last, if it has not ended.
    fn end_link(&mut self, turn: &mut Turn<'_>, end: End) -> Result<(), StoreError> {
        let linking = &mut self.keyring.linking;
        linking.look_at_time(turn.steady);
        let Some(offer) = &mut linking.offer else { return Ok(()) };
        if offer.end().is_some() {
            return Ok(());
        }
        let told = offer.finish(end);
        let keys = offer.keys().clone();
        if is_death(end, offer.was_answered()) {
            linking.note_dead(turn.steady);
        }
        turn.vault()?.delete(&LINK_OFFER, Key::Named(b""))?;
        told.map_or(Ok(()), |(step, payload)| self.post_step(turn, &keys, step, &payload))
    }

    /// After a start: a code of before is good no more, since its keys were in memory alone. Whoever came by it, or will, is told
    /// so, and does not wait for ten minutes.
    pub(super) fn refuse_former_code(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let Some(LinkOfferRecord { secret, expires_at }) =
            turn.vault()?.get(&LINK_OFFER, Key::Named(b""))?
        else {
            return Ok(());
        };
        if self.keyring.linking.offer.is_some() {
            return Ok(());
        }
        turn.vault()?.delete(&LINK_OFFER, Key::Named(b""))?;
        if turn.now > expires_at || !self.is_active() {
            return Ok(());
        }
        let offer = Offer::broken_off(self.link_code(secret));
        let keys = offer.keys().clone();
        turn.awaited.extend(offer.tags());
        self.keyring.linking.keep_former(offer);
        let (step, payload) = refusal(None, Why::Cancelled);
        self.post_step(turn, &keys, step, &payload)
    }

    /// The code with a secret.
    fn link_code(&self, secret: LinkSecret) -> LinkCode {
        LinkCode { network: self.network.tag(), secret, identity: self.identity }
    }

    /// Takes an envelope with the tag of a step; whether it is one.
    pub(super) fn take_link_step(
        &mut self,
        turn: &mut Turn<'_>,
        step: Step,
        header: &Header,
        envelope: &Envelope,
    ) -> Result<bool, StoreError> {
        let own = self.keyring.device().device();
        self.keyring.linking.look_at_time(turn.steady);
        let identities = &self.keyring.identities;
        let linking = &mut self.keyring.linking;
        let tag = header.tag(&envelope.content);
        let Some(offer) = tag.and_then(|tag| linking.with_tag(&tag)) else { return Ok(false) };
        let keys = offer.keys().clone();
        let payload = match steps::open(offer.keys(), step, header, &envelope.content) {
            Ok(payload) => payload,
            Err(error) => {
                // Anyone who saw the tag can copy it.
                tracing::debug!(%error, "a step of linking does not open");
                return Ok(false);
            }
        };
        let had_ended = offer.end().is_some();
        let objection = |join: &Join| match join.name() {
            _ if identities.knows(&join.device()) => Some(Why::Certified),
            // No honest device comes with it.
            name if !name.is_empty() && clean_name(name).as_deref() != Ok(name) => {
                Some(Why::Malformed)
            }
            name => is_name_taken(identities.own(), name, &join.device()).then_some(Why::NameTaken),
        };
        let reaction = offer.take(step, &payload, own, objection);
        if let Some(end) = offer.end().filter(|_| !had_ended) {
            if is_death(end, offer.was_answered()) {
                linking.note_dead(turn.steady);
            }
            turn.vault()?.delete(&LINK_OFFER, Key::Named(b""))?;
        }
        match reaction {
            Reaction::None | Reaction::Compare | Reaction::End(None) => {}
            Reaction::Send(step, payload) | Reaction::End(Some((step, payload))) => {
                self.post_step(turn, &keys, step, &payload)?;
            }
        }
        tracing::debug!(?step, "a step of linking came");
        Ok(true)
    }

    fn post_step(
        &mut self,
        turn: &mut Turn<'_>,
        keys: &LinkKeys,
        step: Step,
        payload: &[u8],
    ) -> Result<(), StoreError> {
        let addressing = martlet_protocol::crypto::Addressing {
            expiry: step_expiry(turn.now),
            ..self.addressing(&self.identity, turn.now)
        };
        let content = steps::seal(turn.rng, &addressing, keys, step, payload);
        self.post_control(turn, self.identity, content.map_err(|error| defect(&error))?)?;
        Ok(())
    }

    /// Whether another device may be certified, and would count.
    fn has_room_for_device(&self) -> bool {
        self.keyring.identities.own().is_none_or(|state| {
            state.certified() < CERTIFICATES_PER_IDENTITY_MAX
                && state.valid().count() < DEVICES_PER_IDENTITY_MAX
        })
    }
}

/// When a step of linking that is sent now ends.
pub(crate) fn step_expiry(now: UnixMillis) -> ExpiryHour {
    ExpiryHour::of_use_until(now.plus(LINK_STEP_USE), now)
}
