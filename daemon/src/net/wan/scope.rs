//! Which addresses told by strangers are dialled, and which of those that others see this node at
//! are believed. A stranger may name any address; that must not make this node knock at its own
//! services or at those of its LAN.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::limits::{STRANGER_ADDRESS_BYTES_MAX, STRANGER_ADDRESSES_MAX};
use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

/// How far this node's network reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::net) enum Scope {
    /// This machine: a node that listens on loopback alone has nothing to do with the rest.
    Loopback,
    /// The internet, or a network of private addresses.
    Internet,
}

/// Where an address leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Loopback,
    Private,
    Global,
}

impl Scope {
    /// The scope of a node that listens on `listen`, or, where it listens on nothing, dials `dialled`.
    pub(in crate::net) fn of(listen: &[Multiaddr], dialled: &[Multiaddr]) -> Self {
        let told = if listen.is_empty() { dialled } else { listen };
        let is_local = |address: &Multiaddr| place(address) == Some(Place::Loopback);
        if !told.is_empty() && told.iter().all(is_local) { Self::Loopback } else { Self::Internet }
    }

    /// Whether this can be an address at which a node is reached from everywhere, and not by a relay.
    pub(in crate::net) fn is_public(self, address: &Multiaddr) -> bool {
        let wanted = match self {
            Self::Loopback => Place::Loopback,
            Self::Internet => Place::Global,
        };
        is_usable(address) && !is_relayed(address) && place(address) == Some(wanted)
    }

    /// Of the addresses that a peer is said to have those to dial, direct ones first: never
    /// loopback (unless this node is there as well), private ones only if there is no public one,
    /// no names, and at most [`STRANGER_ADDRESSES_MAX`].
    pub(in crate::net) fn choose<'a>(
        self,
        addresses: impl IntoIterator<Item = &'a Multiaddr>,
    ) -> Vec<Multiaddr> {
        let of_place = |wanted: Place, all: &[(Place, &Multiaddr)]| -> Vec<Multiaddr> {
            let mut chosen: Vec<Multiaddr> = Vec::new();
            for (place, address) in all {
                if *place == wanted && !chosen.contains(address) {
                    chosen.push((*address).clone());
                }
            }
            chosen.sort_by_key(is_relayed);
            chosen.truncate(STRANGER_ADDRESSES_MAX);
            chosen
        };
        let all: Vec<(Place, &Multiaddr)> = addresses
            .into_iter()
            .filter(|address| is_usable(address))
            .filter_map(|address| Some((place(address)?, address)))
            .collect();
        match self {
            Self::Loopback => of_place(Place::Loopback, &all),
            Self::Internet => {
                let global = of_place(Place::Global, &all);
                if global.is_empty() { of_place(Place::Private, &all) } else { global }
            }
        }
    }
}

/// Whether an address leads through a relay.
pub(in crate::net) fn is_relayed(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::P2pCircuit)
}

/// Of a form that the transports here dial: `/ip4|ip6/…/tcp/…` or `/ip4|ip6/…/udp/…/quic-v1`, and
/// behind it peer ids and a relay's mark.
fn is_usable(address: &Multiaddr) -> bool {
    if address.len() > STRANGER_ADDRESS_BYTES_MAX {
        return false;
    }
    let mut parts = address.iter();
    if !matches!(parts.next(), Some(Protocol::Ip4(_) | Protocol::Ip6(_))) {
        return false;
    }
    let has_transport = match parts.next() {
        Some(Protocol::Tcp(port)) => port != 0,
        Some(Protocol::Udp(port)) => port != 0 && parts.next() == Some(Protocol::QuicV1),
        _ => false,
    };
    has_transport && parts.all(|part| matches!(part, Protocol::P2p(_) | Protocol::P2pCircuit))
}

/// Where the host of an address is; `None` for hosts that nothing is sent to.
fn place(address: &Multiaddr) -> Option<Place> {
    match address.iter().next()? {
        Protocol::Ip4(ip) => place_of(ip.into()),
        Protocol::Ip6(ip) => place_of(ip.into()),
        _ => None,
    }
}

fn place_of(ip: IpAddr) -> Option<Place> {
    let ip = ip.to_canonical();
    if ip.is_unspecified() || ip.is_multicast() {
        return None;
    }
    if ip.is_loopback() {
        return Some(Place::Loopback);
    }
    match ip {
        IpAddr::V4(ip) => place_of_v4(ip),
        IpAddr::V6(ip) => place_of_v6(ip),
    }
}

/// By IANA's registry of special-purpose addresses (RFC 6890).
fn place_of_v4(ip: Ipv4Addr) -> Option<Place> {
    let [a, b, c, _] = ip.octets();
    match (a, b, c) {
        _ if ip.is_link_local() || ip.is_broadcast() || ip.is_documentation() => None,
        // "This network", protocol assignments, benchmarks, reserved.
        (0, ..) | (192, 0, 0) | (198, 18..=19, _) | (240.., ..) => None,
        _ if ip.is_private() => Some(Place::Private),
        // Behind a provider's NAT.
        (100, 64..=127, _) => Some(Place::Private),
        _ => Some(Place::Global),
    }
}

fn place_of_v6(ip: Ipv6Addr) -> Option<Place> {
    let segments = ip.segments();
    if ip.is_unique_local() {
        Some(Place::Private)
    } else if segments[0] & 0xe000 == 0x2000 && segments[..2] != [0x2001, 0xdb8] {
        // Global unicast, but for the documentation's prefix.
        Some(Place::Global)
    } else {
        // Link-local addresses say nothing without the link.
        None
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use libp2p::PeerId;

    use super::*;

    fn addresses(texts: &[&str]) -> Vec<Multiaddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn chosen(scope: Scope, texts: &[&str]) -> Vec<String> {
        scope.choose(&addresses(texts)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_node_on_loopback_alone_stays_there() {
        let loopback = addresses(&["/ip4/127.0.0.1/tcp/0", "/ip6/::1/udp/0/quic-v1"]);
        let any = addresses(&["/ip4/127.0.0.1/tcp/0", "/ip4/0.0.0.0/tcp/4177"]);
        assert_eq!(Scope::of(&loopback, &any), Scope::Loopback);
        assert_eq!(Scope::of(&any, &loopback), Scope::Internet);
        assert_eq!(Scope::of(&[], &loopback), Scope::Loopback);
        assert_eq!(Scope::of(&[], &[]), Scope::Internet);
        let told = ["/ip4/93.184.216.34/tcp/1", "/ip4/192.168.1.1/tcp/1", "/ip4/127.0.0.1/tcp/1"];
        assert_eq!(chosen(Scope::Loopback, &told), ["/ip4/127.0.0.1/tcp/1"]);
        assert!(Scope::Loopback.is_public(&"/ip4/127.0.0.1/tcp/1".parse().unwrap()));
        assert!(!Scope::Loopback.is_public(&"/ip4/93.184.216.34/tcp/1".parse().unwrap()));
    }

    #[test]
    fn strangers_private_addresses_are_dialled_only_without_public_ones_and_loopback_never() {
        let (public, private, own) =
            ("/ip4/93.184.216.34/tcp/1", "/ip4/10.1.2.3/tcp/1", "/ip4/127.0.0.1/tcp/1");
        assert_eq!(chosen(Scope::Internet, &[own, private, public, public]), [public]);
        assert_eq!(chosen(Scope::Internet, &[own, private]), [private]);
        assert!(chosen(Scope::Internet, &[own]).is_empty());
        let mapped = "/ip6/::ffff:127.0.0.1/tcp/1";
        assert!(chosen(Scope::Internet, &[mapped]).is_empty());
    }

    #[test]
    fn what_cannot_be_dialled_is_left_out() {
        let peer = PeerId::random();
        let bad = [
            "/dns/host.example/tcp/1",
            "/ip4/0.0.0.0/tcp/1",
            "/ip4/169.254.1.1/tcp/1",
            "/ip4/255.255.255.255/tcp/1",
            "/ip4/192.0.2.1/tcp/1",
            "/ip4/224.0.0.1/tcp/1",
            "/ip4/8.8.8.8/tcp/0",
            "/ip4/8.8.8.8/udp/1",
            "/ip4/8.8.8.8/tcp/1/ws",
            "/ip6/fe80::1/tcp/1",
            "/ip6/2001:db8::1/tcp/1",
            "/memory/1",
            &format!("/p2p/{peer}"),
        ];
        for text in bad {
            assert!(chosen(Scope::Internet, &[text]).is_empty(), "{text}");
        }
        for good in
            ["/ip6/2606:4700::1/udp/1/quic-v1", "/ip6/fd00::1/tcp/1", "/ip4/100.64.0.1/tcp/1"]
        {
            assert_eq!(chosen(Scope::Internet, &[good]), [good]);
        }
    }

    #[test]
    fn relayed_addresses_come_last_and_all_are_bounded() {
        let relay = PeerId::random();
        let relayed = format!("/ip4/8.8.8.8/tcp/1/p2p/{relay}/p2p-circuit");
        let direct = "/ip4/8.8.4.4/tcp/1";
        assert_eq!(chosen(Scope::Internet, &[&relayed, direct]), [direct, &relayed]);
        assert!(!Scope::Internet.is_public(&relayed.parse().unwrap()));
        let many: Vec<Multiaddr> =
            (1..100).map(|port| format!("/ip4/8.8.8.8/tcp/{port}").parse().unwrap()).collect();
        assert_eq!(Scope::Internet.choose(&many).len(), STRANGER_ADDRESSES_MAX);
    }
}
