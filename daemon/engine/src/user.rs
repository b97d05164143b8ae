//! The user of this node: everything that an unlocked vault holds, in memory and on disk.
//!
//! What changes often (counters, conversations, sessions) is changed in memory, marked, and
//! written once per batch by [`User::flush`]. If a commit fails, the memory is thrown away and
//! loaded again.

mod acks;
mod agenda;
mod arrivals;
mod bundles;
mod contacts;
mod conversations;
mod deeds;
mod events;
mod inbox;
mod lookup;
mod notes;
mod openings;
mod outbox;
mod pings;
mod put_back;
mod readdress;
mod rendezvous;
mod renewal;
mod requests;
mod stamping;
mod stem;
mod unfinished;

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use martlet_protocol::crypto::Addressing;
use martlet_protocol::crypto::seal::DetectionSecret;
use martlet_protocol::identity::DeviceKeys;
use martlet_protocol::network::NetworkDescriptor;
use martlet_protocol::sync::ShardSet;
use martlet_protocol::{
    ConversationId, ExpiryHour, Id, IdentityId, Rendezvous, RendezvousSecret, Shard, UnixMillis,
};
use martlet_store::records::{COUNTERS, Counters, PROFILE, Profile, Seed};
use martlet_store::vault::keyfile::MasterKey;
use martlet_store::vault::{Key, VaultSeen, VaultSnapshot};
use martlet_store::{Mailbox, StoreError, Vault, VaultTxn};
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;

use crate::agenda::Agenda;
use crate::clock::Times;
use crate::config::EngineConfig;
use crate::conversation::ConversationRef;
use crate::directory::Directory;
use crate::keyring::Keyring;
use crate::kinds::ping::Pings;
use crate::log::EventLog;
use crate::outbox::Outbox;
use crate::timeline::Timeline;
use crate::turn::Turn;
use acks::OwnAcks;
use arrivals::Arrivals;
use openings::Openings;
use put_back::PutBacks;
use stem::OnStem;
use unfinished::Unfinished;

/// The user of this node.
pub(crate) struct User {
    opened: Opened,
    network: NetworkDescriptor,
    /// The shards kept here, the user's included.
    kept: ShardSet,
    pub(crate) identity: IdentityId,
    pub(crate) name: Option<String>,
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
}

/// The vault that all of it is in.
struct Opened {
    vault: Vault,
    key: MasterKey,
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
    /// Writes the records of a new user into an empty vault; their ID.
    pub(crate) fn create(
        txn: &mut VaultTxn,
        root_seed: [u8; 32],
        device: &DeviceKeys,
        name: Option<String>,
        rng: &mut ChaCha20Rng,
    ) -> Result<Id, StoreError> {
        let secret = RendezvousSecret::generate(rng);
        let profile = Profile {
            root_seed: Seed(root_seed),
            device_seed: Seed(*device.seed()),
            certificate: device.certificate().as_bytes().to_vec(),
            detection: DetectionSecret::generate(rng),
            name,
            rendezvous: Rendezvous { secret: secret.clone(), reset_at: UnixMillis(0) },
        };
        txn.put(&PROFILE, Key::Named(b""), &profile)?;
        txn.put(&COUNTERS, Key::Named(b""), &Counters::default())?;
        Ok(Id { identity: device.certificate().identity(), secret })
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
        let (directory, timeline) = (Directory::load(&txn)?, Timeline::load(&txn)?);
        timeline
            .removals()
            .filter(|(identity, _)| !directory.is_contact(identity))
            .for_each(|(identity, _)| keyring.inbound.leave(identity));
        let put_back = PutBacks::of(&txn, &vault, &view, &counters)?;
        let user = Box::new(Self {
            network: config.network.clone(),
            kept: ShardSet::of(kept, shard_bits),
            identity,
            name: profile.name.clone(),
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
            opened: Opened { vault, key },
        });
        drop(txn);
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
        self.acks.next_due().filter(|_| self.stem.has_place_for_ack())
    }

    pub(crate) fn is_behind(&self) -> bool {
        self.arrivals.looked_at < self.arrivals.last
            || self.timeline.is_releasing()
            || self.unfinished.is_some()
    }

    /// Whether the next batch goes on with what was too much for this one.
    pub(crate) fn has_unfinished(&self) -> bool {
        self.unfinished.is_some()
    }

    /// A batch begins, and this is the time.
    pub(crate) fn begin_batch(&mut self, times: &Times) {
        self.agenda.begin_batch(times.now, times.has_stepped);
        self.unfinished.begin_batch();
    }

    pub(crate) fn outbox_len(&self) -> u64 {
        u64::try_from(self.outbox.messages()).unwrap_or(u64::MAX)
    }

    pub(crate) fn unread(&self) -> u64 {
        self.directory
            .identities()
            .map(|id| self.timeline.unread(&ConversationRef::direct(id)))
            .sum()
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
