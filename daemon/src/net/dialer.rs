//! Whom to dial, and when: configured peers for ever, discovered ones while they are announced,
//! remembered ones a few times, and what the user asked for a number of times.
//!
//! Pure bookkeeping: the swarm's task reports what became of each dial and asks for what is due.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::limits::{
    ADDRESSES_PER_PEER_MAX, CACHED_DIAL_ATTEMPTS_MAX, CONNECTION_SETTLED, DIAL_ATTEMPTS_MAX,
    DIAL_BACKOFF_MIN, DISCOVERED_DIAL_DELAY, DISCOVERED_PEERS_MAX, HURRY_FOR, NAMED_PEERS_MAX,
    RECONNECT_EAGER_FOR, RECONNECT_WAIT_MAX,
};
use libp2p::swarm::ConnectionId;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{Multiaddr, PeerId};
use tokio::sync::oneshot;
use tokio::time::Instant;

mod outcomes;
mod target;

use target::{Key, Target, backoff, jittered, split};

pub(super) use outcomes::Outcome;
pub use outcomes::Unreachable;

/// Why a peer is dialled. Where there are several reasons, the greatest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// Remembered from before.
    Cache,
    /// Announced on the local network.
    Discovered,
    /// Asked for by command.
    Command,
    /// Configured, or of the network's bootstrap list.
    Static,
}

impl Origin {
    /// Whether the user wants this peer: it is dialled however many connections there are, and its
    /// connection is kept. (Contacts' nodes would be too, but the transport knows no one.)
    pub(super) fn is_pinned(self) -> bool {
        match self {
            Self::Static | Self::Command => true,
            Self::Discovered | Self::Cache => false,
        }
    }
}

/// The peers to be connected with.
pub(super) struct Dialer {
    local: PeerId,
    targets: HashMap<Key, Target>,
    dialing: HashMap<ConnectionId, Key>,
    /// Who waits for what comes of a dial: clients of the control socket, whose number is bounded.
    waiting: Vec<(Key, oneshot::Sender<Outcome>)>,
    /// What was dialled by command and given up, the newest last.
    given_up: VecDeque<Unreachable>,
}

impl Dialer {
    /// A dialer for the node `local`.
    pub(super) fn new(local: PeerId) -> Self {
        Self {
            local,
            targets: HashMap::new(),
            dialing: HashMap::new(),
            waiting: Vec::new(),
            given_up: VecDeque::new(),
        }
    }

    /// Adds an address to dial at once. One that ends in `/p2p/<peer id>` is tied to that peer.
    pub(super) fn add(&mut self, address: Multiaddr, origin: Origin) {
        let (peer, address) = split(address);
        if peer == Some(self.local) {
            return;
        }
        self.given_up.retain(|one| one.address != address);
        let key = peer.map_or_else(|| Key::Address(address.clone()), Key::Peer);
        self.add_target(key, address, origin, Instant::now());
    }

    /// Adds an address announced on the local network. Of two that see each other the one with
    /// the smaller id dials at once, the other only if nothing came of that.
    pub(super) fn discovered(&mut self, peer: PeerId, address: Multiaddr) {
        let known = self.count(Origin::Discovered);
        let key = Key::Peer(peer);
        if peer == self.local || known >= DISCOVERED_PEERS_MAX && !self.targets.contains_key(&key) {
            return;
        }
        let (_, address) = split(address);
        let wait = if self.local < peer { Duration::ZERO } else { DISCOVERED_DIAL_DELAY };
        self.add_target(key, address, Origin::Discovered, Instant::now() + wait);
    }

    /// Adds a peer remembered from before, to be dialled at once if more connections are wanted.
    pub(super) fn remembered(&mut self, peer: PeerId, addresses: Vec<Multiaddr>) {
        if peer != self.local {
            for address in addresses {
                self.add_target(Key::Peer(peer), address, Origin::Cache, Instant::now());
            }
        }
    }

    /// Adds a peer and where someone else says that it is, as what is remembered: so it is no more than tried, and its connection is not
    /// kept for that. Where the peer is known already nothing changes.
    pub(super) fn named(&mut self, peer: PeerId, addresses: Vec<Multiaddr>) {
        let is_known = self.targets.keys().any(|key| *key == Key::Peer(peer));
        if !is_known && self.count(Origin::Cache) < NAMED_PEERS_MAX {
            self.remembered(peer, addresses);
        }
    }

    /// Drops an address that is announced no longer.
    pub(super) fn expired(&mut self, peer: PeerId, address: Multiaddr) {
        let (_, address) = split(address);
        let key = Key::Peer(peer);
        if let Some(target) = self.targets.get_mut(&key)
            && target.origin == Origin::Discovered
        {
            target.addresses.retain(|known| *known != address);
            if target.addresses.is_empty() {
                self.targets.remove(&key);
            }
        }
    }

    /// When something is to be dialled next. Peers that nobody asked for are dialled only while
    /// more connections are `wanted`, and no more at a time: on a large network each node would
    /// have all others. `is_settled`: a peer that is connected, or is to be left alone.
    pub(super) fn next_due(
        &self,
        wanted: usize,
        is_settled: impl Fn(&PeerId) -> bool,
    ) -> Option<Instant> {
        let room = self.room(wanted);
        self.targets
            .iter()
            .filter(|(_, target)| target.origin.is_pinned() || room > 0)
            .filter(|(key, target)| !self.is_settled(key, target, &is_settled))
            .map(|(_, target)| target.due)
            .min()
    }

    /// What is to be dialled now; see [`Self::next_due`].
    pub(super) fn take_due(
        &mut self,
        wanted: usize,
        is_settled: impl Fn(&PeerId) -> bool,
    ) -> Vec<DialOpts> {
        let now = Instant::now();
        let mut room = self.room(wanted);
        let mut due: Vec<(&Key, &Target)> = self
            .targets
            .iter()
            .filter(|(key, target)| target.due <= now && !self.is_settled(key, target, &is_settled))
            .collect();
        // What is remembered goes before what was found just now: it is known to be of this network.
        due.sort_by_key(|(_, target)| (target.failures, target.origin));
        due.retain(|(_, target)| {
            if target.origin.is_pinned() {
                return true;
            }
            let fits = room > 0;
            room = room.saturating_sub(1);
            fits
        });
        let due: Vec<Key> = due.into_iter().map(|(key, _)| key.clone()).collect();
        let mut dials = Vec::with_capacity(due.len());
        for key in due {
            let Some(target) = self.targets.get(&key) else { continue };
            let options = match &key {
                Key::Peer(peer) => DialOpts::peer_id(*peer)
                    .condition(PeerCondition::DisconnectedAndNotDialing)
                    .addresses(target.addresses.clone())
                    .allocate_new_port()
                    .build(),
                Key::Address(address) => {
                    DialOpts::unknown_peer_id().address(address.clone()).allocate_new_port().build()
                }
            };
            self.dialing.insert(options.connection_id(), key);
            dials.push(options);
        }
        dials
    }

    /// A connection with `peer` came up, by this dial if it was one of ours.
    pub(super) fn established(&mut self, connection: ConnectionId, peer: PeerId) {
        let dialled = self.dialing.remove(&connection);
        for (key, target) in &mut self.targets {
            let is_this = match key {
                Key::Peer(of) => *of == peer,
                Key::Address(_) => Some(key) == dialled.as_ref() || target.resolved == Some(peer),
            };
            if is_this {
                target.resolved = Some(peer);
                target.reason.clear();
                target.eager_until = None;
                target.eager_failures = 0;
            }
        }
    }

    /// A dial failed. `None` for `reason`: it was not needed, or can be tried again at once.
    pub(super) fn failed(&mut self, connection: ConnectionId, reason: Option<&str>) {
        let Some(key) = self.dialing.remove(&connection) else { return };
        let Some(target) = self.targets.get_mut(&key) else { return };
        let Some(reason) = reason else {
            target.due = Instant::now() + jittered(DIAL_BACKOFF_MIN);
            return;
        };
        target.failures = target.failures.saturating_add(1);
        reason.clone_into(&mut target.reason);
        outcomes::answer(&mut self.waiting, &key, &Err(reason.to_owned()));
        let attempts_max = match target.origin {
            Origin::Command => DIAL_ATTEMPTS_MAX,
            Origin::Cache => CACHED_DIAL_ATTEMPTS_MAX,
            Origin::Discovered | Origin::Static => u32::MAX,
        };
        let now = Instant::now();
        let is_eager = target.eager_until.is_some_and(|until| now < until);
        target.eager_failures += u32::from(is_eager);
        let counted = target.failures.saturating_sub(target.eager_failures);
        if counted >= attempts_max {
            if target.origin.is_pinned() {
                tracing::info!(address = %key.shortened(), %reason, "could not connect, given up");
                outcomes::give_up(&mut self.given_up, &key, target);
            }
            self.targets.remove(&key);
            return;
        }
        let wait = match is_eager {
            true => backoff(target.failures, Origin::Command).min(RECONNECT_WAIT_MAX),
            false => backoff(counted, target.origin),
        };
        target.due = now + jittered(wait);
        // Once per step, and nothing for peers that come and go.
        if target.origin.is_pinned() && wait > target.told {
            target.told = wait;
            let address = key.shortened();
            tracing::info!(%address, %reason, retry_in = ?wait, "could not connect");
        }
    }

    /// The last connection with `peer`, which had `lasted` so long, is gone: it is dialled again
    /// soon, unless it was postponed. One that hardly lasted is a failure: the peer has no place for
    /// it, or wants none. After the first of them it is dialled again soon all the same: it may just
    /// have shown the peer that an older connection was dead. If the connection ended since the peer was silent
    /// (`is_silent`), its link may be back at any time, and it is dialled often for a while.
    pub(super) fn lost(&mut self, peer: PeerId, lasted: Duration, is_silent: bool) {
        let now = Instant::now();
        for target in self.of_peer(peer) {
            if is_silent && lasted >= CONNECTION_SETTLED {
                target.eager_until = Some(now + RECONNECT_EAGER_FOR);
            }
            if lasted >= CONNECTION_SETTLED {
                target.failures = 0;
                target.told = Duration::ZERO;
            } else {
                target.failures = target.failures.saturating_add(1);
            }
            let wait = match target.failures {
                0 | 1 => DIAL_BACKOFF_MIN,
                failures => backoff(failures, target.origin),
            };
            target.due = target.due.max(now + jittered(wait));
        }
    }

    /// `peer` is not to be dialled for `wait`: it is of another network, or was cut off. Returns
    /// whether it is a configured one.
    pub(super) fn postpone(&mut self, peer: PeerId, wait: Duration) -> bool {
        let mut is_static = false;
        for target in self.of_peer(peer) {
            target.due = Instant::now() + wait;
            is_static |= target.origin == Origin::Static;
        }
        is_static
    }

    /// A way was found, which may lead to those who could not be reached: they are dialled at once, and often for a
    /// while, since addresses come one by one.
    pub(super) fn hurry(&mut self, now: Instant) {
        for target in self.targets.values_mut().filter(|target| target.failures > 0) {
            target.due = target.due.min(now + jittered(DIAL_BACKOFF_MIN));
            let until = now + HURRY_FOR;
            target.eager_until = Some(target.eager_until.map_or(until, |before| before.max(until)));
        }
    }

    /// An address turned out to be this node's own: it is never dialled again.
    pub(super) fn is_self(&mut self, connection: ConnectionId) {
        if let Some(key) = self.dialing.remove(&connection) {
            tracing::debug!(address = %key.shortened(), "this address is this node's own");
            self.targets.remove(&key);
            let own = Err("this node listens there itself".into());
            outcomes::answer(&mut self.waiting, &key, &own);
        }
    }

    /// Why a peer is dialled, if it is.
    pub(super) fn origin(&self, peer: &PeerId) -> Option<Origin> {
        let of_peer = self.targets.iter().filter(|(key, target)| key.is(peer, target));
        of_peer.map(|(_, target)| target.origin).max()
    }

    /// The pinned peers whose ids are known; see [`Origin::is_pinned`].
    pub(super) fn pinned(&self) -> impl Iterator<Item = PeerId> {
        let pinned = self.targets.iter().filter(|(_, target)| target.origin.is_pinned());
        pinned.filter_map(|(key, target)| key.peer(target))
    }

    /// Known peers, with an address each.
    pub(super) fn known(&self) -> impl Iterator<Item = (PeerId, &Multiaddr)> {
        self.targets
            .iter()
            .filter_map(|(key, target)| Some((key.peer(target)?, target.addresses.first()?)))
    }

    fn add_target(&mut self, key: Key, address: Multiaddr, origin: Origin, due: Instant) {
        let target = self.targets.entry(key).or_insert_with(|| Target {
            addresses: Vec::new(),
            origin,
            resolved: None,
            failures: 0,
            reason: String::new(),
            due,
            told: Duration::ZERO,
            eager_until: None,
            eager_failures: 0,
        });
        // Configured stays configured; an address asked for outlives its announcement. A remembered
        // peer that is announced is there now, however often it was tried in vain.
        let is_news = target.origin < origin;
        target.origin = target.origin.max(origin);
        if !target.addresses.contains(&address) {
            if target.addresses.len() >= ADDRESSES_PER_PEER_MAX {
                target.addresses.remove(0);
            }
            target.addresses.push(address);
        }
        if is_news || origin.is_pinned() {
            target.failures = 0;
            target.due = due;
        }
    }

    /// How many peers that nobody asked for may be dialled beside those being dialled.
    fn room(&self, wanted: usize) -> usize {
        let dialing = self
            .dialing
            .values()
            .filter(|key| self.targets.get(*key).is_some_and(|target| !target.origin.is_pinned()));
        wanted.saturating_sub(dialing.count())
    }

    fn count(&self, origin: Origin) -> usize {
        self.targets.values().filter(|target| target.origin == origin).count()
    }

    fn of_peer(&mut self, peer: PeerId) -> impl Iterator<Item = &mut Target> {
        self.targets
            .iter_mut()
            .filter_map(move |(key, target)| key.is(&peer, target).then_some(target))
    }

    fn is_settled(
        &self,
        key: &Key,
        target: &Target,
        is_settled: &impl Fn(&PeerId) -> bool,
    ) -> bool {
        key.peer(target).is_some_and(|peer| is_settled(&peer))
            || self.dialing.values().any(|dialled| dialled == key)
    }
}

#[cfg(test)]
mod tests;
