//! When the bundles of contacts in other shards are looked up.

use std::collections::HashMap;
use std::time::Duration;

use crate::limits::{LOOKUP_INTERVAL, LOOKUP_REFRESH_INTERVAL};
use martlet_protocol::time::Day;
use martlet_protocol::{Id, IdentityId, UnixMillis};

use super::Directory;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// What is due within so many milliseconds is one question for all of a shard.
const TOGETHER_MS: u64 = 10_000;

/// When whose bundles were looked up. In memory alone: after a start all are looked up once.
#[derive(Default)]
pub(super) struct Lookups {
    looked_up: HashMap<IdentityId, UnixMillis>,
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
    /// When the bundles of a contact are to be looked up, if only time passes: soon again where none is known,
    /// at times where today's is not, and tomorrow where it is. `None` for anyone else.
    pub(crate) fn lookup_due(&self, identity: &IdentityId, now: UnixMillis) -> Option<UnixMillis> {
        self.id_of(identity).filter(|_| !self.is_blocked(identity))?;
        let bundles = self.bundles_of(identity)?;
        // One that comes after *now* is of a clock that was wrong, and doesn't count.
        let looked_up = self.lookups.looked_up.get(identity).filter(|at| **at <= now);
        let again = |interval| looked_up.map_or(now, |at| together(at.plus(interval)));
        let Some(newest) = bundles.newest(now) else {
            return Some(again(LOOKUP_INTERVAL));
        };
        let due = match newest.created_at().day() {
            day if day < now.day() => again(LOOKUP_REFRESH_INTERVAL),
            day => UnixMillis(0).plus(day.0.saturating_add(1) * DAY),
        };
        // Once it is too old to be used there is none.
        Some(due.min(newest.usable_until().plus(Duration::from_millis(1))))
    }

    /// The contact, if their bundles are to be looked up now. They count as looked up from now on.
    pub(crate) fn take_due_lookup(
        &mut self,
        identity: &IdentityId,
        now: UnixMillis,
    ) -> Option<DueLookup> {
        self.lookup_due(identity, now).filter(|due| *due <= now)?;
        let id = self.id_of(identity)?;
        self.lookups.looked_up.insert(*identity, now);
        let newest = self.bundles_of(identity)?.newest(now);
        Some(DueLookup { id, newest: newest.map(|bundle| bundle.created_at().day()) })
    }
}

/// Those due within ten seconds are looked up together.
fn together(due: UnixMillis) -> UnixMillis {
    UnixMillis(due.0.checked_next_multiple_of(TOGETHER_MS).unwrap_or(u64::MAX))
}
