//! What differs is found and brought across part by part. What one part found is on both disks before the
//! next part is compared: so nothing that was found is lost, and no difference is too large.
//!
//! A part is some of the buckets that differ; the first part is all of them. Where few ids differ, ranges of
//! fingerprints (negentropy) find them in a few rounds. Where many do, a list of shortened ids costs a third
//! of that. A list has a bound, so a part is halved until one suffices. A single bucket that is too much for a
//! list is compared by ranges, for as many rounds as a session may have; the next sync goes on with it.

use std::sync::Arc;

use martlet_engine::FromNet;
use martlet_protocol::limits::{RECONCILE_FRAME_BYTES_MAX, SHORT_LIST_IDS_MAX};
use martlet_protocol::sync::{Bucket, Refusal, Request, Response, ShardSet, ShortId};
use martlet_protocol::{EnvelopeId, ExpiryHour, UnixMillis};

use super::super::reconcile::{self, Difference, Reconciliation, ShortList};
use super::super::{NetSink, RequestError, SyncError, blocking};
use super::{Sync, at_most};
use crate::limits::{RECONCILE_PART_ROUNDS_MAX, RECONCILE_ROUNDS_MAX, SYNC_SESSION_IDS_MAX};
use crate::net::peer_key::key_of;

/// Of what the two are compared.
pub(super) struct Scope {
    /// The shards.
    pub(super) shards: ShardSet,
    /// What has arrived here up to this.
    pub(super) up_to_arrival: u64,
    /// What ends after this moment.
    pub(super) ends_after: UnixMillis,
}

/// What the comparison of a part found.
#[derive(Default)]
struct Found {
    difference: Difference,
    /// Whether that is all.
    is_all: bool,
}

/// What came of a comparison by a short list.
enum Listed {
    Found(Difference),
    /// The peer holds too many ids for it.
    TooLarge,
    /// Too many ids are here, or the peer takes no lists.
    Unlisted,
}

impl<S: NetSink> Sync<'_, S> {
    /// Finds and brings across what differs in `buckets`.
    pub(super) async fn parts(
        &mut self,
        buckets: Vec<Bucket>,
        scope: Scope,
    ) -> Result<(), SyncError> {
        let mut lacking = Vec::new();
        let mut parts = vec![buckets];
        while let Some(mut buckets) = parts.pop() {
            let Found { difference: Difference { mut have, need }, is_all } =
                self.part(&buckets).await?;
            lacking.extend_from_slice(&have);
            if !is_all {
                self.much_differs = true;
                if buckets.len() > 1 {
                    // The later hours come first: what is new is what somebody waits for.
                    let later = buckets.split_off(buckets.len() / 2);
                    parts.extend([buckets, later]);
                } else {
                    self.leave_rest();
                }
            }
            if parts.is_empty() && self.is_whole {
                self.tell_reconciled(&scope, std::mem::take(&mut lacking)).await;
            }
            self.choose_offers(&mut have, &scope.shards).await;
            let (unknown, acks) = self.lacking(need).await?;
            self.fetch(unknown).await?;
            // That there is no room here keeps nothing from being kept there.
            self.push_acks(acks).await?;
            self.offer(have).await?;
            if self.batches_left == 0 && !self.has_room_there {
                break;
            }
        }
        Ok(())
    }

    /// Tells the engine what the peer holds: all of `scope` but `lacking`.
    async fn tell_reconciled(&self, scope: &Scope, lacking: Vec<EnvelopeId>) {
        if scope.shards.is_empty() {
            return;
        }
        let event = FromNet::Reconciled {
            peer: key_of(&self.peer),
            shards: Box::new(scope.shards.clone()),
            up_to_arrival: scope.up_to_arrival,
            // Hours that came meanwhile were left out too.
            after: ExpiryHour::containing(scope.ends_after.max(self.context.clock.now())),
            lacking,
        };
        self.context.sink.deliver(event).await;
    }

    async fn part(&mut self, buckets: &[Bucket]) -> Result<Found, SyncError> {
        if buckets.is_empty() {
            return Ok(Found { is_all: true, ..Found::default() });
        }
        let is_divisible = buckets.len() > 1;
        match self.short_list(buckets).await? {
            Listed::Found(difference) => Ok(Found { difference, is_all: true }),
            Listed::TooLarge if is_divisible => Ok(Found::default()),
            Listed::Unlisted if is_divisible && self.much_differs => Ok(Found::default()),
            Listed::TooLarge | Listed::Unlisted => self.reconcile(buckets).await,
        }
    }

    async fn short_list(&mut self, buckets: &[Bucket]) -> Result<Listed, SyncError> {
        let Some(max) = self.short_list_max else { return Ok(Listed::Unlisted) };
        let max = if self.much_differs { SHORT_LIST_IDS_MAX } else { max };
        let (mailbox, chosen) = (Arc::clone(&self.context.mailbox), buckets.to_vec());
        let list =
            blocking(move || ShortList::collect(&mailbox.view()?, &chosen, rand::random(), max));
        let Some(list) = list.await? else { return Ok(Listed::Unlisted) };
        let (key, ids) = list.encode();
        let request = Request::ShortList { buckets: buckets.to_vec(), key, ids };
        match self.compared(request).await {
            Ok(Response::Lacking { there, here }) => {
                at_most("ids there", here.len(), SHORT_LIST_IDS_MAX)?;
                let unexpected = SyncError::Unexpected { asked: "ShortList" };
                let there = ShortId::list(&there).ok_or(unexpected)?;
                Ok(Listed::Found(list.difference(&there, here)))
            }
            Ok(_) => Err(SyncError::Unexpected { asked: "ShortList" }),
            Err(SyncError::Refused(Refusal::TooLarge)) => Ok(Listed::TooLarge),
            // It does not know short lists.
            Err(SyncError::Request(RequestError::Failed { .. })) => {
                self.short_list_max = None;
                Ok(Listed::Unlisted)
            }
            Err(error) => Err(error),
        }
    }

    /// Reconciles the ids of `buckets`, until all is found that differs or the rounds are over.
    async fn reconcile(&mut self, buckets: &[Bucket]) -> Result<Found, SyncError> {
        let (mailbox, chosen) = (Arc::clone(&self.context.mailbox), buckets.to_vec());
        let begun = blocking(move || {
            let items = reconcile::collect(&mailbox.view()?, &chosen, SYNC_SESSION_IDS_MAX)?;
            items.map(Reconciliation::begin).transpose()
        });
        let Some((mut reconciliation, message)) = begun.await? else {
            return self.unreconciled(buckets).await;
        };
        let mut response = match self.exchange(buckets, message).await {
            Err(SyncError::Refused(Refusal::TooLarge)) => return self.unreconciled(buckets).await,
            exchanged => exchanged?,
        };
        let rounds_max =
            if buckets.len() > 1 { RECONCILE_PART_ROUNDS_MAX } else { RECONCILE_ROUNDS_MAX };
        let mut rounds = 1;
        loop {
            let step = move || {
                let next = reconciliation.step(&response)?;
                Ok((reconciliation, next))
            };
            let (stepped, next) = blocking(step).await?;
            match next {
                None => return Ok(Found { difference: stepped.difference(), is_all: true }),
                Some(message) if rounds < rounds_max => {
                    reconciliation = stepped;
                    response = self.exchange(buckets, message).await?;
                    rounds += 1;
                }
                Some(_) => {
                    let difference = stepped.difference();
                    if difference.is_empty() {
                        return Err(SyncError::TooManyRounds { rounds });
                    }
                    return Ok(Found { difference, is_all: false });
                }
            }
        }
    }

    /// More ids than one of the two can hold at a time. Of several buckets fewer are tried. Of one all that is
    /// here is offered, and the peer offers all that it has once it begins.
    async fn unreconciled(&mut self, buckets: &[Bucket]) -> Result<Found, SyncError> {
        let &[bucket] = buckets else { return Ok(Found::default()) };
        self.is_whole = false;
        let have = self.context.read(move |view| view.bucket_ids(bucket)).await?;
        Ok(Found { difference: Difference { have, need: Vec::new() }, is_all: true })
    }

    async fn exchange(
        &mut self,
        buckets: &[Bucket],
        message: Vec<u8>,
    ) -> Result<Vec<u8>, SyncError> {
        let request = Request::Reconcile { buckets: buckets.to_vec(), message };
        let Response::Reconcile(response) = self.compared(request).await? else {
            return Err(SyncError::Unexpected { asked: "Reconcile" });
        };
        let max = usize::try_from(RECONCILE_FRAME_BYTES_MAX).unwrap_or(usize::MAX);
        at_most("bytes of a reconciliation message", response.len(), max)?;
        Ok(response)
    }
}
