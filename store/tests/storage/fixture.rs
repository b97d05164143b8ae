//! What the tests put into the databases.

use martlet_protocol::envelope::Header;
use martlet_protocol::sync::BucketDigest;
use martlet_protocol::{
    Ack, AckSecret, Envelope, EnvelopeId, ExpiryHour, Kind, NetworkTag, Shard, Tag, UnixMillis,
};
use martlet_store::mailbox::{Arrived, MailboxOptions, MailboxStats, Source, SourceId};
use martlet_store::vault::keyfile::MasterKey;
use martlet_store::vault::{Collection, Key};
use martlet_store::{Mailbox, StoreError, Vault};

use crate::disk::Disk;

pub(crate) const HOUR_MS: u64 = 3_600_000;
pub(crate) const OPTIONS: MailboxOptions =
    MailboxOptions { bytes_max: 64 << 20, bytes_per_source_max: 64 << 20, cache_bytes: 1 << 20 };
/// Who brought what a test inserts, where it doesn't matter.
pub(crate) const PEER: Source = Source::Peer(SourceId(1));
pub(crate) const CACHE_BYTES: usize = 1 << 20;

pub(crate) fn master_key() -> MasterKey {
    MasterKey::from_bytes(&[42; 32])
}

/// A conversation envelope as a test wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spec {
    pub(crate) number: u64,
    pub(crate) tag: u8,
    pub(crate) shard: u16,
    pub(crate) expiry: u32,
    pub(crate) slots: u8,
}

impl Spec {
    pub(crate) fn simple(number: u64) -> Self {
        Self { number, tag: 0, shard: 0, expiry: 100, slots: 1 }
    }

    pub(crate) fn secret(&self, slot: u8) -> AckSecret {
        let mut secret = [slot; 16];
        secret[..8].copy_from_slice(&self.number.to_be_bytes());
        AckSecret(secret)
    }

    pub(crate) fn ack(&self, slot: u8) -> Ack {
        Ack { envelope: self.make().0, slot, secret: self.secret(slot) }
    }

    pub(crate) fn make(&self) -> (EnvelopeId, Envelope, Header) {
        self.with_body(512)
    }

    /// An envelope with a body of so many bytes.
    pub(crate) fn with_body(&self, body_bytes: usize) -> (EnvelopeId, Envelope, Header) {
        let mut content = Header::encode_prefix(
            Kind::Conversation,
            NetworkTag([1; 8]),
            Shard(self.shard),
            ExpiryHour(self.expiry),
            self.slots,
        )
        .to_vec();
        content.extend_from_slice(&[self.tag; 16]);
        for slot in 0..self.slots {
            content.extend_from_slice(&self.secret(slot).commit().0);
        }
        let len = content.len() + body_bytes;
        content.extend_from_slice(&self.number.to_be_bytes());
        content.resize(len, 0);
        let header = Header::parse(&content).unwrap();
        let mut envelope = Envelope::new(content);
        envelope.nonce = self.number;
        (envelope.id(), envelope, header)
    }
}

/// Everything a mailbox shows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MailboxDump {
    pub(crate) stats: MailboxStats,
    pub(crate) live: Vec<Arrived>,
    pub(crate) digests: Vec<BucketDigest>,
    pub(crate) tagged: Vec<usize>,
    pub(crate) purged: Vec<Ack>,
}

/// Everything `mailbox` shows, and of purged envelopes those of `ids`.
pub(crate) fn dump_mailbox(mailbox: &Mailbox, ids: &[EnvelopeId]) -> MailboxDump {
    let txn = mailbox.begin().unwrap();
    let view = mailbox.view().unwrap();
    let (_, purged) = view.lacking(ids).unwrap();
    MailboxDump {
        stats: view.stats().unwrap(),
        live: txn.arrived_after(0, usize::MAX).unwrap(),
        digests: view.digests().unwrap(),
        tagged: (0..=u8::MAX).map(|tag| txn.by_tag(&Tag([tag; 16])).unwrap().len()).collect(),
        purged,
    }
}

/// Some envelopes, some of them purged, over several commits.
pub(crate) fn fill_mailbox(mailbox: &Mailbox) -> Vec<EnvelopeId> {
    let specs: Vec<Spec> = (0..60)
        .map(|number| Spec {
            number,
            tag: u8::try_from(number % 7).unwrap(),
            shard: u16::try_from(number % 3).unwrap(),
            expiry: 100 + u32::try_from(number % 5).unwrap(),
            slots: [1, 2, 4][usize::try_from(number % 3).unwrap()],
        })
        .collect();
    for part in specs.chunks(20) {
        let mut txn = mailbox.begin().unwrap();
        for spec in part {
            let (id, envelope, header) = spec.make();
            txn.insert(&id, &envelope, &header, PEER, UnixMillis(HOUR_MS)).unwrap();
        }
        for spec in part.iter().step_by(4) {
            for slot in 0..spec.slots {
                txn.acknowledge(&spec.ack(slot)).unwrap();
            }
        }
        txn.commit().unwrap();
    }
    specs.iter().map(|spec| spec.make().0).collect()
}

pub(crate) type Record = (u64, String);
pub(crate) const NAMED: Collection<Record> = Collection::new("named");
pub(crate) const LOG: Collection<Record> = Collection::new("log");
pub(crate) const SCOPED: Collection<Record> = Collection::new("scoped");

/// The vault on a disk, with its keys beside it.
pub(crate) fn vault_on(disk: &Disk) -> Result<Vault, StoreError> {
    Vault::with_backend(disk.clone(), disk.beside(), &master_key(), CACHE_BYTES)
}

/// Everything a vault filled by a test holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct VaultDump {
    pub(crate) named: Vec<Record>,
    pub(crate) log: Vec<(u64, Record)>,
    pub(crate) scoped: Vec<(u64, Record)>,
    pub(crate) counts: [u64; 3],
}

pub(crate) fn dump_vault(vault: &Vault) -> VaultDump {
    let txn = vault.begin([0; 32]).unwrap();
    let mut named = txn.scan(&NAMED).unwrap();
    named.sort_unstable();
    VaultDump {
        named,
        log: txn.range(&LOG, None, 0..=u64::MAX, usize::MAX).unwrap(),
        scoped: txn.range(&SCOPED, Some(b"alice"), 0..=u64::MAX, usize::MAX).unwrap(),
        counts: [txn.count(&NAMED).unwrap(), txn.count(&LOG).unwrap(), txn.count(&SCOPED).unwrap()],
    }
}

/// Some records, over several commits.
pub(crate) fn fill_vault(vault: &Vault) {
    for round in 0..3u8 {
        let mut txn = vault.begin([round + 1; 32]).unwrap();
        for number in 0..20 {
            let number = u64::from(round) * 20 + number;
            let record = (number, format!("record {number}"));
            txn.put(&NAMED, Key::Named(&number.to_be_bytes()), &record).unwrap();
            txn.put(&LOG, Key::Ordinal(number), &record).unwrap();
            txn.put(&SCOPED, Key::Scoped(b"alice", number), &record).unwrap();
        }
        txn.delete(&NAMED, Key::Named(&u64::from(round).to_be_bytes())).unwrap();
        txn.commit().unwrap();
    }
}
