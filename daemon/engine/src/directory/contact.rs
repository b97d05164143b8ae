//! A contact, and the devices known of them.

use martlet_protocol::bundle::Bundle;
use martlet_protocol::{DeviceId, Id, Rendezvous, UnixMillis};
use martlet_store::records::{AcceptedInvite, ContactRecord, VerifiedRecord};

use super::Bundles;

/// A contact, and the devices known of them.
pub(crate) struct Contact {
    record: ContactRecord,
    /// The newest bundle of each device: those of the record, read.
    bundles: Bundles,
}

impl Contact {
    pub(super) fn from_record(record: ContactRecord) -> Self {
        let bundles = Bundles::from_records(&record.bundles);
        Self { record, bundles }
    }

    pub(super) fn record(&self) -> &ContactRecord {
        &self.record
    }

    pub(super) fn verified_mut(&mut self) -> &mut Option<VerifiedRecord> {
        &mut self.record.verified
    }

    pub(super) fn rename(&mut self, name: String) {
        self.record.name = name;
    }

    /// Their ID.
    pub(crate) fn id(&self) -> Id {
        self.record.id()
    }

    /// By what their bundles are found.
    pub(crate) fn rendezvous(&self) -> &Rendezvous {
        &self.record.rendezvous
    }

    /// By what their bundles are found, as they say; whether that is news.
    pub(super) fn take_rendezvous(&mut self, rendezvous: &Rendezvous) -> bool {
        let is_news = rendezvous.replaces(&self.record.rendezvous);
        if is_news {
            self.record.rendezvous = rendezvous.clone();
        }
        is_news
    }

    /// Whether they are still to learn by what the user's bundles are found, or that the user accepted their invite.
    pub(crate) fn is_untold(&self) -> bool {
        self.record.is_untold || self.record.invite.is_some()
    }

    pub(super) fn set_untold(&mut self, is_untold: bool) {
        self.record.is_untold = is_untold;
        if !is_untold {
            self.record.invite = None;
        }
    }

    /// The invite of theirs that the user accepted, until their device has seen that.
    pub(crate) fn invite(&self) -> Option<&AcceptedInvite> {
        self.record.invite.as_ref()
    }

    /// They are not to learn of the invite any more.
    pub(super) fn forget_invite(&mut self) {
        self.record.invite = None;
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
    pub(crate) fn bundles(&self) -> &Bundles {
        &self.bundles
    }

    /// Takes a bundle if it is of a new device or newer than the device's last one.
    pub(super) fn update(&mut self, bundle: Bundle, now: UnixMillis) -> bool {
        let is_news = self.bundles.update(bundle, now);
        if is_news {
            self.record_bundles();
        }
        is_news
    }

    /// Forgets the bundles of devices that do not count; whether there was one.
    pub(super) fn retain_bundles(&mut self, is_valid: impl Fn(&DeviceId) -> bool) -> bool {
        let was_one = self.bundles.retain(is_valid);
        self.record_bundles();
        was_one
    }

    fn record_bundles(&mut self) {
        self.record.bundles = self.bundles.to_records();
    }
}
