//! Contacts whose shard is not kept here: their bundles are looked up at its keepers.

use std::collections::BTreeMap;

use martlet_protocol::bundle::Bundle;
use martlet_protocol::notice;
use martlet_protocol::sync::ShardSet;
use martlet_protocol::{IdentityId, Shard, Tag};
use martlet_store::StoreError;

use super::User;
use super::bundles::days_around;
use crate::seam::{Interest, Lookup, Received};
use crate::turn::Turn;

impl User {
    /// Tells the network the user's shard and the contacts'.
    pub(super) fn tell_interest(&self, turn: &mut Turn<'_>) {
        let people = self.directory.identities().chain(self.directory.people().identities());
        let shards = people.map(|identity| self.shard_of(identity));
        turn.net.interest = Some(Interest {
            user: self.shard_of(&self.identity),
            contacts: ShardSet::of(shards, self.network.shard_bits),
        });
    }

    /// Looks up the bundles of those of `contacts` where that is due: all the days they may be from where none is
    /// known, else those since the last one.
    pub(super) fn look_up_bundles(
        &mut self,
        turn: &mut Turn<'_>,
        contacts: impl IntoIterator<Item = IdentityId>,
    ) {
        let mut due = Vec::new();
        for identity in contacts {
            if !self.kept.contains(self.shard_of(&identity)) {
                due.extend(self.directory.take_due_lookup(&identity, turn.now));
            }
            self.plan_lookup(identity, turn.now);
        }
        let mut wanted: BTreeMap<Shard, Vec<Tag>> = BTreeMap::new();
        for contact in due {
            let days = days_around(turn.now.day())
                .filter(|day| contact.newest.is_none_or(|newest| *day > newest));
            let tags = days.map(|day| Bundle::tag(&contact.id, day));
            let tags = tags.chain([notice::tag(&contact.id.identity)]);
            wanted.entry(self.shard_of(&contact.id.identity)).or_default().extend(tags);
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
            self.take_found_claim(header, envelope, turn.now);
            let tag = header.tag(&envelope.content);
            if let Some(identity) = tag.and_then(|tag| self.keyring.identities.notice_of(&tag)) {
                self.take_notice(turn, identity, header, envelope)?;
            }
            if let Some((identity, day)) = tag.and_then(|tag| self.keyring.bundle_of(&tag)) {
                self.take_bundle(turn, identity, day, header, envelope)?;
            }
        }
        Ok(())
    }

    pub(super) fn shard_of(&self, identity: &IdentityId) -> Shard {
        Shard::of(identity, self.network.shard_bits)
    }
}
