//! Names of hosts, looked up as the system says at that moment.
//!
//! The system's resolver is configured by files, which are empty when a laptop starts and change with each network that
//! it joins: they are looked at before each dial of a name, and read anew when they have changed. Names in the file of
//! hosts are found also where no server is named.

use std::fs;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::SystemTime;

use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{DialOpts, ListenerId, TransportError, TransportEvent};
use libp2p::dns::{self, ResolverConfig, ResolverOpts};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId, Transport};

use super::transport::Boxed;

/// Which servers are asked (resolv.conf(5)).
const RESOLVER_FILE: &str = "/etc/resolv.conf";
/// What is known without asking (hosts(5)).
const HOSTS_FILE: &str = "/etc/hosts";

/// Whether a server is named that can be asked; `None` where the system doesn't tell so.
#[must_use]
pub(crate) fn has_server() -> Option<bool> {
    let text = match fs::read(RESOLVER_FILE) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Some(false),
        Err(_) => return None,
    };
    let text = String::from_utf8_lossy(&text);
    Some(text.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some("nameserver") && words.next().is_some()
    }))
}

/// Whether an address has a name that must be looked up.
pub(crate) fn is_name(address: &Multiaddr) -> bool {
    address.iter().any(|part| {
        matches!(
            part,
            Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_) | Protocol::Dnsaddr(_)
        )
    })
}

/// A transport that dials names too.
pub(super) struct WithNames<M> {
    direct: Boxed,
    /// Makes what addresses are dialled by once they are found.
    make: M,
    names: Option<(Stamp, dns::tokio::Transport<Boxed>)>,
}

/// What changes when one of the files does.
type Stamp = [Option<(SystemTime, u64)>; 2];

impl<M: FnMut() -> Option<Boxed>> WithNames<M> {
    /// Dials names by what `make` makes, and listens and dials addresses by `direct`.
    pub(super) fn new(direct: Boxed, make: M) -> Self {
        Self { direct, make, names: None }
    }

    /// What dials names, by the files as they are now.
    fn names(&mut self) -> Option<&mut dns::tokio::Transport<Boxed>> {
        let now = [RESOLVER_FILE, HOSTS_FILE].map(|file| {
            let data = fs::metadata(file).ok()?;
            Some((data.modified().ok()?, data.len()))
        });
        if self.names.as_ref().is_none_or(|(stamp, _)| *stamp != now) {
            let names = match dns::tokio::Transport::system((self.make)()?) {
                Ok(names) => names,
                Err(error) => {
                    tracing::debug!(%error, "no resolver: only names in the file of hosts are found");
                    let nobody = ResolverConfig::from_parts(None, Vec::new(), Vec::new());
                    dns::tokio::Transport::custom((self.make)()?, nobody, ResolverOpts::default())
                }
            };
            self.names = Some((now, names));
        }
        self.names.as_mut().map(|(_, names)| names)
    }
}

impl<M: FnMut() -> Option<Boxed> + Send + Unpin + 'static> Transport for WithNames<M> {
    type Output = (PeerId, StreamMuxerBox);
    type Error = std::io::Error;
    type ListenerUpgrade = <Boxed as Transport>::ListenerUpgrade;
    type Dial = <Boxed as Transport>::Dial;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<Self::Error>> {
        self.direct.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.direct.remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Self::Dial, TransportError<Self::Error>> {
        if !is_name(&address) {
            return self.direct.dial(address, options);
        }
        let Some(names) = self.names() else {
            return Err(TransportError::MultiaddrNotSupported(address));
        };
        let dial =
            names.dial(address, options).map_err(|error| error.map(std::io::Error::other))?;
        Ok(Box::pin(async move { dial.await.map_err(std::io::Error::other) }))
    }

    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, Self::Error>> {
        Pin::new(&mut self.direct).poll(context)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn only_names_are_looked_up() {
        let is = |text: &str| is_name(&text.parse().unwrap());
        assert!(is("/dns/a.example/tcp/1") && is("/dnsaddr/a.example") && is("/dns6/a/tcp/1"));
        assert!(!is("/ip4/1.2.3.4/tcp/1") && !is("/ip6/::1/udp/1/quic-v1"));
    }
}
