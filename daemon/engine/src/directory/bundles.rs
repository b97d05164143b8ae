//! The newest bundle of each device of someone: of a contact, or of the user's own others.

use martlet_protocol::bundle::Bundle;
use martlet_protocol::limits::DEVICES_PER_IDENTITY_MAX;
use martlet_protocol::{DeviceId, UnixMillis};

/// The newest bundle of each device of someone.
#[derive(Default)]
pub(crate) struct Bundles(Vec<Bundle>);

impl Bundles {
    pub(super) fn from_records<T: AsRef<[u8]>>(records: &[T]) -> Self {
        Self(records.iter().filter_map(|bytes| Bundle::from_bytes(bytes.as_ref()).ok()).collect())
    }

    pub(super) fn to_records<T: From<Vec<u8>>>(&self) -> Vec<T> {
        self.0.iter().map(|bundle| bundle.as_bytes().to_vec().into()).collect()
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[Bundle] {
        &self.0
    }

    /// Those that can be written to now.
    pub(crate) fn usable(&self, now: UnixMillis) -> impl Iterator<Item = &Bundle> {
        self.0.iter().filter(move |bundle| bundle.is_usable(now))
    }

    /// The newest of them.
    pub(super) fn newest(&self, now: UnixMillis) -> Option<&Bundle> {
        self.usable(now).max_by_key(|bundle| bundle.created_at())
    }

    /// From when on they can be written to, if no other bundle comes: now, or once it is time for one that was
    /// made ahead of it.
    pub(crate) fn usable_from(&self, now: UnixMillis) -> Option<UnixMillis> {
        let not_over = self.0.iter().filter(|bundle| now <= bundle.usable_until());
        not_over.map(|bundle| bundle.usable_from().max(now)).min()
    }

    /// Takes a bundle if it is of a new device or newer than the device's last one. One from the future,
    /// taken while the clock was ahead, doesn't count.
    pub(super) fn update(&mut self, bundle: Bundle, now: UnixMillis) -> bool {
        let device = bundle.certificate().device();
        let has_room = self.0.len() < DEVICES_PER_IDENTITY_MAX;
        match self.0.iter_mut().find(|known| known.certificate().device() == device) {
            Some(known) if known.is_usable(now) && known.created_at() >= bundle.created_at() => {
                return false;
            }
            Some(known) => *known = bundle,
            None if has_room => self.0.push(bundle),
            None => return false,
        }
        true
    }

    /// Forgets those of devices that do not count; whether there was one.
    pub(super) fn retain(&mut self, is_valid: impl Fn(&DeviceId) -> bool) -> bool {
        let before = self.0.len();
        self.0.retain(|bundle| is_valid(&bundle.certificate().device()));
        self.0.len() < before
    }
}
