//! Handles: the one that the user claims, and what was found of those that they look for.

use std::collections::{BTreeMap, VecDeque};

use martlet_protocol::IdentityId;
use martlet_protocol::handle::{Claim, ClaimError, Handle, HandleKey};
use martlet_store::records::{HANDLE, HandleRecord};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

use crate::limits::{CLAIMANTS_MAX, HANDLES_SOUGHT_MAX};

/// The handle that the user claims, and those of other shards that they look for.
pub(crate) struct Handles {
    own: Option<HandleRecord>,
    /// The latest last.
    sought: VecDeque<Sought>,
}

/// A handle that keepers of its shard were asked for.
struct Sought {
    handle: Handle,
    key: HandleKey,
    found: Claims,
}

/// The newest claims of people.
#[derive(Default, Clone)]
pub(crate) struct Claims {
    of: BTreeMap<IdentityId, Claim>,
    has_more: bool,
}

impl Handles {
    pub(super) fn load(records: &VaultTxn) -> Result<Self, StoreError> {
        let own = records.get(&HANDLE, Key::Named(b""))?;
        Ok(Self { own, sought: VecDeque::new() })
    }

    /// The one that the user claims, or claimed of late.
    pub(crate) fn record(&self) -> Option<&HandleRecord> {
        self.own.as_ref()
    }

    /// The one that the user claims.
    pub(crate) fn claimed(&self) -> Option<&HandleRecord> {
        self.own.as_ref().filter(|record| record.released_at.is_none())
    }

    /// The user claims this one, or has released it.
    pub(crate) fn put(
        &mut self,
        records: &mut VaultTxn,
        record: HandleRecord,
    ) -> Result<(), StoreError> {
        records.put(&HANDLE, Key::Named(b""), &record)?;
        self.own = Some(record);
        Ok(())
    }

    /// It was released long ago.
    pub(crate) fn forget(&mut self, records: &mut VaultTxn) -> Result<(), StoreError> {
        self.own = None;
        records.delete(&HANDLE, Key::Named(b"")).map(|_| ())
    }

    /// What keepers of another shard say of it is remembered from now on. Of too many, the one that was looked for first is
    /// forgotten.
    pub(crate) fn seek(&mut self, handle: &Handle, key: &HandleKey) {
        if self.sought.iter().any(|it| it.key == *key) {
            return;
        }
        if self.sought.len() >= HANDLES_SOUGHT_MAX {
            self.sought.pop_front();
        }
        let (handle, key) = (handle.clone(), key.clone());
        self.sought.push_back(Sought { handle, key, found: Claims::default() });
    }

    /// What they have said of it.
    pub(crate) fn found(&self, key: &HandleKey) -> Claims {
        let sought = self.sought.iter().find(|it| it.key == *key);
        sought.map(|it| it.found.clone()).unwrap_or_default()
    }

    /// All that are looked for.
    pub(crate) fn sought(&self) -> impl Iterator<Item = (&Handle, &HandleKey)> {
        self.sought.iter().map(|it| (&it.handle, &it.key))
    }

    /// The same, to be told what was found.
    pub(crate) fn sought_mut(&mut self, key: &HandleKey) -> Option<&mut Claims> {
        self.sought.iter_mut().find(|it| it.key == *key).map(|it| &mut it.found)
    }
}

impl Claims {
    /// Takes a claim, if it is the newest of its identity. There is always room for a contact's.
    pub(super) fn take(
        &mut self,
        opened: Result<Claim, ClaimError>,
        is_contact: impl FnOnce(&IdentityId) -> bool,
    ) {
        let claim = match opened {
            Ok(claim) => claim,
            Err(error) => {
                // Whoever knows the name can publish under its tag.
                return tracing::debug!(%error, "a claim is not valid");
            }
        };
        let is_full = self.of.len() >= CLAIMANTS_MAX;
        match self.of.get_mut(&claim.id.identity) {
            Some(known) if known.made_at < claim.made_at => *known = claim,
            Some(_) => {}
            None if is_full && !is_contact(&claim.id.identity) => self.has_more = true,
            None => {
                self.of.insert(claim.id.identity, claim);
            }
        }
    }

    /// Whether there are more than were looked at.
    pub(crate) fn note_more(&mut self, has_more: bool) {
        self.has_more |= has_more;
    }

    /// Those that are not released, but for one person's; and whether there are more.
    pub(crate) fn held_but(self, identity: &IdentityId) -> (impl Iterator<Item = Claim>, bool) {
        let of_others = self.of.into_values().filter(|claim| claim.id.identity != *identity);
        (of_others.filter(|claim| !claim.is_released), self.has_more)
    }
}
