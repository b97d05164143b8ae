//! Identities and their devices: what is learned of them, told of the user's own, and done about it.

use martlet_protocol::identity::{DeviceCertificate, IdentityState, Statement};
use martlet_protocol::message::{DeviceMessage, IdentityChanged};
use martlet_protocol::notice;
use martlet_protocol::{DeviceId, Envelope, Header, IdentityId};
use martlet_store::StoreError;
use martlet_store::mailbox::Arrived;
use martlet_store::records::Happened;

use super::User;
use super::outbox::defect;
use crate::conversation::Author;
use crate::directory::DirectoryError;
use crate::identities::{Learned, OwnStanding};
use crate::limits::{NOTICE_LASTS_MIN, TOLD_PER_BATCH_MAX};
use crate::turn::Turn;

impl User {
    /// That this device may write: neither it nor the identity has ended.
    pub(crate) fn check_active(&self) -> Result<(), DirectoryError> {
        match self.standing() {
            OwnStanding::Active => Ok(()),
            OwnStanding::Terminated => Err(DirectoryError::Terminated),
            OwnStanding::Revoked => Err(DirectoryError::Revoked),
        }
    }

    /// What counts of this device.
    pub(crate) fn standing(&self) -> OwnStanding {
        self.keyring.identities.standing_of(&self.keyring.device().device())
    }

    pub(crate) fn is_active(&self) -> bool {
        self.standing() == OwnStanding::Active
    }

    /// Keeps what this device, and the root in its vault, say of themselves.
    pub(super) fn keep_own_state(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let certificate = Statement::Certificate(self.keyring.device().certificate().clone());
        turn.effects.wipes = true;
        let root = self.keyring.root(turn.vault()?)?;
        let kill_key = root.map(|root| root.name_kill_key());
        let said = [certificate].into_iter().chain(kill_key);
        self.keyring.identities.keep_own(turn.vault()?, said)
    }

    /// Takes what is said of someone's devices, and does what follows from it.
    pub(super) fn learn(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        said: (Option<&DeviceCertificate>, &[u8]),
    ) -> Result<Learned, StoreError> {
        let now = turn.now;
        let learned = self.keyring.identities.learn(turn.vault()?, identity, said, now)?;
        if learned.invalid > 0 {
            turn.observer.statements_invalid(learned.invalid);
        }
        self.follow_up(turn, identity, learned)?;
        if learned.is_news && !self.keyring.identities.is_terminated(&identity) {
            // One that came before the kill key was known counts from now on.
            self.look_for_notice(turn, identity)?;
        }
        Ok(learned)
    }

    /// The devices of someone are others, or none, from now on.
    fn follow_up(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        learned: Learned,
    ) -> Result<(), StoreError> {
        if !learned.has_other_devices && !learned.has_ended {
            return Ok(());
        }
        let identities = &self.keyring.identities;
        let is_valid = |device: &DeviceId| identities.is_valid(&identity, device);
        self.directory.retain_bundles(turn.vault()?, &identity, is_valid)?;
        if learned.has_ended {
            self.plan_nothing_of(identity);
            self.emit(turn, Happened::Terminated(identity))?;
        } else {
            self.emit(turn, Happened::DevicesChanged(identity))?;
            if learned.has_lost_devices && self.directory.is_contact(&identity) {
                // The others get it once more, under the same ids: what waits for a device that is gone is never
                // delivered.
                let theirs = self.outbox.of_session_with(&identity, &self.identity);
                self.take_back(turn, theirs, false)?;
                self.keyring.outbound.end(turn.vault()?, &identity)?;
                self.send_waiting(turn, identity)?;
            }
            if learned.has_lost_devices && identity == self.identity {
                self.lose_sibling(turn)?;
            }
        }
        if identity == self.identity && !self.is_active() {
            self.plan_bundle(turn.now);
            self.end_claim(turn)?;
        }
        Ok(())
    }

    /// The user's own devices are others than before: nothing more goes to one that does not count.
    fn follow_own_devices(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let own = self.identity;
        // All hear of it at once, those that don't count any more, too: whoever writes there should know.
        self.tell_state(turn, (own, None), own)?;
        let before = self.directory.siblings().bundles().all().len();
        let identities = &self.keyring.identities;
        let is_valid = |device: &DeviceId| identities.is_valid(&own, device);
        self.directory.retain_bundles(turn.vault()?, &own, is_valid)?;
        if self.directory.siblings().bundles().all().len() < before {
            self.lose_sibling(turn)?;
            if self.is_active() {
                // Who is in a room with the user, and no contact, hears of it by that; and so does who becomes either later.
                self.publish_bundle_anew(turn)?;
            }
        }
        Ok(())
    }

    /// Whether what comes from a device counts. A contact's that is not known yet is known from now on.
    pub(super) fn is_of_valid_device(
        &mut self,
        turn: &mut Turn<'_>,
        certificate: &DeviceCertificate,
    ) -> Result<bool, StoreError> {
        let (identity, device) = (certificate.identity(), certificate.device());
        if !self.keyring.identities.is_valid(&identity, &device) && self.is_known(&identity) {
            self.learn(turn, identity, (Some(certificate), &[]))?;
        }
        Ok(self.keyring.identities.is_valid(&identity, &device))
    }

    /// A device tells what is known of its identity's devices, or of the user's own.
    pub(super) fn take_identity_changed(
        &mut self,
        turn: &mut Turn<'_>,
        Author { identity, .. }: Author,
        changed: &IdentityChanged,
    ) -> Result<bool, StoreError> {
        let is_known = self.is_known(&identity);
        let is_due = changed.identity == identity || changed.identity == self.identity;
        if !is_known || !is_due {
            return Ok(false);
        }
        self.learn(turn, changed.identity, (None, &changed.state))?;
        Ok(true)
    }

    /// Says something of the user's own identity: contacts are told at once.
    pub(crate) fn state_own(
        &mut self,
        turn: &mut Turn<'_>,
        statement: Statement,
    ) -> Result<(), StoreError> {
        let now = turn.now;
        let was = self.standing();
        let contacts = self.directory.identities().copied().collect::<Vec<_>>();
        self.keyring.identities.state_of_own(
            turn.vault()?,
            statement,
            contacts.into_iter(),
            now,
        )?;
        let is = self.standing();
        self.follow_own_devices(turn)?;
        let what = match is {
            OwnStanding::Terminated if was != is => Happened::Terminated(self.identity),
            OwnStanding::Active | OwnStanding::Revoked | OwnStanding::Terminated => {
                Happened::DevicesChanged(self.identity)
            }
        };
        self.emit(turn, what)?;
        self.plan_bundle(now);
        if is != OwnStanding::Active {
            self.end_claim(turn)?;
        }
        if is == OwnStanding::Terminated {
            self.tell_ends(turn)?;
        }
        self.tell_untold_state(turn)
    }

    /// Tells contacts of the user's devices, of those who are to be told now as many as one batch may.
    pub(super) fn tell_untold_state(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        for _ in 0..TOLD_PER_BATCH_MAX {
            let Some(identity) = self.keyring.identities.next_to_tell() else { return Ok(()) };
            self.tell_state_if_untold(turn, identity)?;
        }
        Ok(())
    }

    /// Tells a contact of the user's devices, if they are untold. Where theirs aren't known they are told once a bundle of
    /// theirs is found; after six days, by the bundle of the day alone.
    pub(super) fn tell_state_if_untold(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
    ) -> Result<(), StoreError> {
        let is_to_tell =
            self.keyring.identities.is_untold(&identity) && !self.directory.is_blocked(&identity);
        if !is_to_tell {
            return Ok(());
        }
        if self.tell_state(turn, (identity, None), self.identity)? {
            self.keyring.identities.set_untold(turn.vault()?, identity, false)?;
        }
        Ok(())
    }

    /// Tells devices of a contact what is known of the devices of `of`; whether there was one to tell.
    pub(super) fn tell_state(
        &mut self,
        turn: &mut Turn<'_>,
        (identity, only): (IdentityId, Option<DeviceId>),
        of: IdentityId,
    ) -> Result<bool, StoreError> {
        let Some(state) = self.keyring.identities.state(&of).map(IdentityState::encode) else {
            return Ok(false);
        };
        let message = DeviceMessage::IdentityChanged(IdentityChanged { identity: of, state });
        let contents = self.seal_to_devices(turn, &identity, only, &message)?;
        let is_told = !contents.is_empty();
        for content in contents {
            self.post_control(turn, identity, content)?;
        }
        Ok(is_told)
    }

    /// Recognizes notices about `identity` from now on, and takes those already here.
    pub(super) fn watch_notices(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
    ) -> Result<(), StoreError> {
        let tag = self.keyring.identities.watch(identity);
        turn.awaited.push(tag);
        self.look_for_notice(turn, identity)
    }

    fn look_for_notice(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
    ) -> Result<(), StoreError> {
        for Arrived { envelope, .. } in turn.mailbox().by_tag(&notice::tag(&identity))? {
            if let Ok(header) = Header::parse(&envelope.content) {
                self.take_notice(turn, identity, &header, &envelope)?;
            }
        }
        Ok(())
    }

    /// Takes a notice that an identity ended.
    pub(super) fn take_notice(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        header: &Header,
        envelope: &Envelope,
    ) -> Result<(), StoreError> {
        let said = match notice::open(&identity, header, &envelope.content) {
            Ok(said) => said,
            Err(error) => {
                // Whoever knows the identity can publish under its tag; only signatures count.
                tracing::debug!(%error, "a notice does not open");
                return Ok(());
            }
        };
        let now = turn.now;
        if self.keyring.identities.learn_end(turn.vault()?, identity, &said, now)? {
            let ended = Learned { has_ended: true, ..Learned::default() };
            self.follow_up(turn, identity, ended)?;
        }
        Ok(())
    }

    /// Whether a notice is here that someone's identity ended, of whom nothing else is known.
    pub(super) fn has_ended_elsewhere(
        &self,
        turn: &Turn<'_>,
        identity: &IdentityId,
    ) -> Result<bool, StoreError> {
        let arrived = turn.mailbox().by_tag(&notice::tag(identity))?;
        Ok(arrived.iter().any(|arrived| proves_end(identity, &arrived.envelope).is_some()))
    }

    /// Tells on which identities ended, for 90 days: whoever was away finds a notice. Where one is here that lasts, it is
    /// enough for all nodes.
    pub(super) fn tell_ends(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        for (identity, ending) in self.keyring.identities.ended_lately(turn.now) {
            let lasts_until = turn.now.plus(NOTICE_LASTS_MIN);
            let arrived = turn.mailbox().by_tag(&notice::tag(&identity))?;
            let mut notices =
                arrived.iter().filter_map(|arrived| proves_end(&identity, &arrived.envelope));
            if !notices.any(|header| !header.expiry.is_past(lasts_until)) {
                self.post_notice(turn, identity, &ending)?;
            }
        }
        Ok(())
    }

    /// Someone other than this node's user has a kill phrase at hand.
    pub(crate) fn hear_of_end(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        ending: &[u8],
    ) -> Result<(), StoreError> {
        if self.directory.is_contact(&identity) {
            self.learn(turn, identity, (None, ending))?;
        }
        match self.keyring.identities.state(&identity).and_then(IdentityState::encode_ending) {
            Some(whole) => self.post_notice(turn, identity, &whole),
            None => self.post_notice(turn, identity, ending),
        }
    }

    /// Publishes a notice.
    fn post_notice(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        ending: &[u8],
    ) -> Result<(), StoreError> {
        let addressing = self.addressing(&identity, turn.now);
        let content = notice::seal(turn.rng, &addressing, &identity, ending);
        self.post_control(turn, identity, content.map_err(|error| defect(&error))?)?;
        Ok(())
    }
}

/// The header of a notice that says by itself that an identity ended.
fn proves_end(identity: &IdentityId, envelope: &Envelope) -> Option<Header> {
    let header = Header::parse(&envelope.content).ok()?;
    let said = notice::open(identity, &header, &envelope.content).ok()?;
    crate::identities::ends(&IdentityState::new(*identity), &said).then_some(header)
}
