//! Notices that a cable was pulled out or put in, a Wi-Fi left or joined, an address lost or got: as the kernel tells by
//! netlink (rtnetlink(7)). Elsewhere than on Linux nothing is noticed here, and pings find out.

use std::sync::Arc;

use tokio::sync::{Notify, mpsc};

use super::task::Command;

/// Tells the network's task of changes, and who waits for `changed`, until the task ends.
#[cfg(target_os = "linux")]
pub(super) async fn watch(commands: mpsc::WeakSender<Command>, changed: Arc<Notify>) {
    if let Err(error) = linux::follow(&commands, &changed).await {
        tracing::debug!(%error, "changes of network interfaces are not noticed");
    }
}

/// Tells the network's task of changes, and who waits for `changed`, until the task ends.
#[cfg(not(target_os = "linux"))]
pub(super) async fn watch(_: mpsc::WeakSender<Command>, _: Arc<Notify>) {}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::{HashMap, HashSet};
    use std::net::IpAddr;

    use futures::{StreamExt, TryStreamExt};
    use rtnetlink::packet_core::NetlinkPayload;
    use rtnetlink::packet_route::RouteNetlinkMessage;
    use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage};
    use rtnetlink::packet_route::link::{LinkFlags, LinkMessage};
    use rtnetlink::{MulticastGroup, new_multicast_connection};
    use tokio::sync::{Notify, mpsc};

    use super::super::task::Command;
    use crate::limits::LINK_CHANGES_SETTLE;

    /// What is known of interfaces, loopback apart.
    #[derive(Debug, Default)]
    pub(super) struct Interfaces {
        /// Whether each is up and has a link: a cable, a Wi-Fi.
        linked: HashMap<u32, bool>,
        /// Addresses, each with its interface.
        addresses: HashSet<(u32, IpAddr)>,
    }

    /// Why the kernel's messages can't be followed.
    #[derive(Debug, thiserror::Error)]
    pub(super) enum FollowError {
        /// No netlink socket is to be had: a hardened unit may forbid it.
        #[error("no netlink socket: {0}")]
        Socket(#[from] std::io::Error),
        /// The kernel did not say what there is.
        #[error("the interfaces could not be listed: {0}")]
        List(#[from] rtnetlink::Error),
    }

    /// What a message of the kernel's means.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub(super) enum Change {
        /// Nothing that matters: the kernel repeats what is so with each router advertisement and scan.
        None,
        /// A way was lost.
        Lost,
        /// A way was found.
        Found,
    }

    /// Follows the kernel's messages.
    pub(super) async fn follow(
        commands: &mpsc::WeakSender<Command>,
        changed: &Notify,
    ) -> Result<(), FollowError> {
        let groups = [MulticastGroup::Link, MulticastGroup::Ipv4Ifaddr, MulticastGroup::Ipv6Ifaddr];
        let (connection, handle, mut messages) = new_multicast_connection(&groups)?;
        // Ends with this function: its other halves are dropped then.
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(connection);
        // What is there already is no news.
        let mut interfaces = Interfaces::default();
        let mut links = handle.link().get().execute();
        while let Some(link) = links.try_next().await? {
            interfaces.link(&link, true);
        }
        let mut addresses = handle.address().get().execute();
        while let Some(address) = addresses.try_next().await? {
            interfaces.address(&address, true);
        }
        while let Some((message, _)) = messages.next().await {
            let mut change = interfaces.take(message.payload);
            if change == Change::None {
                continue;
            }
            // One cable makes several messages.
            tokio::time::sleep(LINK_CHANGES_SETTLE).await;
            while let Ok((message, _)) = messages.try_recv() {
                change = change.max(interfaces.take(message.payload));
            }
            changed.notify_one();
            let Some(commands) = commands.upgrade() else { break };
            let command = Command::LinksChanged { found: change == Change::Found };
            if commands.send(command).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    impl Interfaces {
        fn take(&mut self, payload: NetlinkPayload<RouteNetlinkMessage>) -> Change {
            let NetlinkPayload::InnerMessage(message) = payload else { return Change::None };
            match message {
                RouteNetlinkMessage::NewLink(link) => self.link(&link, true),
                RouteNetlinkMessage::DelLink(link) => self.link(&link, false),
                RouteNetlinkMessage::NewAddress(address) => self.address(&address, true),
                RouteNetlinkMessage::DelAddress(address) => self.address(&address, false),
                // The enum is open; nothing else was asked for.
                _ => Change::None,
            }
        }

        /// An interface is as the message says, or gone.
        pub(super) fn link(&mut self, link: &LinkMessage, exists: bool) -> Change {
            let header = &link.header;
            if header.flags.contains(LinkFlags::Loopback) {
                return Change::None;
            }
            let is_linked = exists && header.flags.contains(LinkFlags::Up | LinkFlags::LowerUp);
            let was_linked = match exists {
                true => self.linked.insert(header.index, is_linked),
                false => self.linked.remove(&header.index),
            };
            Change::from(was_linked.unwrap_or(false), is_linked)
        }

        /// An interface has an address, or no longer.
        pub(super) fn address(&mut self, address: &AddressMessage, exists: bool) -> Change {
            let ip = address.attributes.iter().find_map(|attribute| match attribute {
                AddressAttribute::Address(ip) => Some(*ip),
                _ => None,
            });
            let Some(ip) = ip.filter(|ip| !ip.is_loopback()) else { return Change::None };
            let key = (address.header.index, ip);
            let had = match exists {
                true => !self.addresses.insert(key),
                false => self.addresses.remove(&key),
            };
            Change::from(had, exists)
        }
    }

    impl Change {
        fn from(was: bool, is: bool) -> Self {
            match (was, is) {
                (false, true) => Self::Found,
                (true, false) => Self::Lost,
                (true, true) | (false, false) => Self::None,
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        fn link(index: u32, flags: LinkFlags) -> LinkMessage {
            let mut link = LinkMessage::default();
            link.header.index = index;
            link.header.flags = flags;
            link
        }

        #[test]
        fn a_cable_is_noticed_once_and_repetitions_are_not() {
            let mut interfaces = Interfaces::default();
            let (with, without) =
                (link(2, LinkFlags::Up | LinkFlags::LowerUp), link(2, LinkFlags::Up));
            assert_eq!(interfaces.link(&with, true), Change::Found);
            assert_eq!(interfaces.link(&with, true), Change::None);
            assert_eq!(interfaces.link(&without, true), Change::Lost);
            assert_eq!(interfaces.link(&without, true), Change::None);
            assert_eq!(interfaces.link(&without, false), Change::None);
            let loopback = link(1, LinkFlags::Up | LinkFlags::LowerUp | LinkFlags::Loopback);
            assert_eq!(interfaces.link(&loopback, true), Change::None);
        }

        #[test]
        fn an_address_that_is_announced_again_is_no_news() {
            let mut interfaces = Interfaces::default();
            let mut address = AddressMessage::default();
            address.header.index = 2;
            address.attributes.push(AddressAttribute::Address(IpAddr::from([192, 0, 2, 1])));
            assert_eq!(interfaces.address(&address, true), Change::Found);
            assert_eq!(interfaces.address(&address, true), Change::None);
            assert_eq!(interfaces.address(&address, false), Change::Lost);
        }
    }
}
