//! Nodes whose handshake failed since their network key is another one, or one of the two has none.
//!
//! Who dials knows it: it is the first to read what was encrypted, can't, and hangs up. Who is dialled only sees that the
//! other hung up in the midst of the handshake, without proving that it has the key.

use std::collections::VecDeque;
use std::net::IpAddr;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use tokio::time::Instant;

use crate::limits::{BROKEN_OFF_MIN, KEY_MISMATCHES_KEPT, KEY_MISMATCHES_MAX};

/// Where such nodes are.
#[derive(Debug, Default)]
pub(super) struct Mismatches(VecDeque<(Multiaddr, Instant)>);

impl Mismatches {
    /// A handshake failed with the node dialled at `address`.
    pub(super) fn note(&mut self, address: &Multiaddr, now: Instant) {
        let address: Multiaddr =
            address.iter().filter(|part| !matches!(part, Protocol::P2p(_))).collect();
        self.0.retain(|(known, _)| *known != address);
        self.0.push_back((address, now));
        if self.0.len() > KEY_MISMATCHES_MAX {
            self.0.pop_front();
        }
    }

    /// Those of late, the latest first.
    pub(super) fn list(&self, now: Instant) -> Vec<Multiaddr> {
        let late = self.0.iter().rev();
        let late = late.filter(|(_, at)| now.duration_since(*at) < KEY_MISMATCHES_KEPT);
        late.map(|(address, _)| address.clone()).collect()
    }
}

/// Who began to connect and hung up in the midst of the handshake. One that dials this node at several addresses at once does
/// so too, with those that are slower; therefore once is not told, and nothing of a host with which there is a connection.
#[derive(Debug, Default)]
pub(super) struct BrokenOff(VecDeque<Host>);

#[derive(Debug)]
struct Host {
    address: IpAddr,
    times: u32,
    last: Instant,
}

impl BrokenOff {
    /// A handshake that `address` began ended in its midst.
    pub(super) fn note(&mut self, address: IpAddr, now: Instant) {
        let known = self.0.iter().position(|host| host.address == address);
        let before = known.and_then(|place| self.0.remove(place));
        let times = match before {
            Some(host) if now.duration_since(host.last) < KEY_MISMATCHES_KEPT => host.times,
            Some(_) | None => 0,
        };
        self.0.push_back(Host { address, times: times.saturating_add(1), last: now });
        if self.0.len() > KEY_MISMATCHES_MAX {
            self.0.pop_front();
        }
    }

    /// A connection with `address` has come about.
    pub(super) fn connected(&mut self, address: IpAddr) {
        self.0.retain(|host| host.address != address);
    }

    /// Those of late that did so several times, the latest first.
    pub(super) fn list(&self, now: Instant) -> Vec<IpAddr> {
        let late = self.0.iter().rev();
        let late = late.filter(|host| {
            host.times >= BROKEN_OFF_MIN && now.duration_since(host.last) < KEY_MISMATCHES_KEPT
        });
        late.map(|host| host.address).collect()
    }
}

/// The host of an address that has one by number.
pub(super) fn host(address: &Multiaddr) -> Option<IpAddr> {
    address.iter().find_map(|part| match part {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(ip.into()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_is_dialled_again_and_again_is_told_once_and_forgotten_in_time() {
        let mut mismatches = Mismatches::default();
        let start = Instant::now();
        let one: Multiaddr = "/ip4/192.0.2.7/tcp/4177".parse().unwrap();
        let other: Multiaddr = "/ip4/192.0.2.8/tcp/4177".parse().unwrap();
        for _ in 0..100 {
            mismatches.note(&one, start);
        }
        mismatches.note(&other, start);
        assert_eq!(mismatches.list(start), [other, one]);
        assert_eq!(mismatches.list(start + KEY_MISMATCHES_KEPT), []);
        for port in 1..100 {
            mismatches.note(&format!("/ip4/192.0.2.9/tcp/{port}").parse().unwrap(), start);
        }
        assert_eq!(mismatches.list(start).len(), KEY_MISMATCHES_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn who_broke_off_several_times_is_told_until_a_connection_comes_about() {
        let mut broken_off = BrokenOff::default();
        let start = Instant::now();
        let [one, other]: [IpAddr; 2] = ["192.0.2.7", "2001:db8::7"].map(|ip| ip.parse().unwrap());
        broken_off.note(one, start);
        assert_eq!(broken_off.list(start), [] as [IpAddr; 0]);
        // Much later is no second time.
        let later = start + KEY_MISMATCHES_KEPT;
        broken_off.note(one, later);
        assert_eq!(broken_off.list(later), [] as [IpAddr; 0]);
        for address in [one, one, other, other, other] {
            broken_off.note(address, later);
        }
        assert_eq!(broken_off.list(later), [other, one]);
        broken_off.connected(other);
        assert_eq!(broken_off.list(later), [one]);
        assert_eq!(broken_off.list(later + KEY_MISMATCHES_KEPT), [] as [IpAddr; 0]);
        // A flood from many addresses takes no room.
        for number in 0..100_u32 {
            broken_off.note(IpAddr::from(number.to_be_bytes()), later);
        }
        assert_eq!(broken_off.0.len(), KEY_MISMATCHES_MAX);
    }
}
