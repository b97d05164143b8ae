//! How what was gathered gets to the sink: past a queue while nothing waits in it, so that the swarm is never held up.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use libp2p::PeerId;
use martlet_engine::FromNet;
use tokio::sync::mpsc;

use super::{Batch, Direct};
use crate::net::NetSink;

/// How gossip gets to the sink.
pub(super) struct Way<'a> {
    pub(super) direct: &'a Direct,
    pub(super) queue: &'a mpsc::Sender<(FromNet, usize)>,
    pub(super) backlog: &'a AtomicUsize,
}

impl Way<'_> {
    /// Hands over what is gathered; what there is no room for stays.
    pub(super) fn flush<T>(
        &self,
        batches: &mut HashMap<PeerId, Batch<T>>,
        event: impl Fn(PeerId, Vec<T>) -> FromNet,
    ) {
        batches.retain(|from, batch| match self.queue.try_reserve() {
            Ok(permit) => {
                let Batch { items, bytes } = std::mem::take(batch);
                let event = event(*from, items);
                // Only what nothing waits before may go past the queue.
                let is_first = self.backlog.load(Ordering::Relaxed) == bytes;
                match if is_first { (self.direct)(event) } else { Err(event) } {
                    Ok(()) => {
                        self.backlog.fetch_sub(bytes, Ordering::Relaxed);
                    }
                    Err(event) => permit.send((event, bytes)),
                }
                false
            }
            Err(mpsc::error::TrySendError::Full(())) => true,
            // The sink's task has ended with the runtime.
            Err(mpsc::error::TrySendError::Closed(())) => {
                self.backlog.fetch_sub(batch.bytes, Ordering::Relaxed);
                false
            }
        });
    }
}

/// Gives the sink what waits, one by one.
pub(super) async fn forward(
    mut waiting: mpsc::Receiver<(FromNet, usize)>,
    backlog: Arc<AtomicUsize>,
    sink: Arc<impl NetSink>,
) {
    while let Some((event, bytes)) = waiting.recv().await {
        sink.deliver(event).await;
        backlog.fetch_sub(bytes, Ordering::Relaxed);
    }
}
