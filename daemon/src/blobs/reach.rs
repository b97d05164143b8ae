//! Where a holder of a blob is said to be, and whether that is tried.

use std::net::IpAddr;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

/// Whether an address that someone told in a message is dialled, on a network of one LAN: only if it is in such a network, and loopback
/// only by a node that listens nowhere else. Names are not looked up.
pub(super) fn may_be_dialled(address: &Multiaddr, own: &[Multiaddr]) -> bool {
    let Some(ip) = host(address) else { return false };
    if ip.is_loopback() {
        let mut own = own.iter().filter_map(host).peekable();
        return own.peek().is_some() && own.all(|ip| ip.is_loopback());
    }
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// This node's addresses as a message tells them: at most `max`, TCP first, and loopback only where there is nothing else.
pub(super) fn told(own: Vec<Multiaddr>, bytes_max: usize, max: usize) -> Vec<Multiaddr> {
    let bare = own.into_iter().map(|address| -> Multiaddr {
        address.into_iter().filter(|part| !matches!(part, Protocol::P2p(_))).collect()
    });
    let mut bare: Vec<_> = bare.filter(|it| host(it).is_some() && it.len() <= bytes_max).collect();
    let is_loopback = |it: &Multiaddr| host(it).is_some_and(|ip| ip.is_loopback());
    if !bare.iter().all(is_loopback) {
        bare.retain(|it| !is_loopback(it));
    }
    bare.sort_by_key(|it| !it.iter().any(|part| matches!(part, Protocol::Tcp(_))));
    bare.dedup();
    bare.truncate(max);
    bare
}

fn host(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
        Protocol::Ip6(ip) => Some(IpAddr::V6(ip)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn all(texts: &[&str]) -> Vec<Multiaddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn only_addresses_of_a_lan_are_dialled() {
        let on_lan = all(&["/ip4/192.168.1.7/tcp/4001", "/ip4/127.0.0.1/tcp/4001"]);
        let alone = all(&["/ip4/127.0.0.1/tcp/4001"]);
        for (text, from_lan, from_loopback) in [
            ("/ip4/192.168.1.9/tcp/1", true, true),
            ("/ip4/169.254.3.4/udp/1/quic-v1", true, true),
            ("/ip6/fe80::1/tcp/1", true, true),
            ("/ip6/fd00::1/tcp/1", true, true),
            ("/ip4/127.0.0.1/tcp/22", false, true),
            ("/ip4/8.8.8.8/tcp/1", false, false),
            ("/ip6/2001:db8::1/tcp/1", false, false),
            ("/dns4/example.org/tcp/1", false, false),
        ] {
            let address = text.parse().unwrap();
            assert_eq!(may_be_dialled(&address, &on_lan), from_lan, "{text}");
            assert_eq!(may_be_dialled(&address, &alone), from_loopback, "{text}");
        }
    }

    #[test]
    fn loopback_is_told_only_where_there_is_nothing_else() {
        let own = all(&[
            "/ip4/127.0.0.1/tcp/4001",
            "/ip4/192.168.1.7/udp/4001/quic-v1",
            "/ip4/192.168.1.7/tcp/4001",
            "/ip6/fe80::1/tcp/4001",
        ]);
        let expected = ["/ip4/192.168.1.7/tcp/4001", "/ip6/fe80::1/tcp/4001"];
        assert_eq!(told(own, 128, 2), all(&expected));
        let alone = all(&["/ip4/127.0.0.1/tcp/4001"]);
        assert_eq!(told(alone.clone(), 128, 4), alone);
    }
}
