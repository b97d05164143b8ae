//! Asking a keeper of another shard for envelopes by their tags.

use std::collections::HashSet;
use std::sync::Arc;

use crate::limits::LOOKUP_PER_TAG_MAX;
use libp2p::PeerId;
use martlet_engine::{FromNet, Lookup};
use martlet_protocol::limits::LOOKUP_TAGS_MAX;
use martlet_protocol::sync::{Request, Response};
use martlet_protocol::{Shard, Tag};

use super::{Context, NetSink, SyncError, ToSwarm};
use crate::net::shorten;

/// Asks `peer`, hands on what is found, and reports the end to the swarm's task.
pub(in crate::net) async fn run<S: NetSink>(
    context: Arc<Context<S>>,
    peer: PeerId,
    wanted: Vec<Lookup>,
) {
    let mut fault = false;
    'asking: for Lookup { shard, tags } in wanted {
        for tags in tags.chunks(LOOKUP_TAGS_MAX) {
            if let Err(error) = ask(&context, peer, shard, tags).await {
                tracing::debug!(peer = %shorten::peer(&peer), %error, "look-up ended early");
                fault = error.is_fault();
                break 'asking;
            }
        }
    }
    if context.swarm.send(ToSwarm::LookedUp { peer, fault }).await.is_err() {
        tracing::trace!("the network stopped during a look-up");
    }
}

async fn ask<S: NetSink>(
    context: &Context<S>,
    peer: PeerId,
    shard: Shard,
    tags: &[Tag],
) -> Result<(), SyncError> {
    let request = Request::Lookup { shard, tags: tags.to_vec() };
    let Response::Envelopes { envelopes, .. } = context.request(peer, request).await? else {
        return Err(SyncError::Unexpected { asked: "Lookup" });
    };
    let max = tags.len() * LOOKUP_PER_TAG_MAX;
    if envelopes.len() > max {
        return Err(SyncError::TooMany { what: "envelopes", found: envelopes.len(), max });
    }
    let asked: HashSet<&Tag> = tags.iter().collect();
    let found = context.check(envelopes, |_| true)?.good;
    for received in &found {
        let tag = received.header.tag(&received.envelope.content);
        if received.header.shard != shard || !tag.is_some_and(|tag| asked.contains(&tag)) {
            return Err(SyncError::NotAskedFor { id: received.id });
        }
    }
    if !found.is_empty() {
        context.sink.deliver(FromNet::Found { envelopes: found }).await;
    }
    Ok(())
}
