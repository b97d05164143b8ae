//! Olm sessions with other devices: contacts', and the user's own others.
//!
//! Nothing of them is in memory: a device's record is read when something goes to it or comes of it, and is written into the same
//! transaction as the envelope that leaves, or what that one brought.
//!
//! - Of several sessions that one is written with which opened something last. One that never did counts from its beginning.
//! - A message that begins a session which is here already goes to that one: vodozemac would make a second of it.
//! - Whoever is no contact gets no record. What begins a session can be opened without one while the key is there.

use martlet_protocol::crypto::olm::{
    self, Begins, Incoming, ONE_TIME_KEYS_MAX, OlmError, OlmKey, OlmKeys, OlmSecret, OlmSession,
    Plain, Route,
};
use martlet_protocol::{EnvelopeId, UnixMillis};
use martlet_store::records::{OLM_PEERS, OlmPeerRecord, OlmSessionRecord};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};
use rand_chacha::ChaCha20Rng;
use zeroize::Zeroizing;

use super::Keyring;
use crate::conversation::Author;
use crate::limits::{
    OLM_CHAIN_MAX, OLM_RENEWAL_INTERVAL, OLM_RENEWAL_INTERVAL_AFTER_OPENING,
    OLM_RENEWALS_PENDING_MAX, OLM_SESSION_UNHEARD_MAX, OLM_SESSION_UNUSED_MAX,
    OLM_SESSIONS_PER_DEVICE_MAX, OLM_TAKEN_MAX,
};

/// A day, as long as who hears nothing waits to be told again.
const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

/// With which session something is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum With {
    /// The one that opened something last; if there is none, a new one.
    TheLast,
    /// A new one, of the device's published keys: others may be lost there.
    Anew,
    /// A new one, of the device's published keys, that neither side keeps: for what is of use for minutes, and too much of
    /// which would be lost on the way for the other sessions to go on.
    Once,
}

/// A message that was opened, and is not kept yet.
pub(crate) struct OlmOpened {
    /// The message.
    pub(crate) message: Zeroizing<Vec<u8>>,
    from: Author,
    session: OlmSession,
    /// The session's record as it was, if it was there.
    before: Option<Vec<u8>>,
    /// The one-time key that was used.
    used: Option<OlmKey>,
    /// Those that came.
    one_time_keys: Vec<OlmKey>,
}

/// What came of an attempt to open a message.
pub(crate) enum OlmOpening {
    /// It was opened.
    Opened(Box<OlmOpened>),
    /// It was opened and kept before.
    Taken,
    /// No session opens it.
    Failed(OlmError),
}

/// A device's record, before something was kept and after.
pub(crate) struct OlmKept {
    before: Option<OlmPeerRecord>,
    after: OlmPeerRecord,
}

impl Keyring {
    /// The payload that carries `message` to a device with these published keys.
    pub(crate) fn encrypt_olm(
        &self,
        (records, rng): (&mut VaultTxn, &mut ChaCha20Rng),
        now: UnixMillis,
        (to, keys): (Author, &OlmKeys),
        message: Vec<u8>,
        with: With,
    ) -> Result<Vec<u8>, OlmFault> {
        let route = Route { sender: self.own_route(), recipient: (to.identity, to.device) };
        if with == With::Once {
            return Ok(olm::once(&self.own_olm(), &route, keys, message)?);
        }
        let mut record = read(records, to)?.unwrap_or_else(|| new_record(to));
        let mut plain = Plain::of(message);
        let mut with = with;
        while with == With::TheLast
            && let Some(at) = newest(&record, now)
        {
            if record.sessions[at].sent >= OLM_CHAIN_MAX {
                // More of them could not be opened in any order. One-time keys are for who answers.
                with = With::Anew;
                break;
            }
            let mut session = OlmSession::from_record(&record.sessions[at].session)?;
            if session.is_answered() && !record.sessions[at].has_given {
                plain.one_time_keys = given(&mut record, rng);
            }
            if let Ok(payload) = session.encrypt(&route, &plain) {
                let known = &mut record.sessions[at];
                known.has_given |= session.is_answered();
                known.used_at = now;
                known.sent = payload.sent();
                known.session = session.to_record().to_vec();
                write(records, &record)?;
                return Ok(payload.into_bytes());
            }
            // The other side's ratchet key is none.
            record.sessions.remove(at);
            plain.one_time_keys.clear();
        }
        // After a loss their one-time keys may be lost too.
        let one_time =
            (with == With::TheLast && !record.theirs.is_empty()).then(|| record.theirs.remove(0));
        let key = one_time.unwrap_or(keys.fallback);
        let mut session = OlmSession::begin(&self.own_olm(), &keys.identity, &key)?;
        let payload = session.encrypt(&route, &plain)?;
        add(&mut record, &session, now);
        write(records, &record)?;
        Ok(payload.into_bytes())
    }

    /// Opens a payload that a device sent. Nothing is kept yet.
    pub(crate) fn decrypt_olm(
        &self,
        records: &VaultTxn,
        from: Author,
        id: &EnvelopeId,
        payload: &[u8],
    ) -> Result<OlmOpening, StoreError> {
        let record = read(records, from)?;
        if record.as_ref().is_some_and(|record| record.taken.contains(id)) {
            return Ok(OlmOpening::Taken);
        }
        let route = Route { sender: (from.identity, from.device), recipient: self.own_route() };
        let opened = Incoming::decode(payload)
            .and_then(|incoming| self.open_olm(record.as_ref(), from, &route, &incoming));
        Ok(match opened {
            Ok(opened) => OlmOpening::Opened(Box::new(opened)),
            Err(error) => OlmOpening::Failed(error),
        })
    }

    fn open_olm(
        &self,
        record: Option<&OlmPeerRecord>,
        from: Author,
        route: &Route,
        incoming: &Incoming,
    ) -> Result<OlmOpened, OlmError> {
        let mut known = record.map_or(Vec::new(), |record| record.sessions.iter().collect());
        known.sort_by_key(|session| std::cmp::Reverse(session.order));
        let begins = incoming.begins();
        let mut failed = OlmError::NoSession;
        for before in known {
            let mut session = OlmSession::from_record(&before.session)?;
            if begins.as_ref().is_some_and(|begins| begins.session != session.id()) {
                continue;
            }
            match session.decrypt(route, incoming) {
                Ok(plain) => {
                    let before = Some(before.session.clone());
                    return Ok(opened(from, (session, before), None, plain));
                }
                Err(error) if begins.is_some() => return Err(error),
                // Of several the one tells most that knows the chain.
                Err(error @ OlmError::KeyGone) => failed = error,
                Err(_) => {}
            }
        }
        let Some(begins) = begins else { return Err(failed) };
        let (key, used) = self.key_of(record, &begins).ok_or(OlmError::NoKey)?;
        let (session, plain) = OlmSession::accept(&self.own_olm(), &key, route, incoming)?;
        Ok(opened(from, (session, None), used, plain))
    }

    /// The key that a session is begun with: a one-time key that its device was given, or a fallback key, whose prekey is here.
    fn key_of(
        &self,
        record: Option<&OlmPeerRecord>,
        begins: &Begins,
    ) -> Option<(OlmSecret, Option<OlmKey>)> {
        let mut given = record.into_iter().flat_map(|record| &record.given);
        if let Some(secret) = given.find(|given| given.public().to_bytes() == begins.key) {
            return Some((secret.clone(), Some(secret.public())));
        }
        let mut prekeys = self.prekeys.prepared().iter();
        prekeys.find_map(|prekey| prekey.olm_fallback(&begins.key)).map(|secret| (secret, None))
    }

    fn own_olm(&self) -> OlmSecret {
        OlmSecret::of_device(&self.device.seed())
    }

    fn own_route(&self) -> (martlet_protocol::IdentityId, martlet_protocol::DeviceId) {
        (self.identity, self.device.device())
    }
}

/// Why nothing could be encrypted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OlmFault {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Olm(#[from] OlmError),
}

/// Keeps the session that opened a message, and that it was taken.
pub(crate) fn keep(
    records: &mut VaultTxn,
    opened: &OlmOpened,
    id: &EnvelopeId,
    now: UnixMillis,
) -> Result<OlmKept, StoreError> {
    let before = read(records, opened.from)?;
    let mut record = before.clone().unwrap_or_else(|| new_record(opened.from));
    let is_it = |known: &&mut OlmSessionRecord| Some(&known.session) == opened.before.as_ref();
    match record.sessions.iter_mut().find(is_it) {
        Some(known) => {
            record.last_order += 1;
            known.order = record.last_order;
            (known.heard_at, known.used_at) = (now, now);
            known.session = opened.session.to_record().to_vec();
        }
        None if opened.before.is_none() => add(&mut record, &opened.session, now),
        // It was written with meanwhile, and has gone on: that must not be undone.
        None => {}
    }
    record.given.retain(|given| Some(given.public()) != opened.used);
    if !opened.one_time_keys.is_empty() {
        record.theirs.clone_from(&opened.one_time_keys);
    }
    if record.taken.len() >= OLM_TAKEN_MAX {
        record.taken.remove(0);
    }
    record.taken.push(*id);
    record.renewals = 0;
    write(records, &record)?;
    Ok(OlmKept { before, after: record })
}

/// What was opened is not wanted after all, and may be opened again.
pub(crate) fn undo(
    records: &mut VaultTxn,
    kept: OlmKept,
    id: &EnvelopeId,
) -> Result<(), StoreError> {
    let of = Author { identity: kept.after.identity, device: kept.after.device };
    match read(records, of)? {
        Some(now) if now == kept.after => match kept.before {
            Some(before) => write(records, &before),
            None => records.delete(&OLM_PEERS, Key::Named(&name(of))).map(|_| ()),
        },
        // It was answered: the session has gone on.
        Some(mut now) => {
            now.taken.retain(|taken| taken != id);
            write(records, &now)
        }
        None => Ok(()),
    }
}

/// Whether a device may be told now that something of its did not open. From now on it is, for a while.
pub(crate) fn may_renew(
    records: &mut VaultTxn,
    with: Author,
    now: UnixMillis,
) -> Result<bool, StoreError> {
    let mut record = read(records, with)?.unwrap_or_else(|| new_record(with));
    let wait = match record.renewals {
        0 => OLM_RENEWAL_INTERVAL_AFTER_OPENING,
        1..OLM_RENEWALS_PENDING_MAX => OLM_RENEWAL_INTERVAL,
        _ => DAY,
    };
    // A time in the future is of a clock that was wrong.
    let may = record.renewed_at.is_none_or(|at| at > now || now.since(at) >= wait);
    if may {
        record.renewed_at = Some(now);
        record.renewals = record.renewals.saturating_add(1);
        write(records, &record)?;
    }
    Ok(may)
}

/// Forgets sessions that nobody uses any more, and all of devices that `is_known` does not know and that have none.
pub(crate) fn forget_old(
    records: &mut VaultTxn,
    sure: UnixMillis,
    is_known: impl Fn(&Author) -> bool,
) -> Result<(), StoreError> {
    for mut record in records.scan(&OLM_PEERS)? {
        let of = Author { identity: record.identity, device: record.device };
        let before = record.sessions.len();
        record.sessions.retain(|session| sure.since(session.used_at) <= OLM_SESSION_UNUSED_MAX);
        if record.sessions.is_empty() && !is_known(&of) {
            records.delete(&OLM_PEERS, Key::Named(&name(of)))?;
        } else if record.sessions.len() < before {
            write(records, &record)?;
        }
    }
    Ok(())
}

/// Forgets all: they may be older than what was done with them since, by a vault of which this one is a copy.
pub(crate) fn forget_all(records: &mut VaultTxn) -> Result<(), StoreError> {
    for record in records.scan(&OLM_PEERS)? {
        let of = Author { identity: record.identity, device: record.device };
        records.delete(&OLM_PEERS, Key::Named(&name(of)))?;
    }
    Ok(())
}

fn opened(
    from: Author,
    (session, before): (OlmSession, Option<Vec<u8>>),
    used: Option<OlmKey>,
    mut plain: Plain,
) -> OlmOpened {
    let message = Zeroizing::new(std::mem::take(&mut plain.message));
    let one_time_keys = std::mem::take(&mut plain.one_time_keys);
    OlmOpened { message, from, session, before, used, one_time_keys }
}

/// The session to write with.
fn newest(record: &OlmPeerRecord, now: UnixMillis) -> Option<usize> {
    let heard = |session: &OlmSessionRecord| now.since(session.heard_at) <= OLM_SESSION_UNHEARD_MAX;
    let usable = record.sessions.iter().enumerate().filter(|(_, session)| heard(session));
    usable.max_by_key(|(_, session)| session.order).map(|(at, _)| at)
}

/// As many one-time keys as a device may have, made where it has used some.
fn given(record: &mut OlmPeerRecord, rng: &mut ChaCha20Rng) -> Vec<OlmKey> {
    while record.given.len() < ONE_TIME_KEYS_MAX {
        record.given.push(OlmSecret::generate(rng));
    }
    record.given.iter().map(OlmSecret::public).collect()
}

/// Adds a session; of too many the one goes that opened nothing for longest.
fn add(record: &mut OlmPeerRecord, session: &OlmSession, now: UnixMillis) {
    while record.sessions.len() >= OLM_SESSIONS_PER_DEVICE_MAX {
        let oldest = record.sessions.iter().enumerate().min_by_key(|(_, session)| session.order);
        let Some((at, _)) = oldest else { break };
        record.sessions.remove(at);
    }
    record.last_order += 1;
    record.sessions.push(OlmSessionRecord {
        session: session.to_record().to_vec(),
        order: record.last_order,
        heard_at: now,
        used_at: now,
        has_given: false,
        sent: 1,
    });
}

fn new_record(of: Author) -> OlmPeerRecord {
    OlmPeerRecord {
        identity: of.identity,
        device: of.device,
        sessions: Vec::new(),
        last_order: 0,
        given: Vec::new(),
        theirs: Vec::new(),
        taken: Vec::new(),
        renewed_at: None,
        renewals: 0,
    }
}

fn name(of: Author) -> [u8; 64] {
    let mut name = [0; 64];
    name[..32].copy_from_slice(&of.identity.0);
    name[32..].copy_from_slice(&of.device.0);
    name
}

fn read(records: &VaultTxn, of: Author) -> Result<Option<OlmPeerRecord>, StoreError> {
    records.get(&OLM_PEERS, Key::Named(&name(of)))
}

fn write(records: &mut VaultTxn, record: &OlmPeerRecord) -> Result<(), StoreError> {
    let of = Author { identity: record.identity, device: record.device };
    records.put(&OLM_PEERS, Key::Named(&name(of)), record)
}
