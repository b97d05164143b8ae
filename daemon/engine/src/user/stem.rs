//! What of the user's own is on the stem: on its way to a node that publishes it, by nodes that only pass it on.
//!
//! So long it is in no mailbox here, and is told in no sync: who is told of it first would know whose it is. It
//! comes off the stem when it is brought back, as any envelope or ack is, or when the network gives it up
//! ([`FromNet::OffStem`](crate::FromNet::OffStem)). Until then the outbox, or the vault, has it: after a crash
//! it begins its way anew.

use std::collections::{HashMap, HashSet};

use martlet_protocol::network::Privacy;
use martlet_protocol::{Ack, Envelope, EnvelopeId};
use martlet_store::StoreError;
use martlet_store::mailbox::{Inserted, Source};
use martlet_store::records::PUBLISHED;
use martlet_store::vault::Key;

use super::User;
use crate::limits::{PARTS_ON_STEM_MAX, STEM_OWN_MAX};
use crate::outbox::{Outbox, own_header};
use crate::seam::Stemmed;
use crate::turn::Turn;

/// What of the user's own is on the stem.
#[derive(Default)]
pub(super) struct OnStem {
    envelopes: HashSet<EnvelopeId>,
    /// Acks, by envelope and slot, and the number under which the vault has each.
    acks: HashMap<(EnvelopeId, u8), (Ack, u64)>,
}

/// Where an own envelope goes.
pub(super) enum Way {
    /// By the stem.
    Stem,
    /// By the stem, once there is a place on it.
    Later,
    /// Into the mailbox, and to everyone.
    Open,
}

impl OnStem {
    /// Whether an envelope is on the stem.
    pub(super) fn has(&self, id: &EnvelopeId) -> bool {
        self.envelopes.contains(id)
    }

    /// Whether an ack of the user's more may be put on it.
    pub(super) fn has_place_for_ack(&self) -> bool {
        self.acks.len() < STEM_OWN_MAX
    }

    /// An ack is on it from now on; `number` is the vault's.
    pub(super) fn add_ack(&mut self, ack: Ack, number: u64) {
        self.acks.insert((ack.envelope, ack.slot), (ack, number));
    }

    /// Takes an ack off it; its number.
    pub(super) fn take_ack(&mut self, ack: &Ack) -> Option<u64> {
        let key = (ack.envelope, ack.slot);
        self.acks.get(&key).filter(|(ours, _)| ours == ack)?;
        self.acks.remove(&key).map(|(_, number)| number)
    }
}

impl User {
    /// Puts an own envelope on the stem, if that is its way. Those of shards that are not kept here never come
    /// back by gossip: they have no other way than the open one.
    pub(super) fn put_on_stem(
        &mut self,
        turn: &mut Turn<'_>,
        id: &EnvelopeId,
        envelope: &Envelope,
    ) -> Result<Way, StoreError> {
        match self.network.privacy() {
            Privacy::Fast => return Ok(Way::Open),
            Privacy::Mixed => {}
        }
        if self.stem.has(id) {
            return Ok(Way::Stem);
        }
        if self.outbox.was_on_stem(id)
            || !self.kept.contains(own_header(envelope)?.shard)
            || turn.mailbox().get(id)?.is_some()
        {
            return Ok(Way::Open);
        }
        // What people write finds a place beside a file.
        let most = if self.outbox.part_in(id).is_some() { PARTS_ON_STEM_MAX } else { STEM_OWN_MAX };
        if self.stem.envelopes.len() >= most {
            return Ok(Way::Later);
        }
        self.stem.envelopes.insert(*id);
        turn.net.stem.push(Stemmed::Envelope(envelope.clone()));
        Ok(Way::Stem)
    }

    /// Whether an own envelope is on the stem.
    pub(crate) fn is_on_stem(&self, id: &EnvelopeId) -> bool {
        self.stem.has(id)
    }

    /// An own envelope comes off the stem: into the mailbox. It `leaves` by gossip from here where nobody
    /// brought it back.
    pub(crate) fn take_off_stem(
        &mut self,
        turn: &mut Turn<'_>,
        id: &EnvelopeId,
        leaves: bool,
    ) -> Result<(), StoreError> {
        if !self.stem.envelopes.remove(id) {
            return Ok(());
        }
        if let Some(envelope) = Outbox::envelope(turn.vault()?, id)? {
            self.place_own(turn, id, envelope, leaves)?;
        } else if let Some(bundle) = turn.vault()?.get(&PUBLISHED, Key::Named(b""))?
            && bundle.id() == *id
        {
            self.insert_own(turn, id, &bundle)?;
            if leaves {
                turn.net.publish.push(bundle);
            }
        }
        Ok(())
    }

    /// Puts an own envelope into the mailbox.
    pub(super) fn insert_own(
        &mut self,
        turn: &mut Turn<'_>,
        id: &EnvelopeId,
        envelope: &Envelope,
    ) -> Result<Inserted, StoreError> {
        let header = own_header(envelope)?;
        let now = turn.now;
        let inserted = turn.mailbox_mut().insert(id, envelope, &header, Source::Own, now)?;
        if let Inserted::New { arrival } = inserted
            && self.arrivals.looked_at + 1 == arrival
        {
            self.arrivals.looked_at = arrival;
        }
        Ok(inserted)
    }

    /// Puts an envelope of the outbox into the mailbox, and to gossip if it `leaves`; whether there was room.
    pub(super) fn place_own(
        &mut self,
        turn: &mut Turn<'_>,
        id: &EnvelopeId,
        envelope: Envelope,
        leaves: bool,
    ) -> Result<bool, StoreError> {
        let inserted = self.insert_own(turn, id, &envelope)?;
        let has_room = match inserted {
            Inserted::New { arrival } => {
                self.outbox.arrived(id, arrival);
                true
            }
            // It was there before any reconciliation to come.
            Inserted::Known => {
                self.outbox.arrived(id, 0);
                true
            }
            Inserted::Purged => true,
            Inserted::Full | Inserted::OverShare => {
                self.outbox.keep_outside(id);
                false
            }
        };
        if !has_room {
            self.outbox.note_been_on_stem(id);
        }
        if leaves && matches!(inserted, Inserted::New { .. }) {
            match self.network.privacy() {
                // Sync brings them, after what people write.
                Privacy::Fast if self.outbox.part_in(id).is_some() => {
                    turn.net.has_ungossiped = true;
                }
                // By sync alone neighbours would know whose they are.
                Privacy::Fast | Privacy::Mixed => turn.net.publish.push(envelope),
            }
        }
        Ok(has_room)
    }
}
