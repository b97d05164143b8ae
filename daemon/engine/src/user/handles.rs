//! Handles: the one that the user claims, and those that they look for.
//!
//! A claim is published as the bundle is: at once when it is made, then each day at a random time, by the device on which it was
//! made. A search opens what the mailbox has under the tags of the days around today, the newest day's first. If another shard's
//! keepers have it, they are asked; what they bring is in memory alone.
//!
//! A claim is of one network. In another the user claims none, until the node is back.

use martlet_protocol::control::{Claimant, HandleFound, OwnHandle};
use martlet_protocol::crypto::Addressing;
use martlet_protocol::handle::{Claim, ClaimError, Handle, HandleError, HandleKey};
use martlet_protocol::ids::RendezvousSecret;
use martlet_protocol::time::Day;
use martlet_protocol::{Envelope, EnvelopeId, ExpiryHour, Header, Id, Shard, UnixMillis};
use martlet_store::StoreError;
use martlet_store::mailbox::Arrived;
use martlet_store::records::HandleRecord;

use super::User;
use super::bundles::{DAY, days_around, part_of, time_on};
use super::outbox::defect;
use crate::agenda::{Due, What};
use crate::directory::{Claims, DirectoryError};
use crate::error::{CommandError, Fault};
use crate::limits::{BUNDLE_DAYS_MAX, BUNDLE_DELAY_MAX, CLAIMS_OPENED_MAX};
use crate::seam::Lookup;
use crate::turn::Turn;

/// Of the envelopes opened in one search, for each of the eight days at least: garbage under the tag of one hides no other's.
const CLAIMS_OPENED_OF_DAY: usize = CLAIMS_OPENED_MAX / 8;

/// Whether keepers of another shard are asked for a handle's claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asking {
    /// They were just now.
    No,
    /// They are. What they said before is still told.
    Again,
    /// They are. What they said before is forgotten: it may have changed.
    Anew,
}

impl User {
    /// The user answers to a handle from now on. Who else does is told.
    pub(crate) fn claim_handle(
        &mut self,
        turn: &mut Turn<'_>,
        handle: &Handle,
        key: &HandleKey,
    ) -> Result<OwnHandle, Fault> {
        self.check_active()?;
        if let Some(own) = self.directory.handles().claimed() {
            if own.name == handle.name() {
                return Ok(self.own_handle(turn)?);
            }
            return Err(DirectoryError::HandleHeld { name: own.name.clone() }.into());
        }
        let record = HandleRecord {
            name: handle.name().to_owned(),
            key: key.clone(),
            claimed_at: turn.now,
            released_at: None,
            published_day: 0,
            published: None,
            next_at: turn.now,
            network: self.network.tag(),
        };
        self.publish_claim(turn, record)?;
        Ok(self.own_handle(turn)?)
    }

    /// The user answers to their handle no more: that is published, so that it is so before all claims have ended.
    pub(crate) fn release_handle(&mut self, turn: &mut Turn<'_>) -> Result<(), Fault> {
        if self.directory.handles().claimed_elsewhere().is_some() {
            // Nothing can be said there from here.
            return Ok(self.directory.handles_mut().forget(turn.vault()?)?);
        }
        let claimed = self.directory.handles().claimed().cloned();
        let record = claimed.ok_or(CommandError::Directory(DirectoryError::NoHandle))?;
        let record = HandleRecord { released_at: Some(turn.now), ..record };
        if self.is_active() {
            return Ok(self.publish_claim(turn, record)?);
        }
        self.directory.handles_mut().put(turn.vault()?, record)?;
        self.plan_handle(turn.now);
        Ok(())
    }

    /// The handle that the user claims, and who else does.
    pub(crate) fn own_handle(&mut self, turn: &mut Turn<'_>) -> Result<OwnHandle, StoreError> {
        let Some(HandleRecord { name, key, claimed_at, .. }) =
            self.directory.handles().claimed().cloned()
        else {
            let elsewhere = self.directory.handles().claimed_elsewhere();
            let elsewhere = elsewhere.map(|record| record.name.clone());
            let (handle, claimed_at, claimants, more) = (None, None, Vec::new(), false);
            return Ok(OwnHandle { handle, claimed_at, elsewhere, claimants, more });
        };
        let found = match name.parse() {
            Ok(handle) => Some(self.find_handle(turn, &handle, &key, Asking::Again)?),
            Err(_) => None,
        };
        let more = found.as_ref().is_some_and(|found| found.more);
        let claimants = found.map(|found| found.claimants).unwrap_or_default();
        let (handle, claimed_at) = (Some(name), Some(claimed_at));
        Ok(OwnHandle { handle, claimed_at, elsewhere: None, claimants, more })
    }

    /// Who claims a handle, as far as it is known here. If its shard is another's, its keepers may be asked.
    pub(crate) fn find_handle(
        &mut self,
        turn: &mut Turn<'_>,
        handle: &Handle,
        key: &HandleKey,
        asking: Asking,
    ) -> Result<HandleFound, StoreError> {
        let shard = key.shard(self.network.shard_bits);
        let is_kept = self.kept.contains(shard);
        if asking != Asking::No && !is_kept {
            self.directory.handles_mut().seek(handle, key, asking == Asking::Anew);
            let tags = days_around(turn.now.day()).map(|day| key.tag(day)).collect();
            turn.net.lookups.push(Lookup { shard, tags });
        }
        let mut claims = self.directory.handles().found(key);
        let is_current = |day: Day| days_around(turn.now.day()).any(|current| current == day);
        claims.retain(|claim| is_current(claim.made_at.day()) && !self.is_refuted(claim));
        self.open_claims(turn, (handle, key), &mut claims)?;
        let own = self.own_claim(key, claims.take_of(&self.identity), turn.now);
        let (others, more) = claims.held();
        let mut claimants: Vec<_> =
            own.into_iter().chain(others).map(|claim| self.shown_claimant(handle, claim)).collect();
        claimants.sort_by_key(|it| (!it.own, it.contact.is_none(), it.claimed_at));
        let handle = handle.name().to_owned();
        Ok(HandleFound { handle, claimants, more, complete: is_kept })
    }

    /// Opens what the mailbox has of a handle's claims: of each day some, of the newest first; then more, while as many may be
    /// opened.
    fn open_claims(
        &self,
        turn: &Turn<'_>,
        (handle, key): (&Handle, &HandleKey),
        claims: &mut Claims,
    ) -> Result<(), StoreError> {
        let mut days: Vec<_> = days_around(turn.now.day()).collect();
        days.reverse();
        let (mut left, mut unopened) = (CLAIMS_OPENED_MAX, Vec::new());
        for (opened, is_last) in [(0, false), (CLAIMS_OPENED_OF_DAY, true)] {
            for day in std::mem::take(&mut days) {
                let some = if is_last { left } else { CLAIMS_OPENED_OF_DAY };
                let arrived = turn.mailbox().first_by_tag(&key.tag(day), opened + some + 1)?;
                if arrived.len() > opened + some {
                    unopened.push(day);
                }
                for Arrived { envelope, .. } in arrived.into_iter().skip(opened).take(some) {
                    left = left.saturating_sub(1);
                    if let Ok(header) = Header::parse(&envelope.content) {
                        let content = &envelope.content;
                        let claim = Claim::open((key, handle), day, &header, content, turn.now);
                        self.take_claim(claims, claim);
                    }
                }
            }
            days = std::mem::take(&mut unopened);
        }
        claims.note_more(!days.is_empty());
        Ok(())
    }

    /// Takes the claim of a handle that was looked for. There is always room for a contact's, and for the user's.
    fn take_claim(&self, claims: &mut Claims, opened: Result<Claim, ClaimError>) {
        match opened {
            Ok(claim) if self.is_refuted(&claim) => {
                tracing::debug!("a claim is of a device that does not count");
            }
            Ok(claim) => claims.take(claim, |identity| {
                self.directory.is_contact(identity) || *identity == self.identity
            }),
            // Whoever knows the name can publish under its tag.
            Err(error) => tracing::debug!(%error, "a claim is not valid"),
        }
    }

    /// Whether a claim is of a device that is known not to count.
    fn is_refuted(&self, claim: &Claim) -> bool {
        self.keyring.identities.is_refuted(&claim.id.identity, &claim.device)
    }

    /// The user's own claim of a handle. What this device says of it is known whatever the mailbox had room for; `found` is the
    /// newest that was there, perhaps another device's.
    fn own_claim(&self, key: &HandleKey, found: Option<Claim>, now: UnixMillis) -> Option<Claim> {
        let record = self.directory.handles().record().filter(|record| record.key == *key);
        if let Some(record) = record.filter(|record| record.released_at.is_none()) {
            return Some(Claim {
                id: self.id(),
                device: self.keyring.device().device(),
                handle: record.name.parse().ok()?,
                claimed_at: record.claimed_at,
                made_at: now,
                is_released: false,
            });
        }
        let released_at = record.and_then(|record| record.released_at);
        let found = found.filter(|claim| !claim.is_released);
        let found = found.filter(|claim| released_at.is_none_or(|at| claim.made_at > at));
        found.map(|claim| Claim { id: self.id(), ..claim })
    }

    fn shown_claimant(&self, looked_for: &Handle, claim: Claim) -> Claimant {
        let Claim { id, handle, claimed_at, .. } = claim;
        let identity = id.identity;
        let own = identity == self.identity;
        Claimant {
            lookalike: handle.name() != looked_for.name(),
            handle: handle.name().to_owned(),
            claimed_at,
            own,
            contact: self.directory.contact(&identity).map(|it| it.name().to_owned()),
            safety_number: (!own).then(|| self.show_safety_number(&identity)),
            id: id.to_string(),
        }
    }

    /// A look-up found this.
    pub(super) fn take_found_claim(
        &mut self,
        header: &Header,
        envelope: &Envelope,
        now: UnixMillis,
    ) {
        let Some(tag) = header.tag(&envelope.content) else { return };
        let mut opened = Vec::new();
        for (handle, key) in self.directory.handles().sought() {
            let mut days = days_around(now.day());
            if let Some(day) = days.find(|day| key.tag(*day) == tag) {
                let claim = Claim::open((key, handle), day, header, &envelope.content, now);
                opened.push((key.clone(), claim));
            }
        }
        for (key, claim) in opened {
            let mut found = self.directory.handles().found(&key);
            self.take_claim(&mut found, claim);
            if let Some(kept) = self.directory.handles_mut().sought_mut(&key) {
                *kept = found;
            }
        }
    }

    /// With the day's chores, and so at each start: a claim leaves at once only where none is good any more, or a crash lost it.
    pub(super) fn review_handle(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let sure = turn.sure;
        self.directory.handles_mut().forget_released(turn.vault()?, sure)?;
        let Some(record) = self.directory.handles().record().cloned() else {
            self.plan_handle(turn.now);
            return Ok(());
        };
        let today = turn.now.day();
        let published = Day(record.published_day);
        let is_lost = match &record.published {
            Some(id) => turn.mailbox().known(id)?.is_none() && self.outbox.end_of(id).is_none(),
            None => true,
        };
        let is_fresh = published <= today && today.0 - published.0 < BUNDLE_DAYS_MAX;
        let is_released = record.released_at.is_some();
        if self.is_active() && (is_lost && published == today || !is_fresh && !is_released) {
            return self.publish_claim(turn, record);
        }
        let next = record.next_at;
        if next <= turn.now || next.since(turn.now) > 2 * DAY {
            let next_at = if published == today {
                time_on(turn.rng, Day(today.0 + 1))
            } else {
                turn.now.plus(part_of(turn.rng, BUNDLE_DELAY_MAX))
            };
            let record = HandleRecord { next_at, ..record };
            self.directory.handles_mut().put(turn.vault()?, record)?;
        }
        self.plan_handle(turn.now);
        Ok(())
    }

    /// The day's claim has its time.
    pub(super) fn publish_claim_in_time(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let claimed = self.directory.handles().claimed();
        let due = claimed.filter(|record| {
            record.next_at <= turn.now && record.published_day != turn.now.day().0
        });
        if let Some(record) = due.filter(|_| self.is_active()).cloned() {
            return self.publish_claim(turn, record);
        }
        self.plan_handle(turn.now);
        Ok(())
    }

    /// By another secret, if the user claims a handle.
    pub(super) fn publish_claim_anew(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let claimed = self.directory.handles().claimed().filter(|_| self.is_active());
        match claimed.cloned() {
            Some(record) => self.publish_claim(turn, record),
            None => Ok(()),
        }
    }

    /// This device, or the user's identity, has ended: so has what it claims. Whoever knows of the end goes by that; others by
    /// this.
    pub(super) fn end_claim(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        match self.directory.handles().claimed().cloned() {
            Some(record) => {
                self.publish_claim(turn, HandleRecord { released_at: Some(turn.now), ..record })
            }
            None => Ok(()),
        }
    }

    /// The claim published last, and its shard.
    pub(super) fn published_claim(&self) -> Option<(EnvelopeId, Shard)> {
        let record = self.directory.handles().record()?;
        Some((record.published?, record.key.shard(self.network.shard_bits)))
    }

    fn publish_claim(
        &mut self,
        turn: &mut Turn<'_>,
        mut record: HandleRecord,
    ) -> Result<(), StoreError> {
        let is_released = record.released_at.is_some();
        let id = match is_released {
            // Who looks for the handle still is told nothing that is good for more than that: the ID may be another by now.
            true => Id { identity: self.identity, secret: RendezvousSecret::generate(turn.rng) },
            false => self.id(),
        };
        let claim = Claim {
            id,
            device: self.keyring.device().device(),
            handle: record.name.parse().map_err(|error: HandleError| defect(&error))?,
            // The clock may have been ahead.
            claimed_at: record.claimed_at.min(turn.now),
            made_at: turn.now,
            is_released,
        };
        let addressing = Addressing {
            network: self.network.tag(),
            shard: record.key.shard(self.network.shard_bits),
            expiry: ExpiryHour::latest(turn.now),
        };
        let content = claim.seal(turn.rng, &addressing, &record.key, self.keyring.device());
        let content = content.map_err(|error| defect(&error))?;
        let today = turn.now.day();
        record.published_day = today.0;
        record.next_at = time_on(turn.rng, Day(today.0 + 1));
        record.published = Some(self.post_control(turn, self.identity, content)?);
        self.directory.handles_mut().put(turn.vault()?, record)?;
        self.plan_handle(turn.now);
        Ok(())
    }

    /// When the claim of the day is to be published.
    pub(super) fn plan_handle(&mut self, now: UnixMillis) {
        let today = now.day().0;
        let next = self.directory.handles().claimed().map(|record| {
            let tomorrow = UnixMillis(0).plus(today.saturating_add(1) * DAY);
            let is_published = record.published_day == today;
            if is_published { record.next_at.max(tomorrow) } else { record.next_at }
        });
        let due = next.filter(|_| self.is_active()).map(Due::Now);
        self.agenda.set(What::Handle, due);
    }
}
