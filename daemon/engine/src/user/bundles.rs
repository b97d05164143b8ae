//! Bundles: publishing one's own, finding those of contacts.

use martlet_protocol::control::EventBody;
use martlet_protocol::crypto::seal::PrekeySecret;
use martlet_protocol::identity::Bundle;
use martlet_protocol::limits::PREKEY_KEPT_AFTER_SUPERSEDED;
use martlet_protocol::time::Day;
use martlet_protocol::{Envelope, Header, IdentityId};
use martlet_store::StoreError;
use martlet_store::mailbox::Arrived;
use martlet_store::records::{PREKEYS, PUBLISHED, PrekeyRecord};
use martlet_store::vault::Key;

use super::{TagMeaning, User};
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
        let secret = PrekeySecret::generate(turn.rng);
        let bundle =
            Bundle::issue(&self.device, secret.public(), self.detection.public(), turn.now);
        self.add_prekey(turn, secret)?;
        let identity = self.identity;
        let addressing = self.addressing(&identity, turn.now);
        let content = bundle
            .seal(turn.rng, &addressing, today)
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

    /// Adds a prekey, and deletes those superseded more than eight days ago.
    fn add_prekey(&mut self, turn: &mut Turn<'_>, secret: PrekeySecret) -> Result<(), StoreError> {
        let now = turn.now;
        if let Some((number, newest)) = self.prekeys.last_mut() {
            newest.superseded_at = Some(now);
            turn.vault()?.put(&PREKEYS, Key::Ordinal(*number), newest)?;
        }
        self.counters.last_prekey += 1;
        let number = self.counters.last_prekey;
        let record = PrekeyRecord { secret, created_at: now, superseded_at: None };
        turn.vault()?.put(&PREKEYS, Key::Ordinal(number), &record)?;
        self.prekeys.push((number, record));

        let is_old = |prekey: &PrekeyRecord| {
            prekey.superseded_at.is_some_and(|at| now.since(at) > PREKEY_KEPT_AFTER_SUPERSEDED)
        };
        for (number, _) in self.prekeys.iter().filter(|(_, prekey)| is_old(prekey)) {
            turn.vault()?.delete(&PREKEYS, Key::Ordinal(*number))?;
        }
        self.prekeys.retain(|(_, prekey)| !is_old(prekey));
        self.prekey_secrets =
            self.prekeys.iter().rev().map(|(_, prekey)| prekey.secret.clone()).collect();
        Ok(())
    }

    /// Recognizes the bundles of all contacts, of the days around today.
    pub(super) fn watch_bundles(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        self.tags.retain(|_, meaning| match meaning {
            TagMeaning::Bundle(..) => false,
            TagMeaning::Message(..) => true,
        });
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
        for day in days_around(turn.now.day()) {
            let tag = Bundle::tag(&identity, day);
            self.tags.insert(tag, TagMeaning::Bundle(identity, day));
            turn.awaited.push(tag);
            for Arrived { envelope, .. } in turn.mailbox().by_tag(&tag)? {
                if let Ok(header) = Header::parse(&envelope.content) {
                    self.take_bundle(turn, identity, day, &header, &envelope)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn forget_bundle(&mut self, today: Day, identity: IdentityId) {
        for day in days_around(today) {
            self.tags.remove(&Bundle::tag(&identity, day));
        }
    }

    pub(super) fn take_bundle(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        day: Day,
        header: &Header,
        envelope: &Envelope,
    ) -> Result<(), StoreError> {
        let bundle = match Bundle::open(&identity, day, header, &envelope.content) {
            Ok(bundle) if bundle.is_usable(turn.now) => bundle,
            Ok(_) => return Ok(()),
            Err(error) => {
                // Whoever knows the ID can publish under its tag; only the signature counts.
                tracing::debug!(%error, "a contact's bundle is not valid");
                return Ok(());
            }
        };
        let taken = self.directory.take_bundle(turn.vault()?, &identity, bundle)?;
        let Some(NewBundle { is_first }) = taken else { return Ok(()) };
        if is_first || self.outbox.first_waiting(&identity).is_some() {
            let name = self.conversation_name(&identity);
            self.emit(turn, EventBody::ContactReachable { name })?;
        }
        self.send_waiting(turn, identity)
    }
}

/// The days whose bundles are looked for.
pub(super) fn days_around(today: Day) -> impl Iterator<Item = Day> {
    (today.0.saturating_sub(DAYS_BACK)..=today.0.saturating_add(DAYS_AHEAD)).map(Day)
}
