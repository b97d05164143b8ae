//! Contacts whose shard is not kept here: their bundles are looked up at its keepers.

use std::collections::BTreeMap;
use std::time::Duration;

use martlet_protocol::identity::Bundle;
use martlet_protocol::limits::{LOOKUP_INTERVAL, LOOKUP_REFRESH_INTERVAL};
use martlet_protocol::sync::ShardSet;
use martlet_protocol::time::Day;
use martlet_protocol::{IdentityId, Shard, Tag};
use martlet_store::StoreError;

use super::bundles::days_around;
use super::{Contact, TagMeaning, User};
use crate::seam::{Interest, Lookup, Received};
use crate::turn::Turn;

/// How often it is seen which contacts are due.
const SEEN_EVERY: Duration = Duration::from_secs(10);

impl User {
    /// Tells the network the user's shard and the contacts'.
    pub(super) fn tell_interest(&self, turn: &mut Turn<'_>) {
        let shards = self.contacts.keys().map(|identity| self.shard_of(identity));
        turn.net.interest = Some(Interest {
            user: self.shard_of(&self.identity),
            contacts: ShardSet::of(shards, self.network.shard_bits),
        });
    }

    /// Looks up what is due, where that was not done a moment ago.
    pub(super) fn look_up_bundles_in_time(&mut self, turn: &mut Turn<'_>) {
        let since = turn.now.since(self.lookups_seen_at);
        if since >= SEEN_EVERY || turn.now < self.lookups_seen_at {
            self.look_up_bundles(turn);
        }
    }

    /// Looks up the bundles of contacts in other shards: all the days they may be from where none
    /// is known, else those since the last one.
    pub(super) fn look_up_bundles(&mut self, turn: &mut Turn<'_>) {
        self.lookups_seen_at = turn.now;
        if self.kept.is_all() {
            return;
        }
        let (now, today) = (turn.now, turn.now.day());
        let mut wanted: BTreeMap<Shard, Vec<Tag>> = BTreeMap::new();
        for (identity, contact) in &self.contacts {
            let shard = self.shard_of(identity);
            if self.kept.contains(shard) {
                continue;
            }
            let newest = contact.newest_bundle_day(turn);
            let interval = match newest {
                None => LOOKUP_INTERVAL,
                Some(day) if day < today => LOOKUP_REFRESH_INTERVAL,
                Some(_) => continue,
            };
            let is_recent = |at| now >= at && now.since(at) < interval;
            if self.looked_up.get(identity).is_some_and(|at| is_recent(*at)) {
                continue;
            }
            self.looked_up.insert(*identity, now);
            let days = days_around(today).filter(|day| newest.is_none_or(|newest| *day > newest));
            wanted.entry(shard).or_default().extend(days.map(|day| Bundle::tag(identity, day)));
        }
        let lookups = wanted.into_iter().map(|(shard, tags)| Lookup { shard, tags });
        turn.net.lookups.extend(lookups);
    }

    /// Takes the bundles that a look-up found.
    pub(crate) fn take_found(
        &mut self,
        turn: &mut Turn<'_>,
        found: &[Received],
    ) -> Result<(), StoreError> {
        for Received { envelope, header, .. } in found {
            let tag = header.tag(&envelope.content);
            if let Some(TagMeaning::Bundle(identity, day)) =
                tag.and_then(|tag| self.tags.get(&tag).copied())
            {
                self.take_bundle(turn, identity, day, header, envelope)?;
            }
        }
        Ok(())
    }

    fn shard_of(&self, identity: &IdentityId) -> Shard {
        Shard::of(identity, self.network.shard_bits)
    }
}

impl Contact {
    fn newest_bundle_day(&self, turn: &Turn<'_>) -> Option<Day> {
        let usable = self.bundles.iter().filter(|bundle| bundle.is_usable(turn.now));
        usable.map(|bundle| bundle.created_at().day()).max()
    }
}
