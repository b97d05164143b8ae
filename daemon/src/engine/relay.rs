//! What any node does for the network, user or not: keep envelopes, check acks.

use libp2p::PeerId;
use martlet_protocol::Ack;
use martlet_store::StoreError;
use martlet_store::mailbox::{Acknowledged, Inserted};
use tokio::sync::oneshot;

use super::Engine;
use super::turn::Turn;
use crate::net::{Received, Stored};

/// Acks kept for one envelope that isn't here yet: one for each slot.
const ORPHAN_ACKS_PER_ENVELOPE_MAX: usize = 8;

impl Engine {
    pub(super) fn take_envelopes(
        &mut self,
        turn: &mut Turn<'_>,
        from: PeerId,
        envelopes: Vec<Received>,
        stored: Option<oneshot::Sender<Stored>>,
    ) -> Result<(), StoreError> {
        let mut is_full = false;
        for received in envelopes {
            let inserted = self.take_envelope(turn, &received)?;
            let metrics = &self.config.metrics.envelopes;
            match inserted {
                Inserted::New { .. } => &metrics.new,
                Inserted::Known | Inserted::Purged => &metrics.duplicate,
                Inserted::Full => &metrics.refused.full,
            }
            .inc();
            match inserted {
                Inserted::New { .. } | Inserted::Known | Inserted::Purged => {
                    turn.effects.stored.entry(from).or_default().push(received.id);
                }
                Inserted::Full => is_full = true,
            }
        }
        if let Some(reply) = stored {
            turn.effects.stored_replies.push((reply, is_full));
        }
        Ok(())
    }

    fn take_envelope(
        &mut self,
        turn: &mut Turn<'_>,
        received: &Received,
    ) -> Result<Inserted, StoreError> {
        let Received { id, envelope, header } = received;
        let now = turn.now;
        let inserted = turn.mailbox_mut().insert(id, envelope, header, now)?;
        if let Inserted::New { arrival } = inserted {
            if let Some(user) = &mut self.user {
                user.look_at(turn, arrival, id, envelope, header)?;
            }
            for ack in self.orphan_acks.pop(id).unwrap_or_default() {
                self.take_ack(turn, ack)?;
            }
        }
        Ok(inserted)
    }

    pub(super) fn take_ack(&mut self, turn: &mut Turn<'_>, ack: Ack) -> Result<(), StoreError> {
        if let Some(user) = &mut self.user {
            user.note_ack(turn, &ack)?;
        }
        let metrics = &self.config.metrics.acks;
        match turn.mailbox_mut().acknowledge(&ack)? {
            Acknowledged::NoEnvelope => {
                metrics.orphan.inc();
                let acks = self.orphan_acks.get_or_insert_mut(ack.envelope, Vec::new);
                if acks.len() < ORPHAN_ACKS_PER_ENVELOPE_MAX && !acks.contains(&ack) {
                    acks.push(ack);
                }
            }
            Acknowledged::Accepted => {
                metrics.accepted.inc();
            }
            Acknowledged::Purged => {
                metrics.purged.inc();
            }
            Acknowledged::Invalid => {
                metrics.invalid.inc();
            }
            Acknowledged::Known => {
                metrics.known.inc();
            }
        }
        Ok(())
    }
}
