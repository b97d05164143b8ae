//! Whether the mailbox takes what peers bring.
//!
//! Once it had no room for one envelope it takes none, be it ever so small, until there is room for many: a later
//! message must not find the room that an earlier one has not. Who brought what was refused is told to the network
//! then, which syncs with them: that comes in the order in which they got it.

use std::collections::{BTreeMap, BTreeSet};

use martlet_store::MailboxTxn;
use martlet_store::mailbox::{Inserted, SourceId};

use crate::limits::ROOM_AWAITED_MAX;
use crate::seam::PeerKey;

/// Who may bring nothing now.
#[derive(Debug, Default)]
pub(super) struct Space {
    /// Who brought what was refused since the mailbox had no room; `None` while it has some.
    full: Option<BTreeSet<PeerKey>>,
    /// Peers that hold their share. Each fills a part of the mailbox, so they are few.
    over_share: BTreeMap<PeerKey, SourceId>,
}

impl Space {
    /// How everything new that `from` brings is refused, if it is.
    pub(super) fn refusal(&self, from: &PeerKey) -> Option<Inserted> {
        if self.full.is_some() {
            return Some(Inserted::Full);
        }
        self.over_share.contains_key(from).then_some(Inserted::OverShare)
    }

    /// What became of an envelope that `from` brought.
    pub(super) fn inserted(&mut self, from: &PeerKey, source: SourceId, inserted: Inserted) {
        match inserted {
            Inserted::Full => {
                let awaited = self.full.get_or_insert_default();
                if awaited.len() < ROOM_AWAITED_MAX {
                    awaited.insert(*from);
                }
            }
            Inserted::OverShare => {
                self.over_share.insert(*from, source);
            }
            Inserted::New { .. } | Inserted::Known | Inserted::Purged => {}
        }
    }

    /// Looks whether there is room again: who brought what was refused before, and may bring it now.
    pub(super) fn reopen(&mut self, mailbox: &MailboxTxn) -> Vec<PeerKey> {
        let mut back = self.full.take_if(|_| mailbox.has_room()).unwrap_or_default();
        let below = self.over_share.extract_if(.., |_, source| mailbox.has_room_for(source));
        back.extend(below.map(|(peer, _)| peer));
        back.into_iter().collect()
    }
}
