//! Sync: two mailboxes made equal, over request and response. The protocol is described in
//! [`martlet_protocol::sync`].
//!
//! [`initiator`] and [`responder`] run in tasks of their own; they read the mailbox on blocking
//! threads and talk to the swarm's task by [`ToSwarm`] messages.

pub(super) mod codec;
pub(super) mod initiator;
pub(super) mod lookup;
mod reconcile;
pub(super) mod responder;
pub(super) mod schedule;
#[cfg(test)]
mod tests;
mod window;

use std::sync::Arc;

use crate::limits::{SYNC_NEWS_MAX, SYNC_REQUEST_TIMEOUT, SYNC_STREAMS_MAX};
use libp2p::request_response::{self, ProtocolSupport, ResponseChannel};
use libp2p::{PeerId, StreamProtocol};
use martlet_engine::{Answer, FromNet, NoRoom, Received, Stored};
use martlet_protocol::control::Role;
use martlet_protocol::envelope::is_large;
use martlet_protocol::limits::ENVELOPE_BYTES_MAX;
use martlet_protocol::network::NetworkDescriptor;
use martlet_protocol::sync::{Refusal, Request, Response, ShardSet};
use martlet_protocol::{Envelope, EnvelopeError, EnvelopeId, UnixMillis};
use martlet_store::{Mailbox, MailboxView, StoreError};
use tokio::sync::{mpsc, oneshot};

use super::peer_key::key_of;
use super::shards::Kept;
use super::tickets::Tickets;
use super::{Clock, NetError, NetSink};
use crate::metrics::{EnvelopeMetrics, Metrics};
use codec::SyncCodec;

/// The request-response behaviour of the network's sync protocol.
pub(super) fn behaviour(
    network: &NetworkDescriptor,
    metrics: &Arc<Metrics>,
) -> Result<request_response::Behaviour<SyncCodec>, NetError> {
    let name = &network.name;
    let protocol = StreamProtocol::try_from_owned(format!("/martlet/{name}/sync/2"))
        .map_err(|error| NetError::Name { name: name.clone(), reason: error.to_string() })?;
    Ok(request_response::Behaviour::with_codec(
        SyncCodec::new(Arc::clone(metrics)),
        [(protocol, ProtocolSupport::Full)],
        request_response::Config::default()
            .with_request_timeout(SYNC_REQUEST_TIMEOUT)
            .with_max_concurrent_streams(SYNC_STREAMS_MAX),
    ))
}

/// What sync tasks ask of the swarm's task.
pub(super) enum ToSwarm {
    /// To send a request.
    Request {
        /// To whom.
        peer: PeerId,
        /// What.
        request: Request,
        /// Gets the answer.
        reply: oneshot::Sender<Result<Response, RequestError>>,
    },
    /// To answer a peer's request.
    Respond {
        /// Whose.
        peer: PeerId,
        /// Where to.
        channel: ResponseChannel<Response>,
        /// With what.
        response: Response,
        /// Whether the request was one that no honest peer sends.
        fault: bool,
    },
    /// A sync begun here has ended.
    Ended {
        /// With whom.
        peer: PeerId,
        /// How.
        result: Result<initiator::Summary, SyncError>,
    },
    /// A peer brought envelopes that were new here, and are on disk now. Gossip has not brought
    /// them, so it may not have brought them to others.
    News {
        /// Who.
        from: PeerId,
        /// The envelopes, if they are at most `limits::SYNC_NEWS_MAX`; those of the largest size are never among them.
        few: Option<Vec<Envelope>>,
        /// Whether there are some of the largest size: these are synced on, not gossiped.
        has_large: bool,
    },
    /// A report of stored envelopes was answered, or was not.
    StoredReported(PeerId),
    /// A peer said what the time is there.
    TimeHeard(PeerId, UnixMillis),
    /// A peer was asked for what is looked up.
    LookedUp {
        /// Who.
        peer: PeerId,
        /// Whether it answered as no honest peer does.
        fault: bool,
    },
}

/// Why a request got no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RequestError {
    /// There is no connection, or there is none any longer.
    #[error("not connected")]
    Disconnected,
    /// The peer is of another network.
    #[error("the peer does not speak this network's sync protocol")]
    Unsupported,
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// An answer that cannot be read, or a broken stream.
    #[error("{reason}")]
    Failed {
        /// What libp2p said.
        reason: String,
    },
}

/// Why a sync ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum SyncError {
    /// The mailbox could not be read.
    #[error(transparent)]
    Mailbox(#[from] StoreError),
    /// A request got no answer.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The peer refused.
    #[error("the peer refused: {0:?}")]
    Refused(Refusal),
    /// The peer answered with something else than was asked for.
    #[error("{asked} was answered by something else")]
    Unexpected {
        /// The request.
        asked: &'static str,
    },
    /// The peer's reconciliation message makes no sense.
    #[error("reconciliation: {0}")]
    Reconcile(#[from] negentropy::Error),
    /// The reconciliation finds nothing, and doesn't come to an end.
    #[error("nothing found in {rounds} rounds of reconciliation, and no end")]
    TooManyRounds {
        /// Rounds made.
        rounds: usize,
    },
    /// A list over its bound.
    #[error("{found} {what}, at most {max} are allowed")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// Found.
        found: usize,
        /// Allowed.
        max: usize,
    },
    /// The peer sent an envelope that it wasn't asked for.
    #[error("envelope {id} was not asked for")]
    NotAskedFor {
        /// The envelope.
        id: EnvelopeId,
    },
    /// The peer sent an envelope of a shard that is not kept here.
    #[error("envelope {id} is of a shard that is not kept here")]
    NotKept {
        /// The envelope.
        id: EnvelopeId,
    },
    /// The peer answers without getting on.
    #[error("the peer holds back what it said it has")]
    NoProgress,
    /// The peer sent an envelope that no honest one keeps.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// The mailbox here is full.
    #[error("the mailbox here is full")]
    Full,
    /// The peer holds its share of the mailbox here.
    #[error("the peer holds its share of the mailbox here")]
    OverShare,
    /// The engine has stopped.
    #[error("stopping")]
    Stopping,
}

impl SyncError {
    /// Whether no honest peer causes it.
    pub(super) fn is_fault(&self) -> bool {
        match self {
            Self::Unexpected { .. }
            | Self::Reconcile(_)
            | Self::TooManyRounds { .. }
            | Self::TooMany { .. }
            | Self::NotAskedFor { .. }
            | Self::NotKept { .. }
            | Self::NoProgress
            | Self::Envelope(_) => true,
            Self::Mailbox(_)
            | Self::Request(_)
            | Self::Refused(_)
            | Self::Full
            | Self::OverShare
            | Self::Stopping => false,
        }
    }
}

/// Envelopes that a peer brought, checked.
pub(super) struct Checked {
    /// To be kept.
    pub(super) good: Vec<Received>,
    /// Ended on the way, or made by a clock that runs ahead.
    pub(super) left_out: Vec<EnvelopeId>,
}

/// What every sync task works with.
pub(super) struct Context<S> {
    /// What this node does for the network.
    pub(super) role: Role,
    /// The shards it keeps.
    pub(super) kept: Kept,
    /// The mailbox, for snapshots.
    pub(super) mailbox: Arc<Mailbox>,
    /// Where envelopes go.
    pub(super) sink: Arc<S>,
    /// Questions to the engine.
    pub(super) tickets: Arc<Tickets>,
    /// The time of day.
    pub(super) clock: Arc<dyn Clock>,
    /// The network.
    pub(super) network: NetworkDescriptor,
    /// Where syncs are counted.
    pub(super) metrics: Arc<Metrics>,
    /// The swarm's task.
    pub(super) swarm: mpsc::Sender<ToSwarm>,
}

impl<S: NetSink> Context<S> {
    /// Reads from a snapshot of the mailbox, on a blocking thread.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&MailboxView) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, SyncError> {
        let mailbox = Arc::clone(&self.mailbox);
        blocking(move || Ok(read(&mailbox.view()?)?)).await
    }

    /// Sends a request and waits for the answer.
    async fn request(&self, peer: PeerId, request: Request) -> Result<Response, SyncError> {
        let (reply, answer) = oneshot::channel();
        let sent = self.swarm.send(ToSwarm::Request { peer, request, reply }).await;
        sent.map_err(|_| SyncError::Stopping)?;
        match answer.await.map_err(|_| SyncError::Stopping)?? {
            Response::Refused(refusal) => Err(SyncError::Refused(refusal)),
            response => Ok(response),
        }
    }

    /// Delivers envelopes and waits until they are on disk.
    async fn store(&self, from: PeerId, envelopes: Vec<Received>) -> Result<(), SyncError> {
        if envelopes.is_empty() {
            return Ok(());
        }
        let is_few = envelopes.len() <= SYNC_NEWS_MAX;
        let is_large = |received: &&Received| is_large(received.envelope.content.len());
        let has_large = envelopes.iter().any(|received| is_large(&received));
        let few = is_few.then(|| {
            let small = envelopes.iter().filter(|received| !is_large(received));
            small.map(|received| received.envelope.clone()).collect()
        });
        let waiting = self.tickets.issue();
        let ticket = Some(waiting.ticket());
        self.sink.deliver(FromNet::Envelopes { from: key_of(&from), envelopes, ticket }).await;
        let Some(Answer::Stored(Stored { any_new, refused })) = waiting.answer().await else {
            return Err(SyncError::Stopping);
        };
        if any_new {
            // Where some were refused it isn't known which of them others can get here.
            let few = few.filter(|_| refused.is_none());
            let told = self.swarm.send(ToSwarm::News { from, few, has_large }).await;
            told.map_err(|_| SyncError::Stopping)?;
        }
        match refused {
            None => Ok(()),
            Some(NoRoom::Full) => Err(SyncError::Full),
            Some(NoRoom::OverShare) => Err(SyncError::OverShare),
        }
    }

    /// The user's own envelopes of `shards` that are not proved received.
    async fn outstanding(&self, shards: ShardSet) -> Vec<EnvelopeId> {
        let waiting = self.tickets.issue();
        self.sink.deliver(FromNet::Outstanding { shards, ticket: waiting.ticket() }).await;
        match waiting.answer().await {
            Some(Answer::Ids(ids)) => ids,
            Some(Answer::Stored(_)) | None => Vec::new(),
        }
    }

    /// Those of `ids`, which `from` holds and which are unknown here, that are worth fetching.
    async fn sift(&self, from: PeerId, ids: Vec<EnvelopeId>) -> Result<Vec<EnvelopeId>, SyncError> {
        if ids.is_empty() {
            return Ok(ids);
        }
        let waiting = self.tickets.issue();
        let ticket = waiting.ticket();
        self.sink.deliver(FromNet::Sift { from: key_of(&from), ids, ticket }).await;
        match waiting.answer().await {
            Some(Answer::Ids(ids)) => Ok(ids),
            Some(Answer::Stored(_)) | None => Err(SyncError::Stopping),
        }
    }

    /// Checks envelopes to be kept: of shards kept here, and see [`Self::check`].
    fn check_kept(
        &self,
        envelopes: Vec<Envelope>,
        take_wanted: impl FnMut(&EnvelopeId) -> bool,
    ) -> Result<Checked, SyncError> {
        let checked = self.check(envelopes, take_wanted)?;
        let kept = self.kept.get();
        match checked.good.iter().find(|received| !kept.contains(received.header.shard)) {
            Some(received) => Err(SyncError::NotKept { id: received.id }),
            None => Ok(checked),
        }
    }

    /// Checks envelopes like gossiped ones. Those that ended on the way, or that a clock running
    /// ahead made, are left out.
    fn check(
        &self,
        envelopes: Vec<Envelope>,
        mut take_wanted: impl FnMut(&EnvelopeId) -> bool,
    ) -> Result<Checked, SyncError> {
        let now = self.clock.now();
        let EnvelopeMetrics { refused, received_by_sync, .. } = &self.metrics.envelopes;
        let mut good = Vec::with_capacity(envelopes.len());
        let mut left_out = Vec::new();
        for envelope in envelopes {
            if envelope.content.len() > ENVELOPE_BYTES_MAX {
                refused.invalid.inc();
                return Err(SyncError::TooMany {
                    what: "bytes of an envelope",
                    found: envelope.content.len(),
                    max: ENVELOPE_BYTES_MAX,
                });
            }
            let id = envelope.id();
            if !take_wanted(&id) {
                refused.unasked.inc();
                return Err(SyncError::NotAskedFor { id });
            }
            match envelope.check(&id, &self.network, now) {
                Ok(header) => good.push(Received { id, envelope, header }),
                Err(error) => {
                    refused.by(&error).inc();
                    if !matches!(error, EnvelopeError::Expired | EnvelopeError::FarFuture) {
                        return Err(error.into());
                    }
                    left_out.push(id);
                }
            }
        }
        received_by_sync.inc_by(u64::try_from(good.len()).unwrap_or(u64::MAX));
        Ok(Checked { good, left_out })
    }
}

/// Runs what takes long, or waits for the disk, outside of the runtime's threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SyncError> + Send + 'static,
) -> Result<T, SyncError> {
    crate::blocking::run(work).await.ok_or(SyncError::Stopping)?
}
