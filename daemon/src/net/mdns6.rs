//! Finding others on the local network by IPv6 (RFC 6762), beside libp2p's mDNS, which does the same by IPv4: its own
//! IPv6 serves one interface, and gives addresses without the zone that link-local ones need.
//!
//! A link-local address is one of an interface's network: the zone says which interface is meant (RFC 4007). What comes
//! from a link-local address is dialled there, by the interface that it came by.

mod packet;

use std::collections::HashMap;
use std::io;
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};
use std::sync::Arc;
use std::time::Duration;

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use rand::RngExt;
use rand::distr::Alphanumeric;
use tokio::net::UdpSocket;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use super::task::Command;
use crate::limits::{
    DISCOVERED_PEERS_MAX, MDNS_ANSWER_INTERVAL_MIN, MDNS_PACKET_BYTES_MAX, MDNS_PROBE_INTERVAL,
    MDNS_QUERY_INTERVAL, MDNS_TTL,
};
use packet::{Found, Packet};

/// mDNS's group, of the link's scope.
const GROUP: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
const PORT: u16 = 5353;
/// Where Linux tells its IPv6 addresses: address, interface's index, prefix, scope, flags and name.
const ADDRESSES_FILE: &str = "/proc/net/if_inet6";

/// What was heard.
#[derive(Debug)]
pub(super) enum Heard {
    /// It can be listened now.
    Started,
    /// Peers, each with an address.
    Found(Vec<(PeerId, Multiaddr)>),
    /// These say nothing any more.
    Expired(Vec<(PeerId, Multiaddr)>),
}

/// Asks, answers and tells the network's task, until that ends. `changed`: interfaces have.
pub(super) async fn run(local: PeerId, commands: mpsc::WeakSender<Command>, changed: Arc<Notify>) {
    let socket = match open() {
        Ok(socket) => socket,
        Err(error) => return tracing::debug!(%error, "no discovery on the local network by IPv6"),
    };
    let (found, interval) = (HashMap::new(), MDNS_PROBE_INTERVAL);
    let mut discovery = Discovery { local, socket, commands, found, interval };
    if discovery.tell(Heard::Started).await.is_some() {
        // It ends when the network's task has.
        discovery.run(&changed).await.unwrap_or_default();
    }
}

struct Discovery {
    local: PeerId,
    socket: UdpSocket,
    commands: mpsc::WeakSender<Command>,
    /// Until when each address is believed.
    found: HashMap<(PeerId, Multiaddr), Instant>,
    /// The wait before the next query.
    interval: Duration,
}

/// An interface with a link-local address.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Interface {
    index: u32,
    name: String,
}

impl Discovery {
    /// `None` once the network's task has ended.
    async fn run(&mut self, changed: &Notify) -> Option<()> {
        let mut buffer = vec![0; MDNS_PACKET_BYTES_MAX];
        let mut next_query = Instant::now();
        let mut answered = None;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(next_query) => {
                    self.expire().await?;
                    self.ask().await;
                    next_query = Instant::now() + self.interval;
                    self.interval = (self.interval * 2).min(MDNS_QUERY_INTERVAL);
                }
                () = changed.notified() => {
                    self.interval = MDNS_PROBE_INTERVAL;
                    next_query = Instant::now() + self.interval;
                }
                received = self.socket.recv_from(&mut buffer) => {
                    let Ok((bytes, SocketAddr::V6(from))) = received else { continue };
                    // What is sent to a link's group comes from a link-local address; the rest is from elsewhere.
                    if !from.ip().is_unicast_link_local() {
                        continue;
                    }
                    match packet::parse(&buffer[..bytes]) {
                        Some(Packet::Query) => {
                            let now = Instant::now();
                            let is_due = answered.is_none_or(|at| now >= at + MDNS_ANSWER_INTERVAL_MIN);
                            if is_due {
                                answered = Some(now);
                                self.answer().await?;
                            }
                        }
                        Some(Packet::Answer(peers)) => self.heard(peers, from).await?,
                        None => {}
                    }
                }
            }
        }
    }

    async fn ask(&self) {
        if let Some(query) = packet::query() {
            self.send(&query).await;
        }
    }

    async fn answer(&self) -> Option<()> {
        let (reply, addresses) = oneshot::channel();
        self.commands.upgrade()?.send(Command::ListenAddresses(reply)).await.ok()?;
        let mut addresses = addresses.await.ok()?;
        addresses.retain(|address| match address.iter().next() {
            Some(Protocol::Ip6(ip)) => !ip.is_loopback(),
            _ => false,
        });
        // The peer id is added anew.
        let addresses: Vec<Multiaddr> = addresses
            .iter()
            .map(|address| {
                address.iter().filter(|part| !matches!(part, Protocol::P2p(_))).collect()
            })
            .collect();
        let own: String = rand::rng().sample_iter(Alphanumeric).take(32).map(char::from).collect();
        if !addresses.is_empty()
            && let Some(answer) = packet::answer(self.local, &own, &addresses, MDNS_TTL)
        {
            self.send(&answer).await;
        }
        Some(())
    }

    /// Sends by every interface, and listens there from now on.
    async fn send(&self, bytes: &[u8]) {
        for interface in interfaces() {
            // An error: it is listened there already.
            rustix::net::sockopt::set_ipv6_add_membership(&self.socket, &GROUP, interface.index)
                .unwrap_or_default();
            let to = SocketAddrV6::new(GROUP, PORT, 0, interface.index);
            if let Err(error) = self.socket.send_to(bytes, to).await {
                tracing::debug!(%error, interface = interface.name, "mDNS by IPv6 is not sent");
            }
        }
    }

    async fn heard(&mut self, peers: Vec<Found>, from: SocketAddrV6) -> Option<()> {
        let zone = interfaces().into_iter().find(|one| one.index == from.scope_id());
        let mut news = Vec::new();
        for peer in peers.into_iter().filter(|peer| peer.peer != self.local) {
            let until = Instant::now() + peer.ttl.min(MDNS_TTL);
            for address in reachable(&peer.addresses, *from.ip(), zone.as_ref()) {
                let key = (peer.peer, address);
                if self.found.len() >= DISCOVERED_PEERS_MAX && !self.found.contains_key(&key) {
                    continue;
                }
                if self.found.insert(key.clone(), until).is_none() {
                    news.push(key);
                }
            }
        }
        if news.is_empty() {
            return Some(());
        }
        self.interval = MDNS_QUERY_INTERVAL;
        self.tell(Heard::Found(news)).await
    }

    async fn expire(&mut self) -> Option<()> {
        let now = Instant::now();
        let expired: Vec<_> =
            self.found.extract_if(|_, until| *until <= now).map(|(key, _)| key).collect();
        match expired.is_empty() {
            true => Some(()),
            false => self.tell(Heard::Expired(expired)).await,
        }
    }

    async fn tell(&self, heard: Heard) -> Option<()> {
        self.commands.upgrade()?.send(Command::Heard(heard)).await.ok()
    }
}

/// Where a peer can be dialled that says it listens at `addresses`, and said so from `from`. The addresses it has on its
/// own link are known by where the packet came from, and need the zone; the others are taken as they are.
fn reachable(addresses: &[Multiaddr], from: Ipv6Addr, zone: Option<&Interface>) -> Vec<Multiaddr> {
    let mut reachable: Vec<Multiaddr> = Vec::new();
    for address in addresses {
        let mut parts = address.iter();
        let Some(Protocol::Ip6(ip)) = parts.next() else { continue };
        let rest: Multiaddr = parts.collect();
        let dialled = match (ip.is_unicast_link_local(), zone) {
            (false, _) => address.clone(),
            (true, Some(zone)) if from.is_unicast_link_local() => {
                // QUIC is not spoken by link-local addresses: libp2p's doesn't know zones.
                if !matches!(rest.iter().next(), Some(Protocol::Tcp(_))) {
                    continue;
                }
                let host = Multiaddr::from(Protocol::Ip6zone(zone.name.as_str().into()));
                host.with(Protocol::Ip6(from)).iter().chain(rest.iter()).collect()
            }
            (true, Some(_) | None) => continue,
        };
        if !reachable.contains(&dialled) {
            reachable.push(dialled);
        }
    }
    reachable
}

/// A socket for mDNS by IPv6, beside others' on this machine.
fn open() -> io::Result<UdpSocket> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, socket_with, sockopt};
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::INET6, SocketType::DGRAM, flags, Some(ipproto::UDP))?;
    sockopt::set_ipv6_v6only(&socket, true)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_socket_reuseport(&socket, true)?;
    sockopt::set_ipv6_multicast_loop(&socket, true)?;
    sockopt::set_ipv6_multicast_hops(&socket, 255)?;
    rustix::net::bind(&socket, &SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, PORT, 0, 0))?;
    UdpSocket::from_std(std::net::UdpSocket::from(socket))
}

/// The interfaces with a link-local address that is ready; none where the system doesn't tell.
fn interfaces() -> Vec<Interface> {
    std::fs::read_to_string(ADDRESSES_FILE).map(|text| parse_interfaces(&text)).unwrap_or_default()
}

fn parse_interfaces(text: &str) -> Vec<Interface> {
    const LINK_SCOPE: u32 = 0x20;
    // Whether another has it is still being asked (RFC 4862, section 5.4).
    const TENTATIVE: u32 = 0x40;
    let hex = |word: Option<&str>| u32::from_str_radix(word?, 16).ok();
    let mut interfaces: Vec<Interface> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace().skip(1);
            let index = hex(words.next())?;
            let scope = hex(words.nth(1))?;
            let flags = hex(words.next())?;
            let name = words.next()?.to_owned();
            (scope == LINK_SCOPE && flags & TENTATIVE == 0).then_some(Interface { index, name })
        })
        .collect();
    interfaces.dedup();
    interfaces
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn interfaces_with_a_link_local_address_are_asked_by() {
        let text = "00000000000000000000000000000001 01 80 10 80       lo\n\
            fe80000000000000deadbeeffeedcafe 02 40 20 80     eth0\n\
            20010db8000000000000000000000007 02 40 00 00     eth0\n\
            fe80000000000000deadbeeffeedcaff 03 40 20 c0    wlan0\n";
        let eth0 = Interface { index: 2, name: "eth0".into() };
        assert_eq!(parse_interfaces(text), [eth0]);
    }

    /// Addresses found by libp2p's mDNS over IPv6 had no zone, so that no link-local one could be dialled.
    #[test]
    fn link_local_addresses_are_dialled_by_the_interface_that_they_were_heard_by() {
        let said: Vec<Multiaddr> = [
            "/ip6/fe80::9/tcp/4177",
            "/ip6/fe80::9/udp/4177/quic-v1",
            "/ip6/2001:db8::9/udp/4177/quic-v1",
            "/ip4/10.0.0.9/tcp/4177",
        ]
        .map(|text| text.parse().unwrap())
        .into();
        let eth0 = Interface { index: 2, name: "eth0".into() };
        let shown = |from: &str, zone| {
            let reachable = reachable(&said, from.parse().unwrap(), zone);
            reachable.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let global = "/ip6/2001:db8::9/udp/4177/quic-v1";
        assert_eq!(shown("fe80::7", Some(&eth0)), ["/ip6zone/eth0/ip6/fe80::7/tcp/4177", global]);
        assert_eq!(shown("2001:db8::9", Some(&eth0)), [global]);
        assert_eq!(shown("fe80::7", None), [global]);
    }
}
