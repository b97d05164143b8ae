//! Bundles: publishing one's own, finding those of contacts.

use martlet_protocol::identity::Bundle;
use martlet_protocol::time::Day;
use martlet_protocol::{Envelope, Header, IdentityId};
use martlet_store::StoreError;
use martlet_store::mailbox::Arrived;
use martlet_store::records::{Happened, PUBLISHED};
use martlet_store::vault::Key;

use super::User;
use crate::directory::NewBundle;
use crate::outbox::is_addressed_in;
use crate::turn::Turn;

/// Days before today whose bundles may still be on the network.
const DAYS_BACK: u32 = 6;
/// Days after today whose bundles a skewed clock may have published.
const DAYS_AHEAD: u32 = 1;

impl User {
    /// Makes the prekey of the day and publishes the bundle with it, once a day. After a start the
    /// day's bundle is published again: a crash may have lost it before the mailbox was committed.
    pub(super) fn publish_bundle(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let today = turn.now.day();
        if self.counters.published_day == today.0
            && let Some(envelope) = turn.vault()?.get(&PUBLISHED, Key::Named(b""))?
            && Header::parse(&envelope.content)
                .is_ok_and(|header| is_addressed_in(&self.network, &header, &self.identity))
        {
            let id = envelope.id();
            if self.has_stamp(&id, &envelope) {
                return self.publish(turn, id, envelope);
            }
            self.outbox.queue_bundle(id);
            return Ok(());
        }
        let (now, sure) = (turn.now, turn.sure);
        let (records, rng) = turn.vault_and_rng()?;
        let bundle = self.keyring.issue_bundle(records, rng, now, sure)?;
        let identity = self.identity;
        let addressing = self.addressing(&identity, turn.now);
        let content = bundle
            .seal(turn.rng, &addressing, &self.keyring.rendezvous().secret)
            .map_err(|error| StoreError::Failed { reason: error.to_string() })?;
        let envelope = Envelope::new(content);
        let id = envelope.id();
        turn.vault()?.put(&PUBLISHED, Key::Named(b""), &envelope)?;
        self.counters.published_day = today.0;
        self.dirty.counters = true;
        if !self.has_stamp(&id, &envelope) {
            self.outbox.queue_bundle(id);
            return Ok(());
        }
        self.publish(turn, id, envelope)
    }

    /// Publishes the bundle of the day once more, by another secret.
    pub(super) fn publish_bundle_anew(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        self.counters.published_day = 0;
        self.publish_bundle(turn)
    }

    /// Recognizes the bundles of all contacts, of the days around today.
    pub(super) fn watch_bundles(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        self.keyring.forget_all_bundles();
        for identity in self.directory.identities().copied().collect::<Vec<_>>() {
            self.watch_bundle(turn, identity)?;
        }
        Ok(())
    }

    /// Recognizes the bundles of one contact, and takes those already here.
    pub(super) fn watch_bundle(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
    ) -> Result<(), StoreError> {
        let Some(contact) = self.directory.contact(&identity) else { return Ok(()) };
        let id = contact.id();
        for day in days_around(turn.now.day()) {
            let tag = self.keyring.watch_bundle(&id, day);
            turn.awaited.push(tag);
            for Arrived { envelope, .. } in turn.mailbox().by_tag(&tag)? {
                if let Ok(header) = Header::parse(&envelope.content) {
                    self.take_bundle(turn, identity, day, &header, &envelope)?;
                }
            }
        }
        Ok(())
    }

    /// Takes a contact's bundle; whether the envelope is one.
    pub(super) fn take_bundle(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        day: Day,
        header: &Header,
        envelope: &Envelope,
    ) -> Result<bool, StoreError> {
        let now = turn.now;
        let Some(contact) = self.directory.contact(&identity) else { return Ok(false) };
        let bundle = match Bundle::open(&contact.id(), day, header, &envelope.content) {
            Ok(bundle) if bundle.is_usable(turn.now) => bundle,
            Ok(_) => return Ok(true),
            Err(error) => {
                // Whoever knows the ID can publish under its tag; only the signature counts.
                tracing::debug!(%error, "a contact's bundle is not valid");
                return Ok(false);
            }
        };
        let taken = self.directory.take_bundle(turn.vault()?, &identity, bundle, now)?;
        let Some(NewBundle { is_first }) = taken else { return Ok(true) };
        if is_first || self.outbox.first_waiting(&identity).is_some() {
            self.emit(turn, Happened::ContactReachable(identity))?;
        }
        self.renew_sessions(turn, Some(identity))?;
        self.tell_if_untold(turn, identity)?;
        self.send_waiting(turn, identity)?;
        Ok(true)
    }
}

/// The days whose bundles are looked for.
pub(super) fn days_around(today: Day) -> impl Iterator<Item = Day> {
    (today.0.saturating_sub(DAYS_BACK)..=today.0.saturating_add(DAYS_AHEAD)).map(Day)
}
