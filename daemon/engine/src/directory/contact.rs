//! A contact, and the devices known of them.

use martlet_protocol::bundle::Bundle;
use martlet_protocol::limits::DEVICES_PER_IDENTITY_MAX;
use martlet_protocol::{Id, Rendezvous, UnixMillis};
use martlet_store::records::ContactRecord;

/// A contact, and the devices known of them.
pub(crate) struct Contact {
    record: ContactRecord,
    /// The newest bundle of each device: those of the record, read.
    bundles: Vec<Bundle>,
}

impl Contact {
    pub(super) fn from_record(record: ContactRecord) -> Self {
        let bundles =
            record.bundles.iter().filter_map(|bytes| Bundle::from_bytes(bytes).ok()).collect();
        Self { record, bundles }
    }

    pub(super) fn record(&self) -> &ContactRecord {
        &self.record
    }

    pub(super) fn rename(&mut self, name: String) {
        self.record.name = name;
    }

    /// Their ID.
    pub(crate) fn id(&self) -> Id {
        self.record.id()
    }

    /// By what their bundles are found, as they say; whether that is news.
    pub(super) fn take_rendezvous(&mut self, rendezvous: &Rendezvous) -> bool {
        let is_news = rendezvous.replaces(&self.record.rendezvous);
        if is_news {
            self.record.rendezvous = rendezvous.clone();
        }
        is_news
    }

    /// Whether they are still to learn by what the user's bundles are found.
    pub(crate) fn is_untold(&self) -> bool {
        self.record.is_untold
    }

    pub(super) fn set_untold(&mut self, is_untold: bool) {
        self.record.is_untold = is_untold;
    }

    /// The user's name for them.
    pub(crate) fn name(&self) -> &str {
        &self.record.name
    }

    /// When they were added.
    pub(crate) fn added_at(&self) -> UnixMillis {
        self.record.added_at
    }

    /// The newest bundle of each of their devices.
    pub(crate) fn bundles(&self) -> &[Bundle] {
        &self.bundles
    }

    /// Those that can be written to now.
    pub(crate) fn usable_bundles(&self, now: UnixMillis) -> impl Iterator<Item = &Bundle> {
        self.bundles.iter().filter(move |bundle| bundle.is_usable(now))
    }

    /// The newest of them.
    pub(super) fn newest_bundle(&self, now: UnixMillis) -> Option<&Bundle> {
        self.usable_bundles(now).max_by_key(|bundle| bundle.created_at())
    }

    /// From when on they can be written to, if no other bundle comes: now, or once it is time for one that was
    /// made ahead of it.
    pub(crate) fn usable_from(&self, now: UnixMillis) -> Option<UnixMillis> {
        let not_over = self.bundles.iter().filter(|bundle| now <= bundle.usable_until());
        not_over.map(|bundle| bundle.usable_from().max(now)).min()
    }

    /// Takes a bundle if it is of a new device or newer than the device's last one. One from the future,
    /// taken while the clock was ahead, doesn't count.
    pub(super) fn update(&mut self, bundle: Bundle, now: UnixMillis) -> bool {
        let device = bundle.certificate().device();
        let has_room = self.bundles.len() < DEVICES_PER_IDENTITY_MAX;
        match self.bundles.iter_mut().find(|known| known.certificate().device() == device) {
            Some(known) if known.is_usable(now) && known.created_at() >= bundle.created_at() => {
                return false;
            }
            Some(known) => *known = bundle,
            None if has_room => self.bundles.push(bundle),
            None => return false,
        }
        self.record.bundles =
            self.bundles.iter().map(|bundle| bundle.as_bytes().to_vec().into()).collect();
        true
    }
}
