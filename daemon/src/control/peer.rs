//! Peers: the nodes this one is connected to, knows of, or refuses.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures::stream;
use libp2p::PeerId;
use libp2p::multiaddr::Protocol;
use martlet_protocol::control::{
    Ban, BanList, BanRequest, DialRequest, Dialled, ErrorCode, PeerEvent, PeerIdText, PeerList,
    Problem,
};
use martlet_protocol::limits::{BAN_SECONDS_MAX, DIAL_ADDRESS_BYTES_MAX};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};

use super::endpoints::endpoints;
use super::event::event_stream;
use super::extract::{JsonBody, NoBody, PathPart};
use super::problem::Refusal;
use super::{Ending, Shared};
use crate::config::DialAddress;
use crate::limits::EVENTS_KEEP_ALIVE;
use crate::net::transport;

/// The least of a peer id's end that is taken for it: six characters of 58 kinds.
const PEER_ID_END_MIN: usize = 6;

endpoints!(list_peers, dial, follow_peers, list_bans, ban, unban);

/// Connected and known peers.
#[utoipa::path(get, path = "/v1/peers", tag = "network", responses(
    (status = 200, body = PeerList),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn list_peers(State(shared): State<Shared>) -> Json<PeerList> {
    let mut list = shared.net().peer_list().await;
    list.peers.sort_by(|a, b| (!a.connected, &a.peer_id).cmp(&(!b.connected, &b.peer_id)));
    Json(list)
}

/// Starts to connect to an address. Whether it worked is seen in the list of peers, or in the answer to who waits.
#[utoipa::path(post, path = "/v1/peers", tag = "network", request_body = DialRequest, responses(
    (status = 200, body = Dialled, description = "What came of it, where that was waited for."),
    (status = 202, description = "Dialling has begun."),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn dial(
    State(shared): State<Shared>,
    JsonBody(request): JsonBody<DialRequest>,
) -> Result<Response, Refusal> {
    if request.address.len() > DIAL_ADDRESS_BYTES_MAX {
        let detail = format!(
            "the address has {} bytes, and one that can be dialled has at most {DIAL_ADDRESS_BYTES_MAX}",
            request.address.len()
        );
        return Err(Refusal::new(ErrorCode::InvalidAddress, detail));
    }
    let address: DialAddress = request
        .address
        .parse()
        .map_err(|error| Refusal::new(ErrorCode::InvalidAddress, format!("{error}")))?;
    let own = shared.context().peer_id;
    if address.as_multiaddr().iter().any(|part| part == Protocol::P2p(own)) {
        return Err(Refusal::new(ErrorCode::InvalidAddress, "that is this node's own address"));
    }
    let network = &shared.context().network;
    if !transport::takes(network, address.as_multiaddr()) {
        let detail = format!(
            "the network {} is closed, and a closed network has no QUIC; dial its TCP address",
            network.name
        );
        return Err(Refusal::new(ErrorCode::InvalidAddress, detail));
    }
    if !request.wait {
        shared.net().dial(address.into_multiaddr()).await;
        return Ok(StatusCode::ACCEPTED.into_response());
    }
    let dialled = match shared.net().dial_and_wait(address.into_multiaddr()).await {
        Ok(peer) => Dialled { connected: true, peer_id: Some(peer.to_base58()), reason: None },
        Err(reason) => Dialled { connected: false, peer_id: None, reason: Some(reason) },
    };
    Ok(Json(dialled).into_response())
}

/// Follows peers that come and go from now on. What happened before is in no log; the list of peers tells who is there.
#[utoipa::path(get, path = "/v1/peers/events", tag = "network", responses(
    (status = 200, body = PeerEvent, content_type = "text/event-stream",
        description = "`event` is the type, `data` the event as JSON; there are no ids."),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn follow_peers(State(shared): State<Shared>) -> Response {
    let (events, ending) = (shared.net().peer_events(), shared.ending());
    let chunks = stream::unfold((events, ending), |(mut events, mut ending)| async move {
        let chunk = next_chunk(&mut events, &mut ending).await?;
        Some((Ok::<_, Infallible>(Bytes::from(chunk)), (events, ending)))
    });
    event_stream(Body::from_stream(chunks))
}

/// The next part of a stream of peers; `None` at its end.
async fn next_chunk(
    events: &mut broadcast::Receiver<PeerEvent>,
    ending: &mut watch::Receiver<Ending>,
) -> Option<String> {
    loop {
        if ending.borrow_and_update().stopping {
            return None;
        }
        let event = tokio::select! {
            event = events.recv() => event,
            // An error means that the server is gone, which is an end as well.
            changed = ending.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return None,
            },
            () = tokio::time::sleep(EVENTS_KEEP_ALIVE) => return Some(":\n\n".into()),
        };
        let event = match event {
            Ok(event) => event,
            Err(RecvError::Lagged(count)) => return Some(format!(": {count} were missed\n\n")),
            Err(RecvError::Closed) => return None,
        };
        match serde_json::to_string(&event) {
            Ok(data) => return Some(format!("event: {}\ndata: {data}\n\n", event.body.name())),
            Err(error) => tracing::error!(%error, "an event can't be written as JSON"),
        }
    }
}

/// Bans in force.
#[utoipa::path(get, path = "/v1/bans", tag = "network", responses(
    (status = 200, body = BanList),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn list_bans(State(shared): State<Shared>) -> Json<BanList> {
    Json(BanList { bans: shared.net().bans().await })
}

/// Disconnects a peer and refuses it, also after a restart.
#[utoipa::path(post, path = "/v1/bans", tag = "network", request_body = BanRequest, responses(
    (status = 201, body = Ban),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn ban(
    State(shared): State<Shared>,
    JsonBody(request): JsonBody<BanRequest>,
) -> Result<(StatusCode, Json<Ban>), Refusal> {
    if request.seconds.is_some_and(|seconds| !(1..=BAN_SECONDS_MAX).contains(&seconds)) {
        let detail = format!(
            "a ban lasts 1 to {BAN_SECONDS_MAX} seconds; leave the time out for one that lasts until it is lifted"
        );
        return Err(Refusal::bad_request(detail));
    }
    let peer = find(&shared, &request.peer_id).await?;
    if peer == shared.context().peer_id {
        return Err(Refusal::new(ErrorCode::InvalidPeerId, "that is this node itself"));
    }
    let reason = request.reason.unwrap_or_else(|| "banned by the user".into());
    let lasts = request.seconds.map(Duration::from_secs);
    let ban = shared.net().ban(peer, lasts, reason).await.map_err(|error| {
        let detail = format!("the peer is refused, but a restart forgets it: {error}");
        Refusal::new(ErrorCode::StorageFailed, detail)
    })?;
    Ok((StatusCode::CREATED, Json(ban.ok_or_else(Refusal::stopping)?)))
}

/// Lifts a ban, and forgets what the peer did.
#[utoipa::path(delete, path = "/v1/bans/{peer_id}", tag = "network",
    params(("peer_id" = inline(PeerIdText), Path, description = "A peer id, or the end of one that is known")),
    responses(
        (status = 204),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn unban(
    State(shared): State<Shared>,
    PathPart(text): PathPart,
    _: NoBody,
) -> Result<StatusCode, Refusal> {
    let peer = find(&shared, &text).await?;
    let was_banned = shared.net().unban(peer).await.map_err(|error| {
        let detail = format!("the peer is let in, but refused again after a restart: {error}");
        Refusal::new(ErrorCode::StorageFailed, detail)
    })?;
    if was_banned {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Refusal::new(ErrorCode::UnknownPeer, format!("{peer} is not banned")))
}

/// The peer meant: by its id, or by the end of one that is connected, known or banned, as tables
/// show it.
async fn find(shared: &Shared, text: &str) -> Result<PeerId, Refusal> {
    if let Ok(peer) = text.parse() {
        return Ok(peer);
    }
    let end = text.trim_start_matches('…');
    if end.len() < PEER_ID_END_MIN || !end.chars().all(|c| c.is_ascii_alphanumeric()) {
        let detail = format!(
            "{text:?} is no peer id; give all of it, or its last {PEER_ID_END_MIN} characters or more"
        );
        return Err(Refusal::new(ErrorCode::InvalidPeerId, detail));
    }
    let (peers, bans) = tokio::join!(shared.net().peers(), shared.net().bans());
    let mut ids: Vec<String> = peers
        .into_iter()
        .map(|peer| peer.peer_id)
        .chain(bans.into_iter().map(|ban| ban.peer_id))
        .filter(|id| id.ends_with(end))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    match ids.as_slice() {
        [id] => id.parse().map_err(|_| unknown(format!("{id:?} is no peer id"))),
        [] => Err(unknown(format!(
            "no peer is known whose id ends in {end:?}; see: martletctl peers"
        ))),
        several => Err(unknown(format!(
            "{} peers have ids that end in {end:?}; give more of it",
            several.len()
        ))),
    }
}

fn unknown(detail: String) -> Refusal {
    Refusal::new(ErrorCode::UnknownPeer, detail)
}
