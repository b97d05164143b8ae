//! When the bundles of contacts in other shards are looked up.

use std::collections::HashMap;
use std::time::Duration;

use crate::limits::{LOOKUP_INTERVAL, LOOKUP_REFRESH_INTERVAL};
use martlet_protocol::time::Day;
use martlet_protocol::{Id, IdentityId, UnixMillis};

use super::Directory;

/// How often it is seen which contacts are due.
const SEEN_EVERY: Duration = Duration::from_secs(10);

/// When whose bundles were looked up. In memory alone: after a start all are looked up once.
#[derive(Default)]
pub(super) struct Lookups {
    looked_up: HashMap<IdentityId, UnixMillis>,
    /// When it was last seen whether any are to be looked up.
    seen_at: UnixMillis,
}

/// A contact whose bundles are to be looked up.
pub(crate) struct DueLookup {
    pub(crate) id: Id,
    /// The newest day whose bundle is known.
    pub(crate) newest: Option<Day>,
}

impl Lookups {
    pub(super) fn forget(&mut self, identity: &IdentityId) {
        self.looked_up.remove(identity);
    }
}

impl Directory {
    /// Whether it was not seen a moment ago who is to be looked up.
    pub(crate) fn is_time_for_lookups(&self, now: UnixMillis) -> bool {
        let seen_at = self.lookups.seen_at;
        now.since(seen_at) >= SEEN_EVERY || now < seen_at
    }

    /// Those of `which` contacts whose bundles are to be looked up now: soon again where none is known, at
    /// times where today's is not. They count as looked up from now on.
    pub(crate) fn take_due_lookups(
        &mut self,
        now: UnixMillis,
        which: impl Fn(&IdentityId) -> bool,
    ) -> Vec<DueLookup> {
        self.lookups.seen_at = now;
        let mut due = Vec::new();
        for (identity, contact) in self.contacts.iter().filter(|(identity, _)| which(identity)) {
            let newest = contact.newest_bundle_day(now);
            let interval = match newest {
                None => LOOKUP_INTERVAL,
                Some(day) if day < now.day() => LOOKUP_REFRESH_INTERVAL,
                Some(_) => continue,
            };
            let is_recent = |at| now >= at && now.since(at) < interval;
            if self.lookups.looked_up.get(identity).is_some_and(|at| is_recent(*at)) {
                continue;
            }
            self.lookups.looked_up.insert(*identity, now);
            due.push(DueLookup { id: contact.id(), newest });
        }
        due
    }
}
