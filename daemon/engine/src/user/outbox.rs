//! Sending: composing envelopes, and what becomes of them.

use martlet_protocol::control::{Delivery, SendResponse};
use martlet_protocol::message::{InRoom, Message, Text, Timers};
use martlet_protocol::sync::ShardSet;
use martlet_protocol::{Ack, Envelope, EnvelopeId, ExpiryHour, IdentityId, MessageId};
use martlet_store::StoreError;
use martlet_store::mailbox::Inserted;
use martlet_store::records::{Body, MessageRecord, OutboxRecord, PUBLISHED, SealedTo, State};
use martlet_store::vault::Key;

use super::User;
use super::stem::Way;
use crate::conversation::{self, ConversationRef};
use crate::keyring::Sealed;
use crate::kinds::message_of;
use crate::limits::RESTORED_PER_BATCH_MAX;
use crate::outbox::{Outbox, Outcome, Place, own_header};
use crate::turn::Turn;

impl User {
    /// Commits a message of the user's to `identity`, a contact, and sends it if their keys are
    /// known.
    pub(crate) fn send_text(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        text: &Text,
        timers: Timers,
        reply_to: Option<MessageId>,
    ) -> Result<SendResponse, StoreError> {
        self.send_body(turn, identity, Body::Text(text.as_str().to_owned()), timers, reply_to)
    }

    /// Commits what the user says to `identity`, a contact, and sends it if their keys are known.
    pub(super) fn send_body(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        body: Body,
        timers: Timers,
        reply_to: Option<MessageId>,
    ) -> Result<SendResponse, StoreError> {
        let record = self.write(turn, &identity, body, State::Queued);
        let mentions = match &record.body {
            Body::Text(text) => self.mentioned_in(&identity, text),
            Body::Raw { .. }
            | Body::Unknown(_)
            | Body::Timers(_)
            | Body::Recall(_)
            | Body::Recalled
            | Body::RecalledBy(_) => Vec::new(),
        };
        let record = MessageRecord { timers, reply_to, mentions, ..record };
        let position = self.append(turn, identity, &record)?;
        self.send_off(turn, identity, position, &message_of(&record))?;
        let state = match (self.needs_confirmation(&identity), self.awaits_state(&identity)) {
            (true, _) => Delivery::NeedsConfirmation,
            (false, true) => Delivery::NeedsState,
            (false, false) => Delivery::Queued,
        };
        Ok(SendResponse { id: record.id.to_string(), state })
    }

    /// Own messages to others that are neither delivered nor expired.
    pub(crate) fn outbox_len(&self) -> u64 {
        let own = &self.identity;
        let others = self.outbox.messages() - self.outbox.messages_to(own);
        // What does something is on its way as a message is.
        let deeds = self.timeline.own_deeds_but_in(&ConversationRef::direct(own));
        u64::try_from(others.saturating_sub(deeds)).unwrap_or(u64::MAX)
    }

    /// Commits something that the user does in the conversation with `identity`, a contact, and sends it as a message.
    pub(super) fn send_deed(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        deed: &MessageRecord,
    ) -> Result<(), StoreError> {
        let conversation = ConversationRef::direct(&identity);
        let place = self.timeline.append_deed(turn.vault()?, conversation, deed)?;
        self.send_off(turn, identity, place.position, &message_of(deed))
    }

    /// Sends what was just committed, or has it wait for its turn.
    pub(super) fn send_off(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        position: u64,
        message: &Message,
    ) -> Result<(), StoreError> {
        // In a room the user's other devices are among those that are written to.
        if identity != self.identity && !self.directory.rooms().is_line(&identity) {
            self.copy_sent(turn, identity, message)?;
        }
        let is_first_in_line = self.first_to_send(&identity, turn.now).is_none();
        if !(is_first_in_line && self.dispatch(turn, identity, position, message)?) {
            self.outbox.wait(turn.vault()?, Place { identity, position })?;
            self.plan_waiting(identity, turn.now);
        }
        if !is_first_in_line {
            // What blocked the first may be over.
            self.send_waiting(turn, identity)?;
        }
        Ok(())
    }

    /// The next message of this device in the conversation with `identity`, written now.
    pub(super) fn write(
        &mut self,
        turn: &mut Turn<'_>,
        identity: &IdentityId,
        body: Body,
        state: State,
    ) -> MessageRecord {
        let seq = self.timeline.next_seq(ConversationRef::direct(identity));
        self.compose(turn, seq, body, state)
    }

    /// What the user says or does now, under this number.
    pub(super) fn compose(
        &self,
        turn: &mut Turn<'_>,
        seq: u64,
        body: Body,
        state: State,
    ) -> MessageRecord {
        MessageRecord {
            id: MessageId::random(turn.rng),
            own: true,
            seq,
            sent_at: turn.now,
            stored_at: turn.now,
            state,
            body,
            author: Some(self.author()),
            timers: Timers::OFF,
            burns_from: None,
            reply_to: None,
            is_marked: false,
            is_late: false,
            mentions: Vec::new(),
            mentions_user: false,
            told_by: None,
        }
    }

    /// Sends what waited for the keys of `identity`, in order; what is too much for one batch, in the next ones.
    pub(super) fn send_waiting(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
    ) -> Result<(), StoreError> {
        while let Some(position) = self.first_to_send(&identity, turn.now) {
            if !self.unfinished.take() {
                self.unfinished.send_later(identity);
                break;
            }
            let conversation = ConversationRef::direct(&identity);
            let place = conversation::Place { conversation, position };
            if let Some(record) = self.timeline.outgoing(turn.vault()?, &place)?
                && !self.dispatch(turn, identity, position, &message_of(&record))?
            {
                break;
            }
            self.outbox.end_wait(turn.vault()?, Place { identity, position })?;
        }
        self.plan_waiting(identity, turn.now);
        Ok(())
    }

    /// Encrypts and sends a message; `false` if the contact's keys aren't known.
    fn dispatch(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        position: u64,
        message: &Message,
    ) -> Result<bool, StoreError> {
        let awaits_sibling = identity == self.identity && self.awaits_sibling(turn.now);
        let is_possible = !self.unfinished.is_taking_back(&identity) && !awaits_sibling;
        let is_room = self.directory.rooms().is_line(&identity);
        if is_room && !self.may_go_in_room(&identity, message) {
            // All drop it.
            self.advance(turn, identity, position, State::Expired)?;
            return Ok(true);
        }
        let has_session = is_possible
            && !self.awaits_state(&identity)
            && match is_room {
                true => self.ensure_room_session(turn, (identity, position))?,
                false => self.ensure_session(turn, identity)?,
            };
        if !has_session {
            return Ok(false);
        }
        let readers = match is_room {
            true => {
                self.note_unreached(turn, (identity, position))?;
                self.note_recipients(turn, (identity, position))?
            }
            false => Vec::new(),
        };
        let mut addressing = self.addressing(&identity, turn.now);
        if let Some(end) = message.timers.expires_at(message.sent_at) {
            // No mailbox keeps it for longer than it is of use.
            addressing.expiry = ExpiryHour::of_use_until(end, turn.now);
        }
        let data = match self.directory.rooms().of_line(&identity) {
            Some(known) => InRoom::new(known.heads_of(message).iter(), message.encode()).encode(),
            None => message.encode(),
        };
        let sealed = self.keyring.outbound.seal(&identity, &addressing, &data);
        let sealed = sealed.map_err(|error| defect(&error))?;
        let Some(Sealed { content, acks }) = sealed else { return Ok(false) };
        let record = record(turn, identity, content);
        self.post_record(turn, OutboxRecord { position: Some(position), acks, readers, ..record })?;
        self.begin_parts(turn, (identity, position), message, addressing.expiry)?;
        Ok(true)
    }

    /// Posts a session's key.
    pub(super) fn post_sealed(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        content: Vec<u8>,
        sealed_to: SealedTo,
    ) -> Result<EnvelopeId, StoreError> {
        let record = record(turn, identity, content);
        let id = record.id;
        self.post_record(turn, OutboxRecord { sealed_to: Some(sealed_to), ..record })?;
        Ok(id)
    }

    /// Posts what is of use for minutes.
    pub(super) fn post_control(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        content: Vec<u8>,
    ) -> Result<EnvelopeId, StoreError> {
        let record = record(turn, identity, content);
        let id = record.id;
        self.post_record(turn, OutboxRecord { is_control: true, ..record })?;
        Ok(id)
    }

    /// Puts an own envelope into outbox and mailbox, to be gossiped once that is on disk; or only
    /// into the outbox, until it has its stamp.
    pub(super) fn post_record(
        &mut self,
        turn: &mut Turn<'_>,
        record: OutboxRecord,
    ) -> Result<(), StoreError> {
        let id = record.id;
        let may_leave = self.outbox.post(turn.vault()?, &record)?;
        if let Some(end) = self.outbox.end_of(&id) {
            self.plan_end(end);
        }
        if may_leave {
            self.offer(turn, id, record.envelope)?;
        }
        Ok(())
    }

    /// Offers an envelope of the outbox to the stem, where the network has one, or to mailbox and gossip. What
    /// there is no room for stays in the outbox, and those after it with it; whether it went.
    pub(super) fn offer(
        &mut self,
        turn: &mut Turn<'_>,
        id: EnvelopeId,
        envelope: Envelope,
    ) -> Result<bool, StoreError> {
        if self.outbox.is_after_others(&id) {
            self.outbox.keep_outside(&id);
            return Ok(false);
        }
        match self.put_on_stem(turn, &id, &envelope)? {
            Way::Stem => {
                self.outbox.leave_outside(&id);
                Ok(true)
            }
            Way::Later => {
                self.outbox.keep_outside(&id);
                Ok(false)
            }
            Way::Open => self.place_own(turn, &id, envelope, true),
        }
    }

    /// Gives an envelope of this node's own, that is not in the outbox, to the stem, or to mailbox and gossip.
    pub(super) fn publish(
        &mut self,
        turn: &mut Turn<'_>,
        id: EnvelopeId,
        envelope: Envelope,
    ) -> Result<(), StoreError> {
        match self.put_on_stem(turn, &id, &envelope)? {
            Way::Stem => {}
            // There is one such envelope a day: it need not wait for a place.
            Way::Later | Way::Open => {
                self.insert_own(turn, &id, &envelope)?;
                turn.net.publish.push(envelope);
            }
        }
        Ok(())
    }

    /// Gives the mailbox what is outside of it, in order, as far as there is room now and one batch may.
    pub(super) fn fill_mailbox(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        for _ in 0..RESTORED_PER_BATCH_MAX {
            let Some(id) = self.outbox.first_outside() else {
                self.unfinished.fill_mailbox(false);
                return Ok(());
            };
            match turn.mailbox().known(&id)? {
                // It was there before any reconciliation to come.
                Some(Inserted::Known) => self.outbox.arrived(&id, 0),
                Some(Inserted::Purged) => self.outbox.leave_outside(&id),
                Some(Inserted::New { .. } | Inserted::Full | Inserted::OverShare) | None => {
                    if !self.unfinished.take() {
                        return Ok(());
                    }
                    let envelope = Outbox::envelope(turn.vault()?, &id)?;
                    let Some(envelope) = envelope else {
                        self.outbox.leave_outside(&id);
                        continue;
                    };
                    if !self.offer(turn, id, envelope)? {
                        self.unfinished.fill_mailbox(false);
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// A neighbour has these on disk.
    pub(crate) fn note_stored(
        &mut self,
        turn: &mut Turn<'_>,
        ids: &[EnvelopeId],
    ) -> Result<(), StoreError> {
        let sent = self.outbox.note_stored(ids);
        self.tell_sent(turn, sent)
    }

    /// Own envelopes of `shards` that are not proved received, the published bundle and the claim of a handle included; not
    /// what is on the stem, of which no neighbour is told.
    pub(crate) fn outstanding(
        &self,
        turn: &mut Turn<'_>,
        shards: &ShardSet,
    ) -> Result<Vec<EnvelopeId>, StoreError> {
        let mut ids = self.outbox.in_shards(shards);
        if let Some(bundle) = turn.vault()?.get(&PUBLISHED, Key::Named(b""))?
            && shards.contains(own_header(&bundle)?.shard)
        {
            ids.push(bundle.id());
        }
        // The outbox forgets it at a start.
        if let Some((id, shard)) = self.published_claim()
            && shards.contains(shard)
            && !ids.contains(&id)
            && turn.mailbox().get(&id)?.is_some()
        {
            ids.push(id);
        }
        ids.retain(|id| !self.is_on_stem(id));
        Ok(ids)
    }

    /// A neighbour has everything of ours in `shards` that ends after the hour `after`, but `lacking`.
    pub(crate) fn note_reconciled(
        &mut self,
        turn: &mut Turn<'_>,
        shards: &ShardSet,
        up_to_arrival: u64,
        after: ExpiryHour,
        lacking: &[EnvelopeId],
    ) -> Result<(), StoreError> {
        self.acks.note_sync(turn.steady);
        let sent = self.outbox.note_reconciled(shards, up_to_arrival, after, lacking);
        self.tell_sent(turn, sent)
    }

    /// A device proved that it has one of our envelopes on disk.
    pub(crate) fn note_ack(&mut self, turn: &mut Turn<'_>, ack: &Ack) -> Result<(), StoreError> {
        for outcome in self.outbox.note_ack(turn.vault()?, ack)? {
            match outcome {
                Outcome::Reached(place, who) => self.note_reached(turn, place, who)?,
                Outcome::Sent(place) => self.tell_sent(turn, vec![place])?,
                Outcome::Ended(ended) => self.tell_ended(turn, ended)?,
                Outcome::PartTaken(place, part, slot) => {
                    self.note_part_taken(turn, place, (part, slot))?;
                }
                Outcome::KeyReceived(identity, sealed_to) => {
                    let key = (&ack.envelope, sealed_to);
                    self.note_key_received(turn, &identity, key)?;
                }
            }
        }
        Ok(())
    }

    /// After a start: own envelopes that the mailbox lost in a crash go back into it, in order, and
    /// acks that came while the vault was locked, or whose commit was cut short, are counted. What
    /// lacks its stamp waits for it again.
    pub(super) fn restore_outbox(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        // While the vault was locked, or before the start: nobody tells them again.
        self.unfinished.look_for_acks(self.outbox.ids());
        self.outbox.forget_stale(turn.vault()?)?;
        self.outbox.requeue();
        self.outbox.begin_again();
        self.unfinished.fill_mailbox(true);
        Ok(())
    }
}

/// The record of an envelope that carries nothing named yet.
pub(super) fn record(turn: &Turn<'_>, identity: IdentityId, content: Vec<u8>) -> OutboxRecord {
    let envelope = Envelope::new(content);
    OutboxRecord {
        id: envelope.id(),
        envelope,
        identity,
        position: None,
        in_doubt: !turn.is_supported,
        sealed_to: None,
        is_control: false,
        acks: Vec::new(),
        readers: Vec::new(),
        part: None,
    }
}

/// A session that refuses to seal what was checked before: a defect, which must not lose the
/// message silently, so the batch is undone and the sender told.
pub(super) fn defect(error: &dyn std::error::Error) -> StoreError {
    StoreError::Failed { reason: error.to_string() }
}
