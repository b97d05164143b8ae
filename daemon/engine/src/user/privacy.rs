//! How much of what the vault holds.

use std::collections::BTreeSet;

use martlet_protocol::IdentityId;
use martlet_protocol::control::{
    DeviceState, InviteState, InvitesHold, KeysHold, MannersHold, ProfileHolds, RoomsHold, Shred,
    VaultHolds, Verified,
};
use martlet_protocol::message::Timers;
use martlet_store::StoreError;
use martlet_store::records::{PREKEYS, TABLES};

use super::User;
use crate::conversation::ConversationRef;
use crate::directory::{KnownRoom, invite_state};
use crate::turn::Turn;

impl User {
    /// Counts what is there; tables know how long they are.
    pub(crate) fn holds(
        &self,
        turn: &mut Turn<'_>,
        shred: Shred,
    ) -> Result<VaultHolds, StoreError> {
        let (settings, profile) = (self.timeline.settings(), self.own_profile());
        let conversations = || self.directory.identities().map(ConversationRef::direct);
        let count = |matching: &dyn Fn(&ConversationRef) -> bool| {
            len(conversations().filter(|id| matching(id)).count())
        };
        let contacts = || {
            let identities = self.directory.identities();
            identities.filter_map(|identity| self.directory.contact(identity))
        };
        let devices = self.show_devices(&self.identity);
        let invites = self.directory.invites().iter();
        let open =
            len(invites.filter(|(_, it)| invite_state(it, turn.now) == InviteState::Open).count());
        let root = self.root_held(turn)?;
        let records = turn.vault()?;
        let oldest = records.range(&PREKEYS, None, 0..=u64::MAX, 1)?;
        let oldest_prekey = oldest.first().map(|(_, prekey)| prekey.created_at);
        Ok(VaultHolds {
            name: self.name().cloned(),
            contacts: count(&|_| true),
            blocked: len(self.show_all_blocked().len()),
            requests: len(self.directory.requests().waiting().count()),
            timed_conversations: count(&|id| self.timeline.timers(id) != Timers::OFF),
            outbox: self.outbox_len(),
            profile: ProfileHolds {
                says_something: profile.name.is_some() || profile.picture_bytes.is_some(),
                shared: profile.shared,
                told: profile.told,
                handle: self.directory.handles().claimed().map(|record| record.name.clone()),
            },
            manners: MannersHold {
                receipts: settings.receipts,
                receipts_differ: count(&|id| self.timeline.has_receipts(id) != settings.receipts),
                typing: settings.typing,
                typing_differ: count(&|id| self.timeline.has_typing(id) != settings.typing),
            },
            strict_devices: settings.strict_devices,
            verified: len(contacts().filter(|it| it.verified() != Verified::No).count()),
            devices: len(devices.iter().filter(|it| it.state == DeviceState::Valid).count()),
            keys: KeysHold { oldest_prekey, root },
            invites: InvitesHold {
                open,
                ended: len(self.directory.invites().iter().count()).saturating_sub(open),
                accepted: len(contacts().filter(|it| it.invite().is_some()).count()),
            },
            rooms: self.rooms_held(),
            search: self.timeline.texts_held(),
            records: TABLES
                .iter()
                .map(|table| Ok(((*table).to_owned(), records.count_in(table)?)))
                .collect::<Result<_, StoreError>>()?,
            shred,
        })
    }

    fn rooms_held(&self) -> RoomsHold {
        let own = self.identity;
        let rooms = || self.directory.rooms().iter().filter(|known| known.has(&own));
        let people: BTreeSet<_> = rooms().flat_map(KnownRoom::members).copied().collect();
        let people: Vec<_> = people.into_iter().filter(|who| *who != own).collect();
        let is_contact = |who: &&IdentityId| self.directory.is_contact(who);
        RoomsHold {
            joined: len(rooms().count()),
            people: len(people.len()),
            no_contacts: len(people.len() - people.iter().filter(is_contact).count()),
            not_strict: len(rooms().filter(|it| !it.room.state().settings().strict).count()),
        }
    }
}

fn len(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
