//! The user of this node: everything that an unlocked vault holds, in memory and on disk.
//!
//! What changes often (counters, conversations, sessions) is changed in memory, marked, and written once per batch by
//! [`User::flush`]. If a commit fails, the memory is thrown away and loaded again.

mod acks;
mod agenda;
mod arrivals;
mod blobs;
mod blocks;
mod bundles;
mod contacts;
mod conversations;
mod deeds;
mod devices;
mod early_copies;
mod ends;
mod events;
mod export;
mod files;
mod find;
mod giving;
mod giving_back;
mod handles;
mod identities;
mod inbox;
mod invites;
mod linking;
mod lookup;
mod manners;
mod notes;
mod olm;
mod openings;
mod outbox;
mod parts_in;
mod parts_out;
mod past_given;
mod past_taken;
mod pings;
mod privacy;
mod profiles;
mod progress;
mod put_back;
mod reached;
mod readdress;
mod recalls;
mod rendezvous;
mod renewal;
mod requests;
mod resent;
mod room_called;
mod room_hellos;
mod room_history;
mod room_keys;
mod room_mentions;
mod room_moderation;
mod room_ops;
mod room_people;
mod room_reach;
mod room_recalls;
mod room_receipts;
mod room_space;
mod room_state;
mod room_words;
mod rooms;
mod root;
mod search;
mod sessions;
mod settings;
mod shredder;
mod siblings;
mod stamping;
mod stem;
mod talk;
mod trust;
mod typing;
mod unfinished;
mod view;

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use martlet_protocol::bundle::Bundle;
use martlet_protocol::crypto::Addressing;
use martlet_protocol::crypto::seal::DetectionSecret;
use martlet_protocol::identity::{DeviceKeys, IdentityState, RootKey};
use martlet_protocol::message::Linked;
use martlet_protocol::network::NetworkDescriptor;
use martlet_protocol::sync::ShardSet;
use martlet_protocol::{ConversationId, ExpiryHour, Id, IdentityId, Rendezvous, Shard, UnixMillis};
use martlet_store::records::{
    COUNTERS, Counters, IDENTITY_STATES, IdentityStateRecord, LinkedBy, PREKEYS, PROFILE,
    PrekeyRecord, Profile, Seed,
};
use martlet_store::vault::{Key, VaultSeen, VaultSnapshot, keyfile::MasterKey};
use martlet_store::{Mailbox, StoreError, Vault, VaultTxn};
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;

use crate::agenda::Agenda;
use crate::clock::Times;
use crate::config::EngineConfig;
use crate::conversation::ConversationRef;
use crate::directory::{Bundles, Directory, room_line};
use crate::keyring::Keyring;
use crate::kinds::ping::Pings;
use crate::linking::Made;
use crate::log::EventLog;
use crate::outbox::Outbox;
use crate::timeline::Timeline;
use crate::turn::Turn;
use acks::OwnAcks;
use arrivals::Arrivals;
use blobs::FilePolicy;
pub use export::ExportCursor;
pub use files::{FilesCursor, FilesPage};
pub use find::{FindCursor, FoundMessage};
pub(crate) use handles::Asking;
pub(crate) use linking::step_expiry;
use openings::Openings;
use profiles::Profiles;
use put_back::PutBacks;
pub(crate) use room_moderation::Undo;
pub(crate) use search::Search;
use shredder::Shredder;
use stem::OnStem;
use unfinished::Unfinished;
pub(crate) use view::shown_timers;

/// The user of this node.
pub(crate) struct User {
    opened: Opened,
    network: NetworkDescriptor,
    /// The shards kept here, the user's included.
    kept: ShardSet,
    pub(crate) identity: IdentityId,
    keyring: Keyring,
    counters: Counted,
    arrivals: Arrivals,
    /// What failed to open of late, and what waits for that reason.
    openings: Openings,
    pub(crate) directory: Directory,
    pub(crate) timeline: Timeline,
    log: EventLog,
    pub(crate) outbox: Outbox,
    /// Own acks that are not done with yet.
    acks: OwnAcks,
    /// Own envelopes and acks that are on the stem.
    stem: OnStem,
    pings: Pings,
    agenda: Agenda,
    /// What was too much for one batch.
    unfinished: Unfinished,
    put_back: PutBacks,
    profiles: Profiles,
}

/// Where a user's root comes from.
pub(crate) enum Root<'a> {
    New(&'a RootKey),
    /// From its phrase.
    Recovered(&'a RootKey),
}

/// The vault that all of it is in.
struct Opened {
    vault: Vault,
    key: MasterKey,
    /// What others may learn by files.
    files: FilePolicy,
    /// When what has ended in it loses its key.
    shredder: Shredder,
}

/// The counters, and whether they must be written before the commit.
struct Counted {
    counters: Counters,
    is_dirty: bool,
}

impl Deref for Counted {
    type Target = Counters;

    fn deref(&self) -> &Counters {
        &self.counters
    }
}

impl DerefMut for Counted {
    fn deref_mut(&mut self) -> &mut Counters {
        &mut self.counters
    }
}

impl User {
    /// Writes the records of a user with a new device into an empty vault; their ID.
    pub(crate) fn create(
        txn: &mut VaultTxn,
        root: Root<'_>,
        name: Option<String>,
        rng: &mut ChaCha20Rng,
        now: UnixMillis,
    ) -> Result<Id, StoreError> {
        let (root, recovered_at) = match root {
            Root::New(root) => (root, None),
            Root::Recovered(root) => (root, Some(now)),
        };
        let device = DeviceKeys::generate(rng, root, now);
        let secret = root.first_rendezvous_secret();
        // Contacts may know of a reset, which is forgotten here: who is written to learns that it is this one again.
        let reset_at = recovered_at.unwrap_or_default();
        let profile = Profile {
            root_seed: Some(Seed(*root.seed())),
            device_seed: Seed(*device.seed()),
            certificate: device.certificate().as_bytes().to_vec(),
            detection: DetectionSecret::generate(rng),
            name,
            rendezvous: Rendezvous { secret: secret.clone(), reset_at },
            recovered_at,
            linked: None,
            root_locked: None,
        };
        txn.put(&PROFILE, Key::Named(b""), &profile)?;
        txn.put(&COUNTERS, Key::Named(b""), &Counters::default())?;
        Ok(Id { identity: device.certificate().identity(), secret })
    }

    /// Writes the records of a user whose device was linked into an empty vault; their ID.
    pub(crate) fn create_linked(
        txn: &mut VaultTxn,
        made: &Made,
        linked: &Linked,
        state: &IdentityState,
        by: LinkedBy,
    ) -> Result<Id, StoreError> {
        let profile = Profile {
            root_seed: None,
            device_seed: Seed(*made.device.seed()),
            certificate: linked.certificate.clone(),
            detection: made.detection.clone(),
            name: linked.name.clone(),
            rendezvous: linked.rendezvous.clone(),
            recovered_at: None,
            linked: Some(by),
            root_locked: None,
        };
        txn.put(&PROFILE, Key::Named(b""), &profile)?;
        txn.put(&COUNTERS, Key::Named(b""), &Counters::default())?;
        // What is on its way to the new device is sealed to it.
        let prekey = PrekeyRecord {
            secret: made.prekey.clone(),
            created_at: made.made_at,
            superseded_at: None,
        };
        txn.put(&PREKEYS, Key::Ordinal(1), &prekey)?;
        let identity = state.identity();
        let record = IdentityStateRecord {
            identity,
            state: state.to_record().into(),
            is_untold: false,
            ended_at: None,
        };
        txn.put(&IDENTITY_STATES, Key::Named(&identity.0), &record)?;
        Ok(Id { identity, secret: linked.rendezvous.secret.clone() })
    }

    /// Loads the user of a vault; `None` if it is empty.
    pub(crate) fn load(
        vault: Vault,
        key: MasterKey,
        mailbox: &Mailbox,
        config: &EngineConfig,
    ) -> Result<Option<Box<Self>>, StoreError> {
        // Only reads: no nonce will be made of this seed.
        let txn = vault.begin([0; 32])?;
        let Some(profile) = txn.get(&PROFILE, Key::Named(b""))? else { return Ok(None) };
        let mut keyring = Keyring::load(&txn, &profile)?;
        let counters: Counters = txn.get(&COUNTERS, Key::Named(b""))?.unwrap_or_default();
        let view = mailbox.view()?;
        let last_arrival = view.stats()?.last_arrival;

        let identity = keyring.identity();
        let shard_bits = config.network.shard_bits;
        let kept = config.kept.iter(shard_bits).chain([Shard::of(&identity, shard_bits)]);
        let directory = Directory::load(&txn, identity, config.network.tag())?;
        let timeline = Timeline::load(&txn, counters.hidden_by, profile.linked.is_some())?;
        timeline
            .removals()
            .filter(|(identity, _)| !directory.is_contact(identity))
            .for_each(|(identity, _)| keyring.inbound.leave(identity));
        // Vaults of older builds have bundles alone.
        for identity in directory.identities().chain(directory.people().identities()) {
            let bundles = directory.bundles_of(identity).map_or(&[][..], Bundles::all);
            keyring.identities.adopt(bundles.iter().map(Bundle::certificate));
        }
        let put_back = PutBacks::of(&txn, &vault, &view, &counters)?;
        let mut user = Box::new(Self {
            network: config.network.clone(),
            kept: ShardSet::of(kept, shard_bits),
            identity,
            keyring,
            arrivals: Arrivals::new(
                counters.processed_arrival,
                counters.mailbox_opening,
                view.openings(),
                last_arrival,
            ),
            openings: Openings::default(),
            log: EventLog::new(counters.last_event, counters.first_event),
            counters: Counted { counters, is_dirty: false },
            directory,
            unfinished: Unfinished::new(timeline.removals()),
            put_back,
            timeline,
            outbox: Outbox::load(&txn, &config.network)?,
            acks: OwnAcks::load(&txn)?,
            stem: OnStem::default(),
            pings: Pings::default(),
            agenda: Agenda::unread(),
            profiles: Profiles::load(&txn, profile.name.clone())?,
            opened: Opened {
                vault,
                key,
                files: FilePolicy::of(config),
                shredder: Shredder::default(),
            },
        });
        drop(txn);
        if user.counters.all_untold {
            user.resume_untelling();
        }
        user.resume_blocks(view.openings());
        user.look_at_all_profiles();
        Ok(Some(user))
    }

    /// Starts the vault's part of a batch.
    pub(crate) fn begin(&self, rng: &mut ChaCha20Rng) -> Result<VaultTxn, StoreError> {
        let mut nonce_seed = [0; 32];
        rng.fill_bytes(&mut nonce_seed);
        self.opened.vault.begin(nonce_seed)
    }

    /// Writes what is only in memory yet.
    pub(crate) fn flush(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        self.arrivals.last = turn.mailbox().stats()?.last_arrival;
        self.plan_ended();
        let hidden_by = self.timeline.hide();
        if self.counters.hidden_by != hidden_by {
            self.counters.hidden_by = hidden_by;
            self.counters.is_dirty = true;
        }
        self.tell_blobs(turn)?;
        let records = turn.vault()?;
        self.timeline.flush(records)?;
        self.keyring.flush(records)?;
        self.acks.flush(records)?;
        let Counted { counters, is_dirty } = &mut self.counters;
        let events = (self.log.last(), self.log.first());
        if std::mem::take(is_dirty) || (counters.last_event, counters.first_event) != events {
            (counters.last_event, counters.first_event) = events;
            records.put(&COUNTERS, Key::Named(b""), counters)?;
        }
        Ok(())
    }

    /// The mailbox's part of the batch is on disk as well: what was looked at may be counted as
    /// processed by the next commit. (Not by this one: a crash between the two commits would give
    /// the same arrival numbers to other envelopes.) `opening` is that of the mailbox.
    pub(crate) fn mailbox_committed(&mut self, opening: u64) {
        self.counters.mailbox_opening = opening;
        let opened = self.openings.first_waiting().map_or(u64::MAX, |first| first - 1);
        self.counters.processed_arrival = self.arrivals.looked_at.min(opened);
        self.acks.mailbox_committed();
    }

    /// The vault as it was committed last.
    pub(crate) fn snapshot(&self) -> Result<VaultSnapshot, StoreError> {
        self.opened.vault.snapshot()
    }

    /// Which vault this is, and how far it is.
    pub(crate) fn vault_seen(&self) -> Option<VaultSeen> {
        self.opened.vault.seen()
    }

    /// The user's ID.
    pub(crate) fn id(&self) -> Id {
        self.keyring.id()
    }

    pub(crate) fn into_key(self) -> MasterKey {
        self.opened.key
    }

    /// When something is due that no input brings about, by the time since the host's start.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        let ack = self.acks.next_due().filter(|_| self.stem.has_place_for_ack());
        [ack, self.next_shred()].into_iter().flatten().min()
    }

    pub(crate) fn is_behind(&self) -> bool {
        self.arrivals.looked_at < self.arrivals.last
            || self.timeline.is_releasing()
            || self.has_unfinished()
            || self.is_asked_to_shred()
    }

    /// Whether the next batch goes on with what was too much for this one.
    pub(crate) fn has_unfinished(&self) -> bool {
        self.unfinished.is_some()
            || self.directory.has_unwritten()
            || self.timeline.is_lighting()
            || self.timeline.is_reading_texts()
            || self.timeline.parts.incoming.has_to_look()
    }

    /// A batch begins, and this is the time.
    pub(crate) fn begin_batch(&mut self, times: &Times) {
        self.agenda.begin_batch(times.now, times.has_stepped);
        self.timeline.begin_batch(times);
        self.unfinished.begin_batch();
    }

    pub(crate) fn unread(&self) -> u64 {
        let rooms = self.directory.rooms().iter().map(|known| room_line(&known.room.id()));
        let all = self.directory.identities().copied().chain(rooms);
        all.map(|id| self.timeline.unread(&ConversationRef::direct(&id))).sum()
    }

    /// The header fields of an envelope for `identity`, made now.
    fn addressing(&self, identity: &IdentityId, now: UnixMillis) -> Addressing {
        Addressing {
            network: self.network.tag(),
            shard: Shard::of(identity, self.network.shard_bits),
            expiry: ExpiryHour::latest(now),
        }
    }

    /// What both sides call the conversation with `identity`.
    fn direct(&self, identity: &IdentityId) -> ConversationId {
        ConversationId::direct(&self.identity, identity)
    }
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("User(…)")
    }
}
