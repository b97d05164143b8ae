//! Bundles: publishing one's own, finding those of contacts.

use std::time::Duration;

use martlet_protocol::bundle::Bundle;
use martlet_protocol::identity::IdentityState;
use martlet_protocol::time::Day;
use martlet_protocol::{Envelope, Header, IdentityId, UnixMillis};
use martlet_store::StoreError;
use martlet_store::mailbox::Arrived;
use martlet_store::records::{Happened, PUBLISHED};
use martlet_store::vault::Key;
use rand_core::Rng;

use super::User;
use crate::directory::NewBundle;
use crate::limits::{BUNDLE_DAYS_MAX, BUNDLE_DELAY_MAX};
use crate::outbox::is_addressed_in;
use crate::turn::Turn;

/// A day.
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);
/// Days before today whose bundles may still be on the network.
const DAYS_BACK: u32 = 6;
/// Days after today whose bundles a skewed clock may have published.
const DAYS_AHEAD: u32 = 1;

impl User {
    /// With the day's chores, and so at each start. A bundle leaves at once only where there is none that
    /// others can go on with: a bundle that leaves when a node comes tells whose node it is. Otherwise the
    /// day's bundle has its time, see [`Self::publish_bundle_in_time`]; if the node was off then, another
    /// is drawn.
    pub(super) fn review_bundle(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        if !self.is_active() {
            self.plan_bundle(turn.now);
            return Ok(());
        }
        let today = turn.now.day();
        let published = Day(self.counters.published_day);
        let is_fresh = published <= today && today.0 - published.0 < BUNDLE_DAYS_MAX;
        let envelope = turn.vault()?.get(&PUBLISHED, Key::Named(b""))?.filter(|envelope| {
            Header::parse(&envelope.content)
                .is_ok_and(|header| is_addressed_in(&self.network, &header, &self.identity))
        });
        let Some(envelope) = envelope.filter(|_| is_fresh) else {
            return self.publish_bundle(turn);
        };
        let next = self.counters.next_bundle;
        if next <= turn.now || next.since(turn.now) > 2 * DAY {
            self.counters.next_bundle = if published == today {
                time_on(turn.rng, Day(today.0 + 1))
            } else {
                turn.now.plus(part_of(turn.rng, BUNDLE_DELAY_MAX))
            };
            self.counters.is_dirty = true;
        }
        self.plan_bundle(turn.now);
        let id = envelope.id();
        if !self.has_stamp(&id, &envelope) {
            self.outbox.queue_bundle(id);
            return Ok(());
        }
        if turn.mailbox().get(&id)?.is_none() {
            // A crash may have lost it before the mailbox was committed.
            return self.publish(turn, id, envelope);
        }
        Ok(())
    }

    /// Publishes the day's bundle once its time has come: a random one of each day, so that those of all
    /// users don't come at midnight, each first from its user's node.
    pub(super) fn publish_bundle_in_time(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let is_due = self.counters.next_bundle <= turn.now && self.is_active();
        if is_due && self.counters.published_day != turn.now.day().0 {
            return self.publish_bundle(turn);
        }
        self.plan_bundle(turn.now);
        Ok(())
    }

    /// Makes the prekey of the day and publishes the bundle with it.
    fn publish_bundle(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let (now, sure) = (turn.now, turn.sure);
        let today = now.day();
        let (records, rng) = turn.vault_and_rng()?;
        let state = self.keyring.identities.own().map(IdentityState::encode).unwrap_or_default();
        let bundle = self.keyring.issue_bundle(records, rng, (now, sure), state)?;
        let identity = self.identity;
        let addressing = self.addressing(&identity, turn.now);
        let content = bundle
            .seal(turn.rng, &addressing, &self.keyring.rendezvous().secret)
            .map_err(|error| StoreError::Failed { reason: error.to_string() })?;
        let envelope = Envelope::new(content);
        let id = envelope.id();
        turn.vault()?.put(&PUBLISHED, Key::Named(b""), &envelope)?;
        self.counters.published_day = today.0;
        self.counters.next_bundle = time_on(turn.rng, Day(today.0 + 1));
        self.counters.is_dirty = true;
        self.plan_bundle(turn.now);
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

    /// Recognizes the bundles of all contacts, and of who is in a room with the user, of the days around today.
    pub(super) fn watch_bundles(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        self.keyring.forget_all_bundles();
        self.watch_notices(turn, self.identity)?;
        self.watch_sibling_bundles(turn)?;
        let people = self.directory.people().identities();
        for identity in self.directory.identities().chain(people).copied().collect::<Vec<_>>() {
            self.watch_bundle(turn, identity)?;
        }
        Ok(())
    }

    /// Recognizes the bundles of one of them, and takes those already here.
    pub(super) fn watch_bundle(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
    ) -> Result<(), StoreError> {
        if self.directory.is_blocked(&identity) {
            return Ok(());
        }
        let Some(id) = self.directory.id_of(&identity) else { return Ok(()) };
        self.watch_notices(turn, identity)?;
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

    /// Takes a bundle of a contact's, or of someone's who is in a room with the user; whether the envelope is one.
    pub(super) fn take_bundle(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        day: Day,
        header: &Header,
        envelope: &Envelope,
    ) -> Result<bool, StoreError> {
        if identity == self.identity {
            return self.take_sibling_bundle(turn, day, header, envelope);
        }
        let now = turn.now;
        let Some(id) = self.directory.id_of(&identity) else { return Ok(false) };
        let bundle = match Bundle::open(&id, day, header, &envelope.content) {
            Ok(bundle) if bundle.is_usable(turn.now) => bundle,
            Ok(_) => return Ok(true),
            Err(error) => {
                // Whoever knows the ID can publish under its tag; only the signature counts.
                tracing::debug!(%error, "a contact's bundle is not valid");
                return Ok(false);
            }
        };
        let (certificate, said) = (bundle.certificate().clone(), bundle.state().to_vec());
        let learned = self.learn(turn, identity, (Some(&certificate), &said))?;
        if !self.keyring.identities.is_valid(&identity, &certificate.device()) {
            return Ok(true);
        }
        if self.directory.people().has(&identity) {
            let people = self.directory.people_mut();
            if people.take_bundle(turn.vault()?, &identity, bundle, now)? {
                self.take_keys_in_rooms(turn, identity, (certificate.device(), false))?;
            }
            return Ok(true);
        }
        let taken = self.directory.take_bundle(turn.vault()?, &identity, bundle, now)?;
        let Some(NewBundle { is_first }) = taken else { return Ok(true) };
        if learned.lacks {
            // One that was restored from the phrase knows nothing of the others.
            self.tell_state(turn, (identity, Some(certificate.device())), identity)?;
        }
        self.tell_state_if_untold(turn, identity)?;
        if is_first || self.outbox.first_waiting(&identity).is_some() {
            self.emit(turn, Happened::ContactReachable(identity))?;
        }
        self.note_devices(turn, identity)?;
        self.renew_sessions(turn, Some(identity))?;
        self.tell_if_untold(turn, identity)?;
        self.send_waiting(turn, identity)?;
        self.take_keys_in_rooms(turn, identity, (certificate.device(), learned.lacks))?;
        Ok(true)
    }
}

/// A random time on `day`.
pub(super) fn time_on(rng: &mut impl Rng, day: Day) -> UnixMillis {
    UnixMillis(0).plus(day.0 * DAY).plus(part_of(rng, DAY))
}

/// A random part of `whole`.
pub(super) fn part_of(rng: &mut impl Rng, whole: Duration) -> Duration {
    whole.mul_f64(f64::from(rng.next_u32()) / (f64::from(u32::MAX) + 1.0))
}

/// The days whose bundles are looked for.
pub(super) fn days_around(today: Day) -> impl Iterator<Item = Day> {
    (today.0.saturating_sub(DAYS_BACK)..=today.0.saturating_add(DAYS_AHEAD)).map(Day)
}
