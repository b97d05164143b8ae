//! The keyring: what opens and seals.
//!
//! The keys of this device, its prekeys, the sessions that it writes with and those that others write to it
//! with, and the tags by which all that is for the user is recognized. What changes often (sessions) is
//! changed in memory, marked, and written once per batch by [`Keyring::flush`]; what is made or deleted is
//! written into the batch's transaction at once.

mod device;
mod inbound;
pub(crate) mod olm;
mod outbound;
mod prekeys;

use std::collections::HashMap;
use std::time::Duration;

use martlet_protocol::bundle::Bundle;
use martlet_protocol::crypto::seal::{self, Addressed, DetectionSecret, OpeningKeys, SealError};
use martlet_protocol::identity::{DeviceKeys, RootKey};
use martlet_protocol::time::Day;
use martlet_protocol::{
    DeviceId, Envelope, Header, Id, IdentityId, Rendezvous, RendezvousSecret, Tag, UnixMillis,
};
use martlet_store::records::{LinkedBy, PROFILE, Profile, RootLocked};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};
use rand_chacha::ChaCha20Rng;

use crate::identities::Identities;
use crate::linking::Linking;
use inbound::InboundSessions;
pub(crate) use inbound::{SessionHandle, SessionName};
use outbound::OutboundSessions;
pub(crate) use outbound::Sealed;
use prekeys::Prekeys;

/// The user's keys.
pub(crate) struct Keyring {
    identity: IdentityId,
    rendezvous: Rendezvous,
    /// The secret that follows from the root.
    first_secret: RendezvousSecret,
    came_later: bool,
    device: DeviceKeys,
    detection: DetectionSecret,
    prekeys: Prekeys,
    pub(crate) outbound: OutboundSessions,
    pub(crate) inbound: InboundSessions,
    /// Which devices count.
    pub(crate) identities: Identities,
    /// Contacts' bundles, by the tags under which they are published.
    bundle_tags: HashMap<Tag, (IdentityId, Day)>,
    /// A further device that is being linked.
    pub(crate) linking: Linking,
}

impl Keyring {
    /// Loads it from the vault.
    pub(crate) fn load(records: &VaultTxn, profile: &Profile) -> Result<Self, StoreError> {
        let device = device::keys(profile)?;
        let identities = Identities::load(records, device.certificate())?;
        Ok(Self {
            identity: device.certificate().identity(),
            rendezvous: profile.rendezvous.clone(),
            first_secret: first_secret(profile),
            came_later: profile.recovered_at.is_some() || profile.linked.is_some(),
            detection: profile.detection.clone(),
            prekeys: Prekeys::load(records)?,
            outbound: OutboundSessions::load(records)?,
            inbound: InboundSessions::load(records, &device.certificate().identity())?,
            device,
            identities,
            bundle_tags: HashMap::new(),
            linking: Linking::default(),
        })
    }

    /// Writes what is only in memory yet.
    pub(crate) fn flush(&mut self, records: &mut VaultTxn) -> Result<(), StoreError> {
        self.outbound.flush(records)?;
        self.inbound.flush(records)
    }

    /// Whose keys these are.
    pub(crate) fn identity(&self) -> IdentityId {
        self.identity
    }

    /// The user's ID.
    pub(crate) fn id(&self) -> Id {
        Id { identity: self.identity, secret: self.rendezvous.secret.clone() }
    }

    /// Whether others may have written to the identity before there was this device: it was recovered from its phrase, or
    /// linked.
    pub(crate) fn came_later(&self) -> bool {
        self.came_later
    }

    /// By what the user's bundles are found.
    pub(crate) fn rendezvous(&self) -> &Rendezvous {
        &self.rendezvous
    }

    /// From now on the user's bundles are found by another secret.
    pub(crate) fn reset_rendezvous(
        &mut self,
        records: &mut VaultTxn,
        rng: &mut ChaCha20Rng,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let reset = self.rendezvous.reset(rng, now);
        self.set_rendezvous(records, reset)
    }

    /// The same, by one that another device of the user's told.
    pub(crate) fn set_rendezvous(
        &mut self,
        records: &mut VaultTxn,
        rendezvous: Rendezvous,
    ) -> Result<(), StoreError> {
        let mut profile = self.profile(records)?;
        self.rendezvous = rendezvous;
        profile.rendezvous = self.rendezvous.clone();
        records.put(&PROFILE, Key::Named(b""), &profile)
    }

    /// By what the user's other devices may be found: also by the first secret, as one that was restored from the phrase.
    pub(crate) fn ids(&self) -> Vec<Id> {
        let secrets = [&self.rendezvous.secret, &self.first_secret];
        let id = |secret: &RendezvousSecret| Id { identity: self.identity, secret: secret.clone() };
        let count = if secrets[0] == secrets[1] { 1 } else { 2 };
        secrets[..count].iter().map(|secret| id(secret)).collect()
    }

    /// What another device of the user's says by what bundles are found, if that is to be so here. A secret that was reset
    /// counts more than the first: who restores an identity does not know that it was reset.
    pub(crate) fn better_rendezvous(&self, theirs: &Rendezvous) -> Option<Rendezvous> {
        let mine = &self.rendezvous;
        if theirs.secret == mine.secret {
            return (theirs.reset_at > mine.reset_at).then(|| theirs.clone());
        }
        let is_first = |one: &Rendezvous| one.secret == self.first_secret;
        match (is_first(theirs), is_first(mine)) {
            (false, true) => {
                // After what contacts were told of the first.
                let reset_at = theirs.reset_at.max(mine.reset_at.plus(Duration::from_millis(1)));
                Some(Rendezvous { secret: theirs.secret.clone(), reset_at })
            }
            (true, false) => None,
            (true, true) | (false, false) => theirs.replaces(mine).then(|| theirs.clone()),
        }
    }

    /// This device's keys.
    pub(crate) fn device(&self) -> &DeviceKeys {
        &self.device
    }

    /// Writes this device's certificate if it was issued anew when the keyring was loaded.
    pub(crate) fn keep_certificate(&self, records: &mut VaultTxn) -> Result<(), StoreError> {
        device::keep_certificate(records, &self.device)
    }

    /// The root of the user's identity, if this device has it.
    pub(crate) fn root(&self, records: &VaultTxn) -> Result<Option<RootKey>, StoreError> {
        Ok(self.profile(records)?.root_seed.map(|seed| RootKey::from_seed(seed.0)))
    }

    /// Whether this device has it.
    pub(crate) fn has_root(&self, records: &VaultTxn) -> Result<bool, StoreError> {
        Ok(self.profile(records)?.root_seed.is_some())
    }

    /// By which device this one was linked, if it was.
    pub(crate) fn linker(&self, records: &VaultTxn) -> Result<Option<DeviceId>, StoreError> {
        Ok(self.linked(records)?.map(|linked| linked.device))
    }

    /// By which device this one was linked, and when, if it was.
    pub(crate) fn linked(&self, records: &VaultTxn) -> Result<Option<LinkedBy>, StoreError> {
        Ok(self.profile(records)?.linked)
    }

    /// Takes the root out of the vault. Until what was overwritten is shredded, it is in the file.
    pub(crate) fn lock_root(
        &self,
        records: &mut VaultTxn,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let mut profile = self.profile(records)?;
        profile.root_seed = None;
        profile.root_locked = Some(RootLocked { at: now, first_secret: self.first_secret.clone() });
        records.put(&PROFILE, Key::Named(b""), &profile)
    }

    fn profile(&self, records: &VaultTxn) -> Result<Profile, StoreError> {
        let profile = records.get(&PROFILE, Key::Named(b""))?;
        profile.ok_or(StoreError::Record { table: PROFILE.name() })
    }

    /// This device's bundle of the day that `now` is in, with the prekey of that day, and with what is known of the
    /// user's devices.
    pub(crate) fn issue_bundle(
        &mut self,
        records: &mut VaultTxn,
        rng: &mut ChaCha20Rng,
        (now, sure): (UnixMillis, UnixMillis),
        state: Vec<u8>,
    ) -> Result<Bundle, StoreError> {
        let prekey = self.prekeys.of_day(records, rng, now, sure)?;
        Ok(Bundle::issue(&self.device, &prekey, self.detection.public(), state, now))
    }

    /// Whether a slot of a to-device envelope is this device's.
    pub(crate) fn is_addressee(&self, header: &Header, content: &[u8]) -> bool {
        seal::is_addressed_to(header, content, &self.detection)
    }

    /// Recognizes a to-device envelope, without opening it; `None` if it is for someone else.
    pub(crate) fn recognize<'a>(
        &'a self,
        header: &'a Header,
        envelope: &'a Envelope,
    ) -> Result<Option<Addressed<'a>>, SealError> {
        let keys = OpeningKeys {
            identity: &self.identity,
            detection: &self.detection,
            prekeys: self.prekeys.prepared(),
        };
        seal::recognize(header, &envelope.content, &keys)
    }

    /// Whether a conversation envelope with this tag is one that the user may be able to open.
    pub(crate) fn awaits(&self, tag: &Tag) -> bool {
        self.bundle_tags.contains_key(tag)
            || self.inbound.awaits(tag)
            || self.linking.step_of(tag).is_some()
    }

    /// Whose bundle is published under this tag, and of which day it is. Should a session have the same tag,
    /// both are tried.
    pub(crate) fn bundle_of(&self, tag: &Tag) -> Option<(IdentityId, Day)> {
        self.bundle_tags.get(tag).copied()
    }

    /// Recognizes a contact's bundle of `day` from now on; its tag.
    pub(crate) fn watch_bundle(&mut self, id: &Id, day: Day) -> Tag {
        let tag = Bundle::tag(id, day);
        self.bundle_tags.insert(tag, (id.identity, day));
        tag
    }

    /// No longer recognizes the bundles of `identity`.
    pub(crate) fn forget_bundles(&mut self, identity: &IdentityId) {
        self.bundle_tags.retain(|_, (of, _)| of != identity);
    }

    /// No longer recognizes any bundles.
    pub(crate) fn forget_all_bundles(&mut self) {
        self.bundle_tags.clear();
    }
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keyring(…)")
    }
}

/// The rendezvous secret that follows from the root.
fn first_secret(profile: &Profile) -> RendezvousSecret {
    if let Some(seed) = &profile.root_seed {
        return RootKey::from_seed(seed.0).first_rendezvous_secret();
    }
    let linked = profile.linked.as_ref().map(|linked| &linked.first_secret);
    let locked = profile.root_locked.as_ref().map(|locked| &locked.first_secret);
    linked.or(locked).unwrap_or(&profile.rendezvous.secret).clone()
}
