//! Invites.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use martlet_engine::command::{AcceptInvite, CreateInvite, ListInvites, RevokeInvite, ShowInvite};
use martlet_protocol::control::{
    Contact, ErrorCode, Invite as ShownInvite, InviteAccept, InviteList, InviteRequest, Problem,
};
use martlet_protocol::invite::Invite;
use martlet_protocol::limits::INVITE_ADDRESSES_MAX;
use zeroize::Zeroizing;

use super::Shared;
use super::endpoints::endpoints;
use super::extract::{JsonBody, NoBody, PathPart};
use super::problem::Refusal;
use crate::config::DialAddress;
use crate::net::transport;

endpoints!(create_invite, list_invites, show_invite, revoke_invite, accept_invite);

/// Makes an invite. Its link is a secret: whoever has it is accepted as a contact, once.
#[utoipa::path(post, path = "/v1/invites", tag = "contacts", request_body = InviteRequest, responses(
    (status = 201, body = ShownInvite),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn create_invite(
    State(shared): State<Shared>,
    JsonBody(request): JsonBody<InviteRequest>,
) -> Result<(StatusCode, Json<ShownInvite>), Refusal> {
    let addresses = own_addresses(&shared).await;
    let invite = shared.engine().call(CreateInvite { request, addresses }).await?;
    Ok((StatusCode::CREATED, Json(invite)))
}

/// All invites, without their links.
#[utoipa::path(get, path = "/v1/invites", tag = "contacts", responses(
    (status = 200, body = InviteList),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn list_invites(State(shared): State<Shared>) -> Result<Json<InviteList>, Refusal> {
    Ok(Json(shared.engine().call(ListInvites {}).await?))
}

/// One invite that is still good, with its link.
#[utoipa::path(get, path = "/v1/invites/{number}", tag = "contacts",
    params(("number" = u64, Path, description = "The invite's number.")),
    responses(
        (status = 200, body = ShownInvite),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn show_invite(
    State(shared): State<Shared>,
    PathPart(number): PathPart,
) -> Result<Json<ShownInvite>, Refusal> {
    let number = number_of(&number)?;
    let addresses = own_addresses(&shared).await;
    Ok(Json(shared.engine().call(ShowInvite { number, addresses }).await?))
}

/// Makes an invite good no more.
#[utoipa::path(delete, path = "/v1/invites/{number}", tag = "contacts",
    params(("number" = u64, Path, description = "The invite's number.")),
    responses(
        (status = 204),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn revoke_invite(
    State(shared): State<Shared>,
    PathPart(number): PathPart,
    _: NoBody,
) -> Result<StatusCode, Refusal> {
    let number = number_of(&number)?;
    shared.engine().call(RevokeInvite { number }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Accepts an invite: the inviter becomes a contact, and this node tries the addresses in the link. The inviter's device
/// accepts the user as soon as it learns of it.
#[utoipa::path(post, path = "/v1/invites/accept", tag = "contacts", request_body = InviteAccept,
    responses(
        (status = 201, body = Contact),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn accept_invite(
    State(shared): State<Shared>,
    JsonBody(InviteAccept { link, name }): JsonBody<InviteAccept>,
) -> Result<(StatusCode, Json<Contact>), Refusal> {
    let link = Zeroizing::new(link);
    let invite: Invite =
        link.parse().map_err(|error| Refusal::new(ErrorCode::InvalidInvite, format!("{error}")))?;
    let addresses = invite.addresses.clone();
    let invite = Box::new(invite);
    let contact = shared.engine().call(AcceptInvite { invite, name }).await?;
    let own = shared.context().peer_id;
    for address in addresses.iter().filter_map(|text| text.parse::<DialAddress>().ok()) {
        let address = address.into_multiaddr();
        let is_own = address.iter().any(|part| part == Protocol::P2p(own));
        if !is_own && transport::takes(&shared.context().network, &address) {
            shared.net().dial(address).await;
        }
    }
    Ok((StatusCode::CREATED, Json(contact)))
}

fn number_of(text: &str) -> Result<u64, Refusal> {
    text.parse().map_err(|_| {
        let detail = "there is no such invite; martletctl invite list shows all by their numbers";
        Refusal::new(ErrorCode::UnknownInvite, detail)
    })
}

/// Where this node may be reached, the likeliest first: from beyond the LAN, then on it, then on this machine alone if
/// nowhere else.
async fn own_addresses(shared: &Shared) -> Vec<String> {
    let (listen, reach) = tokio::join!(shared.net().listen_addresses(), shared.net().reach());
    let is_loopback = |address: &Multiaddr| match address.iter().next() {
        Some(Protocol::Ip4(ip)) => ip.is_loopback(),
        Some(Protocol::Ip6(ip)) => ip.is_loopback(),
        _ => false,
    };
    // Only on the machine's own link, with an interface of its own name.
    let is_link_local = |address: &Multiaddr| match address.iter().next() {
        Some(Protocol::Ip6(ip)) => ip.is_unicast_link_local(),
        Some(Protocol::Ip6zone(_)) => true,
        _ => false,
    };
    let is_tcp = |address: &Multiaddr| address.iter().any(|part| matches!(part, Protocol::Tcp(_)));
    let mut all: Vec<_> = reach.addresses.iter().chain(&listen).cloned().collect();
    all.retain(|address| !is_link_local(address));
    // Stable: those from beyond the LAN stay before others of their kind.
    all.sort_by_key(|address| (is_loopback(address), !is_tcp(address)));
    if all.iter().any(|address| !is_loopback(address)) {
        all.retain(|address| !is_loopback(address));
    }
    all.dedup();
    all.iter().take(INVITE_ADDRESSES_MAX).map(ToString::to_string).collect()
}
