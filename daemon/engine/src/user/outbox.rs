//! The outbox: own envelopes until they are proved received, or their life ends.

use std::collections::HashSet;

use martlet_protocol::control::{Delivery, SendResponse};
use martlet_protocol::crypto::session::OutboundSession;
use martlet_protocol::limits::SESSION_AGE_MAX;
use martlet_protocol::message::{Content, DeviceMessage, Message, SessionKeyMessage, Text};
use martlet_protocol::network::NetworkDescriptor;
use martlet_protocol::sync::ShardSet;
use martlet_protocol::{
    Ack, DeviceId, Envelope, EnvelopeId, Header, IdentityId, MessageId, Shard, stamp,
};
use martlet_store::StoreError;
use martlet_store::mailbox::{Inserted, Source};
use martlet_store::records::{
    Body, MESSAGES, MessageRecord, OUTBOX, OutboxRecord, PUBLISHED, State, WAITING, WaitingRecord,
};
use martlet_store::vault::Key;

use super::{Outbound, Pending, User};
use crate::turn::Turn;

impl User {
    /// Commits a message of the user's to `identity`, a contact, and sends it if their keys are
    /// known.
    pub(crate) fn send_text(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        text: &Text,
    ) -> Result<SendResponse, StoreError> {
        let conversation = self.conversation(identity);
        conversation.last_sent_seq += 1;
        let seq = conversation.last_sent_seq;
        let id = MessageId::random(turn.rng);
        let record = MessageRecord {
            id,
            own: true,
            seq,
            sent_at: turn.now,
            stored_at: turn.now,
            state: State::Queued,
            body: Body::Text(text.as_str().to_owned()),
        };
        let is_first_in_line = !self.waiting.contains_key(&identity);
        let message = message_of(&record);
        let position = self.append(turn, identity, record)?;
        if !(is_first_in_line && self.dispatch(turn, identity, position, &message)?) {
            self.waiting.entry(identity).or_default().insert(position);
            let waiting = WaitingRecord { identity, position };
            turn.vault()?.put(&WAITING, Key::Scoped(&identity.0, position), &waiting)?;
        }
        Ok(SendResponse { id: id.to_string(), state: Delivery::Queued })
    }

    /// Sends what waited for the keys of `identity`, in order.
    pub(super) fn send_waiting(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
    ) -> Result<(), StoreError> {
        for position in self.waiting.get(&identity).cloned().unwrap_or_default() {
            let key = Key::Scoped(&identity.0, position);
            if let Some(record) = turn.vault()?.get(&MESSAGES, key)?
                && !self.dispatch(turn, identity, position, &message_of(&record))?
            {
                return Ok(());
            }
            turn.vault()?.delete(&WAITING, key)?;
            if let Some(waiting) = self.waiting.get_mut(&identity) {
                waiting.remove(&position);
            }
        }
        self.waiting.remove(&identity);
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
        if !self.ensure_session(turn, identity)? {
            return Ok(false);
        }
        let addressing = self.addressing(&identity, turn.now);
        let Some(outbound) = self.outbound.get_mut(&identity) else { return Ok(false) };
        let content = outbound
            .session
            .seal(&addressing, &message.encode())
            .map_err(|error| defect(&error))?;
        self.dirty.outbound.insert(identity);
        self.post(turn, identity, Some(position), content)?;
        Ok(true)
    }

    /// Makes sure that there is a session for exactly the contact's devices, neither used up nor
    /// too old; a new one is announced to each of them. `false` if no device is known.
    fn ensure_session(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
    ) -> Result<bool, StoreError> {
        let now = turn.now;
        let Some(contact) = self.directory.contact(&identity) else { return Ok(false) };
        let devices: Vec<DeviceId> =
            contact.usable_bundles(now).map(|bundle| bundle.certificate().device()).collect();
        if devices.is_empty() {
            return Ok(false);
        }
        let is_current = self.outbound.get(&identity).is_some_and(|outbound| {
            !outbound.session.is_exhausted()
                && now.since(outbound.created_at) < SESSION_AGE_MAX
                && outbound.session.recipients().eq(devices.iter().copied())
        });
        if is_current {
            return Ok(true);
        }

        let session = OutboundSession::new(turn.rng, &devices).map_err(|error| defect(&error))?;
        let addressing = self.addressing(&identity, now);
        let mut contents = Vec::new();
        for bundle in contact.usable_bundles(now) {
            let Some(grant) = session.grant(&bundle.certificate().device()) else { continue };
            let suggested_name = self.name.clone();
            let message =
                DeviceMessage::SessionKey(SessionKeyMessage { grant, suggested_name }).encode();
            let content = martlet_protocol::crypto::seal::seal(
                turn.rng,
                &addressing,
                &self.device,
                &identity,
                &[bundle.recipient()],
                &message,
            )
            .map_err(|error| defect(&error))?;
            contents.push(content);
        }
        self.outbound.insert(identity, Outbound { session, created_at: now });
        self.dirty.outbound.insert(identity);
        for content in contents {
            self.post(turn, identity, None, content)?;
        }
        Ok(true)
    }

    /// Puts an own envelope into outbox and mailbox, to be gossiped once that is on disk; or only
    /// into the outbox, until it has its stamp.
    fn post(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        position: Option<u64>,
        content: Vec<u8>,
    ) -> Result<(), StoreError> {
        let envelope = Envelope::new(content);
        let id = envelope.id();
        let record = OutboxRecord { id, envelope, identity, position };
        let pending = Pending::from_record(&record, &self.network)?;
        let lacks_stamp = pending.lacks_stamp;
        self.outbox.insert(id, pending);
        turn.vault()?.put(&OUTBOX, Key::Named(&id.0), &record)?;
        if lacks_stamp {
            self.queue_for_stamp(id);
            return Ok(());
        }
        self.publish(turn, id, record.envelope)
    }

    /// Gives an envelope of this node's own to mailbox and gossip.
    pub(super) fn publish(
        &mut self,
        turn: &mut Turn<'_>,
        id: EnvelopeId,
        envelope: Envelope,
    ) -> Result<(), StoreError> {
        let header = own_header(&envelope)?;
        let now = turn.now;
        if let Inserted::New { arrival } =
            turn.mailbox_mut().insert(&id, &envelope, &header, Source::Own, now)?
        {
            if self.looked_at + 1 == arrival {
                self.looked_at = arrival;
            }
            if let Some(pending) = self.outbox.get_mut(&id) {
                pending.arrival = Some(arrival);
            }
        }
        turn.net.publish.push(envelope);
        Ok(())
    }

    /// A neighbour has these on disk.
    pub(crate) fn note_stored(
        &mut self,
        turn: &mut Turn<'_>,
        ids: &[EnvelopeId],
    ) -> Result<(), StoreError> {
        let mut touched = HashSet::new();
        for id in ids {
            let Some(pending) = self.outbox.get_mut(id) else { continue };
            if !std::mem::replace(&mut pending.stored, true) {
                touched.insert(pending.identity);
            }
        }
        if touched.is_empty() {
            return Ok(());
        }
        // Whoever has a message but not its session's key can't read it: without the key nothing is
        // sent.
        for pending in self.outbox.values() {
            if pending.position.is_none() && !pending.stored {
                touched.remove(&pending.identity);
            }
        }
        let mut sent = Vec::new();
        for pending in self.outbox.values_mut() {
            if let Some(position) = pending.position
                && pending.stored
                && !pending.is_sent
                && touched.contains(&pending.identity)
            {
                pending.is_sent = true;
                sent.push((pending.identity, position));
            }
        }
        // The order of a hash map is no order of events.
        sent.sort_unstable();
        for (identity, position) in sent {
            self.advance(turn, identity, position, State::Sent)?;
        }
        Ok(())
    }

    /// Own envelopes of `shards` that are not proved received, the published bundle included.
    pub(crate) fn outstanding(
        &self,
        turn: &mut Turn<'_>,
        shards: &ShardSet,
    ) -> Result<Vec<EnvelopeId>, StoreError> {
        let pending = self.outbox.iter().filter(|(_, pending)| shards.contains(pending.shard));
        let mut ids: Vec<EnvelopeId> = pending.map(|(id, _)| *id).collect();
        if let Some(bundle) = turn.vault()?.get(&PUBLISHED, Key::Named(b""))?
            && shards.contains(own_header(&bundle)?.shard)
        {
            ids.push(bundle.id());
        }
        Ok(ids)
    }

    /// A neighbour has everything of ours in `shards` but `lacking`.
    pub(crate) fn note_reconciled(
        &mut self,
        turn: &mut Turn<'_>,
        shards: &ShardSet,
        up_to_arrival: u64,
        lacking: &[EnvelopeId],
    ) -> Result<(), StoreError> {
        let lacking: HashSet<_> = lacking.iter().collect();
        // Only what had arrived in the mailbox before the reconciliation took part in it.
        let held: Vec<_> = self
            .outbox
            .iter()
            .filter(|(id, pending)| {
                !pending.stored
                    && shards.contains(pending.shard)
                    && pending.arrival.is_some_and(|arrival| arrival <= up_to_arrival)
                    && !lacking.contains(id)
            })
            .map(|(id, _)| *id)
            .collect();
        self.note_stored(turn, &held)
    }

    /// A device proved that it has one of our envelopes on disk.
    pub(crate) fn note_ack(&mut self, turn: &mut Turn<'_>, ack: &Ack) -> Result<(), StoreError> {
        let Some(pending) = self.outbox.get_mut(&ack.envelope) else { return Ok(()) };
        if pending.commits.get(usize::from(ack.slot)) != Some(&ack.secret.commit()) {
            return Ok(());
        }
        pending.acked |= 1 << ack.slot;
        if usize::try_from(pending.acked.count_ones()).unwrap_or(0) < pending.commits.len() {
            return Ok(());
        }
        let (identity, position) = (pending.identity, pending.position);
        self.outbox.remove(&ack.envelope);
        turn.vault()?.delete(&OUTBOX, Key::Named(&ack.envelope.0))?;
        match position {
            Some(position) => self.advance(turn, identity, position, State::Delivered),
            None => Ok(()),
        }
    }

    pub(super) fn expire_outbox(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let now = turn.now;
        let past: Vec<_> = self
            .outbox
            .iter()
            .filter(|(_, pending)| pending.expiry.is_past(now))
            .map(|(id, pending)| (*id, pending.identity, pending.position))
            .collect();
        for (id, identity, position) in past {
            self.outbox.remove(&id);
            turn.vault()?.delete(&OUTBOX, Key::Named(&id.0))?;
            if let Some(position) = position {
                self.advance(turn, identity, position, State::Expired)?;
            }
        }
        Ok(())
    }

    /// Forgets what was for `identity`.
    pub(super) fn clear_outbox(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
    ) -> Result<(), StoreError> {
        let records = turn.vault()?;
        for (id, _) in self.outbox.extract_if(|_, pending| pending.identity == identity) {
            records.delete(&OUTBOX, Key::Named(&id.0))?;
        }
        records.delete_range(&WAITING, Some(&identity.0), 0..=u64::MAX)?;
        self.waiting.remove(&identity);
        Ok(())
    }

    /// After a start: own envelopes that the mailbox lost in a crash go back into it, and acks that
    /// came while the vault was locked, or whose commit was cut short, are counted. What lacks its
    /// stamp waits for it again.
    pub(super) fn restore_outbox(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        for ack in std::mem::take(&mut self.acks_at_load) {
            self.note_ack(turn, &ack)?;
        }
        self.requeue_for_stamps();
        let stamped = self.outbox.iter().filter(|(_, pending)| !pending.lacks_stamp);
        for id in stamped.map(|(id, _)| *id).collect::<Vec<_>>() {
            let Some(record) = turn.vault()?.get(&OUTBOX, Key::Named(&id.0))? else { continue };
            let header = own_header(&record.envelope)?;
            let now = turn.now;
            let mailbox = turn.mailbox_mut();
            let arrival = match mailbox.insert(&id, &record.envelope, &header, Source::Own, now)? {
                Inserted::New { arrival } => {
                    turn.net.publish.push(record.envelope);
                    Some(arrival)
                }
                // It was there before any reconciliation to come.
                Inserted::Known => Some(0),
                Inserted::Purged | Inserted::Full | Inserted::OverShare => None,
            };
            if let Some(pending) = self.outbox.get_mut(&id) {
                pending.arrival = arrival;
            }
        }
        Ok(())
    }
}

impl Pending {
    pub(super) fn from_record(
        record: &OutboxRecord,
        network: &NetworkDescriptor,
    ) -> Result<Self, StoreError> {
        let header = own_header(&record.envelope)?;
        let commits = (0..header.slots)
            .filter_map(|slot| header.ack_commit(&record.envelope.content, slot))
            .collect();
        Ok(Self {
            identity: record.identity,
            position: record.position,
            commits,
            acked: 0,
            stored: false,
            is_sent: false,
            arrival: None,
            expiry: header.expiry,
            is_foreign: !is_addressed_in(network, &header, &record.identity),
            lacks_stamp: !stamp::check(&record.id, record.envelope.nonce, network.stamp_bits),
            shard: header.shard,
        })
    }
}

/// Whether an own envelope for `identity` is addressed as `network` has it.
pub(super) fn is_addressed_in(
    network: &NetworkDescriptor,
    header: &Header,
    identity: &IdentityId,
) -> bool {
    header.network == network.tag() && header.shard == Shard::of(identity, network.shard_bits)
}

fn own_header(envelope: &Envelope) -> Result<Header, StoreError> {
    Header::parse(&envelope.content).map_err(|_| StoreError::Record { table: OUTBOX.name() })
}

/// A message as its sender encodes it.
pub(super) fn message_of(record: &MessageRecord) -> Message {
    let content = match &record.body {
        Body::Text(text) => match Text::new(text.clone()) {
            Ok(text) => Content::Text(text),
            Err(_) => Content::Unknown { kind: 0 },
        },
        Body::Unknown(kind) => Content::Unknown { kind: *kind },
    };
    Message { id: record.id, sent_at: record.sent_at, seq: record.seq, content }
}

/// A session that refuses to seal what was checked before: a defect, which must not lose the
/// message silently, so the batch is undone and the sender told.
fn defect(error: &dyn std::error::Error) -> StoreError {
    StoreError::Failed { reason: error.to_string() }
}
