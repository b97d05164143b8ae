//! The identity state: what is known of an identity's devices, a set of signed [statements](super::statement).
//!
//! Two states merge by union. So it makes no difference in which order statements come, how often, or by which way: all who
//! have the same statements agree. A device is valid if it is certified, not revoked, and the identity is not terminated;
//! of more than eight, those with the lowest (created, device id). A termination counts if the root signed it, or a kill key
//! that the root named; it waits for the root's word.
//!
//! Encoded: a list of `{0: kind u16, 1: statement bytes}`, ascending by kind and then by bytes, each once; at most 25 KiB. Of
//! an empty state it is nothing. What is not valid is left out when it is read. What is of a kind that this build doesn't know is kept and passed on.
//!
//! Bounds: 64 certificates, those with the lowest (created, device id) stay; 64 revocations, by device id; details of 128 devices,
//! by device id, of which those of valid devices are passed on; 4 kill keys, those known first: else who stole the root could
//! push out the one that its owner has on paper; 4 terminations that wait for the root's word; 16 statements of unknown
//! kinds.

mod keep;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use keep::{first, is_kept, keep, last, latest, seniority, shortest};

use super::certificate::DeviceCertificate;
use super::statement::{
    Details, KillKeyNamed, Reason, Revocation, Stated, Statement, StatementError, Termination,
    Trust, UnknownStatement, kind,
};
use crate::codec::{self, CodecError};
use crate::ids::{DeviceId, IdentityId};
use crate::limits::{
    CERTIFICATES_PER_IDENTITY_MAX, DEVICES_PER_IDENTITY_MAX, IDENTITY_STATE_BYTES_MAX,
};
use crate::time::UnixMillis;

/// Devices whose details are kept: twice as many as an identity may certify, since details may come before the certificate.
const DETAILS_MAX: usize = 2 * CERTIFICATES_PER_IDENTITY_MAX;
/// Kill keys of one identity: a root makes one; more are of other builds, or of who stole the root.
const KILL_KEYS_MAX: usize = 4;
/// Terminations by keys that the root has not named: anyone who knows the identity can make them.
const PENDING_TERMINATIONS_MAX: usize = 4;
/// Statements of unknown kinds: 8 KiB at most.
const UNKNOWN_MAX: usize = 16;
/// Longest record, bytes: all of the above at its longest.
const RECORD_BYTES_MAX: usize = 256 * 1024;

/// What is known of an identity's devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityState {
    identity: IdentityId,
    certificates: BTreeMap<DeviceId, DeviceCertificate>,
    details: BTreeMap<DeviceId, Stated<Details>>,
    kill_keys: BTreeMap<[u8; 32], Stated<KillKeyNamed>>,
    revocations: BTreeMap<DeviceId, Stated<Revocation>>,
    terminations: BTreeMap<[u8; 32], Stated<Termination>>,
    unknown: BTreeSet<UnknownStatement>,
}

/// What became of statements that came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Merged {
    /// Whether any was new.
    pub is_news: bool,
    /// How many were not valid.
    pub invalid: usize,
}

/// A device, as the state has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device<'a> {
    /// Which.
    pub device: DeviceId,
    /// When it was certified, by the clock of who did so.
    pub created_at: UnixMillis,
    /// What it calls itself; empty if it has no name.
    pub name: &'a str,
    /// What counts of it.
    pub standing: Standing,
}

/// What counts of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It may write, and is written to.
    Valid,
    /// There are eight before it.
    Surplus,
    /// It is the identity's no more.
    Revoked {
        /// Since when, by the clock of who said so.
        at: UnixMillis,
        /// Why.
        reason: Reason,
    },
    /// The identity ended.
    Terminated,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    kind: u16,
    statement: ByteBuf,
}

impl IdentityState {
    /// Of an identity of which nothing is known.
    #[must_use]
    pub fn new(identity: IdentityId) -> Self {
        Self {
            identity,
            certificates: BTreeMap::new(),
            details: BTreeMap::new(),
            kill_keys: BTreeMap::new(),
            revocations: BTreeMap::new(),
            terminations: BTreeMap::new(),
            unknown: BTreeSet::new(),
        }
    }

    /// Reads a record of the own vault: its signatures were verified when it was made.
    ///
    /// # Errors
    /// [`CodecError`], if it isn't one.
    pub fn from_record(identity: IdentityId, record: &[u8]) -> Result<Self, CodecError> {
        let mut state = Self::new(identity);
        state.take(record, RECORD_BYTES_MAX, Trust::Record)?;
        Ok(state)
    }

    /// All of it, for the own vault.
    #[must_use]
    pub fn to_record(&self) -> Vec<u8> {
        encode(self.statements().collect())
    }

    /// Takes what came from someone. Statements that are known already are not verified again.
    ///
    /// # Errors
    /// [`CodecError`], if it is not a list of statements; nothing is taken then.
    pub fn merge_bytes(&mut self, bytes: &[u8]) -> Result<Merged, CodecError> {
        self.take(bytes, IDENTITY_STATE_BYTES_MAX, Trust::Nobody)
    }

    fn take(&mut self, bytes: &[u8], max: usize, trust: Trust) -> Result<Merged, CodecError> {
        let mut merged = Merged::default();
        if bytes.is_empty() {
            return Ok(merged);
        }
        let entries: Vec<Entry> = codec::decode(bytes, max)?;
        for Entry { kind, statement } in entries {
            if self.has(kind, &statement) {
                continue;
            }
            match Statement::read(&self.identity, kind, &statement, trust) {
                Ok(statement) => merged.is_news |= self.insert(statement),
                Err(_) => merged.invalid += 1,
            }
        }
        Ok(merged)
    }

    /// Takes a statement; whether it is news.
    ///
    /// # Errors
    /// [`StatementError::OtherIdentity`].
    pub fn add(&mut self, statement: Statement) -> Result<bool, StatementError> {
        let identity = match &statement {
            Statement::Certificate(said) => said.identity(),
            Statement::Details(said) => said.identity,
            Statement::KillKey(said) => said.identity,
            Statement::Revocation(said) => said.identity,
            Statement::Termination(said) => said.identity,
            Statement::Unknown(_) => self.identity,
        };
        if identity != self.identity {
            return Err(StatementError::OtherIdentity);
        }
        Ok(self.insert(statement))
    }

    /// Takes all of another state of this identity; whether any was news. Of another identity it takes nothing.
    pub fn merge(&mut self, other: &Self) -> bool {
        let mut is_news = false;
        if self.identity == other.identity {
            for statement in other.statements() {
                is_news |= self.insert(statement);
            }
        }
        is_news
    }

    fn insert(&mut self, statement: Statement) -> bool {
        match statement {
            Statement::Certificate(said) => self.insert_certificate(said),
            Statement::Details(said) => {
                let device = said.device;
                keep(&mut self.details, device, said, |new, old| latest(new) > latest(old))
                    && is_kept(&mut self.details, DETAILS_MAX, &device, last)
            }
            Statement::KillKey(said) => {
                let key = said.key;
                let is_full = self.kill_keys.len() >= KILL_KEYS_MAX;
                if is_full && !self.kill_keys.contains_key(&key) {
                    return false;
                }
                keep(&mut self.kill_keys, key, said, |new, old| new.as_bytes() < old.as_bytes())
            }
            Statement::Revocation(said) => {
                let shown = said.shown_certificate();
                let is_certified = shown.is_some_and(|shown| self.insert_certificate(shown));
                let (device, max) = (said.device, CERTIFICATES_PER_IDENTITY_MAX);
                let is_news = keep(&mut self.revocations, device, said, |new, old| {
                    shortest(new) < shortest(old)
                }) && is_kept(&mut self.revocations, max, &device, last);
                is_certified || is_news
            }
            Statement::Termination(said) => {
                let by = said.by;
                let is_news = keep(&mut self.terminations, by, said, |new, old| {
                    new.as_bytes() < old.as_bytes()
                });
                self.drop_pending();
                is_news && self.terminations.contains_key(&by)
            }
            Statement::Unknown(said) => {
                let is_news = self.unknown.insert(said.clone());
                if self.unknown.len() > UNKNOWN_MAX {
                    self.unknown.pop_last();
                }
                is_news && self.unknown.contains(&said)
            }
        }
    }

    fn insert_certificate(&mut self, said: DeviceCertificate) -> bool {
        let (device, max) = (said.device(), CERTIFICATES_PER_IDENTITY_MAX);
        keep(&mut self.certificates, device, said, |new, old| first(new) < first(old))
            && is_kept(&mut self.certificates, max, &device, |certificates| {
                certificates.values().map(seniority).max().map(|(_, device)| device)
            })
    }

    /// Drops the last terminations that no key of the identity's signed, beyond the bound.
    fn drop_pending(&mut self) {
        let pending = self.terminations.keys().filter(|by| !self.may_terminate(by)).copied();
        for by in pending.skip(PENDING_TERMINATIONS_MAX).collect::<Vec<_>>() {
            self.terminations.remove(&by);
        }
    }

    fn may_terminate(&self, by: &[u8; 32]) -> bool {
        *by == self.identity.0 || self.kill_keys.contains_key(by)
    }

    fn has(&self, kind: u16, bytes: &[u8]) -> bool {
        // A few dozen at most, nearly all of which differ in their first bytes or lengths.
        self.parts().any(|known| known == (kind, bytes))
    }

    /// Whose it is.
    #[must_use]
    pub fn identity(&self) -> IdentityId {
        self.identity
    }

    /// When the identity ended, if it did, by the clock of who said so.
    #[must_use]
    pub fn terminated_at(&self) -> Option<UnixMillis> {
        let terminations = self.terminations.values();
        terminations.filter(|said| self.may_terminate(&said.by)).map(|said| said.at).min()
    }

    /// Whether the identity ended.
    #[must_use]
    pub fn is_terminated(&self) -> bool {
        self.terminated_at().is_some()
    }

    /// Whether this is a key that may end the identity, as far as is known.
    #[must_use]
    pub fn has_kill_key(&self, key: &[u8; 32]) -> bool {
        self.kill_keys.contains_key(key)
    }

    /// Whether any kill key of the identity is known.
    #[must_use]
    pub fn names_kill_key(&self) -> bool {
        !self.kill_keys.is_empty()
    }

    /// The devices that may write and are written to, by (created, device id): at most eight.
    pub fn valid(&self) -> impl Iterator<Item = &DeviceCertificate> {
        let most = if self.is_terminated() { 0 } else { DEVICES_PER_IDENTITY_MAX };
        self.not_revoked().into_iter().take(most)
    }

    /// Whether this device may write and is written to.
    #[must_use]
    pub fn is_valid(&self, device: &DeviceId) -> bool {
        self.valid().any(|certificate| certificate.device() == *device)
    }

    /// Devices certified so far, whatever became of them.
    #[must_use]
    pub fn certified(&self) -> usize {
        self.certificates.len()
    }

    /// All devices, by (created, device id).
    pub fn devices(&self) -> impl Iterator<Item = Device<'_>> {
        let valid: BTreeSet<_> = self.valid().map(DeviceCertificate::device).collect();
        let mut certificates: Vec<_> = self.certificates.values().collect();
        certificates.sort_by_key(|said| seniority(said));
        certificates.into_iter().map(move |certificate| {
            let device = certificate.device();
            let standing = match self.revocations.get(&device) {
                Some(said) => Standing::Revoked { at: said.at, reason: Reason::of(said.reason) },
                None if self.is_terminated() => Standing::Terminated,
                None if valid.contains(&device) => Standing::Valid,
                None => Standing::Surplus,
            };
            let name = self.details.get(&device).map_or("", |said| said.name.as_str());
            Device { device, created_at: certificate.created_at(), name, standing }
        })
    }

    /// What others are told: all of it, but for details of devices that are not valid, certificates that stand in a
    /// revocation, and terminations that don't count. At most 25 KiB; what finds no room (only where someone else's build, or a thief, made too much) is left out from
    /// the end of: what ends something, certificates, details, unknown kinds.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut told = self.endings();
        told.extend(self.revocations.values().cloned().map(Statement::Revocation));
        let is_shown = |certificate: &&DeviceCertificate| {
            let revocation = self.revocations.get(&certificate.device());
            revocation.is_some_and(|said| said.shows(certificate))
        };
        let certificates = self.certificates.values().filter(|said| !is_shown(said));
        told.extend(certificates.cloned().map(Statement::Certificate));
        let details = self.valid().filter_map(|valid| self.details.get(&valid.device()));
        told.extend(details.cloned().map(Statement::Details));
        told.extend(self.unknown.iter().cloned().map(Statement::Unknown));
        // The list's head, and of each statement its kind and the heads of its fields.
        let (mut room, heads) = (IDENTITY_STATE_BYTES_MAX - 5, 9);
        told.retain(|statement| {
            let size = statement.parts().1.len() + heads;
            let fits = size <= room;
            room -= if fits { size } else { 0 };
            fits
        });
        encode(told)
    }

    /// That the identity ended, for who knows nothing else of it; `None` while it has not.
    #[must_use]
    pub fn encode_ending(&self) -> Option<Vec<u8>> {
        self.is_terminated().then(|| encode(self.endings()))
    }

    /// Terminations that count, and the kill keys.
    fn endings(&self) -> Vec<Statement> {
        let terminations = self.terminations.values().filter(|said| self.may_terminate(&said.by));
        let terminations = terminations.cloned().map(Statement::Termination);
        terminations.chain(self.kill_keys.values().cloned().map(Statement::KillKey)).collect()
    }

    fn not_revoked(&self) -> Vec<&DeviceCertificate> {
        let certificates = self.certificates.values();
        let mut valid: Vec<_> = certificates
            .filter(|certificate| !self.revocations.contains_key(&certificate.device()))
            .collect();
        valid.sort_by_key(|said| seniority(said));
        valid
    }

    fn statements(&self) -> impl Iterator<Item = Statement> {
        let certificates = self.certificates.values().cloned().map(Statement::Certificate);
        certificates
            .chain(self.details.values().cloned().map(Statement::Details))
            .chain(self.kill_keys.values().cloned().map(Statement::KillKey))
            .chain(self.revocations.values().cloned().map(Statement::Revocation))
            .chain(self.terminations.values().cloned().map(Statement::Termination))
            .chain(self.unknown.iter().cloned().map(Statement::Unknown))
    }

    /// The kind and the bytes of each statement.
    fn parts(&self) -> impl Iterator<Item = (u16, &[u8])> {
        let certificates = self.certificates.values();
        certificates
            .map(|said| (kind::CERTIFICATE, said.as_bytes()))
            .chain(self.details.values().map(|said| (kind::DETAILS, said.as_bytes())))
            .chain(self.kill_keys.values().map(|said| (kind::KILL_KEY, said.as_bytes())))
            .chain(self.revocations.values().map(|said| (kind::REVOCATION, said.as_bytes())))
            .chain(self.terminations.values().map(|said| (kind::TERMINATION, said.as_bytes())))
            .chain(self.unknown.iter().map(|said| (said.kind, &said.bytes[..])))
    }
}

/// A termination by a key, encoded like a state with nothing else in it: it counts for who knows that the key may end the
/// identity.
#[must_use]
pub fn encode_termination(termination: &Stated<Termination>) -> Vec<u8> {
    encode(vec![Statement::Termination(termination.clone())])
}

fn encode(mut statements: Vec<Statement>) -> Vec<u8> {
    if statements.is_empty() {
        return Vec::new();
    }
    statements.sort_by(|a, b| a.parts().cmp(&b.parts()));
    let entries: Vec<_> = statements
        .iter()
        .map(|statement| {
            let (kind, bytes) = statement.parts();
            Entry { kind, statement: ByteBuf::from(bytes.to_vec()) }
        })
        .collect();
    codec::encode(&entries)
}
