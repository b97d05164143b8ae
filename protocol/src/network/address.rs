//! The syntax of bootstrap addresses, as far as can be told without libp2p: what no daemon could
//! dial is found when the file is written, not when the daemon is started.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::limits::BOOTSTRAP_ADDRESS_BYTES_MAX;

/// Checks a multiaddress: `/ip4|ip6|dns|dns4|dns6/HOST`, then `/tcp/PORT` or `/udp/PORT/quic-v1`,
/// then perhaps `/p2p/PEER-ID` (and, for a relay's, `/p2p-circuit`); or `/dnsaddr/NAME`. In a
/// closed network there is no QUIC.
pub(crate) fn check(text: &str, is_closed: bool) -> Result<(), &'static str> {
    if text.len() > BOOTSTRAP_ADDRESS_BYTES_MAX {
        return Err("it is too long");
    }
    let mut parts =
        text.strip_prefix('/').ok_or("not a multiaddress: it begins with /")?.split('/');
    let host = parts.next().unwrap_or_default();
    let name = parts.next().unwrap_or_default();
    match host {
        "ip4" => check_that(name.parse::<Ipv4Addr>().is_ok(), "not an IPv4 address")?,
        "ip6" => check_that(name.parse::<Ipv6Addr>().is_ok(), "not an IPv6 address")?,
        "dns" | "dns4" | "dns6" | "dnsaddr" => {
            check_that(is_host_name(name), "not a host's name")?;
        }
        _ => return Err("it must begin with /ip4, /ip6, /dns, /dns4, /dns6 or /dnsaddr"),
    }
    if host != "dnsaddr" {
        match parts.next() {
            Some("tcp") => check_port(parts.next())?,
            Some("udp") => {
                check_port(parts.next())?;
                check_that(parts.next() == Some("quic-v1"), "/udp/PORT is followed by /quic-v1")?;
                check_that(!is_closed, "a closed network has no QUIC, only /tcp/PORT")?;
            }
            _ => return Err("the host is followed by /tcp/PORT or /udp/PORT/quic-v1"),
        }
    }
    while let Some(part) = parts.next() {
        match part {
            "p2p" => check_that(parts.next().is_some_and(is_peer_id), "not a peer ID after /p2p")?,
            "p2p-circuit" => {}
            _ => return Err("only /p2p/PEER-ID and /p2p-circuit may follow the port"),
        }
    }
    Ok(())
}

fn check_that(condition: bool, otherwise: &'static str) -> Result<(), &'static str> {
    if condition { Ok(()) } else { Err(otherwise) }
}

fn check_port(port: Option<&str>) -> Result<(), &'static str> {
    let port = port.filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    let port = port.and_then(|port| port.parse::<u16>().ok());
    check_that(port.is_some_and(|port| port != 0), "a port is a number from 1 to 65535")
}

/// Up to 253 bytes without what no resolver takes.
fn is_host_name(name: &str) -> bool {
    let is_allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
    (1..=253).contains(&name.len()) && name.chars().all(is_allowed)
}

/// Base58 of a multihash, or a CID: letters and digits, and of about the right length.
fn is_peer_id(id: &str) -> bool {
    (40..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";

    #[test]
    fn what_can_be_dialled_is_accepted() {
        for good in [
            "/ip4/192.168.1.7/tcp/4177",
            "/ip6/fe80::1/tcp/4177",
            "/dns/host.example/tcp/1",
            &format!("/dns6/host.example/tcp/65535/p2p/{PEER}"),
            &format!("/dnsaddr/host.example/p2p/{PEER}"),
            "/dnsaddr/host.example",
            &format!("/ip4/1.2.3.4/tcp/1/p2p/{PEER}/p2p-circuit/p2p/{PEER}"),
        ] {
            assert_eq!(check(good, true), Ok(()), "{good}");
        }
        let quic = "/ip4/10.0.0.1/udp/4177/quic-v1";
        assert_eq!(check(quic, false), Ok(()));
        assert!(check(quic, true).is_err_and(|reason| reason.contains("no QUIC")));
    }

    #[test]
    fn what_cannot_is_refused() {
        for bad in [
            "",
            "/",
            "192.168.1.7:4177",
            "/ip4/192.168.1.7",
            "/ip4/192.168.1.300/tcp/4177",
            "/ip4/192.168.1.7/tcp",
            "/ip4/192.168.1.7/tcp/0",
            "/ip4/192.168.1.7/tcp/+1",
            "/ip4/192.168.1.7/tcp/70000",
            "/ip4/192.168.1.7/udp/4177",
            "/ip4/192.168.1.7/tcp/4177/",
            "/ip4/192.168.1.7/tcp/4177/ws",
            "/dns//tcp/1",
            "/dns/a b/tcp/1",
            "/tcp/4177",
            "/memory/5",
            "/ip4/1.2.3.4/tcp/1/p2p/x",
            &format!("/dns/{}/tcp/1", "a".repeat(300)),
        ] {
            assert!(check(bad, false).is_err(), "{bad}");
        }
    }
}
