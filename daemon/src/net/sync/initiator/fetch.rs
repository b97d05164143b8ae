//! What the side that begins takes: envelopes that it lacks.

use std::collections::{HashSet, VecDeque};

use martlet_protocol::control::Role;
use martlet_protocol::limits::SYNC_IDS_MAX;
use martlet_protocol::sync::{Request, Response};
use martlet_protocol::{Ack, EnvelopeId};
use rand::seq::SliceRandom;

use super::super::{NetSink, SyncError};
use super::{Sync, at_most};

impl<S: NetSink> Sync<'_, S> {
    /// Of what is live there and not here: what is unknown here, and the acks of what was purged.
    pub(super) async fn lacking(
        &self,
        need: Vec<EnvelopeId>,
    ) -> Result<(Vec<EnvelopeId>, Vec<Ack>), SyncError> {
        if need.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        self.context.read(move |view| view.lacking(&need)).await
    }

    /// Fetches what is unknown here, batch by batch, each stored before the next is asked for.
    /// Where there is no room any more, the user's own mail is kept all the same, and only who has
    /// it sees which it is: so the rest is looked through too, in any order, a part in each sync.
    pub(super) async fn fetch(&mut self, unknown: Vec<EnvelopeId>) -> Result<(), SyncError> {
        let mut unknown = self.context.sift(self.peer, unknown).await?;
        unknown.shuffle(&mut rand::rng());
        let mut waiting = VecDeque::from(unknown);
        while !waiting.is_empty() {
            if self.batches_left == 0 {
                self.summary.is_partial |= self.context.role != Role::Mailbox;
                break;
            }
            let asked: Vec<EnvelopeId> =
                waiting.drain(..waiting.len().min(self.batch_ids)).collect();
            let mut open: HashSet<EnvelopeId> = asked.iter().copied().collect();
            let Response::Envelopes { envelopes, gone } =
                self.context.request(self.peer, Request::Fetch(asked.clone())).await?
            else {
                return Err(SyncError::Unexpected { asked: "Fetch" });
            };
            at_most("ids gone", gone.len(), SYNC_IDS_MAX)?;
            if envelopes.is_empty() && gone.is_empty() {
                return Err(SyncError::NoProgress);
            }
            let received = self.context.check_kept(envelopes, |id| open.remove(id))?.good;
            for id in &gone {
                open.remove(id);
            }
            if open.len() == asked.len() {
                return Err(SyncError::NoProgress);
            }
            let count = received.len();
            let mut is_first_refused = false;
            match self.context.store(self.peer, received).await {
                Ok(()) => self.summary.fetched += count,
                Err(SyncError::Full | SyncError::OverShare) => {
                    is_first_refused = !std::mem::replace(&mut self.summary.lacks_room, true);
                    self.batches_left -= 1;
                }
                Err(error) => return Err(error),
            }
            for id in asked.into_iter().rev().filter(|id| open.contains(id)) {
                waiting.push_front(id);
            }
            if is_first_refused {
                // As long as there was room, what had been refused before was worth another trial.
                waiting = self.context.sift(self.peer, waiting.into()).await?.into();
            }
        }
        Ok(())
    }
}
