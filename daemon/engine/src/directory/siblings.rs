//! The user's other devices that can be written to, and which of them were given all settings.

use martlet_protocol::bundle::Bundle;
use martlet_protocol::message::SettingKey;
use martlet_protocol::{DeviceId, IdentityId, UnixMillis};
use martlet_store::records::{SIBLINGS, SiblingsRecord};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

use super::Bundles;
use super::early_copies::EarlyCopies;
use super::past::Past;
use super::progress::UntoldProgress;

/// The user's other devices.
pub(crate) struct Siblings {
    identity: IdentityId,
    bundles: Bundles,
    given: Vec<DeviceId>,
    /// All settings are being given to some. After a start it begins anew.
    giving: Option<Giving>,
    progress: UntoldProgress,
    early_copies: EarlyCopies,
    past: Past,
}

/// All settings are being given, a part at a time.
#[derive(Debug, Clone)]
pub(crate) struct Giving {
    /// Which devices will have them all.
    pub(crate) to: Vec<DeviceId>,
    /// What is next.
    pub(crate) next: Next,
}

/// Where giving goes on.
#[derive(Debug, Clone)]
pub(crate) enum Next {
    /// What holds here becomes settings: of whom comes after this one.
    Make(Option<IdentityId>),
    /// Settings are sent: those after this one.
    Send(Option<SettingKey>),
}

impl Siblings {
    pub(super) fn load(records: &VaultTxn, identity: IdentityId) -> Result<Self, StoreError> {
        let record: SiblingsRecord = records.get(&SIBLINGS, Key::Named(b""))?.unwrap_or_default();
        let SiblingsRecord { bundles, given } = record;
        let bundles = Bundles::from_records(&bundles);
        let progress = UntoldProgress::load(records)?;
        let early_copies = EarlyCopies::load(records)?;
        let past = Past::load(records)?;
        Ok(Self { identity, bundles, given, giving: None, progress, early_copies, past })
    }

    /// Whose devices they are.
    pub(super) fn identity(&self) -> &IdentityId {
        &self.identity
    }

    /// Their bundles.
    pub(crate) fn bundles(&self) -> &Bundles {
        &self.bundles
    }

    /// Whether one can be written to now.
    pub(crate) fn has_usable(&self, now: UnixMillis) -> bool {
        self.bundles.usable(now).next().is_some()
    }

    /// Takes a bundle of another device of the user's; whether it is newer than what is known.
    pub(crate) fn take_bundle(
        &mut self,
        records: &mut VaultTxn,
        bundle: Bundle,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let is_news = self.bundles.update(bundle, now);
        if is_news {
            self.put(records)?;
        }
        Ok(is_news)
    }

    /// Forgets those that do not count any more.
    pub(super) fn retain(
        &mut self,
        records: &mut VaultTxn,
        is_valid: impl Fn(&DeviceId) -> bool,
    ) -> Result<(), StoreError> {
        let given = self.given.len();
        self.given.retain(&is_valid);
        if self.bundles.retain(&is_valid) || self.given.len() < given {
            self.put(records)?;
        }
        Ok(())
    }

    /// Own messages of whose progress they are to be told.
    pub(crate) fn progress(&self) -> &UntoldProgress {
        &self.progress
    }

    pub(crate) fn progress_mut(&mut self) -> &mut UntoldProgress {
        &mut self.progress
    }

    /// What they told of conversations with who is no contact yet.
    pub(crate) fn early_copies(&self) -> &EarlyCopies {
        &self.early_copies
    }

    pub(crate) fn early_copies_mut(&mut self) -> &mut EarlyCopies {
        &mut self.early_copies
    }

    /// Messages of before that are given and taken.
    pub(crate) fn past(&self) -> &Past {
        &self.past
    }

    pub(crate) fn past_mut(&mut self) -> &mut Past {
        &mut self.past
    }

    /// What is being given.
    pub(crate) fn giving(&self) -> Option<&Giving> {
        self.giving.as_ref()
    }

    /// Begins to give all settings to those that can be written to and lack them; whether there is one. What is being given
    /// goes on first.
    pub(crate) fn begin_giving(&mut self, now: UnixMillis) -> bool {
        if self.giving.is_some() {
            return true;
        }
        let devices = self.bundles.usable(now).map(|bundle| bundle.certificate().device());
        let to: Vec<_> = devices.filter(|device| !self.given.contains(device)).collect();
        if !to.is_empty() {
            self.giving = Some(Giving { to, next: Next::Make(None) });
        }
        self.giving.is_some()
    }

    /// Where giving goes on the next time.
    pub(crate) fn go_on_giving(&mut self, next: Next) {
        if let Some(giving) = &mut self.giving {
            giving.next = next;
        }
    }

    /// All was given.
    pub(crate) fn end_giving(&mut self, records: &mut VaultTxn) -> Result<(), StoreError> {
        let Some(Giving { to, .. }) = self.giving.take() else { return Ok(()) };
        self.given.extend(to);
        self.put(records)
    }

    /// These devices may lack something, or all where none is named: each is given all settings again.
    pub(crate) fn give_again(
        &mut self,
        records: &mut VaultTxn,
        may_lack: impl Fn(&DeviceId) -> bool,
    ) -> Result<(), StoreError> {
        let before = self.given.len();
        self.given.retain(|device| !may_lack(device));
        if let Some(giving) = &mut self.giving {
            giving.to.retain(|device| !may_lack(device));
        }
        if self.given.len() < before {
            self.put(records)?;
        }
        Ok(())
    }

    fn put(&self, records: &mut VaultTxn) -> Result<(), StoreError> {
        let (bundles, given) = (self.bundles.to_records(), self.given.clone());
        records.put(&SIBLINGS, Key::Named(b""), &SiblingsRecord { bundles, given })
    }
}
