//! What people do with their devices: they link them, and revoke those that they lost.
//!
//! Several times a second of the simulation each person looks how far it is, as they would who sit before two screens.

use std::collections::HashMap;
use std::time::Duration;

use martlet_protocol::control::LinkState;
use tokio::time::Instant;

use super::super::book::Note;
use super::super::packet::Word;
use super::Part;
use crate::plan::NodeIndex;

/// How long a device that was confirmed may take to have its user, before its person begins anew: it may have been killed
/// with what it had.
const JOINED_MAX: Duration = Duration::from_secs(60);

/// What people are about to do.
#[derive(Debug, Default)]
pub(super) struct Devices {
    /// Devices that are to be linked, in order.
    to_link: Vec<NodeIndex>,
    /// For which device each person made a code last, and when it was confirmed.
    offers: HashMap<NodeIndex, Offer>,
    /// Codes that were told, and not given to their devices yet.
    codes: HashMap<NodeIndex, String>,
    /// Devices that are to be revoked.
    to_revoke: Vec<NodeIndex>,
}

#[derive(Debug, Clone, Copy)]
struct Offer {
    device: NodeIndex,
    confirmed: Option<Instant>,
}

impl Devices {
    pub(super) fn is_idle(&self) -> bool {
        self.to_link.is_empty() && self.to_revoke.is_empty()
    }

    /// A device's person told its node a code.
    pub(super) fn told(&mut self, device: NodeIndex, code: String) {
        self.codes.insert(device, code);
    }
}

impl Part<'_> {
    pub(super) fn want_linked(&mut self, devices: &[NodeIndex]) {
        let is_mine = |device: &&NodeIndex| self.concerns(**device);
        let mine: Vec<NodeIndex> = devices.iter().filter(is_mine).copied().collect();
        self.devices.to_link.extend(mine);
    }

    pub(super) fn want_revoked(&mut self, devices: &[NodeIndex]) {
        let is_mine = |device: &&NodeIndex| self.common.net.is_here(self.plan.person(**device));
        let mine: Vec<NodeIndex> = devices.iter().filter(is_mine).copied().collect();
        self.devices.to_revoke.extend(mine);
    }

    /// Whether the device, or the one that links it, is of this sector.
    fn concerns(&self, device: NodeIndex) -> bool {
        let net = &self.common.net;
        net.is_here(device) || net.is_here(self.plan.person(device))
    }

    pub(super) async fn step_devices(&mut self) {
        let ids = &self.ids;
        self.devices.to_link.retain(|device| ids[*device].is_none());
        for device in self.devices.to_link.clone() {
            self.join(device).await;
        }
        let mut before: Vec<NodeIndex> = Vec::new();
        for device in self.devices.to_link.clone() {
            let person = self.plan.person(device);
            // One after the other: a person has one code at a time.
            if !before.contains(&person) {
                before.push(person);
                self.offer(person, device).await;
            }
        }
        let mut left = Vec::new();
        for device in std::mem::take(&mut self.devices.to_revoke) {
            let person = self.plan.person(device);
            let name = &self.plan.nodes[device].name;
            let is_done = match self.nodes.get(&person) {
                Some(node) => node.revoke(name).await.is_ok(),
                None => false,
            };
            if !is_done {
                left.push(device);
            }
        }
        self.devices.to_revoke = left;
    }

    /// On the new device.
    async fn join(&mut self, device: NodeIndex) {
        let Some(node) = self.nodes.get(&device).filter(|node| node.is_on()) else { return };
        if let Some(id) = node.id().await {
            self.learn(device, id);
            self.note(Note::Linked(device));
            return;
        }
        if let Some(code) = self.devices.codes.remove(&device)
            && node.join(&code, &self.plan.nodes[device].name).await.is_err()
        {
            self.devices.codes.entry(device).or_insert(code);
        }
    }

    /// On the device with the root.
    async fn offer(&mut self, person: NodeIndex, device: NodeIndex) {
        let Some(node) = self.nodes.get(&person).filter(|node| node.is_on()) else { return };
        let now = Instant::now();
        let offer = self.devices.offers.get(&person).filter(|offer| offer.device == device);
        let is_open = match (offer, node.link_state().await) {
            (Some(_), Some(LinkState::Offered)) => true,
            (Some(_), Some(LinkState::Compare)) => {
                if node.confirm_link().await.is_ok() {
                    let offer = Offer { device, confirmed: Some(now) };
                    self.devices.offers.insert(person, offer);
                }
                true
            }
            (Some(Offer { confirmed: Some(at), .. }), Some(LinkState::Linked) | None) => {
                now.duration_since(*at) < JOINED_MAX
            }
            (Some(_), Some(LinkState::Linked | LinkState::Refused | LinkState::Expired) | None)
            | (None, _) => false,
        };
        if !is_open && let Ok(Some(code)) = node.start_link().await {
            self.devices.offers.insert(person, Offer { device, confirmed: None });
            let word = Word::Code { device, code };
            self.common.net.tell(&word);
        }
    }
}
