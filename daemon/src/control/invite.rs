//! Invites.

use std::net::{IpAddr, UdpSocket};

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

/// Where this node may be reached, the likeliest first.
async fn own_addresses(shared: &Shared) -> Vec<String> {
    let (listen, reach) = tokio::join!(shared.net().listen_addresses(), shared.net().reach());
    likeliest(&reach.addresses, &listen, &sources())
}

/// From which addresses this machine speaks to others: those of its default routes. No packet leaves for that.
fn sources() -> Vec<IpAddr> {
    // Addresses of documentation, which nobody has (RFC 5737, RFC 3849).
    let routes = [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")];
    let sources = routes.into_iter().filter_map(|(from, to)| {
        let socket = UdpSocket::bind(from).ok()?;
        socket.connect(to).ok()?;
        Some(socket.local_addr().ok()?.ip())
    });
    sources.collect()
}

/// As many addresses as an invite has: from beyond the LAN, then on it, then on this machine alone if nowhere else. A machine
/// may have many: those of bridges to its own containers and virtual machines come last, since nobody else gets there.
fn likeliest(beyond: &[Multiaddr], listen: &[Multiaddr], sources: &[IpAddr]) -> Vec<String> {
    let ip = |address: &Multiaddr| match address.iter().next() {
        Some(Protocol::Ip4(ip)) => Some(IpAddr::V4(ip)),
        Some(Protocol::Ip6(ip)) => Some(IpAddr::V6(ip)),
        _ => None,
    };
    let is_loopback = |address: &Multiaddr| ip(address).is_some_and(|ip| ip.is_loopback());
    // Only on the machine's own link, with an interface of its own name.
    let is_link_local = |address: &Multiaddr| match address.iter().next() {
        Some(Protocol::Ip6(ip)) => ip.is_unicast_link_local(),
        Some(Protocol::Ip6zone(_)) => true,
        _ => false,
    };
    let is_tcp = |address: &Multiaddr| address.iter().any(|part| matches!(part, Protocol::Tcp(_)));
    let is_source = |address: &Multiaddr| ip(address).is_some_and(|ip| sources.contains(&ip));
    let mut all: Vec<_> = beyond.iter().chain(listen).cloned().collect();
    all.retain(|address| !is_link_local(address));
    // Stable: those from beyond the LAN stay in their order.
    all.sort_by_key(|address| {
        (is_loopback(address), !is_tcp(address), !beyond.contains(address), !is_source(address))
    });
    if all.iter().any(|address| !is_loopback(address)) {
        all.retain(|address| !is_loopback(address));
    }
    all.dedup();
    all.iter().take(INVITE_ADDRESSES_MAX).map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// On a machine with containers both addresses could be those of their bridges.
    #[test]
    fn an_invite_has_the_addresses_that_others_are_likeliest_to_reach() {
        let all = |texts: &[&str]| -> Vec<Multiaddr> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        let listen = all(&[
            "/ip4/127.0.0.1/tcp/4177",
            "/ip4/172.17.0.1/tcp/4177",
            "/ip4/172.18.0.1/tcp/4177",
            "/ip4/192.168.1.20/tcp/4177",
            "/ip4/192.168.1.20/udp/4177/quic-v1",
            "/ip6/fe80::1/tcp/4177",
            "/ip6/fd00::20/tcp/4177",
        ]);
        let sources = ["192.168.1.20".parse().unwrap(), "fd00::20".parse().unwrap()];
        let own = ["/ip4/192.168.1.20/tcp/4177", "/ip6/fd00::20/tcp/4177"];
        assert_eq!(likeliest(&[], &listen, &sources), own);
        // What is known to be reached from anywhere comes first.
        let beyond = all(&["/ip4/203.0.113.7/tcp/4177", "/ip4/203.0.113.7/udp/4177/quic-v1"]);
        let first = ["/ip4/203.0.113.7/tcp/4177", "/ip4/192.168.1.20/tcp/4177"];
        assert_eq!(likeliest(&beyond, &listen, &sources), first);
        assert_eq!(likeliest(&[], &listen[..1], &sources), ["/ip4/127.0.0.1/tcp/4177"]);
        assert_eq!(likeliest(&[], &listen[..2], &[]), ["/ip4/172.17.0.1/tcp/4177"]);
    }
}
