//! What any node does for the network, user or not: keep envelopes, check acks.

use std::hash::{BuildHasher, RandomState};

use crate::limits::OWN_CHECKS_PER_SECOND_MAX;
use martlet_protocol::{Ack, Envelope, EnvelopeId, ExpiryHour, Header, UnixMillis, stamp};
use martlet_store::StoreError;
use martlet_store::mailbox::{Acknowledged, Inserted, Source, SourceId};

use crate::engine::Engine;
use crate::seam::{NoRoom, PeerKey, Received, Stemmed, Stored, Ticket};
use crate::space::Space;
use crate::turn::Turn;

/// How the mailbox knows the peers: by a hash whose key lives as long as this process. Which of them may
/// bring something. And how often what it has no room for was tried whether it is the user's.
#[derive(Debug, Default)]
pub(super) struct Sources {
    hasher: RandomState,
    pub(super) space: Space,
    second: u64,
    checks: u32,
}

impl Sources {
    fn of(&self, peer: &PeerKey) -> SourceId {
        SourceId(self.hasher.hash_one(peer))
    }

    /// Whether another trial is due.
    fn may_check(&mut self, now: UnixMillis) -> bool {
        let second = now.0 / 1000;
        if second != self.second {
            (self.second, self.checks) = (second, 0);
        }
        self.checks = self.checks.saturating_add(1);
        self.checks <= OWN_CHECKS_PER_SECOND_MAX
    }
}

impl Engine {
    /// Keeps the moment that has surely come, if it is time for that.
    pub(super) fn keep_time(&mut self, turn: &mut Turn<'_>) {
        if let Some(time) = self.clock.take_due() {
            turn.mailbox_mut().keep_time(time);
        }
    }

    pub(super) fn take_envelopes(
        &mut self,
        turn: &mut Turn<'_>,
        from: PeerKey,
        envelopes: Vec<Received>,
        ticket: Option<Ticket>,
    ) -> Result<(), StoreError> {
        let mut outcome = Stored::default();
        for received in envelopes {
            let Some(inserted) = self.take_envelope(turn, &received, from)? else { continue };
            self.config.observer.envelope(inserted, received.envelope.content.len());
            outcome.any_new |= matches!(inserted, Inserted::New { .. });
            match inserted {
                Inserted::New { .. } | Inserted::Known => {
                    turn.net.stored.entry(from).or_default().push(received.id);
                }
                // It is on disk no more: acks, if they came, tell what became of it.
                Inserted::Purged => {}
                Inserted::Full => outcome.refused = Some(NoRoom::Full),
                Inserted::OverShare => {
                    outcome.refused.get_or_insert(NoRoom::OverShare);
                }
            }
        }
        turn.net.waiting.extend(ticket.map(|ticket| (ticket, outcome)));
        Ok(())
    }

    /// Takes an envelope; `None` if it ends too late by this batch's time. The network checked it by an earlier one, and
    /// the clock went back in between. Kept now, it would end days too early once the clock is right, and its
    /// tombstone would keep it from coming again.
    fn take_envelope(
        &mut self,
        turn: &mut Turn<'_>,
        received: &Received,
        from: PeerKey,
    ) -> Result<Option<Inserted>, StoreError> {
        let Received { id, envelope, header } = received;
        let now = turn.now;
        self.take_off_stem(turn, id, false)?;
        if header.expiry > ExpiryHour::latest_accepted(now) {
            return Ok(None);
        }
        let source = self.sources.of(&from);
        let brought = Source::Peer(source);
        let mut inserted = match self.sources.space.refusal(&from) {
            Some(refusal) => turn.mailbox().known(id)?.unwrap_or(refusal),
            None => turn.mailbox_mut().insert(id, envelope, header, brought, now)?,
        };
        let is_refused = matches!(inserted, Inserted::Full | Inserted::OverShare);
        if is_refused {
            match self.is_for_user(received, now) {
                Some(true) => {
                    inserted = turn.mailbox_mut().insert(id, envelope, header, Source::Own, now)?;
                }
                Some(false) => {
                    let tag = header.tag(&envelope.content);
                    self.refused.add(&from, id, tag.as_ref(), inserted, now);
                }
                None => {}
            }
        }
        self.sources.space.inserted(&from, source, inserted);
        if let Inserted::New { arrival } = inserted {
            match &mut self.user {
                Some(user) => user.look_at(turn, (arrival, source), id, envelope, header)?,
                None => self.look_as_joining(turn, id, envelope, header)?,
            }
            for (from, ack) in self.orphan_acks.take(id) {
                self.take_ack(turn, from, ack)?;
            }
        }
        Ok(Some(inserted))
    }

    /// Publishes what a node makes that has no user, or whose vault is locked, with its stamp.
    pub(crate) fn publish_without_user(
        &mut self,
        turn: &mut Turn<'_>,
        content: Vec<u8>,
    ) -> Result<(), StoreError> {
        let bits = self.config.network.stamp_bits;
        let mut envelope = Envelope::new(content);
        let id = envelope.id();
        let nonce = (0..u64::MAX).find(|nonce| stamp::check(&id, *nonce, bits));
        envelope.nonce = nonce.unwrap_or_default();
        let header = Header::parse(&envelope.content);
        let header = header.map_err(|error| StoreError::Failed { reason: error.to_string() })?;
        let now = turn.now;
        turn.mailbox_mut().insert(&id, &envelope, &header, Source::Own, now)?;
        turn.net.publish.push(envelope);
        Ok(())
    }

    /// What the network gives up on the stem is published from here.
    pub(super) fn give_up_stem(
        &mut self,
        turn: &mut Turn<'_>,
        stemmed: &Stemmed,
    ) -> Result<(), StoreError> {
        match (stemmed, &mut self.user) {
            (Stemmed::Envelope(envelope), _) => self.take_off_stem(turn, &envelope.id(), true),
            (Stemmed::Ack(ack), Some(user)) => user.take_ack_off_stem(turn, ack, true),
            (Stemmed::Ack(_), None) => Ok(()),
        }
    }

    /// An envelope of the user's comes off the stem, if it is on it.
    fn take_off_stem(
        &mut self,
        turn: &mut Turn<'_>,
        id: &EnvelopeId,
        leaves: bool,
    ) -> Result<(), StoreError> {
        if let Some(user) = &mut self.user
            && user.is_on_stem(id)
        {
            user.take_off_stem(turn, id, leaves)?;
            // An ack may have been faster.
            for (from, ack) in self.orphan_acks.take(id) {
                self.take_ack(turn, from, ack)?;
            }
        }
        Ok(())
    }

    /// Whether the user waits for it, as far as can be told without opening it; `None` if too many
    /// were tried just now.
    fn is_for_user(&mut self, received: &Received, now: UnixMillis) -> Option<bool> {
        let Received { id, envelope, header } = received;
        let Some(user) = &self.user else { return Some(self.is_for_joining(header, envelope)) };
        // Its ack is revealed once it is here: its session does not await it any more.
        if user.has_lost(id) {
            return Some(true);
        }
        match header.tag(&envelope.content) {
            Some(tag) => Some(user.awaits_tag(&tag)),
            None if self.sources.may_check(now) => {
                Some(user.is_addressee(header, &envelope.content))
            }
            None => None,
        }
    }

    pub(super) fn take_ack(
        &mut self,
        turn: &mut Turn<'_>,
        from: PeerKey,
        ack: Ack,
    ) -> Result<(), StoreError> {
        if let Some(user) = &mut self.user {
            user.take_ack_off_stem(turn, &ack, false)?;
            user.note_ack(turn, &ack)?;
        }
        let outcome = turn.mailbox_mut().acknowledge(&ack)?;
        self.config.observer.ack(outcome);
        match outcome {
            Acknowledged::NoEnvelope => self.orphan_acks.add(from, ack),
            Acknowledged::Invalid => *turn.net.false_acks.entry(from).or_default() += 1,
            Acknowledged::Accepted | Acknowledged::Purged | Acknowledged::Known => {}
        }
        Ok(())
    }
}
