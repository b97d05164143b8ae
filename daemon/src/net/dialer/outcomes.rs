//! What came of dials: told to who waits, and to who looks later.

use std::collections::VecDeque;

use libp2p::{Multiaddr, PeerId};
use tokio::sync::oneshot;

use super::target::{Key, Target, split};
use super::{Dialer, Origin};
use crate::limits::GIVEN_UP_DIALS_MAX;

/// A peer, or an address, that could not be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreachable {
    /// Where it was dialled.
    pub address: Multiaddr,
    /// Who should be there, where that is known.
    pub peer: Option<PeerId>,
    /// Dials that failed, in a row.
    pub failures: u32,
    /// Why the last one did.
    pub reason: String,
    /// Whether it is dialled no more.
    pub given_up: bool,
}

/// What came of a dial: who was met, or why nobody was.
pub(in crate::net) type Outcome = Result<PeerId, String>;

impl Dialer {
    /// Has `reply` told what comes of the next dial of an address that was added. `met`: whether a peer is connected
    /// and known to be of this network.
    pub(in crate::net) fn tell(
        &mut self,
        address: Multiaddr,
        reply: oneshot::Sender<Outcome>,
        met: impl Fn(&PeerId) -> bool,
    ) {
        let (peer, address) = split(address);
        let key = peer.map_or(Key::Address(address), Key::Peer);
        let peer = self.targets.get(&key).and_then(|target| key.peer(target));
        match peer.filter(met) {
            // Who asked may have gone.
            Some(peer) => reply.send(Ok(peer)).unwrap_or_default(),
            None => self.waiting.push((key, reply)),
        }
    }

    /// It has turned out who a connected peer is: of this network, or why there is no connection with it.
    pub(in crate::net) fn met(&mut self, peer: &PeerId, of_network: Result<(), &str>) {
        let targets = &self.targets;
        let keys: Vec<Key> = self
            .waiting
            .iter()
            .map(|(key, _)| key)
            .filter(|key| targets.get(*key).is_some_and(|target| key.is(peer, target)))
            .cloned()
            .collect();
        for key in keys {
            let outcome = of_network.map(|()| *peer).map_err(str::to_owned);
            answer(&mut self.waiting, &key, &outcome);
        }
    }

    /// Configured peers, of those not connected, whose last dial failed; and how many are configured.
    pub(in crate::net) fn unreachable(
        &self,
        is_connected: impl Fn(&PeerId) -> bool,
    ) -> (Vec<Unreachable>, usize) {
        let is_configured = |target: &Target| target.origin == Origin::Static;
        let configured = self.targets.values().filter(|target| is_configured(target)).count();
        (self.failed_of(is_configured, is_connected), configured)
    }

    /// Of all that are not connected, those whose last dial failed, and those given up.
    pub(in crate::net) fn failed_dials(
        &self,
        is_connected: impl Fn(&PeerId) -> bool,
    ) -> Vec<Unreachable> {
        let mut failed = self.failed_of(|_| true, is_connected);
        failed.extend(self.given_up.iter().cloned());
        failed
    }

    fn failed_of(
        &self,
        is_meant: impl Fn(&Target) -> bool,
        is_connected: impl Fn(&PeerId) -> bool,
    ) -> Vec<Unreachable> {
        let failed = self.targets.iter().filter(|(key, target)| {
            is_meant(target)
                && !target.reason.is_empty()
                && !key.peer(target).is_some_and(|peer| is_connected(&peer))
        });
        let mut failed: Vec<Unreachable> =
            failed.filter_map(|(key, target)| unreachable(key, target)).collect();
        failed.sort_by(|a, b| a.address.cmp(&b.address));
        failed
    }
}

/// Tells those who wait for `key` what came of it.
pub(super) fn answer(
    waiting: &mut Vec<(Key, oneshot::Sender<Outcome>)>,
    key: &Key,
    outcome: &Outcome,
) {
    for (_, reply) in waiting.extract_if(.., |(waits, _)| waits == key) {
        // Who asked may have gone.
        reply.send(outcome.clone()).unwrap_or_default();
    }
}

/// Remembers what was given up.
pub(super) fn give_up(given_up: &mut VecDeque<Unreachable>, key: &Key, target: &Target) {
    given_up.extend(unreachable(key, target).map(|one| Unreachable { given_up: true, ..one }));
    if given_up.len() > GIVEN_UP_DIALS_MAX {
        given_up.pop_front();
    }
}

/// A target as it is told of.
fn unreachable(key: &Key, target: &Target) -> Option<Unreachable> {
    Some(Unreachable {
        address: target.addresses.first()?.clone(),
        peer: key.peer(target),
        failures: target.failures,
        reason: target.reason.clone(),
        given_up: false,
    })
}
