//! An internet of a few public hosts, and homes behind routers that translate addresses, by the
//! kernel's own NAT. Needs, beside what a [`Lan`] does, `nft` of nftables.
//!
//! ```text
//!     public hosts         9.9.9.1, 9.9.9.2, …  ─┐
//!     routers of the homes 9.9.9.3, 9.9.9.4, …  ─┴ the switch of a `Lan`
//!         │ lan 192.168.1.1, 192.168.2.1, …
//!     hosts at home        192.168.1.2, 192.168.2.2, …
//! ```

use std::path::Path;

use super::{Lan, LanError, NAMES_DIR, ip, run};

/// How a router chooses the port by which the rest of the world sees a host's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortMapping {
    /// The host's own, if it is free: the same towards everyone (RFC 4787: endpoint-independent).
    Kept,
    /// Any, another towards each peer (RFC 4787: address- and port-dependent).
    Random,
}

/// The internet and its homes. Removed when dropped.
#[derive(Debug)]
pub struct Internet {
    lan: Lan,
    public: usize,
    homes: usize,
}

impl Internet {
    /// With so many public hosts and homes of one host each. The routers let in what answers, and
    /// say nothing to the rest.
    ///
    /// # Errors
    /// As [`Lan::new`], and [`LanError::Refused`] where `nft` is missing or the kernel's NAT.
    pub fn new(public: usize, homes: usize, mapping: PortMapping) -> Result<Self, LanError> {
        let internet = Self { lan: Lan::new([public + homes, 0])?, public, homes };
        for host in 0..public + homes {
            let namespace = internet.lan.namespace(host);
            let address = format!("{}/24", Self::address(host));
            ip(&["-n", &namespace, "address", "flush", "dev", "eth0"], "")?;
            ip(&["-n", &namespace, "address", "add", &address, "dev", "eth0"], "")?;
        }
        for home in 0..homes {
            internet.furnish(home, mapping)?;
        }
        Ok(internet)
    }

    /// The namespace of a public host.
    #[must_use]
    pub fn public(&self, host: usize) -> String {
        self.lan.namespace(host)
    }

    /// The namespace of the host in a home.
    #[must_use]
    pub fn home(&self, home: usize) -> String {
        format!("{}-home{home}", self.lan.name)
    }

    /// The address of a public host. Not of the ranges for documentation, which are not public.
    #[must_use]
    pub fn address(host: usize) -> String {
        format!("9.9.9.{}", host + 1)
    }

    fn furnish(&self, home: usize, mapping: PortMapping) -> Result<(), LanError> {
        let (router, host) = (self.lan.namespace(self.public + home), self.home(home));
        let net = format!("192.168.{}", home + 1);
        ip(&["netns", "add", &host], "")?;
        let in_router = format!(
            "link add lan type veth peer name eth0 netns {host}\n\
             address add {net}.1/24 dev lan\n\
             link set lan up"
        );
        ip(&["-n", &router, "-batch", "-"], &in_router)?;
        let in_host = format!(
            "link set lo up\n\
             address add {net}.2/24 dev eth0\n\
             link set eth0 up\n\
             route add default via {net}.1"
        );
        ip(&["-n", &host, "-batch", "-"], &in_host)?;
        let in_router = |command: &[&str], input: &str| {
            run("ip", &[&["netns", "exec", &router], command].concat(), input)
        };
        in_router(&["tee", "/proc/sys/net/ipv4/ip_forward"], "1")?;
        in_router(&["nft", "-f", "-"], &rules(mapping))
    }
}

impl Drop for Internet {
    fn drop(&mut self) {
        // The rest is the LAN's.
        for namespace in (0..self.homes).map(|home| self.home(home)) {
            if Path::new(NAMES_DIR).join(&namespace).exists() {
                let _ = ip(&["netns", "delete", &namespace], "");
            }
        }
    }
}

/// A router's rules, for nft(8).
fn rules(mapping: PortMapping) -> String {
    let how = match mapping {
        PortMapping::Kept => "",
        PortMapping::Random => "fully-random",
    };
    format!(
        "table ip home {{
            chain translate {{
                type nat hook postrouting priority srcnat;
                oifname eth0 masquerade {how};
            }}
            chain here {{
                type filter hook input priority filter;
                iifname eth0 ct state new drop;
            }}
            chain through {{
                type filter hook forward priority filter;
                iifname eth0 ct state new drop;
            }}
        }}"
    )
}
