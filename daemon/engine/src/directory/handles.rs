//! Handles: the one that the user claims, and what was found of those that they look for.

use std::collections::{BTreeMap, VecDeque};

use martlet_protocol::handle::{Claim, Handle, HandleKey};
use martlet_protocol::{IdentityId, NetworkTag, UnixMillis};
use martlet_store::records::{HANDLE, HandleRecord};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

use crate::limits::{CLAIMANTS_MAX, HANDLES_SOUGHT_MAX, RELEASE_KEPT};

/// The handle that the user claims, and those of other shards that they look for.
pub(crate) struct Handles {
    /// The network that the node is in.
    network: NetworkTag,
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
    pub(super) fn load(records: &VaultTxn, network: NetworkTag) -> Result<Self, StoreError> {
        let own = records.get(&HANDLE, Key::Named(b""))?;
        Ok(Self { network, own, sought: VecDeque::new() })
    }

    /// The one that the user claims in this network, or claimed of late.
    pub(crate) fn record(&self) -> Option<&HandleRecord> {
        self.own.as_ref().filter(|record| record.network == self.network)
    }

    /// The one that the user claims in this network.
    pub(crate) fn claimed(&self) -> Option<&HandleRecord> {
        self.record().filter(|record| record.released_at.is_none())
    }

    /// The one that the user claims in another network.
    pub(crate) fn claimed_elsewhere(&self) -> Option<&HandleRecord> {
        let elsewhere = self.own.as_ref().filter(|record| record.network != self.network);
        elsewhere.filter(|record| record.released_at.is_none())
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

    /// One that was released long ago is forgotten.
    pub(crate) fn forget_released(
        &mut self,
        records: &mut VaultTxn,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let released_at = self.own.as_ref().and_then(|record| record.released_at);
        match released_at.filter(|at| now.since(*at) > RELEASE_KEPT) {
            Some(_) => self.forget(records),
            None => Ok(()),
        }
    }

    /// The user claims none any more, and nothing is to be said of it.
    pub(crate) fn forget(&mut self, records: &mut VaultTxn) -> Result<(), StoreError> {
        self.own = None;
        records.delete(&HANDLE, Key::Named(b"")).map(|_| ())
    }

    /// What keepers of another shard say of it is remembered from now on. Of too many, the one that was looked for first is
    /// forgotten. With `anew` so is what they said of this one before.
    pub(crate) fn seek(&mut self, handle: &Handle, key: &HandleKey, anew: bool) {
        if let Some(known) = self.sought.iter_mut().find(|it| it.key == *key) {
            if anew {
                known.found = Claims::default();
            }
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
    /// Takes a claim, if it is the newest of its identity. If there is no room, only of whom there always is.
    pub(crate) fn take(&mut self, claim: Claim, has_room: impl FnOnce(&IdentityId) -> bool) {
        let is_full = self.of.len() >= CLAIMANTS_MAX;
        match self.of.get_mut(&claim.id.identity) {
            Some(known) if known.made_at < claim.made_at => *known = claim,
            Some(_) => {}
            None if is_full && !has_room(&claim.id.identity) => self.has_more = true,
            None => {
                self.of.insert(claim.id.identity, claim);
            }
        }
    }

    /// Whether there are more than were looked at.
    pub(crate) fn note_more(&mut self, has_more: bool) {
        self.has_more |= has_more;
    }

    /// Those that do not count are forgotten.
    pub(crate) fn retain(&mut self, counts: impl Fn(&Claim) -> bool) {
        self.of.retain(|_, claim| counts(claim));
    }

    /// One person's is taken out.
    pub(crate) fn take_of(&mut self, identity: &IdentityId) -> Option<Claim> {
        self.of.remove(identity)
    }

    /// Those that are not released, and whether there are more.
    pub(crate) fn held(self) -> (impl Iterator<Item = Claim>, bool) {
        (self.of.into_values().filter(|claim| !claim.is_released), self.has_more)
    }
}
