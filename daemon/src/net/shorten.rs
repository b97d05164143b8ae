//! Peer ids and addresses as they stand in the log: enough to tell two apart, not enough to tell
//! where someone is.

use std::net::IpAddr;

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

/// The last six characters of a peer id: the first ones are the same for all.
pub(crate) fn peer(peer: &PeerId) -> String {
    peer_text(&peer.to_base58())
}

/// The same of a peer id in text.
pub(crate) fn peer_text(text: &str) -> String {
    let tail = text.get(text.len().saturating_sub(6)..).unwrap_or_default();
    format!("…{tail}")
}

/// An IP address without its host's part, if that tells where someone is.
pub(crate) fn ip(ip: IpAddr) -> String {
    match ip.to_canonical() {
        ip if ip.is_loopback() || ip.is_unspecified() => ip.to_string(),
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            format!("{a}.{b}.…")
        }
        IpAddr::V6(ip) => format!("{:x}:…", ip.segments()[0]),
    }
}

/// An address without its host's part: `/ip4/192.168.…/tcp/4177`. One of loopback is whole, so that it can be dialled.
pub(crate) fn address(address: &Multiaddr) -> String {
    let parts: Vec<String> = address
        .iter()
        .filter_map(|protocol| match protocol {
            Protocol::Ip4(address) => Some(format!("/ip4/{}", ip(address.into()))),
            Protocol::Ip6(address) => Some(format!("/ip6/{}", ip(address.into()))),
            Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_) | Protocol::Dnsaddr(_) => {
                Some("/dns/…".into())
            }
            Protocol::P2p(_) => None,
            other => Some(other.to_string()),
        })
        .collect();
    parts.concat()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn addresses_lose_their_host_part_and_peer_id() {
        let cases = [
            ("/ip4/192.168.1.7/tcp/4177", "/ip4/192.168.…/tcp/4177"),
            ("/ip4/127.0.0.1/udp/9/quic-v1", "/ip4/127.0.0.1/udp/9/quic-v1"),
            ("/ip6/fe80::1/tcp/1", "/ip6/fe80:…/tcp/1"),
            ("/dns/home.example/tcp/1", "/dns/…/tcp/1"),
        ];
        for (full, short) in cases {
            let with_peer: Multiaddr = full.parse().unwrap();
            let with_peer = with_peer.with(Protocol::P2p(PeerId::random()));
            assert_eq!(address(&with_peer), short);
        }
    }

    #[test]
    fn peers_are_told_apart_by_their_last_characters() {
        let id = PeerId::random();
        assert!(id.to_base58().ends_with(peer(&id).trim_start_matches('…')));
        assert_eq!(peer(&id).chars().count(), 7);
    }
}
