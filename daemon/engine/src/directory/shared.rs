//! Settings: what is the same on all of the user's devices. Of several about one thing that with the greatest stamp counts,
//! on each device, whatever order they came in.
//!
//! A setting is kept apart from what it says, which is with its owner: contacts here, manners in the timeline. What the owner
//! has follows from the settings alone (`user/shared.rs`), so two devices with the same settings are the same. While the user
//! has one device there is none.

use std::collections::{BTreeMap, BTreeSet};

use martlet_protocol::hlc::Hlc;
use martlet_protocol::limits::{CLOCK_SKEW_MAX, NAME_BYTES_MAX};
use martlet_protocol::message::settings::values::{self, Value};
use martlet_protocol::message::{Payload, Setting, SettingKey, Stamp};
use martlet_protocol::{DeviceId, IdentityId, UnixMillis};
use martlet_store::records::{SHARED_SETTINGS, SharedSettingRecord};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

use crate::limits::{SETTINGS_MAX, SETTINGS_UNKNOWN_MAX};

/// What a setting is about, as far as this build knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    /// Whether someone is a contact, and under which name.
    Contact(IdentityId),
    /// Whether they are verified.
    Verified(IdentityId),
    /// Whether they are blocked.
    Blocked(IdentityId),
    /// Whether their request was dropped.
    Dropped(IdentityId),
    /// How the user wants the conversation with them.
    Manner(IdentityId),
    /// What the user noted of them.
    Note(IdentityId),
    /// The timers of the conversation with them.
    Timers(IdentityId),
    /// How the user wants all conversations.
    Preferences,
}

/// Settings.
#[derive(Default)]
pub(crate) struct Shared {
    known: BTreeMap<SettingKey, Known>,
    names: Names,
    clock: Hlc,
    /// Whether the clock is still to follow what was loaded.
    is_loaded: bool,
    /// Whether settings of others are being applied: what changes by that is no change of the user's.
    pub(crate) is_applying: bool,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    stamp: Stamp,
    /// Whether it says that there is nothing.
    is_empty: bool,
}

/// What the user called contacts, on whichever device.
#[derive(Default)]
struct Names {
    by_identity: BTreeMap<IdentityId, (String, Stamp)>,
    by_name: BTreeMap<String, BTreeSet<(Stamp, IdentityId)>>,
}

impl Subject {
    /// The key of the setting.
    pub(crate) fn key(&self) -> SettingKey {
        let (what, of) = match self {
            Self::Contact(of) => (values::Contact::WHAT, Some(of)),
            Self::Verified(of) => (values::Verified::WHAT, Some(of)),
            Self::Blocked(of) => (values::Blocked::WHAT, Some(of)),
            Self::Dropped(of) => (values::Dropped::WHAT, Some(of)),
            Self::Manner(of) => (values::Manner::WHAT, Some(of)),
            Self::Note(of) => (values::Note::WHAT, Some(of)),
            Self::Timers(of) => (values::TimersSet::WHAT, Some(of)),
            Self::Preferences => (values::Preferences::WHAT, None),
        };
        SettingKey { what, of: of.map(|of| of.0.to_vec()).unwrap_or_default() }
    }

    /// What a setting is about; `None` if this build doesn't know.
    pub(crate) fn of(key: &SettingKey) -> Option<Self> {
        let of = IdentityId::from_slice(&key.of).ok();
        match (key.what, of) {
            (values::Contact::WHAT, Some(of)) => Some(Self::Contact(of)),
            (values::Verified::WHAT, Some(of)) => Some(Self::Verified(of)),
            (values::Blocked::WHAT, Some(of)) => Some(Self::Blocked(of)),
            (values::Dropped::WHAT, Some(of)) => Some(Self::Dropped(of)),
            (values::Manner::WHAT, Some(of)) => Some(Self::Manner(of)),
            (values::Note::WHAT, Some(of)) => Some(Self::Note(of)),
            (values::TimersSet::WHAT, Some(of)) => Some(Self::Timers(of)),
            (values::Preferences::WHAT, None) if key.of.is_empty() => Some(Self::Preferences),
            _ => None,
        }
    }
}

impl Shared {
    pub(super) fn load(records: &VaultTxn) -> Result<Self, StoreError> {
        let mut shared = Self { is_loaded: true, ..Self::default() };
        records.for_each(&SHARED_SETTINGS, |record: SharedSettingRecord| {
            shared.note(&record.into_setting());
        })?;
        Ok(shared)
    }

    fn note(&mut self, setting: &Setting) {
        let Setting { key, value, stamp } = setting;
        self.known.insert(key.clone(), Known { stamp: *stamp, is_empty: value.0.is_empty() });
        if let Some(Subject::Contact(identity)) = Subject::of(key) {
            let contact = values::Contact::decode(&value.0).ok().flatten();
            self.names.set(identity, contact.map(|contact| (contact.name, *stamp)));
        }
    }

    /// Takes a setting of another device; whether it counts from now on.
    pub(crate) fn take(
        &mut self,
        records: &mut VaultTxn,
        setting: &Setting,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        self.clock = self.clock.follow(setting.stamp.hlc, now, CLOCK_SKEW_MAX);
        let known = self.known.get(&setting.key).map(|known| known.stamp);
        if known > Some(setting.stamp) || !self.make_room(records, &setting.key)? {
            return Ok(false);
        }
        // A device makes no stamp twice, unless it was put back from a copy.
        let is_tie = known == Some(setting.stamp);
        if is_tie && self.value(records, &setting.key)? >= setting.value.0 {
            return Ok(false);
        }
        self.put(records, setting)?;
        Ok(true)
    }

    /// Makes a setting on this device, if it says something else than the one that there is: not before `at`, and after
    /// what it takes the place of.
    pub(crate) fn make(
        &mut self,
        records: &mut VaultTxn,
        (key, value): (SettingKey, Vec<u8>),
        (at, now): (UnixMillis, UnixMillis),
        device: DeviceId,
    ) -> Result<Option<Setting>, StoreError> {
        let known = self.known.get(&key).copied();
        match known {
            None if value.is_empty() => return Ok(None),
            Some(known) if known.is_empty && value.is_empty() => return Ok(None),
            Some(_) if self.value(records, &key)? == value => return Ok(None),
            Some(_) | None => {}
        }
        if !self.make_room(records, &key)? {
            tracing::warn!("too many settings: one is not told to the user's other devices");
            return Ok(None);
        }
        if std::mem::take(&mut self.is_loaded) {
            let stamps = self.known.values().map(|known| known.stamp.hlc);
            self.clock =
                stamps.fold(self.clock, |clock, seen| clock.follow(seen, now, CLOCK_SKEW_MAX));
        }
        let last = known.map(|known| known.stamp.hlc).unwrap_or_default();
        // What was so before there was another device is of when it became so.
        let clock = if at < now { Hlc::default() } else { self.clock };
        let stamp = Stamp { hlc: last.max(clock).after(at), device };
        self.clock = self.clock.follow(stamp.hlc, now, CLOCK_SKEW_MAX);
        let setting = Setting { key, value: Payload(value), stamp };
        self.put(records, &setting)?;
        Ok(Some(setting))
    }

    fn put(&mut self, records: &mut VaultTxn, setting: &Setting) -> Result<(), StoreError> {
        self.note(setting);
        let name = name(&setting.key);
        records.put(&SHARED_SETTINGS, Key::Named(&name), &SharedSettingRecord::of(setting))
    }

    /// Makes room for another setting. The one goes that says that there is nothing, and has said so for longest.
    fn make_room(&mut self, records: &mut VaultTxn, key: &SettingKey) -> Result<bool, StoreError> {
        if self.known.contains_key(key) {
            return Ok(true);
        }
        if Subject::of(key).is_none() {
            let unknown = self.known.keys().filter(|key| Subject::of(key).is_none()).count();
            if unknown >= SETTINGS_UNKNOWN_MAX {
                return Ok(false);
            }
        }
        if self.known.len() < SETTINGS_MAX {
            return Ok(true);
        }
        let empty = self.known.iter().filter(|(_, known)| known.is_empty);
        let oldest = empty.min_by_key(|(_, known)| known.stamp).map(|(key, _)| key.clone());
        let Some(oldest) = oldest else { return Ok(false) };
        self.known.remove(&oldest);
        records.delete(&SHARED_SETTINGS, Key::Named(&name(&oldest)))?;
        Ok(true)
    }

    /// What a setting says; empty if there is none.
    pub(crate) fn value(
        &self,
        records: &VaultTxn,
        key: &SettingKey,
    ) -> Result<Vec<u8>, StoreError> {
        Ok(self.setting(records, key)?.map(|setting| setting.value.0.clone()).unwrap_or_default())
    }

    /// A setting.
    pub(crate) fn setting(
        &self,
        records: &VaultTxn,
        key: &SettingKey,
    ) -> Result<Option<Setting>, StoreError> {
        if !self.known.contains_key(key) {
            return Ok(None);
        }
        let record = records.get(&SHARED_SETTINGS, Key::Named(&name(key)))?;
        Ok(record.map(SharedSettingRecord::into_setting))
    }

    /// The settings after this one, in the order of their keys.
    pub(crate) fn keys_after(
        &self,
        last: Option<&SettingKey>,
    ) -> impl Iterator<Item = &SettingKey> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = last.map_or(Unbounded, Excluded);
        self.known.range((from, Unbounded)).map(|(key, _)| key)
    }

    /// What a contact is called here: what the user called them, unless someone else was called so before, on another
    /// device.
    pub(crate) fn name_of(&self, identity: &IdentityId) -> Option<String> {
        self.names.assigned(identity)
    }

    /// When the user removed someone from the contacts, on whichever device, if they did so last.
    pub(crate) fn removed_at(&self, identity: &IdentityId) -> Option<UnixMillis> {
        let known = self.known.get(&Subject::Contact(*identity).key())?;
        known.is_empty.then_some(known.stamp.hlc.at)
    }

    /// What the user called a contact.
    pub(crate) fn wanted_name_of(&self, identity: &IdentityId) -> Option<&str> {
        self.names.by_identity.get(identity).map(|(name, _)| name.as_str())
    }

    /// Contacts that the user called so, on whichever device.
    pub(crate) fn called(&self, name: &str) -> Vec<IdentityId> {
        let called = self.names.by_name.get(name).into_iter().flatten();
        called.map(|(_, identity)| *identity).collect()
    }
}

impl Names {
    fn set(&mut self, identity: IdentityId, wanted: Option<(String, Stamp)>) {
        if let Some((name, stamp)) = self.by_identity.remove(&identity)
            && let Some(called) = self.by_name.get_mut(&name)
        {
            called.remove(&(stamp, identity));
            if called.is_empty() {
                self.by_name.remove(&name);
            }
        }
        if let Some((name, stamp)) = wanted {
            self.by_name.entry(name.clone()).or_default().insert((stamp, identity));
            self.by_identity.insert(identity, (name, stamp));
        }
    }

    /// Of several with one name the first who was given it has it. The others have a part of their identity behind it: that
    /// is the same on all devices.
    fn assigned(&self, identity: &IdentityId) -> Option<String> {
        let (name, _) = self.by_identity.get(identity)?;
        let first = self.by_name.get(name).and_then(|called| called.first());
        if first.is_none_or(|(_, first)| first == identity) {
            return Some(name.clone());
        }
        let suffix: String = identity.to_string().chars().take(8).collect();
        let mut end = name.len().min(NAME_BYTES_MAX - suffix.len() - 1);
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        Some(format!("{}-{suffix}", &name[..end]))
    }
}

fn name(SettingKey { what, of }: &SettingKey) -> Vec<u8> {
    [&what.to_be_bytes()[..], of].concat()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::path::Path;

    use martlet_store::Vault;
    use martlet_store::memory::MemoryFile;
    use martlet_store::vault::keyfile::KeyFile;
    use rand::RngExt;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_793_500_000_000);

    fn vault(rng: &mut ChaCha20Rng) -> Vault {
        let (_, key) = KeyFile::make(Path::new("(memory)"), None, rng).unwrap();
        let (file, keys) = <(MemoryFile, MemoryFile)>::default();
        Vault::with_backend(file, keys, &key, 1 << 20).unwrap()
    }

    fn person(number: u8) -> IdentityId {
        IdentityId([number; 32])
    }

    fn contact(name: &str) -> Vec<u8> {
        let (name, rendezvous) = (name.to_owned(), Default::default());
        values::Contact { name, rendezvous, added_at: NOW }.encode()
    }

    /// Few people, few names and few stamps, so that many of them meet.
    fn random(rng: &mut ChaCha20Rng) -> Setting {
        let of = person(rng.random_range(0..4));
        let (key, value) = match rng.random_range(0..5) {
            0 | 1 => {
                let name = ["ann", "bob"][rng.random_range(0..2_usize)];
                (Subject::Contact(of).key(), contact(name))
            }
            2 => (Subject::Contact(of).key(), Vec::new()),
            3 => (Subject::Dropped(of).key(), values::Dropped { at: NOW }.encode()),
            _ => (SettingKey { what: 999, of: of.0.to_vec() }, vec![rng.random_range(0..3)]),
        };
        let at = UnixMillis(NOW.0 + rng.random_range(0..4));
        let hlc = Hlc { at, count: rng.random_range(0..2) };
        let stamp = Stamp { hlc, device: DeviceId([rng.random_range(0..3); 32]) };
        Setting { key, value: Payload(value), stamp }
    }

    /// All that a device has of its settings, as it is on disk, and what contacts are called by them.
    type Whole = (Vec<Setting>, Vec<Option<String>>);

    fn whole(shared: &Shared, records: &VaultTxn) -> Whole {
        let keys = shared.keys_after(None);
        let settings = keys.map(|key| shared.setting(records, key).unwrap().unwrap()).collect();
        (settings, (0..4).map(|number| shared.name_of(&person(number))).collect())
    }

    #[test]
    fn in_whatever_order_and_pieces_settings_come_they_make_one_state() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        for _ in 0..200 {
            let settings: Vec<_> = (0..40).map(|_| random(&mut rng)).collect();
            let mut first: Option<Whole> = None;
            for _ in 0..4 {
                let vault = vault(&mut rng);
                let mut records = vault.begin([7; 32]).unwrap();
                let mut shared = Shared::load(&records).unwrap();
                let mut left = settings.clone();
                for last in (1..left.len()).rev() {
                    left.swap(last, rng.random_range(0..=last));
                }
                // Some come twice, and in between the device starts again.
                while !left.is_empty() {
                    let piece = left.split_off(left.len().saturating_sub(rng.random_range(1..9)));
                    for setting in piece.iter().chain(piece.first()) {
                        shared.take(&mut records, setting, NOW).unwrap();
                    }
                    if rng.random_bool(0.2) {
                        shared = Shared::load(&records).unwrap();
                    }
                }
                let found = whole(&shared, &records);
                assert_eq!(first.get_or_insert_with(|| found.clone()), &found);
            }
        }
    }

    #[test]
    fn a_clock_that_was_far_ahead_has_the_last_word_on_nothing_that_is_changed_later() {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let vault = vault(&mut rng);
        let mut records = vault.begin([7; 32]).unwrap();
        let mut shared = Shared::load(&records).unwrap();
        let (ann, bob) = (Subject::Contact(person(1)).key(), Subject::Contact(person(2)).key());
        let ahead = Hlc { at: UnixMillis(NOW.0 * 2), count: 5 };
        let stamp = Stamp { hlc: ahead, device: DeviceId([9; 32]) };
        let theirs = Setting { key: ann.clone(), value: Payload(contact("ann")), stamp };
        assert!(shared.take(&mut records, &theirs, NOW).unwrap());
        let this = DeviceId([1; 32]);
        let mut make = |shared: &mut Shared, key: &SettingKey, name: &str| {
            let made = shared.make(&mut records, (key.clone(), contact(name)), (NOW, NOW), this);
            made.unwrap().unwrap().stamp.hlc
        };
        assert!(make(&mut shared, &ann, "anna") > ahead, "what it said is changed");
        assert_eq!(make(&mut shared, &bob, "bob").at, NOW, "the clock does not follow it");
    }

    #[test]
    fn of_too_many_settings_the_oldest_that_say_nothing_go() {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let vault = vault(&mut rng);
        let mut records = vault.begin([7; 32]).unwrap();
        let mut shared = Shared::load(&records).unwrap();
        let setting = |what: u16, number: usize, value: &[u8]| {
            let mut of = [0; 32];
            of[..8].copy_from_slice(&number.to_be_bytes());
            let hlc = Hlc { at: UnixMillis(NOW.0 + number as u64), count: 0 };
            let stamp = Stamp { hlc, device: DeviceId([1; 32]) };
            let key = SettingKey { what, of: of.to_vec() };
            Setting { key, value: Payload(value.to_vec()), stamp }
        };
        // Of an unknown number there are few.
        let mut taken = 0;
        for number in 0..SETTINGS_UNKNOWN_MAX + 10 {
            let setting = setting(999, number, b"x");
            taken += usize::from(shared.take(&mut records, &setting, NOW).unwrap());
        }
        assert_eq!(taken, SETTINGS_UNKNOWN_MAX);
        for number in 0..SETTINGS_MAX - SETTINGS_UNKNOWN_MAX {
            let value: &[u8] = if number == 5 || number == 7 { b"" } else { b"x" };
            assert!(shared.take(&mut records, &setting(4, number, value), NOW).unwrap());
        }
        let more = |number| setting(4, SETTINGS_MAX + number, b"x");
        for number in 0..3 {
            let is_room = number < 2;
            assert_eq!(shared.take(&mut records, &more(number), NOW).unwrap(), is_room);
        }
        assert_eq!(shared.known.len(), SETTINGS_MAX);
        assert!(shared.setting(&records, &setting(4, 5, b"").key).unwrap().is_none());
    }
}
