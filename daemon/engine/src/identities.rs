//! The identities: what is known of the devices of the user and of contacts, as signed statements.
//!
//! Whoever has a contact's bundles has their word on which devices are theirs; so bundles are in the [directory], and what
//! counts is here. A contact's revocations and their end stay for as long as they are a contact. What changes here is written
//! into the batch's transaction at once: a failed commit throws away both it and this.
//!
//! [directory]: crate::directory

use std::collections::{BTreeMap, BTreeSet, HashMap};

use martlet_protocol::identity::state::Standing;
use martlet_protocol::identity::{DeviceCertificate, IdentityState, Statement};
use martlet_protocol::notice;
use martlet_protocol::{DeviceId, IdentityId, Tag, UnixMillis};
use martlet_store::records::{IDENTITY_STATES, IdentityStateRecord};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

use crate::limits::NOTICE_REPUBLISHED_FOR;

/// What is known of whom.
pub(crate) struct Identities {
    own: IdentityId,
    known: BTreeMap<IdentityId, Known>,
    /// Contacts who are to be told of the user's own devices now.
    to_tell: BTreeSet<IdentityId>,
    /// Whose end is told under which tag.
    notices: HashMap<Tag, IdentityId>,
}

struct Known {
    state: IdentityState,
    is_untold: bool,
    ended_at: Option<UnixMillis>,
}

/// What became of statements about someone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Learned {
    /// Whether any was new.
    pub(crate) is_news: bool,
    /// Whether other devices count than before. Not where none had been known.
    pub(crate) has_other_devices: bool,
    /// Whether one that counted does not any more.
    pub(crate) has_lost_devices: bool,
    /// Whether it is known only now that the identity ended.
    pub(crate) has_ended: bool,
    /// Whether who told it lacks something that is known here.
    pub(crate) lacks: bool,
    /// How many are not valid.
    pub(crate) invalid: usize,
}

/// What counts of this device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OwnStanding {
    /// It writes and is written to.
    Active,
    /// The identity has ended.
    Terminated,
    /// The identity goes on without it.
    Revoked,
}

impl Identities {
    /// Loads them from the vault. `own` is this device's certificate.
    pub(crate) fn load(records: &VaultTxn, own: &DeviceCertificate) -> Result<Self, StoreError> {
        let mut identities = Self {
            own: own.identity(),
            known: BTreeMap::new(),
            to_tell: BTreeSet::new(),
            notices: HashMap::new(),
        };
        for record in records.scan(&IDENTITY_STATES)? {
            let state = IdentityState::from_record(record.identity, &record.state);
            let state = state.map_err(|_| StoreError::Record { table: IDENTITY_STATES.name() })?;
            let IdentityStateRecord { identity, is_untold, ended_at, .. } = record;
            identities.known.insert(identity, Known { state, is_untold, ended_at });
        }
        identities.adopt([own].into_iter());
        Ok(identities)
    }

    /// Takes certificates that were verified before, without writing them.
    pub(crate) fn adopt<'a>(&mut self, certificates: impl Iterator<Item = &'a DeviceCertificate>) {
        for certificate in certificates {
            let known = self.entry(certificate.identity());
            known.add(Statement::Certificate(certificate.clone()));
        }
    }

    fn entry(&mut self, identity: IdentityId) -> &mut Known {
        self.known.entry(identity).or_insert_with(|| Known::new(identity))
    }

    /// What is known of the user's own devices.
    pub(crate) fn own(&self) -> Option<&IdentityState> {
        self.state(&self.own)
    }

    /// What counts of this device.
    pub(crate) fn standing_of(&self, device: &DeviceId) -> OwnStanding {
        match self.own() {
            Some(state) if state.is_terminated() => OwnStanding::Terminated,
            Some(state) if !state.is_valid(device) => OwnStanding::Revoked,
            Some(_) | None => OwnStanding::Active,
        }
    }

    /// What is known of someone's devices.
    pub(crate) fn state(&self, identity: &IdentityId) -> Option<&IdentityState> {
        self.known.get(identity).map(|known| &known.state)
    }

    /// Whether a device is known as someone's, whatever became of it.
    pub(crate) fn knows(&self, device: &DeviceId) -> bool {
        let mut devices = self.known.values().flat_map(|known| known.state.devices());
        devices.any(|known| known.device == *device)
    }

    /// Whether a device counts: of someone of whom nothing is known, any.
    pub(crate) fn is_valid(&self, identity: &IdentityId, device: &DeviceId) -> bool {
        self.state(identity).is_none_or(|state| state.is_valid(device))
    }

    /// Whether a device is known not to count. One that isn't known yet may.
    pub(crate) fn is_refuted(&self, identity: &IdentityId, device: &DeviceId) -> bool {
        self.state(identity).is_some_and(|state| {
            let mut devices = state.devices();
            let known = devices.find(|known| known.device == *device);
            state.is_terminated() || known.is_some_and(|it| it.standing != Standing::Valid)
        })
    }

    /// Whether someone's identity ended, as far as is known.
    pub(crate) fn is_terminated(&self, identity: &IdentityId) -> bool {
        self.state(identity).is_some_and(IdentityState::is_terminated)
    }

    /// Takes statements about someone: their devices' certificates, and what else is said of them.
    pub(crate) fn learn(
        &mut self,
        records: &mut VaultTxn,
        identity: IdentityId,
        (certificate, said): (Option<&DeviceCertificate>, &[u8]),
        now: UnixMillis,
    ) -> Result<Learned, StoreError> {
        let known = self.entry(identity);
        let before = valid(&known.state);
        let was_terminated = known.state.is_terminated();
        let invalid;
        let mut is_news = certificate
            .is_some_and(|certificate| known.add(Statement::Certificate(certificate.clone())));
        match known.state.merge_bytes(said) {
            Ok(merged) => {
                is_news |= merged.is_news;
                invalid = merged.invalid;
                if invalid > 0 {
                    tracing::debug!(invalid, "statements about someone's devices are not valid");
                }
            }
            Err(error) => {
                invalid = 1;
                tracing::debug!(%error, "malformed statements about someone's devices");
            }
        }
        let lacks = known.is_lacking(certificate, said);
        let mut learned = Learned { is_news, lacks, invalid, ..Learned::default() };
        if is_news {
            learned.has_ended = known.state.is_terminated() && !was_terminated;
            let after = valid(&known.state);
            learned.has_other_devices = !before.is_empty() && before != after;
            learned.has_lost_devices = before.iter().any(|device| !after.contains(device));
            if learned.has_ended {
                known.ended_at = Some(now);
            }
            self.put(records, &identity)?;
        }
        Ok(learned)
    }

    /// Takes a notice, if it says that someone's identity ended, which was not known; whether it does.
    pub(crate) fn learn_end(
        &mut self,
        records: &mut VaultTxn,
        identity: IdentityId,
        said: &[u8],
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let known = self.entry(identity);
        if known.state.is_terminated() || !ends(&known.state, said) {
            return Ok(false);
        }
        Ok(self.learn(records, identity, (None, said), now)?.has_ended)
    }

    /// The user's own identity is said something of, by its root or this device; all contacts are to be told.
    pub(crate) fn state_of_own(
        &mut self,
        records: &mut VaultTxn,
        statement: Statement,
        contacts: impl Iterator<Item = IdentityId>,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let own = self.own;
        let known = self.entry(own);
        if !known.add(statement) {
            return Ok(());
        }
        if known.state.is_terminated() && known.ended_at.is_none() {
            known.ended_at = Some(now);
        }
        self.put(records, &own)?;
        for contact in contacts {
            self.set_untold(records, contact, true)?;
        }
        Ok(())
    }

    /// What this device knows of itself anyway; nobody is told of it but by bundles.
    pub(crate) fn keep_own(
        &mut self,
        records: &mut VaultTxn,
        statements: impl IntoIterator<Item = Statement>,
    ) -> Result<(), StoreError> {
        let own = self.own;
        let known = self.entry(own);
        let news = statements.into_iter().filter(|statement| known.add(statement.clone())).count();
        let is_kept = records.get(&IDENTITY_STATES, Key::Named(&own.0))?.is_some();
        if news > 0 || !is_kept {
            self.put(records, &own)?;
        }
        Ok(())
    }

    /// Nothing is known of `identity` any more, who is no contact.
    pub(crate) fn forget(
        &mut self,
        records: &mut VaultTxn,
        identity: &IdentityId,
    ) -> Result<(), StoreError> {
        self.known.remove(identity);
        self.to_tell.remove(identity);
        self.notices.retain(|_, of| of != identity);
        records.delete(&IDENTITY_STATES, Key::Named(&identity.0))?;
        Ok(())
    }

    /// Marks a contact as to be told of the user's own devices, or as told.
    pub(crate) fn set_untold(
        &mut self,
        records: &mut VaultTxn,
        identity: IdentityId,
        is_untold: bool,
    ) -> Result<(), StoreError> {
        let known = self.entry(identity);
        if known.is_untold != is_untold {
            known.is_untold = is_untold;
            self.put(records, &identity)?;
        }
        if is_untold {
            self.to_tell.insert(identity);
        } else {
            self.to_tell.remove(&identity);
        }
        Ok(())
    }

    /// Whether a contact is to be told of the user's own devices.
    pub(crate) fn is_untold(&self, identity: &IdentityId) -> bool {
        self.known.get(identity).is_some_and(|known| known.is_untold)
    }

    /// All who are untold are to be told now.
    pub(crate) fn tell_all_untold(&mut self) {
        let untold = self.known.iter().filter(|(_, known)| known.is_untold);
        self.to_tell = untold.map(|(identity, _)| *identity).collect();
    }

    /// The next who is to be told now; once.
    pub(crate) fn next_to_tell(&mut self) -> Option<IdentityId> {
        self.to_tell.pop_first()
    }

    /// Recognizes notices about `identity` from now on; their tag.
    pub(crate) fn watch(&mut self, identity: IdentityId) -> Tag {
        let tag = notice::tag(&identity);
        self.notices.insert(tag, identity);
        tag
    }

    /// About whom notices are that have this tag.
    pub(crate) fn notice_of(&self, tag: &Tag) -> Option<IdentityId> {
        self.notices.get(tag).copied()
    }

    /// What tells that someone's identity ended, of those whose end is to be told on: it was learned in the last 90 days.
    pub(crate) fn ended_lately(&self, now: UnixMillis) -> Vec<(IdentityId, Vec<u8>)> {
        let is_to_tell = |at: UnixMillis| now.since(at) <= NOTICE_REPUBLISHED_FOR;
        let ended = self.known.iter().filter(|(_, known)| known.ended_at.is_some_and(is_to_tell));
        ended
            .filter_map(|(identity, known)| Some((*identity, known.state.encode_ending()?)))
            .collect()
    }

    fn put(&mut self, records: &mut VaultTxn, identity: &IdentityId) -> Result<(), StoreError> {
        let Some(known) = self.known.get(identity) else { return Ok(()) };
        let record = IdentityStateRecord {
            identity: *identity,
            state: known.state.to_record().into(),
            is_untold: known.is_untold,
            ended_at: known.ended_at,
        };
        records.put(&IDENTITY_STATES, Key::Named(&identity.0), &record)
    }
}

impl Known {
    fn new(identity: IdentityId) -> Self {
        Self { state: IdentityState::new(identity), is_untold: false, ended_at: None }
    }

    fn add(&mut self, statement: Statement) -> bool {
        self.state.add(statement).unwrap_or(false)
    }

    /// Whether what was said, with the certificate of who said it, is less than what is known here.
    fn is_lacking(&self, certificate: Option<&DeviceCertificate>, said: &[u8]) -> bool {
        let Some(certificate) = certificate else { return false };
        let mine = self.state.encode();
        if mine == said {
            return false;
        }
        // All of it is verified already, or was refused.
        let mut theirs = IdentityState::new(self.state.identity());
        let certified = theirs.add(Statement::Certificate(certificate.clone()));
        certified.is_ok() && theirs.merge_bytes(said).is_ok() && theirs.encode() != mine
    }
}

/// Whether this says that the identity ended, to who knows `state`.
pub(crate) fn ends(state: &IdentityState, said: &[u8]) -> bool {
    let mut heard = state.clone();
    heard.merge_bytes(said).is_ok_and(|merged| merged.is_news) && heard.is_terminated()
}

fn valid(state: &IdentityState) -> Vec<DeviceId> {
    state.valid().map(DeviceCertificate::device).collect()
}
