//! What happens beyond the LAN; see [`super::super::wan`].

use crate::limits::{DIAL_BACK_MAX, LOOKUP_CONNECTION_KEPT};
use libp2p::core::ConnectedPoint;
use libp2p::core::transport::ListenerId;
use libp2p::kad::{self, GetProvidersOk, InboundRequest, QueryResult};
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId, StreamProtocol, autonat, dcutr, identify, relay};
use martlet_protocol::Shard;
use martlet_protocol::control::Reachability;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::super::wan::{
    Provider, Reach, WanBehaviour, WanBehaviourEvent, is_relayed, keep_provider,
};
use super::super::{NetSink, shorten};
use super::{Task, Timers};

impl<S: NetSink> Task<S> {
    /// Takes the addresses that the operator knows to be this node's.
    pub(super) fn announce(&mut self, addresses: Vec<Multiaddr>) {
        if self.wan.is_some() {
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
        if self.wan.is_some() {
            let shards: Vec<Shard> = self.shards.kept_shards().collect();
            for shard in shards {
                self.provide(shard, true);
            }
        }
    }

    /// Whether this node keeps a shard; the network is told soon.
    pub(super) fn provide(&mut self, shard: Shard, keeps: bool) -> Timers {
        let Some((wan, swarm)) = self.wan() else { return Timers::Same };
        if !keeps {
            if let Some(key) = wan.shards.key(shard) {
                swarm.kad.get_mut().stop_providing(&key);
            }
            wan.shards.drop(shard);
        } else if wan.shards.keep(shard) && wan.lookups.next_due().is_some() {
            wan.lookups.soon();
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
        if let Some((wan, swarm)) = self.wan()
            && let Some(key) = wan.shards.key(shard)
            && wan.shards.has_room()
        {
            let query = swarm.kad.get_mut().get_providers(key);
            wan.shards.began(query, Some(reply));
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
        let Some((wan, swarm)) = self.wan() else { return false };
        let now = Instant::now();
        if swarm.autonat_server.as_ref().is_some_and(|server| server.dialled(connection)) {
            wan.connections.tests.insert(connection, (peer, now + DIAL_BACK_MAX));
            return true;
        }
        if swarm.kad.dialled(connection) {
            let until = now + LOOKUP_CONNECTION_KEPT;
            wan.connections.for_lookup.insert(connection, (peer, until));
        }
        let may_test = endpoint.is_listener() && !endpoint.is_relayed();
        if may_test && is_connected && swarm.autonat_client.expects(&peer) {
            let held = (peer, endpoint.clone(), now + DIAL_BACK_MAX);
            wan.connections.maybe_tests.insert(connection, held);
            return true;
        }
        false
    }

    /// A peer of this network told of itself.
    pub(super) fn on_kin(&mut self, peer: PeerId, info: &identify::Info) {
        let Some((wan, swarm)) = self.wan() else { return };
        let speaks = |protocol: &StreamProtocol| info.protocols.contains(protocol);
        let addresses = wan.scope.choose(&info.listen_addrs);
        let kademlia = swarm.kad.get_mut();
        if speaks(&wan.kademlia_protocol) {
            for address in &addresses {
                kademlia.add_address(&peer, address.clone());
            }
        } else {
            kademlia.remove_peer(&peer);
        }
        match addresses.into_iter().find(|address| !is_relayed(address)) {
            Some(address) if speaks(&relay::HOP_PROTOCOL_NAME) => wan.relays.add(peer, address),
            _ => wan.relays.remove(&peer),
        }
    }

    /// The last connection with a peer is gone.
    pub(super) fn kin_gone(&mut self, peer: PeerId) {
        let few = self.peers.count() < self.peers.policy().low();
        let Some((wan, _)) = self.wan() else { return };
        wan.relays.remove(&peer);
        if few && wan.lookups.next_due().is_some() {
            wan.lookups.soon();
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
        let Some((wan, swarm)) = self.wan() else { return };
        let mode = if is_public { kad::Mode::Server } else { kad::Mode::Client };
        swarm.kad.get_mut().set_mode(Some(mode));
        if let Some(relay) = swarm.relay_server.as_mut() {
            let status = if is_public { relay::Status::Enable } else { relay::Status::Disable };
            relay.set_status(Some(status));
        }
        // Provider records carry the addresses.
        wan.shards.tell_again();
        if wan.lookups.next_due().is_some() {
            wan.lookups.soon();
        }
        if is_public {
            for listener in wan.relays.take_all() {
                self.swarm.remove_listener(listener);
            }
        }
        let connected: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        self.swarm.behaviour_mut().identify.get_mut().push(connected);
    }

    /// A listener ended. Returns whether it was a relay's reservation.
    pub(super) fn reservation_ended(&mut self, listener: ListenerId) -> bool {
        let is_reservation = self.wan.as_mut().is_some_and(|wan| wan.relays.ended(listener));
        if is_reservation {
            tracing::debug!("a relay's reservation ended");
        }
        is_reservation
    }

    pub(super) fn on_wan(&mut self, event: WanBehaviourEvent) -> Timers {
        match event {
            WanBehaviourEvent::Kad(event) => self.on_kademlia(event),
            WanBehaviourEvent::AutonatClient(event) => self.on_tested(&event),
            WanBehaviourEvent::AutonatServer(event) => self.close_tests(event.client),
            WanBehaviourEvent::RelayClient(event) => {
                if let relay::client::Event::ReservationReqAccepted {
                    relay_peer_id, renewal, ..
                } = event
                    && let Some((wan, _)) = self.wan()
                {
                    let relay = shorten::peer(&relay_peer_id);
                    tracing::debug!(%relay, renewal, "reached through a relay");
                    wan.relays.granted(&relay_peer_id);
                }
                Timers::Changed
            }
            WanBehaviourEvent::Dcutr(dcutr::Event { remote_peer_id, result }) => {
                let peer = shorten::peer(&remote_peer_id);
                match result {
                    Ok(_) => tracing::debug!(%peer, "connected directly instead of by a relay"),
                    Err(error) => tracing::debug!(%peer, %error, "no way around the relay"),
                }
                Timers::Changed
            }
            WanBehaviourEvent::RelayServer(event) => {
                tracing::trace!(?event, "relay");
                Timers::Same
            }
            WanBehaviourEvent::Upnp(event) => {
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
        let Some(wan) = &mut self.wan else { return };
        for (peer, addresses) in wan.found.take_expired() {
            for address in addresses {
                self.dialer.expired(peer, address);
            }
        }
        for (peer, addresses) in wan.found.hand_over(wanted, |peer| peers.is_connected(peer)) {
            for address in addresses {
                self.dialer.discovered(peer, address);
            }
        }
        let mut close = wan.connections.take_ended_tests();
        let looked_up = wan.connections.take_looked_up();
        if self.peers.is_over_target() {
            close.extend(looked_up.into_iter().map(|(connection, _)| connection));
        }
        for connection in close {
            self.swarm.close_connection(connection);
        }
        for (connection, peer, endpoint) in wan.connections.take_no_tests() {
            self.count_connection(peer, connection, &endpoint);
        }
        self.look_around(wanted > 0, lacking);
        self.ask_relays(state);
    }

    /// When something is due next.
    pub(super) fn next_open_due(&self) -> Option<Instant> {
        let state = self.reachability()?;
        let is_connected = |peer: &PeerId| self.peers.is_connected(peer);
        self.wan.as_ref()?.next_due(self.wanted(), is_connected, state)
    }

    /// Tells the network what is kept here, if it doesn't know, and looks for peers.
    /// Of the providers of a shard whose keepers are `lacking` rather than of one kept here.
    fn look_around(&mut self, wants_more: bool, lacking: Option<Shard>) {
        let Some((wan, swarm)) = self.wan() else { return };
        if !wan.lookups.take_due(wants_more) {
            return;
        }
        let kademlia = swarm.kad.get_mut();
        if kademlia.bootstrap().is_err() {
            // No one to ask: whoever comes starts it again.
            wan.lookups.stop();
            wan.shards.tell_again();
            return;
        }
        for key in wan.shards.take_untold() {
            if let Err(error) = kademlia.start_providing(key) {
                tracing::debug!(%error, "a shard cannot be told of");
            }
        }
        if wants_more
            && wan.shards.has_room()
            && let Some(key) = lacking
                .and_then(|shard| wan.shards.key(shard))
                .or_else(|| wan.shards.any_kept_key())
        {
            let query = kademlia.get_providers(key);
            wan.shards.began(query, None);
        }
    }

    fn ask_relays(&mut self, state: Reachability) {
        let Some(wan) = &mut self.wan else { return };
        if !wan.wants_relays(state) {
            return;
        }
        while let Some((peer, address)) = wan.relays.choose() {
            match self.swarm.listen_on(address) {
                Ok(listener) => wan.relays.asked(listener, peer),
                Err(error) => {
                    tracing::debug!(relay = %shorten::peer(&peer), %error, "cannot ask a relay");
                    wan.relays.failed(&peer);
                }
            }
        }
    }

    fn on_kademlia(&mut self, event: kad::Event) -> Timers {
        let local = *self.swarm.local_peer_id();
        let Some((wan, swarm)) = self.wan() else { return Timers::Same };
        match event {
            kad::Event::InboundRequest {
                request: InboundRequest::AddProvider { record: Some(mut record) },
            } => {
                record.addresses = wan.scope.choose(&record.addresses);
                if wan.shards.is_key(&record.key) && !record.addresses.is_empty() {
                    let store = swarm.kad.get_mut().store_mut();
                    let kept = keep_provider(store, record, &local, &mut rand::rng());
                    if let Err(error) = kept {
                        tracing::debug!(%error, "a provider is not kept");
                    }
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
                        wan.shards.found(&id, *peer, &addresses);
                        if wan.found.add(*peer, addresses) {
                            wan.lookups.found();
                        }
                    }
                }
                if step.last {
                    wan.shards.ended(&id);
                }
                Timers::Changed
            }
            kad::Event::RoutingUpdated { peer, is_new_peer, addresses, .. } => {
                let is_news = wan.found.add(peer, wan.scope.choose(addresses.iter()));
                if wan.lookups.next_due().is_none() {
                    wan.lookups.soon();
                } else if is_new_peer && is_news {
                    wan.lookups.found();
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
            if let Some(wan) = &mut self.wan {
                wan.test_failed = true;
            }
        }
        Timers::Changed
    }

    /// A peer's address is tested: the connection for that has served.
    fn close_tests(&mut self, client: PeerId) -> Timers {
        if let Some(wan) = &self.wan {
            for (connection, (peer, _)) in &wan.connections.tests {
                if *peer == client {
                    self.swarm.close_connection(*connection);
                }
            }
        }
        Timers::Changed
    }

    fn reachability(&self) -> Option<Reachability> {
        Some(self.wan.as_ref()?.reachability(self.swarm.external_addresses()))
    }

    /// Our part and libp2p's.
    fn wan(&mut self) -> Option<(&mut super::super::wan::Wan, &mut WanBehaviour)> {
        Some((self.wan.as_mut()?, self.swarm.behaviour_mut().wan.as_mut()?))
    }
}
