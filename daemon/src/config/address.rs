//! Multiaddresses the daemon listens on and dials: which forms of them it can use.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use martlet_protocol::network::NetworkDescriptor;
use serde::{Deserialize, Serialize};

use crate::net::transport;

/// The TCP and UDP port listened on by default: unassigned by IANA.
pub const PORT_DEFAULT: u16 = 4177;

/// An address to dial: `HOST:PORT`, or `HOST` for [`PORT_DEFAULT`] (by TCP, which every network has); a host is a name or
/// an IP address, which stands in brackets where it has colons and a port follows; a link-local one has its interface
/// behind it, `fe80::7%eth0`. Or `/ip6zone/INTERFACE/ip6/…/tcp/PORT`. Or `/ip4|ip6|dns|dns4|dns6/…` then `/tcp/PORT` or `/udp/PORT/quic-v1`, then
/// perhaps `/p2p/PEER-ID`, then perhaps `/p2p-circuit/p2p/PEER-ID` for a peer behind that relay. Or
/// `/dnsaddr/NAME`, then perhaps `/p2p/PEER-ID`: addresses that the name's TXT records list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DialAddress(Multiaddr);

/// An address to listen on: `/ip4|ip6/…` then `/tcp/PORT` or `/udp/PORT/quic-v1`. Port 0 lets the
/// system choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ListenAddress(Multiaddr);

/// An address at which others reach this node: an IP address to listen on, and a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AnnounceAddress(Multiaddr);

/// Why an address can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not a multiaddress at all.
    #[error("{text:?} is not a multiaddress ({reason}); write it like {EXAMPLE}")]
    Malformed {
        /// What was given.
        text: String,
        /// What the parser said.
        reason: String,
    },
    /// A multiaddress, but not of a form that can be dialled here.
    #[error(
        "{text:?} can't be dialled: {reason}. Write it like host.example:4177, {EXAMPLE}, /dns/host.example/tcp/4177 or /ip6/2001:db8::7/udp/4177/quic-v1, with /p2p/PEER-ID at the end if you like; or /dnsaddr/host.example"
    )]
    NotDialable {
        /// What was given.
        text: String,
        /// What stands in the way.
        reason: &'static str,
    },
    /// A multiaddress, but not of a form that can be listened on.
    #[error(
        "{text:?} can't be listened on: {reason}. Write it like /ip4/0.0.0.0/tcp/4177 or /ip6/::/udp/4177/quic-v1"
    )]
    NotListenable {
        /// What was given.
        text: String,
        /// What stands in the way.
        reason: &'static str,
    },
    /// A multiaddress, but not one at which others could reach this node.
    #[error(
        "{text:?} can't be announced: {reason}. Write it like /ip4/198.51.100.7/tcp/4177 or /ip6/2001:db8::7/udp/4177/quic-v1"
    )]
    NotReachable {
        /// What was given.
        text: String,
        /// What stands in the way.
        reason: &'static str,
    },
}

const EXAMPLE: &str = "/ip4/192.168.1.7/tcp/4177";

impl DialAddress {
    /// The multiaddress.
    #[must_use]
    pub fn as_multiaddr(&self) -> &Multiaddr {
        &self.0
    }

    /// The multiaddress.
    #[must_use]
    pub fn into_multiaddr(self) -> Multiaddr {
        self.0
    }
}

impl ListenAddress {
    /// [`PORT_DEFAULT`] by each of the network's transports (TCP and QUIC; TCP in a closed one), on
    /// every IPv4 and IPv6 address.
    #[must_use]
    pub fn defaults(network: &NetworkDescriptor) -> Vec<Self> {
        let hosts = [Protocol::Ip4(Ipv4Addr::UNSPECIFIED), Protocol::Ip6(Ipv6Addr::UNSPECIFIED)];
        let addresses = hosts.into_iter().flat_map(|host| {
            let host = Multiaddr::from(host);
            let tcp = host.clone().with(Protocol::Tcp(PORT_DEFAULT));
            let quic = host.with(Protocol::Udp(PORT_DEFAULT)).with(Protocol::QuicV1);
            [Self(tcp), Self(quic)]
        });
        addresses.filter(|address| transport::takes(network, &address.0)).collect()
    }

    /// The multiaddress.
    #[must_use]
    pub fn as_multiaddr(&self) -> &Multiaddr {
        &self.0
    }

    /// The multiaddress.
    #[must_use]
    pub fn into_multiaddr(self) -> Multiaddr {
        self.0
    }
}

impl AnnounceAddress {
    /// The multiaddress.
    #[must_use]
    pub fn as_multiaddr(&self) -> &Multiaddr {
        &self.0
    }
}

impl FromStr for DialAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let address = match text.starts_with('/') {
            true => parse(text)?,
            false => parse_host(text)
                .map_err(|reason| AddressError::NotDialable { text: text.into(), reason })?,
        };
        match check_dialable(&address) {
            Ok(()) => Ok(Self(address)),
            Err(reason) => Err(AddressError::NotDialable { text: text.into(), reason }),
        }
    }
}

impl FromStr for ListenAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let address = parse(text)?;
        match check_listenable(&address) {
            Ok(()) => Ok(Self(address)),
            Err(reason) => Err(AddressError::NotListenable { text: text.into(), reason }),
        }
    }
}

impl FromStr for AnnounceAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let address = parse(text)?;
        match check_listenable(&address).and_then(|()| check_dialable(&address)) {
            Ok(()) => Ok(Self(address)),
            Err(reason) => Err(AddressError::NotReachable { text: text.into(), reason }),
        }
    }
}

fn parse(text: &str) -> Result<Multiaddr, AddressError> {
    Multiaddr::from_str(text)
        .map_err(|error| AddressError::Malformed { text: text.into(), reason: error.to_string() })
}

/// Reads `HOST` or `HOST:PORT`.
fn parse_host(text: &str) -> Result<Multiaddr, &'static str> {
    if let Some(host) = parse_ip(text) {
        return Ok(host.with(Protocol::Tcp(PORT_DEFAULT)));
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or("the bracket is not closed")?;
            (host, rest.strip_prefix(':').or((rest.is_empty()).then_some("")))
        }
        None => match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, Some("")),
        },
    };
    let port = match port.ok_or("a colon and a port may follow the bracket")? {
        "" if !text.ends_with(':') => PORT_DEFAULT,
        port => port.parse().map_err(|_| "the port is no number up to 65535")?,
    };
    let host = match parse_ip(host) {
        Some(ip) => ip,
        None if is_host_name(host) => Multiaddr::from(Protocol::Dns(host.into())),
        None => return Err("it is neither an IP address nor the name of a host"),
    };
    Ok(host.with(Protocol::Tcp(port)))
}

/// An IP address, perhaps with a zone (RFC 4007, section 11).
fn parse_ip(text: &str) -> Option<Multiaddr> {
    let Some((ip, zone)) = text.split_once('%') else {
        return Some(Multiaddr::from(text.parse::<IpAddr>().ok()?));
    };
    let ip: Ipv6Addr = ip.parse().ok()?;
    let is_zone = !zone.is_empty() && !zone.contains('/');
    is_zone.then(|| Multiaddr::from(Protocol::Ip6zone(zone.into())).with(Protocol::Ip6(ip)))
}

/// Whether it looks like a host's name: labels of letters, digits, hyphens and underscores (RFC 1123, section 2.1; the
/// underscore is widespread), the last of which is no number.
fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'))
    };
    let labels: Vec<&str> = text.trim_end_matches('.').split('.').collect();
    text.len() <= 253
        && labels.iter().all(|label| is_label(label))
        && labels.last().is_some_and(|last| !last.bytes().all(|c| c.is_ascii_digit()))
}

fn check_dialable(address: &Multiaddr) -> Result<(), &'static str> {
    let mut parts = address.iter();
    match parts.next() {
        Some(Protocol::Ip4(ip)) if IpAddr::from(ip).is_unspecified() => {
            return Err("0.0.0.0 is no machine's address");
        }
        Some(Protocol::Ip6(ip)) if IpAddr::from(ip).is_unspecified() => {
            return Err(":: is no machine's address");
        }
        Some(Protocol::Ip6(ip)) if ip.is_unicast_link_local() => {
            return Err(
                "fe80:… is an address of one interface's network: name it, as in [fe80::7%eth0]:4177",
            );
        }
        Some(Protocol::Ip6zone(_)) => {
            return match (parts.next(), parts.next(), parts.next(), parts.next()) {
                (
                    Some(Protocol::Ip6(_)),
                    Some(Protocol::Tcp(1..)),
                    None | Some(Protocol::P2p(_)),
                    None,
                ) => Ok(()),
                _ => Err(
                    "behind /ip6zone/INTERFACE comes /ip6/ADDRESS/tcp/PORT: QUIC knows no zones",
                ),
            };
        }
        Some(Protocol::Ip4(_) | Protocol::Ip6(_)) => {}
        Some(Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name)) => {
            if name.is_empty() {
                return Err("the host's name is empty");
            }
        }
        Some(Protocol::Dnsaddr(name)) => {
            return match (name.is_empty(), parts.next(), parts.next()) {
                (true, ..) => Err("the host's name is empty"),
                (false, None | Some(Protocol::P2p(_)), None) => Ok(()),
                _ => Err("only /p2p/PEER-ID may follow the name"),
            };
        }
        _ => return Err("it must begin with /ip4, /ip6, /dns, /dns4, /dns6 or /dnsaddr"),
    }
    if check_transport(&mut parts)? == 0 {
        return Err("port 0 can't be dialled");
    }
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (None, ..) | (Some(Protocol::P2p(_)), None, ..) => Ok(()),
        (Some(Protocol::P2p(_)), Some(Protocol::P2pCircuit), Some(Protocol::P2p(_)), None) => {
            Ok(())
        }
        (Some(Protocol::P2p(_)), Some(Protocol::P2pCircuit), ..) => {
            Err("behind /p2p-circuit comes the /p2p/PEER-ID of the peer behind the relay")
        }
        _ => Err("only /p2p/PEER-ID may follow the port"),
    }
}

fn check_listenable(address: &Multiaddr) -> Result<(), &'static str> {
    let mut parts = address.iter();
    match parts.next() {
        Some(Protocol::Ip4(_) | Protocol::Ip6(_)) => {}
        _ => return Err("it must begin with /ip4 or /ip6"),
    }
    check_transport(&mut parts)?;
    match parts.next() {
        None => Ok(()),
        Some(_) => Err("nothing may follow the port"),
    }
}

/// Takes `/tcp/PORT` or `/udp/PORT/quic-v1`; returns the port.
fn check_transport<'a>(
    parts: &mut impl Iterator<Item = Protocol<'a>>,
) -> Result<u16, &'static str> {
    match parts.next() {
        Some(Protocol::Tcp(port)) => Ok(port),
        Some(Protocol::Udp(port)) => match parts.next() {
            Some(Protocol::QuicV1) => Ok(port),
            _ => Err("/udp/PORT must be followed by /quic-v1"),
        },
        _ => Err("the host must be followed by /tcp/PORT or /udp/PORT/quic-v1"),
    }
}

macro_rules! as_text {
    ($type:ty) => {
        impl TryFrom<String> for $type {
            type Error = AddressError;

            fn try_from(text: String) -> Result<Self, AddressError> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(address: $type) -> Self {
                address.0.to_string()
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

as_text!(AnnounceAddress);
as_text!(DialAddress);
as_text!(ListenAddress);

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";

    #[test]
    fn dial_addresses() {
        for good in [
            "/ip4/192.168.1.7/tcp/4177",
            "/ip6/2001:db8::1/tcp/4177",
            "/ip6zone/eth0/ip6/fe80::1/tcp/4177",
            &format!("/ip6zone/2/ip6/fe80::1/tcp/4177/p2p/{PEER}"),
            "/ip4/10.0.0.1/udp/4177/quic-v1",
            "/dns/host.example/tcp/1",
            "/dns4/host.example/udp/1/quic-v1",
            &format!("/dns6/host.example/tcp/1/p2p/{PEER}"),
            "/dnsaddr/host.example",
            &format!("/dnsaddr/host.example/p2p/{PEER}"),
            &format!("/ip4/1.2.3.4/tcp/1/p2p/{PEER}/p2p-circuit/p2p/{PEER}"),
        ] {
            assert_eq!(good.parse::<DialAddress>().map(|a| a.to_string()), Ok(good.to_owned()));
        }
        for bad in [
            "",
            ":4177",
            "host.example:",
            "fe80::7",
            "[fe80::7%]:1",
            "/ip6/fe80::7/tcp/1",
            "/ip6zone/eth0/ip6/fe80::7/udp/1/quic-v1",
            "host.example:70000",
            "host.example:0",
            "host example",
            "300.1.1.1",
            "[2001:db8::7",
            "[2001:db8::7]4177",
            "0.0.0.0:4177",
            "/ip4/192.168.1.7",
            "/ip4/192.168.1.300/tcp/4177",
            "/ip4/0.0.0.0/tcp/4177",
            "/ip6/::/tcp/4177",
            "/ip4/192.168.1.7/tcp/0",
            "/ip4/192.168.1.7/tcp/70000",
            "/ip4/192.168.1.7/udp/4177",
            "/ip4/192.168.1.7/tcp/4177/ws",
            "/tcp/4177",
            "/memory/5",
            "/unix/tmp",
            "/dnsaddr/host.example/tcp/4177",
            &format!("/p2p/{PEER}"),
            &format!("/ip4/1.2.3.4/tcp/1/p2p/{PEER}/p2p-circuit"),
        ] {
            let error = bad.parse::<DialAddress>().expect_err(bad).to_string();
            assert!(error.contains("Write it like") || error.contains("write it like"), "{error}");
        }
    }

    #[test]
    fn hosts_are_dialled_by_tcp_at_the_usual_port_unless_another_is_named() {
        for (text, address) in [
            ("192.168.1.7", "/ip4/192.168.1.7/tcp/4177"),
            ("192.168.1.7:5000", "/ip4/192.168.1.7/tcp/5000"),
            ("2001:db8::7", "/ip6/2001:db8::7/tcp/4177"),
            ("[2001:db8::7]", "/ip6/2001:db8::7/tcp/4177"),
            ("[2001:db8::7]:5000", "/ip6/2001:db8::7/tcp/5000"),
            ("fe80::7%eth0", "/ip6zone/eth0/ip6/fe80::7/tcp/4177"),
            ("[fe80::7%2]:5000", "/ip6zone/2/ip6/fe80::7/tcp/5000"),
            ("home", "/dns/home/tcp/4177"),
            ("host.example.org:5000", "/dns/host.example.org/tcp/5000"),
        ] {
            assert_eq!(text.parse::<DialAddress>().map(|a| a.to_string()), Ok(address.to_owned()));
        }
    }

    #[test]
    fn announced_addresses() {
        for good in ["/ip4/198.51.100.7/tcp/4177", "/ip6/2001:db8::7/udp/4177/quic-v1"] {
            assert_eq!(good.parse::<AnnounceAddress>().map(|a| a.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "/ip4/0.0.0.0/tcp/1", "/ip4/198.51.100.7/tcp/0", "/dns/a.example/tcp/1"] {
            bad.parse::<AnnounceAddress>().expect_err(bad);
        }
    }

    #[test]
    fn listen_addresses() {
        for good in ["/ip4/0.0.0.0/tcp/0", "/ip6/::/udp/4177/quic-v1", "/ip4/127.0.0.1/tcp/4177"] {
            assert_eq!(good.parse::<ListenAddress>().map(|a| a.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "/dns/host.example/tcp/1", &format!("/ip4/1.2.3.4/tcp/1/p2p/{PEER}")] {
            bad.parse::<ListenAddress>().expect_err(bad);
        }
    }
}
