//! Addresses in few lines.

/// `addresses` in short: those of one kind together, as `TCP and QUIC, port 4177: 192.168.1.7, fd00::7`.
///
/// Loopback is left out where there is more: nobody else can use it. What is not an IP address with a port stands by
/// itself. Nothing is made harmless here.
pub(crate) fn in_short(addresses: &[String]) -> Vec<String> {
    // Hosts in their order, each with its transports and ports.
    let mut hosts: Vec<(String, Vec<Way<'_>>)> = Vec::new();
    let mut others = Vec::new();
    for address in addresses {
        match Parts::of(address) {
            Some(Parts { host, transport, port }) => {
                let found = hosts.iter_mut().find(|(other, _)| *other == host);
                match found {
                    Some((_, ways)) => ways.push((transport, port)),
                    None => hosts.push((host, vec![(transport, port)])),
                }
            }
            None => others.push(address.clone()),
        }
    }
    if hosts.iter().any(|(host, _)| !is_loopback(host)) {
        hosts.retain(|(host, _)| !is_loopback(host));
    }
    // What is spoken at them, and the hosts.
    let mut groups: Vec<(Vec<Way<'_>>, Vec<String>)> = Vec::new();
    for (host, mut ways) in hosts {
        // TCP before QUIC.
        ways.sort_unstable_by(|a, b| b.cmp(a));
        ways.dedup();
        match groups.iter_mut().find(|(other, _)| *other == ways) {
            Some((_, hosts)) => hosts.push(host),
            None => groups.push((ways, vec![host])),
        }
    }
    let groups = groups.iter().map(|(ways, hosts)| format!("{}: {}", name(ways), hosts.join(", ")));
    groups.chain(others).collect()
}

/// A transport and its port.
type Way<'a> = (&'a str, &'a str);

/// An IP address, with what is spoken there and the port.
struct Parts<'a> {
    host: String,
    transport: &'static str,
    port: &'a str,
}

impl<'a> Parts<'a> {
    fn of(address: &'a str) -> Option<Self> {
        let mut parts = address.strip_prefix('/')?.split('/');
        let host = match parts.next()? {
            "ip4" | "ip6" => parts.next()?.to_owned(),
            "ip6zone" => {
                let zone = parts.next()?;
                parts.next().filter(|kind| *kind == "ip6")?;
                format!("{}%{zone}", parts.next()?)
            }
            _ => return None,
        };
        let (layer, port) = (parts.next()?, parts.next()?);
        let transport = match (layer, parts.clone().next()) {
            ("udp", Some("quic-v1")) => {
                parts.next();
                "QUIC"
            }
            ("tcp", _) => "TCP",
            _ => return None,
        };
        // The node's own peer id may follow, and nothing else: behind a relay it is another address.
        let ends = match (parts.next(), parts.next(), parts.next()) {
            (None, None, None) => true,
            (Some("p2p"), Some(_), None) => true,
            (Some(_) | None, _, _) => false,
        };
        ends.then_some(Self { host, transport, port })
    }
}

fn is_loopback(host: &str) -> bool {
    host.parse().is_ok_and(|host: std::net::IpAddr| host.is_loopback())
}

fn name(ways: &[Way<'_>]) -> String {
    match ways {
        [(one, port), (other, same)] if port == same => format!("{one} and {other}, port {port}"),
        ways => {
            let ways: Vec<String> =
                ways.iter().map(|(transport, port)| format!("{transport}, port {port}")).collect();
            ways.join("; ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(addresses: &[&str]) -> Vec<String> {
        in_short(&addresses.iter().map(|&address| address.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn addresses_of_one_kind_are_together() {
        let addresses = [
            "/ip4/127.0.0.1/tcp/4177/p2p/12D3KooWx",
            "/ip4/192.168.1.7/tcp/4177/p2p/12D3KooWx",
            "/ip4/127.0.0.1/udp/4177/quic-v1/p2p/12D3KooWx",
            "/ip4/192.168.1.7/udp/4177/quic-v1/p2p/12D3KooWx",
            "/ip6/::1/tcp/4177",
            "/ip6/fd00::7/tcp/4177",
            "/ip6/fd00::7/udp/4177/quic-v1",
            "/ip6zone/eth0/ip6/fe80::7/tcp/4177",
        ];
        assert_eq!(
            short(&addresses),
            ["TCP and QUIC, port 4177: 192.168.1.7, fd00::7", "TCP, port 4177: fe80::7%eth0"]
        );
    }

    #[test]
    fn ports_may_differ() {
        let addresses = ["/ip4/10.0.0.1/udp/5000/quic-v1", "/ip4/10.0.0.1/tcp/4177"];
        assert_eq!(short(&addresses), ["TCP, port 4177; QUIC, port 5000: 10.0.0.1"]);
    }

    #[test]
    fn loopback_is_shown_where_there_is_nothing_else() {
        assert_eq!(
            short(&["/ip4/127.0.0.1/tcp/1", "/ip6/::1/tcp/1"]),
            ["TCP, port 1: 127.0.0.1, ::1"]
        );
    }

    #[test]
    fn other_addresses_stay_as_they_are() {
        let relayed = "/ip4/198.51.100.7/tcp/4177/p2p/12D3KooWr/p2p-circuit/p2p/12D3KooWx";
        for address in
            [relayed, "/dns/node.example.org/tcp/4177", "/ip4/1.2.3.4/udp/1", "x", "", "/"]
        {
            assert_eq!(short(&[address]), [address]);
        }
    }
}
