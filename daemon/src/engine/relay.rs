//! What any node does for the network, user or not: keep envelopes, check acks.

use libp2p::PeerId;
use martlet_protocol::Ack;
use martlet_store::StoreError;
use martlet_store::mailbox::{Acknowledged, Inserted};
use tokio::sync::oneshot;

use super::Engine;
use super::turn::Turn;
use crate::net::{Received, Stored};

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
            match self.take_envelope(turn, &received)? {
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
            for (from, ack) in self.orphan_acks.take(id) {
                self.take_ack(turn, from, ack)?;
            }
        }
        Ok(inserted)
    }

    pub(super) fn take_ack(
        &mut self,
        turn: &mut Turn<'_>,
        from: PeerId,
        ack: Ack,
    ) -> Result<(), StoreError> {
        if let Some(user) = &mut self.user {
            user.note_ack(turn, &ack)?;
        }
        match turn.mailbox_mut().acknowledge(&ack)? {
            Acknowledged::NoEnvelope => self.orphan_acks.add(from, ack),
            Acknowledged::Invalid => *turn.effects.false_acks.entry(from).or_default() += 1,
            Acknowledged::Accepted | Acknowledged::Purged | Acknowledged::Known => {}
        }
        Ok(())
    }
}
