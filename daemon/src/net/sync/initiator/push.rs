//! What the side that begins gives: envelopes and acks that the other lacks.

use std::collections::HashSet;

use martlet_protocol::limits::{ACKS_PER_BATCH_MAX, SLOTS_MAX, SYNC_IDS_MAX};
use martlet_protocol::sync::{Refusal, Request, Response, ShardSet};
use martlet_protocol::{Ack, Envelope, EnvelopeId};
use martlet_store::MailboxView;

use martlet_engine::FromNet;

use super::super::{NetSink, SyncError};
use super::{Sync, at_most};
use crate::limits::{PARTIAL_ACK_ROWS_MAX, PARTIAL_ACKS_TOLD_MAX};
use crate::net::peer_key::key_of;

impl<S: NetSink> Sync<'_, S> {
    /// Spreads the purge of what is a tombstone here and live there.
    pub(super) async fn push_acks(&self, acks: Vec<Ack>) -> Result<(), SyncError> {
        for batch in acks.chunks(ACKS_PER_BATCH_MAX) {
            self.push(Vec::new(), batch.to_vec()).await?;
        }
        Ok(())
    }

    /// Tells which devices acknowledged what is live here, and perhaps there: a comparison does not show that. With several
    /// addressees each of two nodes may have heard of another's ack.
    pub(super) async fn push_partial_acks(&self, theirs: &ShardSet) -> Result<(), SyncError> {
        if !self.tells_acks {
            return Ok(());
        }
        let read =
            |view: &MailboxView| view.partial_acks(PARTIAL_ACK_ROWS_MAX, PARTIAL_ACKS_TOLD_MAX);
        let acks = self.context.read(read).await?.into_iter();
        self.push_acks(
            acks.filter(|(shard, _)| theirs.contains(*shard)).map(|(_, ack)| ack).collect(),
        )
        .await
    }

    /// Offers what the peer lacks and pushes what it wants; takes the acks of what it purged.
    pub(super) async fn offer(&mut self, have: Vec<EnvelopeId>) -> Result<(), SyncError> {
        for offered in have.chunks(SYNC_IDS_MAX) {
            if !self.has_room_there {
                break;
            }
            let Response::Wanted { ids, acks, gone } =
                self.context.request(self.peer, Request::Offer(offered.to_vec())).await?
            else {
                return Err(SyncError::Unexpected { asked: "Offer" });
            };
            at_most("ids wanted", ids.len(), offered.len())?;
            at_most("ids gone", gone.len(), offered.len())?;
            at_most("acks", acks.len(), offered.len() * SLOTS_MAX)?;
            let known: HashSet<&EnvelopeId> = offered.iter().collect();
            if let Some(id) = ids.iter().find(|id| !known.contains(id)) {
                return Err(SyncError::NotAskedFor { id: *id });
            }
            // It has what it does not want, but for what it has no more: of that its acks tell, or nothing.
            let not_held = ids.iter().chain(&gone).chain(acks.iter().map(|ack| &ack.envelope));
            let not_held: HashSet<&EnvelopeId> = not_held.collect();
            let held: Vec<EnvelopeId> =
                offered.iter().filter(|id| !not_held.contains(id)).copied().collect();
            if !acks.is_empty() {
                self.context.sink.deliver(FromNet::Acks { from: key_of(&self.peer), acks }).await;
            }
            if !held.is_empty() {
                let event = FromNet::StoredBy { from: key_of(&self.peer), ids: held };
                self.context.sink.deliver(event).await;
            }
            match self.push_all(ids).await {
                // Others may have some.
                Err(SyncError::Refused(Refusal::Full | Refusal::OverShare)) => {
                    self.has_room_there = false;
                }
                pushed => pushed?,
            }
        }
        Ok(())
    }

    pub(super) async fn push_all(&mut self, mut ids: Vec<EnvelopeId>) -> Result<(), SyncError> {
        while !ids.is_empty() {
            let (asked, batch_bytes) = (ids, self.batch_bytes);
            let (envelopes, sent, rest) = self
                .context
                .read(move |view| {
                    let (envelopes, gone) = view.fetch(&asked, batch_bytes)?;
                    let sent: Vec<EnvelopeId> = envelopes.iter().map(Envelope::id).collect();
                    let done: HashSet<&EnvelopeId> = sent.iter().chain(&gone).collect();
                    let rest: Vec<EnvelopeId> =
                        asked.into_iter().filter(|id| !done.contains(id)).collect();
                    Ok((envelopes, sent, rest))
                })
                .await?;
            ids = rest;
            if envelopes.is_empty() {
                // All that is left was purged meanwhile.
                break;
            }
            let refused = self.push(envelopes, Vec::new()).await?;
            self.context
                .metrics
                .envelopes
                .sent_by_sync
                .inc_by(u64::try_from(sent.len()).unwrap_or(u64::MAX));
            // What the peer's clock refused is not on its disk.
            let refused: HashSet<EnvelopeId> = refused.into_iter().collect();
            let stored: Vec<EnvelopeId> =
                sent.into_iter().filter(|id| !refused.contains(id)).collect();
            self.summary.pushed += stored.len();
            if !stored.is_empty() {
                let event = FromNet::StoredBy { from: key_of(&self.peer), ids: stored };
                self.context.sink.deliver(event).await;
            }
        }
        Ok(())
    }

    /// Returns what the peer did not take.
    pub(super) async fn push(
        &self,
        envelopes: Vec<Envelope>,
        acks: Vec<Ack>,
    ) -> Result<Vec<EnvelopeId>, SyncError> {
        let pushed = envelopes.len();
        match self.context.request(self.peer, Request::Push { envelopes, acks }).await? {
            Response::Pushed { refused } => {
                at_most("envelopes refused", refused.len(), pushed)?;
                Ok(refused)
            }
            _ => Err(SyncError::Unexpected { asked: "Push" }),
        }
    }
}
