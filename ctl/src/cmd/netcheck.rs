//! `netcheck`: how the network looks from here, in ten lines.

use martlet_protocol::control::{
    ConnectionDirection, Diagnosis, FindingCode, Network, Peer, PeerList, Reachability, Status,
    Transport,
};
use serde::Serialize;

use super::Context;
use crate::client::{Client, ClientError};
use crate::exit::Failure;
use crate::render::{Page, Paint, count};

/// Show how the network looks from here: transports, NAT, relays, mDNS, time
///
/// It shows numbers only, no address, name or ID. `martletctl doctor` says what is wrong, and what to do.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl netcheck
  martletctl netcheck --json | jq .peers")]
pub(crate) struct Args {}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let check = Netcheck::ask(context.client()?).await?;
        context.output.show(&check, |check, page| check.write(page))
    }
}

/// How the network looks from here.
#[derive(Debug, Serialize)]
pub(super) struct Netcheck {
    /// Whether the network stays on the local network.
    lan_only: bool,
    /// Whether only nodes with a key can connect.
    closed: bool,
    /// What connections may run on.
    transports: Vec<Transport>,
    /// Addresses listened on, loopback left out.
    listening: Listening,
    peers: Peers,
    /// Whether nodes beyond the LAN can connect; absent where the network stays on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reachability: Option<Reachability>,
    /// Public addresses of this node.
    public_addresses: usize,
    /// Relays through which this node is reached.
    relays: usize,
    mdns: Mdns,
    /// How far the clock is ahead of the peers', milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    clock_ahead_ms: Option<i64>,
    /// What the doctor found.
    findings: Vec<FindingCode>,
}

#[derive(Debug, Default, Serialize)]
struct Listening {
    tcp: usize,
    quic: usize,
    ipv4: usize,
    ipv6: usize,
}

#[derive(Debug, Default, Serialize)]
struct Peers {
    connected: usize,
    known: usize,
    tcp: usize,
    quic: usize,
    relay: usize,
    /// Connected directly after a connection through a relay.
    upgraded: usize,
    inbound: usize,
    outbound: usize,
    ipv4: usize,
    ipv6: usize,
    /// Dialled by a name of which it is not known what it stood for.
    by_name: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_min_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_max_ms: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Mdns {
    On,
    Silent,
    Unavailable,
    Off,
}

impl Netcheck {
    /// Asks the daemon.
    pub(super) async fn ask(client: &Client) -> Result<Self, ClientError> {
        let status: Status = client.get("/v1/status").await?;
        let network: Network = client.get("/v1/network").await?;
        let peers: PeerList = client.get("/v1/peers").await?;
        let diagnosis: Diagnosis = client.get("/v1/doctor").await?;
        let findings: Vec<FindingCode> =
            diagnosis.findings.iter().map(|finding| finding.code).collect();
        let found = |code| findings.contains(&code);
        let mdns = match () {
            () if found(FindingCode::MdnsOff) => Mdns::Off,
            () if found(FindingCode::MdnsUnavailable) => Mdns::Unavailable,
            () if found(FindingCode::MdnsSilent) => Mdns::Silent,
            () => Mdns::On,
        };
        let is_relayed = |address: &&String| address.contains("/p2p-circuit");
        Ok(Self {
            lan_only: network.lan_only,
            closed: network.closed,
            transports: network.transports,
            listening: Listening::of(&status.listen),
            peers: Peers::of(&peers.peers),
            reachability: status.reachability,
            public_addresses: status.external.iter().filter(|one| !is_relayed(one)).count(),
            relays: status.external.iter().filter(is_relayed).count(),
            mdns,
            clock_ahead_ms: diagnosis.clock_ahead_ms,
            findings,
        })
    }

    /// Writes it for people: nothing of it is text that someone else chose.
    pub(super) fn write(&self, page: &mut Page) {
        let reach = if self.lan_only {
            "stays on the local network"
        } else {
            "reaches beyond the local network"
        };
        let access =
            if self.closed { "closed: only nodes with its key connect" } else { "open to all" };
        page.field("Network", &format!("{reach}; {access}"));
        let names: Vec<&str> = self.transports.iter().copied().map(transport).collect();
        page.field("Transports", &names.join(" and "));
        let Listening { tcp, quic, ipv4, ipv6 } = self.listening;
        let listening = match tcp + quic {
            0 => page.paint(Paint::Warn, "nowhere but on loopback"),
            _ => {
                format!("{} by TCP, {quic} by QUIC; {ipv4} of IPv4, {ipv6} of IPv6", addresses(tcp))
            }
        };
        page.field("Listening", &listening);
        let peers = &self.peers;
        let connected = format!("{} connected, {} known", peers.connected, peers.known);
        let paint = if peers.connected == 0 { Paint::Warn } else { Paint::Good };
        let by_name = match peers.by_name {
            0 => String::new(),
            by_name => format!(", {by_name} by a name"),
        };
        page.field(
            "Peers",
            &format!(
                "{}; {} dialled us, {} dialled by us; {} by IPv4, {} by IPv6{by_name}",
                page.paint(paint, &connected),
                peers.inbound,
                peers.outbound,
                peers.ipv4,
                peers.ipv6
            ),
        );
        page.field(
            "Carried by",
            &format!(
                "TCP {}, QUIC {}, relays {}; {} went on directly after a relay",
                peers.tcp, peers.quic, peers.relay, peers.upgraded
            ),
        );
        let latency = match (peers.latency_min_ms, peers.latency_max_ms) {
            (Some(min), Some(max)) => format!("{min:.1} to {max:.1} ms"),
            (None, _) | (_, None) => "not measured yet".to_owned(),
        };
        page.field("Latency", &latency);
        let nat = match self.reachability {
            None => "not looked at: the network stays on the local network".to_owned(),
            Some(Reachability::Unknown) => "not known yet: no other node has tested it".to_owned(),
            Some(Reachability::Public) => {
                format!("none in the way: reached at {}", addresses(self.public_addresses))
            }
            Some(Reachability::Private) => {
                page.paint(Paint::Warn, "behind NAT or a firewall: no one connects directly")
            }
        };
        page.field("NAT", &nat);
        let relays = match (self.reachability, self.relays) {
            (Some(Reachability::Private), 0) => {
                page.paint(Paint::Bad, "none: others can't reach this node")
            }
            (_, 0) => "none needed".to_owned(),
            (_, relays) => format!("reached through {}", count_of(relays, "relay")),
        };
        page.field("Relays", &relays);
        let mdns = match self.mdns {
            Mdns::On => "on".to_owned(),
            Mdns::Off => "switched off".to_owned(),
            Mdns::Silent => page.paint(Paint::Warn, "on; nobody was heard"),
            Mdns::Unavailable => {
                page.paint(Paint::Warn, "can't work: no interface takes multicast")
            }
        };
        page.field("mDNS", &mdns);
        page.field("Clock", &clock(self.clock_ahead_ms, page));
    }
}

impl Listening {
    fn of(addresses: &[String]) -> Self {
        let mut all = Self::default();
        for address in addresses {
            let is_loopback = address.starts_with("/ip4/127.") || address.starts_with("/ip6/::1/");
            if is_loopback {
                continue;
            }
            all.tcp += usize::from(address.contains("/tcp/"));
            all.quic += usize::from(address.contains("/quic-v1"));
            all.ipv4 += usize::from(address.starts_with("/ip4/"));
            all.ipv6 += usize::from(address.starts_with("/ip6"));
        }
        all
    }
}

impl Peers {
    fn of(list: &[Peer]) -> Self {
        let mut all = Self::default();
        for peer in list {
            if !peer.connected {
                all.known += 1;
                continue;
            }
            all.connected += 1;
            match peer.transport {
                Some(Transport::Tcp) => all.tcp += 1,
                Some(Transport::Quic) => all.quic += 1,
                Some(Transport::Relay) => all.relay += 1,
                None => {}
            }
            all.upgraded += usize::from(peer.upgraded);
            match peer.direction {
                Some(ConnectionDirection::In) => all.inbound += 1,
                Some(ConnectionDirection::Out) => all.outbound += 1,
                None => {}
            }
            // A peer that was dialled by a name has that as its address.
            let is_of = |prefixes: [&str; 2]| {
                usize::from(prefixes.iter().any(|prefix| peer.address.starts_with(prefix)))
            };
            all.ipv4 += is_of(["/ip4/", "/dns4/"]);
            all.ipv6 += is_of(["/ip6", "/dns6/"]);
            all.by_name += is_of(["/dns/", "/dnsaddr/"]);
            if let Some(latency) = peer.latency_ms {
                all.latency_min_ms =
                    Some(all.latency_min_ms.map_or(latency, |min| min.min(latency)));
                all.latency_max_ms =
                    Some(all.latency_max_ms.map_or(latency, |max| max.max(latency)));
            }
        }
        all
    }
}

fn transport(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "TCP",
        Transport::Quic => "QUIC",
        Transport::Relay => "relays",
    }
}

fn clock(ahead_ms: Option<i64>, page: &Page) -> String {
    // Whole seconds are exchanged.
    match ahead_ms.map(|ahead| (ahead > 0, ahead.unsigned_abs() / 1000)) {
        None => "not compared yet: no peer has told its time".to_owned(),
        Some((_, 0..=1)) => "within a second of the peers' clocks".to_owned(),
        Some((is_ahead, seconds)) => {
            let way = if is_ahead { "ahead of" } else { "behind" };
            page.paint(Paint::Warn, &format!("{seconds} s {way} the peers' clocks"))
        }
    }
}

fn addresses(number: usize) -> String {
    match number {
        1 => "1 address".to_owned(),
        number => format!("{number} addresses"),
    }
}

fn count_of(number: usize, noun: &str) -> String {
    count(u64::try_from(number).unwrap_or(u64::MAX), noun)
}
