//! Handles: the one that the user claims, and those that they look for.
//!
//! A claim is published as the bundle is: at once when it is made, then each day at a random time, by the device on which it was
//! made. A search opens what the mailbox has under the tags of the days around today. If another shard's keepers have it, they
//! are asked; what they bring is in memory alone.

use martlet_protocol::control::{Claimant, HandleFound, OwnHandle};
use martlet_protocol::crypto::Addressing;
use martlet_protocol::handle::{Claim, Handle, HandleError, HandleKey};
use martlet_protocol::time::Day;
use martlet_protocol::{Envelope, ExpiryHour, Header, UnixMillis};
use martlet_store::StoreError;
use martlet_store::mailbox::Arrived;
use martlet_store::records::HandleRecord;

use super::User;
use super::bundles::{DAY, days_around, part_of, time_on};
use super::outbox::defect;
use crate::agenda::{Due, What};
use crate::directory::DirectoryError;
use crate::error::{CommandError, Fault};
use crate::limits::{BUNDLE_DAYS_MAX, BUNDLE_DELAY_MAX, CLAIMS_OPENED_MAX, RELEASE_KEPT};
use crate::seam::Lookup;
use crate::turn::Turn;

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
        };
        self.publish_claim(turn, record)?;
        Ok(self.own_handle(turn)?)
    }

    /// The user answers to their handle no more: that is published, so that it is so before all claims have ended.
    pub(crate) fn release_handle(&mut self, turn: &mut Turn<'_>) -> Result<(), Fault> {
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
            let (handle, claimed_at, claimants, more) = (None, None, Vec::new(), false);
            return Ok(OwnHandle { handle, claimed_at, claimants, more });
        };
        let found = match name.parse() {
            Ok(handle) => Some(self.find_handle(turn, &handle, &key, true)?),
            Err(_) => None,
        };
        let more = found.as_ref().is_some_and(|found| found.more);
        let claimants = found.map(|found| found.claimants).unwrap_or_default();
        Ok(OwnHandle { handle: Some(name), claimed_at: Some(claimed_at), claimants, more })
    }

    /// Who claims a handle, as far as it is known here. If its shard is another's, its keepers are asked, when `asks`.
    pub(crate) fn find_handle(
        &mut self,
        turn: &mut Turn<'_>,
        handle: &Handle,
        key: &HandleKey,
        asks: bool,
    ) -> Result<HandleFound, StoreError> {
        let shard = key.shard(self.network.shard_bits);
        let is_kept = self.kept.contains(shard);
        if asks && !is_kept {
            self.directory.handles_mut().seek(handle, key);
            let tags = days_around(turn.now.day()).map(|day| key.tag(day)).collect();
            turn.net.lookups.push(Lookup { shard, tags });
        }
        let mut claims = self.directory.handles().found(key);
        let mut left = CLAIMS_OPENED_MAX;
        for day in days_around(turn.now.day()) {
            let arrived = turn.mailbox().first_by_tag(&key.tag(day), left + 1)?;
            claims.note_more(arrived.len() > left);
            for Arrived { envelope, .. } in arrived.into_iter().take(left) {
                left -= 1;
                if let Ok(header) = Header::parse(&envelope.content) {
                    let claim =
                        Claim::open((key, handle), day, &header, &envelope.content, turn.now);
                    self.directory.take_claim(&mut claims, claim);
                }
            }
        }
        // The user's own is known whatever the mailbox had room for.
        let (held, more) = claims.held_but(&self.identity);
        let own = self.directory.handles().claimed().filter(|record| record.key == *key);
        let own = own.and_then(|record| {
            Some(Claim {
                id: self.id(),
                handle: record.name.parse().ok()?,
                claimed_at: record.claimed_at,
                made_at: turn.now,
                is_released: false,
            })
        });
        let mut claimants: Vec<_> =
            own.into_iter().chain(held).map(|claim| self.shown_claimant(handle, claim)).collect();
        claimants.sort_by_key(|it| (!it.own, it.contact.is_none(), it.claimed_at));
        let handle = handle.name().to_owned();
        Ok(HandleFound { handle, claimants, more, complete: is_kept })
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
            self.directory.take_claim(&mut found, claim);
            if let Some(kept) = self.directory.handles_mut().sought_mut(&key) {
                *kept = found;
            }
        }
    }

    /// With the day's chores, and so at each start: a claim leaves at once only where none is good any more, or a crash lost it.
    pub(super) fn review_handle(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let Some(record) = self.directory.handles().record().cloned() else { return Ok(()) };
        if record.released_at.is_some_and(|at| turn.sure.since(at) > RELEASE_KEPT) {
            self.directory.handles_mut().forget(turn.vault()?)?;
            self.plan_handle(turn.now);
            return Ok(());
        }
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

    fn publish_claim(
        &mut self,
        turn: &mut Turn<'_>,
        mut record: HandleRecord,
    ) -> Result<(), StoreError> {
        let claim = Claim {
            id: self.id(),
            handle: record.name.parse().map_err(|error: HandleError| defect(&error))?,
            // The clock may have been ahead.
            claimed_at: record.claimed_at.min(turn.now),
            made_at: turn.now,
            is_released: record.released_at.is_some(),
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
