//! What came of messages on each device.

use std::collections::BTreeMap;
use std::time::Duration;

use super::copies::Copies;
use super::{MessageIndex, latency, ratio, rounded, seconds};
use crate::plan::NodeIndex;
use crate::report::{DeviceReport, Devices};

impl Copies<'_> {
    /// What came of it on each device; `written` has the messages that were, and when.
    pub(super) fn devices(&self, written: &[(MessageIndex, Duration)]) -> Option<Devices> {
        let of_people = self.devices_of_people();
        if of_people.is_empty() {
            return None;
        }
        let mut devices = Devices { people: of_people.len() as u64, ..Devices::default() };
        let mut each: BTreeMap<NodeIndex, DeviceReport> = BTreeMap::new();
        let (mut took, mut linking) = (Vec::new(), Vec::new());
        for (person, nodes) in &of_people {
            for node in nodes {
                let (linked, revoked) = (self.linked[*node], self.revoked[*node]);
                devices.devices += 1;
                devices.linked += u64::from(linked.is_some());
                devices.revoked += u64::from(revoked.is_some());
                let (linked_s, revoked_s) = (linked.map(seconds), revoked.map(seconds));
                linking.extend(self.to_link[*node].zip(linked).map(|(at, linked)| linked - at));
                let (node, person) = (*node, *person);
                let device =
                    DeviceReport { node, person, linked_s, revoked_s, ..DeviceReport::default() };
                each.insert(node, device);
            }
        }
        for (message, at) in written {
            for node in self.audience(*message, &of_people) {
                let is_linked = self.linked[node].is_some_and(|linked| linked <= *at);
                let Some(device) = each.get_mut(&node).filter(|_| is_linked) else { continue };
                if self.revoked[node].is_some_and(|revoked| revoked <= *at) {
                    continue;
                }
                let copy = self.shown.get(&(*message, node));
                device.expected += 1;
                device.shown += u64::from(copy.is_some());
                if self.revoked[node].is_none() {
                    devices.expected += 1;
                    devices.shown += u64::from(copy.is_some());
                    took.extend(copy.map(|copy| copy.at.saturating_sub(*at)));
                }
            }
        }
        devices.delivery_ratio = match devices.expected {
            0 => 1.0,
            expected => rounded(ratio(devices.shown, expected)),
        };
        devices.latency = latency::distribution(took);
        devices.linking = latency::distribution(linking);
        devices.each = each.into_values().collect();
        Some(devices)
    }
}
