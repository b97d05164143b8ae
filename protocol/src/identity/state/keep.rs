//! Which of two statements counts, and which goes where there are too many.

use std::collections::BTreeMap;

use crate::identity::certificate::DeviceCertificate;
use crate::identity::statement::{Details, Revocation, Stated};
use crate::ids::DeviceId;
use crate::time::UnixMillis;

/// Of two details the later counts.
pub(super) fn latest(said: &Stated<Details>) -> (UnixMillis, &[u8]) {
    (said.changed_at, said.as_bytes())
}

/// Of two revocations that counts which shows no certificate: the root's.
pub(super) fn shortest(said: &Stated<Revocation>) -> (bool, &[u8]) {
    (said.certificate.is_some(), said.as_bytes())
}

/// Of two certificates of a device the earlier counts.
pub(super) fn first(said: &DeviceCertificate) -> (UnixMillis, &[u8]) {
    (said.created_at(), said.as_bytes())
}

/// The last by its key.
pub(super) fn last<K: Copy + Ord, V>(map: &BTreeMap<K, V>) -> Option<K> {
    map.last_key_value().map(|(key, _)| *key)
}

/// The order in which devices count.
pub(super) fn seniority(certificate: &DeviceCertificate) -> (UnixMillis, DeviceId) {
    (certificate.created_at(), certificate.device())
}

/// Puts a statement in the place of another about the same, if it comes before that; whether it did.
pub(super) fn keep<K: Ord, V>(
    map: &mut BTreeMap<K, V>,
    key: K,
    new: V,
    comes_before: impl Fn(&V, &V) -> bool,
) -> bool {
    match map.get(&key) {
        Some(old) if !comes_before(&new, old) => false,
        Some(_) | None => {
            map.insert(key, new);
            true
        }
    }
}

/// Drops the one that is to go, if there is one too many; whether it isn't this one.
pub(super) fn is_kept<K: Ord, V>(
    map: &mut BTreeMap<K, V>,
    max: usize,
    this: &K,
    to_go: impl Fn(&BTreeMap<K, V>) -> Option<K>,
) -> bool {
    if map.len() > max
        && let Some(key) = to_go(map)
    {
        map.remove(&key);
        return key != *this;
    }
    true
}
