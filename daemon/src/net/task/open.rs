//! What happens beyond the LAN; see [`super::super::open`].

use crate::limits::{DIAL_BACK_MAX, LOOKUP_CONNECTION_KEPT};
use libp2p::core::ConnectedPoint;
use libp2p::core::transport::ListenerId;
use libp2p::kad::store::RecordStore;
use libp2p::kad::{self, GetProvidersOk, InboundRequest, QueryResult};
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId, StreamProtocol, autonat, dcutr, identify, relay};
use martlet_protocol::Shard;
use martlet_protocol::control::Reachability;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::super::open::{OpenBehaviour, OpenBehaviourEvent, Provider, Reach, is_relayed};
use super::super::{NetSink, shorten};
use super::{Task, Timers};

impl<S: NetSink> Task<S> {
    /// Takes the addresses that the operator knows to be this node's.
    pub(super) fn announce(&mut self, addresses: Vec<Multiaddr>) {
        if self.open.is_some() {
            for address in addresses {
                self.swarm.add_external_address(address.clone());
                self.on_external_changed(&address);
            }
        }
    }

    /// How far others reach this node.
    pub(super) fn reach(&self) -> Reach {
        let Some(state) = self.reachability() else { return Reach::default() };
        let external = self.swarm.external_addresses();
        let with_id = |address: &Multiaddr| {
            address.clone().with_p2p(self.local).unwrap_or_else(|address| address)
        };
        let mut addresses: Vec<Multiaddr> = external.map(with_id).collect();
        addresses.sort();
        addresses.dedup();
        Reach { state: Some(state), addresses }
    }

    /// Tells the network of the shards kept from the start.
    pub(super) fn provide_kept(&mut self) {
        if self.open.is_some() {
            let shards: Vec<Shard> = self.shards.kept_shards().collect();
            for shard in shards {
                self.provide(shard, true);
            }
        }
    }

    /// Whether this node keeps a shard; the network is told soon.
    pub(super) fn provide(&mut self, shard: Shard, keeps: bool) -> Timers {
        let Some((open, swarm)) = self.open() else { return Timers::Same };
        if !keeps {
            if let Some(key) = open.shards.key(shard) {
                swarm.kad.get_mut().stop_providing(&key);
            }
            open.shards.drop(shard);
        } else if open.shards.keep(shard) && open.lookups.next_due().is_some() {
            open.lookups.soon();
        }
        Timers::Changed
    }

    /// Asks the network who keeps a shard.
    pub(super) fn find_providers(
        &mut self,
        shard: Shard,
        reply: oneshot::Sender<Vec<Provider>>,
    ) -> Timers {
        // Where it can't be asked, the answer is dropped with the reply: none.
        if let Some((open, swarm)) = self.open()
            && let Some(key) = open.shards.key(shard)
            && open.shards.has_room()
        {
            let query = swarm.kad.get_mut().get_providers(key);
            open.shards.began(query, Some(reply));
        }
        Timers::Same
    }

    /// Whether a connection is made to test an address, ours or the peer's: such a one is not
    /// counted as the peer's, or it would take the place of the one that the test runs on.
    pub(super) fn is_test(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        endpoint: &ConnectedPoint,
    ) -> bool {
        let is_connected = self.peers.is_connected(&peer);
        let Some((open, swarm)) = self.open() else { return false };
        let now = Instant::now();
        if swarm.autonat_server.as_ref().is_some_and(|server| server.dialled(connection)) {
            open.connections.tests.insert(connection, (peer, now + DIAL_BACK_MAX));
            return true;
        }
        if swarm.kad.dialled(connection) {
            let until = now + LOOKUP_CONNECTION_KEPT;
            open.connections.for_lookup.insert(connection, (peer, until));
        }
        let may_test = endpoint.is_listener() && !endpoint.is_relayed();
        if may_test && is_connected && swarm.autonat_client.expects(&peer) {
            let held = (peer, endpoint.clone(), now + DIAL_BACK_MAX);
            open.connections.maybe_tests.insert(connection, held);
            return true;
        }
        false
    }

    /// A peer of this network told of itself.
    pub(super) fn on_kin(&mut self, peer: PeerId, info: &identify::Info) {
        let Some((open, swarm)) = self.open() else { return };
        let speaks = |protocol: &StreamProtocol| info.protocols.contains(protocol);
        let addresses = open.scope.choose(&info.listen_addrs);
        let kademlia = swarm.kad.get_mut();
        if speaks(&open.kademlia_protocol) {
            for address in &addresses {
                kademlia.add_address(&peer, address.clone());
            }
        } else {
            kademlia.remove_peer(&peer);
        }
        match addresses.into_iter().find(|address| !is_relayed(address)) {
            Some(address) if speaks(&relay::HOP_PROTOCOL_NAME) => open.relays.add(peer, address),
            _ => open.relays.remove(&peer),
        }
    }

    /// The last connection with a peer is gone.
    pub(super) fn kin_gone(&mut self, peer: PeerId) {
        let few = self.peers.count() < self.peers.policy().low();
        let Some((open, _)) = self.open() else { return };
        open.relays.remove(&peer);
        if few && open.lookups.next_due().is_some() {
            open.lookups.soon();
        }
    }

    /// An address of this node's own was confirmed, or is one no longer.
    pub(super) fn on_external_changed(&mut self, address: &Multiaddr) {
        let Some(state) = self.reachability() else { return };
        let is_confirmed = self.swarm.external_addresses().any(|known| known == address);
        tracing::info!(
            address = %shorten::address(address),
            is_confirmed,
            "address for nodes beyond the LAN"
        );
        let is_public = state == Reachability::Public;
        let Some((open, swarm)) = self.open() else { return };
        let mode = if is_public { kad::Mode::Server } else { kad::Mode::Client };
        swarm.kad.get_mut().set_mode(Some(mode));
        if let Some(relay) = swarm.relay_server.as_mut() {
            let status = if is_public { relay::Status::Enable } else { relay::Status::Disable };
            relay.set_status(Some(status));
        }
        // Provider records carry the addresses.
        open.shards.tell_again();
        if open.lookups.next_due().is_some() {
            open.lookups.soon();
        }
        if is_public {
            for listener in open.relays.take_all() {
                self.swarm.remove_listener(listener);
            }
        }
        let connected: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        self.swarm.behaviour_mut().identify.get_mut().push(connected);
    }

    /// A listener ended. Returns whether it was a relay's reservation.
    pub(super) fn reservation_ended(&mut self, listener: ListenerId) -> bool {
        let is_reservation = self.open.as_mut().is_some_and(|open| open.relays.ended(listener));
        if is_reservation {
            tracing::debug!("a relay's reservation ended");
        }
        is_reservation
    }

    pub(super) fn on_open(&mut self, event: OpenBehaviourEvent) -> Timers {
        match event {
            OpenBehaviourEvent::Kad(event) => self.on_kademlia(event),
            OpenBehaviourEvent::AutonatClient(event) => self.on_tested(&event),
            OpenBehaviourEvent::AutonatServer(event) => self.close_tests(event.client),
            OpenBehaviourEvent::RelayClient(event) => {
                if let relay::client::Event::ReservationReqAccepted {
                    relay_peer_id, renewal, ..
                } = event
                    && let Some((open, _)) = self.open()
                {
                    let relay = shorten::peer(&relay_peer_id);
                    tracing::debug!(%relay, renewal, "reached through a relay");
                    open.relays.granted(&relay_peer_id);
                }
                Timers::Changed
            }
            OpenBehaviourEvent::Dcutr(dcutr::Event { remote_peer_id, result }) => {
                let peer = shorten::peer(&remote_peer_id);
                match result {
                    Ok(_) => tracing::debug!(%peer, "connected directly instead of by a relay"),
                    Err(error) => tracing::debug!(%peer, %error, "no way around the relay"),
                }
                Timers::Changed
            }
            OpenBehaviourEvent::RelayServer(event) => {
                tracing::trace!(?event, "relay");
                Timers::Same
            }
            OpenBehaviourEvent::Upnp(event) => {
                tracing::debug!(?event, "UPnP");
                Timers::Same
            }
        }
    }

    /// Does what is due.
    pub(super) fn open_due(&mut self) {
        let Some(state) = self.reachability() else { return };
        let peers = &self.peers;
        let wanted = self.wanted();
        let lacking = self.shards.lacking();
        let Some(open) = &mut self.open else { return };
        for (peer, addresses) in open.found.take_expired() {
            for address in addresses {
                self.dialer.expired(peer, address);
            }
        }
        for (peer, addresses) in open.found.hand_over(wanted, |peer| peers.is_connected(peer)) {
            for address in addresses {
                self.dialer.discovered(peer, address);
            }
        }
        let mut close = open.connections.take_ended_tests();
        let looked_up = open.connections.take_looked_up();
        if self.peers.is_over_target() {
            close.extend(looked_up.into_iter().map(|(connection, _)| connection));
        }
        for connection in close {
            self.swarm.close_connection(connection);
        }
        for (connection, peer, endpoint) in open.connections.take_no_tests() {
            self.count_connection(peer, connection, &endpoint);
        }
        self.look_around(wanted > 0, lacking);
        self.ask_relays(state);
    }

    /// When something is due next.
    pub(super) fn next_open_due(&self) -> Option<Instant> {
        let state = self.reachability()?;
        let is_connected = |peer: &PeerId| self.peers.is_connected(peer);
        self.open.as_ref()?.next_due(self.wanted(), is_connected, state)
    }

    /// Tells the network what is kept here, if it doesn't know, and looks for peers.
    /// Of the providers of a shard whose keepers are `lacking` rather than of one kept here.
    fn look_around(&mut self, wants_more: bool, lacking: Option<Shard>) {
        let Some((open, swarm)) = self.open() else { return };
        if !open.lookups.take_due(wants_more) {
            return;
        }
        let kademlia = swarm.kad.get_mut();
        if kademlia.bootstrap().is_err() {
            // No one to ask: whoever comes starts it again.
            open.lookups.stop();
            open.shards.tell_again();
            return;
        }
        for key in open.shards.take_untold() {
            if let Err(error) = kademlia.start_providing(key) {
                tracing::debug!(%error, "a shard cannot be told of");
            }
        }
        if wants_more
            && open.shards.has_room()
            && let Some(key) = lacking
                .and_then(|shard| open.shards.key(shard))
                .or_else(|| open.shards.any_kept_key())
        {
            let query = kademlia.get_providers(key);
            open.shards.began(query, None);
        }
    }

    fn ask_relays(&mut self, state: Reachability) {
        let Some(open) = &mut self.open else { return };
        if !open.wants_relays(state) {
            return;
        }
        while let Some((peer, address)) = open.relays.choose() {
            match self.swarm.listen_on(address) {
                Ok(listener) => open.relays.asked(listener, peer),
                Err(error) => {
                    tracing::debug!(relay = %shorten::peer(&peer), %error, "cannot ask a relay");
                    open.relays.failed(&peer);
                }
            }
        }
    }

    fn on_kademlia(&mut self, event: kad::Event) -> Timers {
        let Some((open, swarm)) = self.open() else { return Timers::Same };
        match event {
            kad::Event::InboundRequest {
                request: InboundRequest::AddProvider { record: Some(mut record) },
            } => {
                record.addresses = open.scope.choose(&record.addresses);
                if open.shards.is_key(&record.key)
                    && !record.addresses.is_empty()
                    && let Err(error) = swarm.kad.get_mut().store_mut().add_provider(record)
                {
                    tracing::debug!(%error, "a provider is not kept");
                }
                Timers::Same
            }
            kad::Event::OutboundQueryProgressed { id, result, step, .. } => {
                if let QueryResult::GetProviders(Ok(GetProvidersOk::FoundProviders {
                    providers,
                    ..
                })) = &result
                {
                    for peer in providers {
                        let addresses = swarm.kad.addresses_of(*peer);
                        open.shards.found(&id, *peer, &addresses);
                        if open.found.add(*peer, addresses) {
                            open.lookups.found();
                        }
                    }
                }
                if step.last {
                    open.shards.ended(&id);
                }
                Timers::Changed
            }
            kad::Event::RoutingUpdated { peer, is_new_peer, addresses, .. } => {
                let is_news = open.found.add(peer, open.scope.choose(addresses.iter()));
                if open.lookups.next_due().is_none() {
                    open.lookups.soon();
                } else if is_new_peer && is_news {
                    open.lookups.found();
                }
                Timers::Changed
            }
            kad::Event::InboundRequest { .. }
            | kad::Event::UnroutablePeer { .. }
            | kad::Event::RoutablePeer { .. }
            | kad::Event::PendingRoutablePeer { .. }
            | kad::Event::ModeChanged { .. } => Timers::Same,
        }
    }

    fn on_tested(&mut self, event: &autonat::v2::client::Event) -> Timers {
        if let Err(error) = &event.result {
            let address = shorten::address(&event.tested_addr);
            tracing::debug!(%address, %error, "others cannot connect to this address");
            if let Some(open) = &mut self.open {
                open.test_failed = true;
            }
        }
        Timers::Changed
    }

    /// A peer's address is tested: the connection for that has served.
    fn close_tests(&mut self, client: PeerId) -> Timers {
        if let Some(open) = &self.open {
            for (connection, (peer, _)) in &open.connections.tests {
                if *peer == client {
                    self.swarm.close_connection(*connection);
                }
            }
        }
        Timers::Changed
    }

    fn reachability(&self) -> Option<Reachability> {
        Some(self.open.as_ref()?.reachability(self.swarm.external_addresses()))
    }

    /// Our part and libp2p's.
    fn open(&mut self) -> Option<(&mut super::super::open::Open, &mut OpenBehaviour)> {
        Some((self.open.as_mut()?, self.swarm.behaviour_mut().open.as_mut()?))
    }
}
