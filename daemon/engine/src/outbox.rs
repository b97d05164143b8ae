//! The outbox: own envelopes until they are proved received or their life ends, and own messages that wait
//! for the contact's keys.
//!
//! What changes here is written into the batch's transaction at once: that is the buffer, and a failed commit
//! throws away both it and this. Nothing here looks at a clock or walks over all envelopes while it is told
//! about a few.

mod leaving;
mod line;
mod mailbox;
mod parts;
mod pending;
mod stamps;
mod to_stamp;
mod walk;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use martlet_protocol::network::NetworkDescriptor;
use martlet_protocol::sync::ShardSet;
use martlet_protocol::{Ack, EnvelopeId, ExpiryHour, IdentityId, Shard};
use martlet_store::records::{OUTBOX, OutboxRecord, SealedTo, WAITING, WaitingRecord};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

use line::{Ending, Line};
use pending::{Acknowledged, Carries};
pub(crate) use pending::{Pending, Place, is_addressed_in, own_header};
use to_stamp::ToStamp;
#[cfg(test)]
pub(crate) use walk::steps;
use walk::walked;

/// Own envelopes, and the messages that wait to become some.
pub(crate) struct Outbox {
    network: NetworkDescriptor,
    /// Each in a place of its own: a table has room for twice as many as there are.
    pending: HashMap<EnvelopeId, Box<Pending>>,
    /// What is on its way to whom.
    lines: HashMap<IdentityId, Line>,
    /// When which of them ends.
    ends: BTreeSet<(ExpiryHour, EnvelopeId)>,
    /// Those in the mailbox that no other node is known to hold, of each shard by their arrival in it.
    unheld: BTreeMap<Shard, BTreeSet<(u64, EnvelopeId)>>,
    /// Those that mailbox or stem have no room for, in the order in which they were made.
    outside: BTreeMap<u64, EnvelopeId>,
    /// How many were made or loaded.
    made: u64,
    /// How many lack their stamp.
    unstamped: usize,
    /// Messages that are neither delivered nor expired.
    messages: usize,
    to_stamp: ToStamp,
    /// Of what was of use for minutes: found when it was loaded.
    stale: Vec<EnvelopeId>,
}

/// Where parts of files begin in the order of what was made.
const PARTS_FROM: u64 = 1 << 63;

/// A message whose last envelope has left the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// All its envelopes were proved received.
    Delivered(Place),
    /// One of them was not, and its life is over.
    Expired(Place),
}

impl Outbox {
    /// Loads it from the vault.
    pub(crate) fn load(
        records: &VaultTxn,
        network: &NetworkDescriptor,
    ) -> Result<Self, StoreError> {
        let mut outbox = Self {
            network: network.clone(),
            pending: HashMap::new(),
            lines: HashMap::new(),
            ends: BTreeSet::new(),
            unheld: BTreeMap::new(),
            outside: BTreeMap::new(),
            made: 0,
            unstamped: 0,
            messages: 0,
            to_stamp: ToStamp::default(),
            stale: Vec::new(),
        };
        // Keys before the messages that need them, messages in the order in which they were written.
        let mut loaded = Vec::new();
        // One at a time: each has an envelope, and nothing of that is kept here.
        records.for_each(&OUTBOX, |record| {
            if record.is_control {
                outbox.stale.push(record.id);
                return;
            }
            let pending = Pending::from_record(&record, network);
            loaded.push((record.position, record.identity, record.id, pending));
        })?;
        loaded.sort_unstable_by_key(|(position, identity, id, _)| (*position, *identity, *id));
        for (_, _, id, pending) in loaded {
            outbox.add(id, pending);
        }
        for record in records.scan(&WAITING)? {
            outbox.change(record.identity, |line| line.waiting.insert(record.position));
        }
        Ok(outbox)
    }

    /// The envelopes in it.
    pub(crate) fn ids(&self) -> Vec<EnvelopeId> {
        walked(self.pending.keys()).copied().collect()
    }

    /// Messages that are neither delivered nor expired.
    pub(crate) fn messages(&self) -> usize {
        self.messages
    }

    /// The same of those for one person.
    pub(crate) fn messages_to(&self, identity: &IdentityId) -> usize {
        self.lines.get(identity).map_or(0, Line::messages)
    }

    /// The hours in which some of them end.
    pub(crate) fn hours(&self) -> Vec<ExpiryHour> {
        let mut hours = Vec::new();
        let mut from = Some(ExpiryHour(0));
        while let Some(hour) = from
            && let Some((next, _)) = self.ends.range((hour, EnvelopeId([0; 32]))..).next()
        {
            hours.push(*next);
            from = next.0.checked_add(1).map(ExpiryHour);
        }
        hours
    }

    /// Takes a new envelope; whether it may leave at once. If not, it waits for its stamp.
    pub(crate) fn post(
        &mut self,
        records: &mut VaultTxn,
        record: &OutboxRecord,
    ) -> Result<bool, StoreError> {
        let pending = Pending::from_record(record, &self.network);
        let (lacks_stamp, is_part) = (pending.lacks_stamp, pending.is_part());
        self.add(record.id, pending);
        records.put(&OUTBOX, Key::Named(&record.id.0), record)?;
        match (lacks_stamp, is_part) {
            (true, true) => self.to_stamp.queue_part(record.id),
            (true, false) => self.to_stamp.queue(record.id),
            (false, _) => {}
        }
        Ok(!lacks_stamp)
    }

    /// Other nodes have these on disk. Returns the messages that are sent now: their session's key is held
    /// elsewhere too, without which nobody could read them.
    pub(crate) fn note_stored(&mut self, ids: &[EnvelopeId]) -> Vec<Place> {
        let mut touched = BTreeSet::new();
        for id in ids {
            let Some(pending) = self.pending.get_mut(id) else { continue };
            if std::mem::replace(&mut pending.is_stored, true) {
                continue;
            }
            let Pending { identity, carries, arrival, shard, .. } = **pending;
            self.note_held(shard, arrival, id);
            self.change(identity, |line| line.stored(carries));
            touched.insert(identity);
        }
        touched.into_iter().flat_map(|identity| self.take_sent(identity)).collect()
    }

    fn take_sent(&mut self, identity: IdentityId) -> Vec<Place> {
        let sent = self.lines.get_mut(&identity).map(Line::take_sent).unwrap_or_default();
        sent.into_iter().map(|position| Place { identity, position }).collect()
    }

    /// Of `shards` those that were in the mailbox at `up_to_arrival` and end after the hour `after`, but for
    /// `lacking`, are on a neighbour's disk.
    pub(crate) fn note_reconciled(
        &mut self,
        shards: &ShardSet,
        up_to_arrival: u64,
        after: ExpiryHour,
        lacking: &[EnvelopeId],
    ) -> Vec<Place> {
        let lacking: HashSet<_> = lacking.iter().collect();
        let concerned = walked(self.unheld.iter()).filter(|(shard, _)| shards.contains(**shard));
        let arrived = concerned.flat_map(|(_, of_shard)| {
            of_shard.iter().take_while(|(arrival, _)| *arrival <= up_to_arrival)
        });
        let held: Vec<_> = walked(arrived)
            .map(|(_, id)| *id)
            .filter(|id| {
                !lacking.contains(id)
                    && self.pending.get(id).is_some_and(|pending| pending.expiry > after)
            })
            .collect();
        self.note_stored(&held)
    }

    /// A device proved that it has one of them on disk.
    pub(crate) fn note_ack(
        &mut self,
        records: &mut VaultTxn,
        ack: &Ack,
    ) -> Result<Vec<Outcome>, StoreError> {
        let Some(pending) = self.pending.get_mut(&ack.envelope) else { return Ok(Vec::new()) };
        let Some(Acknowledged { by, is_whole }) = pending.acknowledge(ack) else {
            return Ok(Vec::new());
        };
        let (identity, carries, sealed_to) =
            (pending.identity, pending.carries, pending.sealed_to());
        let reached = match (carries, by) {
            (Carries::Message(position), Some(by)) => {
                Some(Outcome::Reached(Place { identity, position }, by))
            }
            (Carries::Part(position, part), Some(_) | None) => {
                Some(Outcome::PartTaken(Place { identity, position }, part, ack.slot))
            }
            (Carries::Message(_) | Carries::Key | Carries::Control, Some(_) | None) => None,
        };
        if !is_whole {
            return Ok(reached.into_iter().collect());
        }
        let ended = self.remove(records, &ack.envelope, Ending::Acknowledged)?;
        // A key that was proved received is held elsewhere.
        let sent = self.take_sent(identity).into_iter().map(Outcome::Sent);
        let key = (carries == Carries::Key).then_some(Outcome::KeyReceived(identity, sealed_to));
        Ok(reached.into_iter().chain(sent).chain(ended.map(Outcome::Ended)).chain(key).collect())
    }

    /// It is of no use any more.
    pub(crate) fn let_go(
        &mut self,
        records: &mut VaultTxn,
        id: &EnvelopeId,
    ) -> Result<(), StoreError> {
        self.remove(records, id, Ending::TakenBack).map(|_| ())
    }

    /// Forgets what was of use for minutes, and was there when the outbox was loaded.
    pub(crate) fn forget_stale(&mut self, records: &mut VaultTxn) -> Result<(), StoreError> {
        for id in std::mem::take(&mut self.stale) {
            records.delete(&OUTBOX, Key::Named(&id.0))?;
        }
        Ok(())
    }

    /// Whom the prekeys are of that session keys are sealed to, of those for `identity` or of all, that are not
    /// acknowledged.
    pub(crate) fn keys(
        &self,
        identity: Option<IdentityId>,
    ) -> impl Iterator<Item = (IdentityId, SealedTo)> {
        let one = identity.and_then(|identity| self.lines.get_key_value(&identity));
        let all = identity.is_none().then_some(&self.lines).into_iter().flatten();
        let lines = one.into_iter().chain(all);
        let keys = lines.flat_map(|(identity, line)| line.keys().map(move |id| (*identity, id)));
        keys.filter_map(|(identity, id)| Some((identity, self.sealed_to(id)?)))
    }

    /// Whose prekey an envelope is sealed to, if it is a session key that is not acknowledged.
    pub(crate) fn sealed_to(&self, id: &EnvelopeId) -> Option<SealedTo> {
        self.pending.get(id)?.sealed_to()
    }

    /// When an envelope's life ends, if it is in the outbox.
    pub(crate) fn end_of(&self, id: &EnvelopeId) -> Option<ExpiryHour> {
        self.pending.get(id).map(|pending| pending.expiry)
    }

    /// A message waits for the contact's keys.
    pub(crate) fn wait(&mut self, records: &mut VaultTxn, place: Place) -> Result<(), StoreError> {
        let Place { identity, position } = place;
        self.change(identity, |line| line.waiting.insert(position));
        let waiting = WaitingRecord { identity, position };
        records.put(&WAITING, Key::Scoped(&identity.0, position), &waiting)
    }

    /// The first message that waits for keys of `identity`.
    pub(crate) fn first_waiting(&self, identity: &IdentityId) -> Option<u64> {
        self.lines.get(identity)?.waiting.first().copied()
    }

    /// The same after some position.
    pub(crate) fn first_waiting_after(&self, identity: &IdentityId, after: u64) -> Option<u64> {
        let from = after.checked_add(1)?;
        self.lines.get(identity)?.waiting.range(from..).next().copied()
    }

    /// Those for whom messages wait.
    pub(crate) fn waited_for(&self) -> Vec<IdentityId> {
        let lines = walked(self.lines.iter()).filter(|(_, line)| !line.waiting.is_empty());
        let mut waited_for: Vec<_> = lines.map(|(identity, _)| *identity).collect();
        waited_for.sort_unstable();
        waited_for
    }

    /// A message waits no more.
    pub(crate) fn end_wait(
        &mut self,
        records: &mut VaultTxn,
        place: Place,
    ) -> Result<(), StoreError> {
        self.change(place.identity, |line| line.waiting.remove(&place.position));
        records.delete(&WAITING, Key::Scoped(&place.identity.0, place.position))?;
        Ok(())
    }

    /// The envelopes that carry a message and have not been proved received.
    pub(crate) fn envelopes_of(&self, Place { identity, position }: &Place) -> Vec<EnvelopeId> {
        self.lines.get(identity).map_or(&[][..], |line| line.envelopes_of(*position)).to_vec()
    }

    /// Whether a message is on its way, or waits to be.
    pub(crate) fn has(&self, place: &Place) -> bool {
        self.is_waiting(place) || !self.envelopes_of(place).is_empty()
    }

    /// Those of `shards`.
    pub(crate) fn in_shards(&self, shards: &ShardSet) -> Vec<EnvelopeId> {
        let pending = walked(self.pending.iter());
        let pending = pending.filter(|(_, pending)| shards.contains(pending.shard));
        pending.map(|(id, _)| *id).collect()
    }

    fn add(&mut self, id: EnvelopeId, mut pending: Pending) {
        self.made += 1;
        // Parts go after all else, whenever that is made.
        pending.order = if pending.is_part() { PARTS_FROM | self.made } else { self.made };
        self.ends.insert((pending.expiry, id));
        self.unstamped += usize::from(pending.lacks_stamp);
        self.change(pending.identity, |line| line.add(id, pending.carries));
        self.pending.insert(id, Box::new(pending));
    }

    fn remove(
        &mut self,
        records: &mut VaultTxn,
        id: &EnvelopeId,
        ending: Ending,
    ) -> Result<Option<Ended>, StoreError> {
        let Some(pending) = self.pending.remove(id) else { return Ok(None) };
        records.delete(&OUTBOX, Key::Named(&id.0))?;
        let Pending { identity, carries, expiry, arrival, order, .. } = *pending;
        let Pending { is_stored, lacks_stamp, shard, .. } = *pending;
        self.unstamped = self.unstamped.saturating_sub(usize::from(lacks_stamp));
        self.ends.remove(&(expiry, *id));
        self.outside.remove(&order);
        self.note_held(shard, arrival, id);
        let ended = self.change(identity, |line| line.remove(id, carries, is_stored, ending));
        Ok(ended.map(|(position, is_delivered)| {
            let place = Place { identity, position };
            if is_delivered { Ended::Delivered(place) } else { Ended::Expired(place) }
        }))
    }

    /// It is held elsewhere, or leaves.
    fn note_held(&mut self, shard: Shard, arrival: Option<u64>, id: &EnvelopeId) {
        let (Some(arrival), Some(of_shard)) = (arrival, self.unheld.get_mut(&shard)) else {
            return;
        };
        of_shard.remove(&(arrival, *id));
        if of_shard.is_empty() {
            self.unheld.remove(&shard);
        }
    }

    /// Changes what is on its way to `identity`, and counts the messages.
    fn change<T>(&mut self, identity: IdentityId, change: impl FnOnce(&mut Line) -> T) -> T {
        let line = self.lines.entry(identity).or_default();
        let before = line.messages();
        let changed = change(line);
        self.messages = self.messages + line.messages() - before;
        if line.is_empty() {
            self.lines.remove(&identity);
        }
        changed
    }
}

/// What an ack changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// This person has a message in a room.
    Reached(Place, IdentityId),
    /// A message is on another node's disk.
    Sent(Place),
    /// A message has left the outbox.
    Ended(Ended),
    /// A device has this part of the file that a message announces: the one of this slot.
    PartTaken(Place, u16, u8),
    /// The envelope carried a session's key to this person, or in this room to a device, and has left the outbox.
    KeyReceived(IdentityId, Option<SealedTo>),
}
