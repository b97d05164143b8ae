//! The mailbox against a model of a few maps.

use std::collections::BTreeMap;

use martlet_protocol::sync::{Bucket, BucketDigest, Fingerprint};
use martlet_protocol::{Ack, AckSecret, Envelope, EnvelopeId, ExpiryHour, Shard, Tag, UnixMillis};
use martlet_store::limits::{MAILBOX_ENTRY_BYTES, MAILBOX_RESERVE_BYTES};
use martlet_store::mailbox::{
    Acknowledged, Inserted, MailboxOptions, MailboxStats, SharedContents, Source, SourceId,
};
use martlet_store::{Mailbox, MailboxTxn};
use proptest::prelude::*;

use crate::disk::Disk;
use crate::fixture::*;

/// A small world, so that operations meet the same envelopes again and again.
const NUMBERS: u64 = 24;
/// Room for some of them: content of about 600 bytes each.
const BYTES_MAX: u64 = 14_000;
/// The same for what one peer brings.
const BYTES_PER_SOURCE_MAX: u64 = 6_000;
const LIFETIME_HOURS: u32 = 6 * 24;
const START_HOUR: u32 = 1000;

#[derive(Debug, Clone)]
enum Op {
    Insert(u64, Source),
    Ack { number: u64, slot: u8, right: bool },
    Wait { hours: u32 },
    Sweep { max: usize },
    Withdraw(u64),
    Commit,
    Abort,
    Reopen,
}

#[derive(Debug, Clone, Default)]
struct Model {
    entries: BTreeMap<EnvelopeId, Entry>,
    last_arrival: u64,
}

#[derive(Debug, Clone)]
struct Entry {
    spec: Spec,
    arrival: u64,
    drop_hour: u32,
    state: State,
    acks: BTreeMap<u8, AckSecret>,
    /// Who is charged; nobody after the mailbox was opened again.
    source: Option<SourceId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Live,
    Purged,
    Dropped,
}

/// Number `number` of the small world. Some expire late (a clock that runs ahead), some early.
fn spec(number: u64) -> Spec {
    let expiry = match number % 4 {
        0 => START_HOUR + LIFETIME_HOURS + 2,
        1 => START_HOUR + LIFETIME_HOURS,
        2 => START_HOUR + 20,
        _ => START_HOUR + 3,
    };
    Spec {
        number,
        tag: u8::try_from(number % 3).unwrap(),
        shard: u16::try_from(number % 2).unwrap(),
        expiry,
        slots: [1, 1, 2, 4][usize::try_from(number / 4 % 4).unwrap()],
    }
}

impl Entry {
    /// When something next happens to it.
    fn end(&self) -> u32 {
        match self.state {
            State::Live => self.drop_hour,
            State::Purged | State::Dropped => self.spec.expiry,
        }
    }

    fn is_live(&self) -> bool {
        self.state == State::Live
    }

    fn charge(&self) -> u64 {
        let content = if self.is_live() { self.envelope().content.len() } else { 0 };
        u64::try_from(content).unwrap() + MAILBOX_ENTRY_BYTES
    }

    fn envelope(&self) -> Envelope {
        self.spec.make().1
    }

    fn bucket(&self) -> Bucket {
        Bucket { shard: Shard(self.spec.shard), hour: ExpiryHour(self.spec.expiry) }
    }
}

impl Model {
    fn live(&self) -> Vec<(&EnvelopeId, &Entry)> {
        let mut live: Vec<_> = self.entries.iter().filter(|(_, entry)| entry.is_live()).collect();
        live.sort_by_key(|(_, entry)| entry.arrival);
        live
    }

    fn stats(&self) -> MailboxStats {
        let live = self.live();
        MailboxStats {
            envelopes: u64::try_from(live.len()).unwrap(),
            bytes: live
                .iter()
                .map(|(_, e)| u64::try_from(e.envelope().content.len()).unwrap())
                .sum(),
            tombstones: u64::try_from(self.entries.len() - live.len()).unwrap(),
            last_arrival: self.last_arrival,
        }
    }

    /// What `source` is charged.
    fn held(&self, source: SourceId) -> u64 {
        let of_source = self.entries.values().filter(|entry| entry.source == Some(source));
        of_source.map(Entry::charge).sum()
    }

    fn insert(&mut self, spec: Spec, source: Source, hour: u32) -> Inserted {
        let (id, envelope, _) = spec.make();
        match self.entries.get(&id).map(|entry| entry.state) {
            Some(State::Live) => return Inserted::Known,
            Some(State::Purged | State::Dropped) => return Inserted::Purged,
            None => {}
        }
        let stats = self.stats();
        let entries = stats.envelopes + stats.tombstones + 1;
        let len = u64::try_from(envelope.content.len()).unwrap();
        let (max, source) = match source {
            Source::Own => (BYTES_MAX + MAILBOX_RESERVE_BYTES, None),
            Source::Peer(source) => (BYTES_MAX, Some(source)),
        };
        if stats.bytes + len + entries * MAILBOX_ENTRY_BYTES > max {
            return Inserted::Full;
        }
        let charge = len + MAILBOX_ENTRY_BYTES;
        if source.is_some_and(|source| self.held(source) + charge > BYTES_PER_SOURCE_MAX) {
            return Inserted::OverShare;
        }
        Inserted::New { arrival: self.add(spec, source, hour) }
    }

    /// Adds an envelope that is not there and has room.
    fn add(&mut self, spec: Spec, source: Option<SourceId>, hour: u32) -> u64 {
        self.last_arrival += 1;
        let drop_hour = spec.expiry.min(hour + LIFETIME_HOURS);
        let arrival = self.last_arrival;
        let acks = BTreeMap::new();
        let entry = Entry { spec, arrival, drop_hour, state: State::Live, acks, source };
        self.entries.insert(spec.make().0, entry);
        arrival
    }

    fn acknowledge(&mut self, ack: &Ack) -> Acknowledged {
        let Some(entry) = self.entries.get_mut(&ack.envelope) else {
            return Acknowledged::NoEnvelope;
        };
        let right = ack.slot < entry.spec.slots && entry.spec.secret(ack.slot) == ack.secret;
        match entry.state {
            State::Dropped => Acknowledged::Known,
            State::Purged if right => Acknowledged::Known,
            State::Live | State::Purged if !right => Acknowledged::Invalid,
            State::Live | State::Purged => {
                if entry.acks.insert(ack.slot, ack.secret.clone()).is_some() {
                    return Acknowledged::Known;
                }
                if entry.acks.len() < usize::from(entry.spec.slots) {
                    return Acknowledged::Accepted;
                }
                entry.state = State::Purged;
                Acknowledged::Purged
            }
        }
    }

    fn sweep(&mut self, hour: u32, max: usize) -> usize {
        let mut ended: Vec<(u32, u64, EnvelopeId)> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.end() <= hour)
            .map(|(id, entry)| (entry.end(), entry.arrival, *id))
            .collect();
        ended.sort_unstable();
        ended.truncate(max);
        for (_, _, id) in &ended {
            let entry = self.entries.get_mut(id).unwrap();
            if entry.is_live() && entry.spec.expiry > hour {
                entry.state = State::Dropped;
                entry.acks.clear();
            } else {
                self.entries.remove(id);
            }
        }
        ended.len()
    }

    fn withdraw(&mut self, id: &EnvelopeId, hour: u32) {
        let Some(entry) = self.entries.get_mut(id).filter(|entry| entry.is_live()) else { return };
        if entry.spec.expiry > hour {
            entry.state = State::Dropped;
            entry.acks.clear();
        } else {
            self.entries.remove(id);
        }
    }

    fn digests(&self) -> Vec<BucketDigest> {
        let mut digests = BTreeMap::<Bucket, (u64, Fingerprint)>::new();
        for (id, entry) in self.live() {
            let (count, fingerprint) = digests.entry(entry.bucket()).or_default();
            *count += 1;
            fingerprint.add(id);
        }
        digests
            .into_iter()
            .map(|(bucket, (count, fingerprint))| BucketDigest { bucket, count, fingerprint })
            .collect()
    }

    /// What a transaction sees, its own writes included.
    fn check_txn(&self, txn: &MailboxTxn) {
        assert_eq!(txn.stats().unwrap(), self.stats());
        for number in 0..NUMBERS {
            let (id, envelope, _) = spec(number).make();
            let live = self.entries.get(&id).is_some_and(Entry::is_live);
            assert_eq!(txn.get(&id).unwrap(), live.then_some(envelope));
        }
        for tag in 0..3 {
            let found = txn.by_tag(&Tag([tag; 16])).unwrap();
            let live = self.live();
            let expected = live.iter().filter(|(_, entry)| entry.spec.tag == tag);
            assert!(
                found
                    .iter()
                    .map(|a| (a.arrival, a.id))
                    .eq(expected.map(|(id, e)| (e.arrival, **id)))
            );
        }
        for (after, max) in [(0, usize::MAX), (self.last_arrival / 2, 3), (u64::MAX, 1), (0, 0)] {
            let found = txn.arrived_after(after, max).unwrap();
            let live = self.live();
            let expected = live.iter().filter(|(_, entry)| entry.arrival > after).take(max);
            assert!(
                found
                    .iter()
                    .map(|a| (a.arrival, &a.id))
                    .eq(expected.map(|(id, e)| (e.arrival, *id)))
            );
        }
    }

    /// What a view shows once this is committed.
    fn check_view(&self, mailbox: &Mailbox) {
        let view = mailbox.view().unwrap();
        assert_eq!(view.stats().unwrap(), self.stats());
        assert_eq!(view.digests().unwrap(), self.digests());
        for digest in self.digests() {
            let live = self.live();
            let mut expected: Vec<EnvelopeId> = live
                .iter()
                .filter(|(_, entry)| entry.bucket() == digest.bucket)
                .map(|(id, _)| **id)
                .collect();
            expected.sort_unstable();
            assert_eq!(view.bucket_ids(digest.bucket).unwrap(), expected);
        }
        let ids: Vec<EnvelopeId> = (0..NUMBERS).map(|number| spec(number).make().0).collect();
        let (envelopes, gone) = view.fetch(&ids, usize::MAX).unwrap();
        assert!(envelopes.iter().map(Envelope::id).eq(self.live().iter().map(|(id, _)| **id)));
        let dead = |id: &&EnvelopeId| !self.entries.get(*id).is_some_and(Entry::is_live);
        assert!(gone.iter().eq(ids.iter().filter(dead)));
        assert_eq!(view.fetch(&ids, 0).unwrap().0.len(), self.live().len().min(1));
        let some = view.fetch(&ids, 1800).unwrap().0;
        assert!(some.len() <= 1 || some.iter().map(|e| e.content.len()).sum::<usize>() <= 1800);

        let (unknown, acks) = view.lacking(&ids).unwrap();
        assert!(unknown.iter().eq(ids.iter().filter(|id| !self.entries.contains_key(*id))));
        let mut expected = 0;
        for (id, entry) in self.entries.iter().filter(|(_, e)| e.state == State::Purged) {
            expected += entry.acks.len();
            for (slot, secret) in &entry.acks {
                let ack = Ack { envelope: *id, slot: *slot, secret: secret.clone() };
                assert!(acks.contains(&ack));
            }
        }
        assert_eq!(acks.len(), expected);
    }
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (0..NUMBERS, source()).prop_map(|(number, source)| Op::Insert(number, source)),
        6 => (0..NUMBERS, 0..4u8, prop::bool::weighted(0.9))
            .prop_map(|(number, slot, right)| Op::Ack { number, slot, right }),
        1 => (1..80u32).prop_map(|hours| Op::Wait { hours }),
        2 => (1..10usize).prop_map(|max| Op::Sweep { max }),
        1 => (0..NUMBERS).prop_map(Op::Withdraw),
        3 => Just(Op::Commit),
        1 => Just(Op::Abort),
        1 => Just(Op::Reopen),
    ]
}

fn source() -> impl Strategy<Value = Source> {
    prop_oneof![
        1 => Just(Source::Own),
        6 => (0..3u64).prop_map(|peer| Source::Peer(SourceId(peer))),
    ]
}

fn run(ops: &[Op], shared: Option<&SharedContents>) {
    let disk = Disk::default();
    let options = MailboxOptions {
        bytes_max: BYTES_MAX,
        bytes_per_source_max: BYTES_PER_SOURCE_MAX,
        ..OPTIONS
    };
    let open = || match shared.cloned() {
        None => Mailbox::with_backend(disk.clone(), options).unwrap(),
        Some(shared) => Mailbox::with_shared_contents(disk.clone(), options, shared).unwrap(),
    };
    let mut mailbox = open();
    let mut committed = Model::default();
    let mut model = committed.clone();
    let mut hour = START_HOUR;
    let mut txn = mailbox.begin().unwrap();
    for (index, op) in ops.iter().enumerate() {
        let now = at(hour);
        match op {
            Op::Insert(number, source) => {
                let (id, envelope, header) = spec(*number).make();
                let found = txn.insert(&id, &envelope, &header, *source, now).unwrap();
                assert_eq!(found, model.insert(spec(*number), *source, hour));
            }
            Op::Ack { number, slot, right } => {
                let mut ack = spec(*number).ack(*slot);
                if !right {
                    ack.secret = AckSecret([0xee; 16]);
                }
                assert_eq!(txn.acknowledge(&ack).unwrap(), model.acknowledge(&ack));
            }
            Op::Wait { hours } => hour += hours,
            Op::Sweep { max } => {
                assert_eq!(txn.sweep(now, *max).unwrap(), model.sweep(hour, *max));
            }
            Op::Withdraw(number) => {
                let (id, ..) = spec(*number).make();
                txn.withdraw(&id, now).unwrap();
                model.withdraw(&id, hour);
            }
            Op::Commit | Op::Abort | Op::Reopen => {
                if matches!(op, Op::Abort) {
                    drop(txn);
                    model = committed.clone();
                } else {
                    txn.commit().unwrap();
                    committed = model.clone();
                }
                if matches!(op, Op::Reopen) {
                    drop(mailbox);
                    mailbox = open();
                    for entry in model.entries.values_mut().chain(committed.entries.values_mut()) {
                        entry.source = None;
                    }
                }
                model.check_view(&mailbox);
                txn = mailbox.begin().unwrap();
            }
        }
        // Not each time: what is looked up here would not be left for the operations to find.
        if index % 3 == 0 {
            model.check_txn(&txn);
        }
    }
}

/// Just after that hour begins.
fn at(hour: u32) -> UnixMillis {
    UnixMillis(u64::from(hour) * HOUR_MS + 1)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn the_mailbox_does_what_the_model_does(ops in prop::collection::vec(op(), 1..80)) {
        run(&ops, None);
    }

    #[test]
    fn mailboxes_that_share_contents_do_what_the_model_does(
        ops in prop::collection::vec(op(), 1..80),
        others in prop::collection::vec(op(), 1..80),
    ) {
        let shared = SharedContents::default();
        run(&others, Some(&shared));
        run(&ops, Some(&shared));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    /// Rows that follow one another are removed page by page: of many pages, whole ones and parts.
    #[test]
    fn a_sweep_removes_what_ended_among_what_did_not(
        runs in prop::collection::vec((any::<bool>(), 1..400u64), 1..16),
        max in 1..900usize,
    ) {
        let (early, late) = (START_HOUR + 3, START_HOUR + 20);
        let ends = runs.iter().flat_map(|(ends, count)| (0..*count).map(|_| *ends));
        let specs: Vec<Spec> = (0..)
            .zip(ends)
            .map(|(number, ends)| Spec { expiry: if ends { early } else { late }, ..spec(number) })
            .collect();
        let disk = Disk::default();
        let mailbox = Mailbox::with_backend(disk.clone(), OPTIONS).unwrap();
        let mut model = Model::default();
        let mut txn = mailbox.begin().unwrap();
        for spec in &specs {
            let (id, envelope, header) = spec.make();
            let inserted = txn.insert(&id, &envelope, &header, PEER, at(START_HOUR)).unwrap();
            assert!(matches!(inserted, Inserted::New { .. }));
            model.add(*spec, None, START_HOUR);
        }
        txn.commit().unwrap();
        loop {
            let mut txn = mailbox.begin().unwrap();
            let swept = txn.sweep(at(early + 1), max).unwrap();
            txn.commit().unwrap();
            assert_eq!(swept, model.sweep(early + 1, max));
            if swept < max {
                break;
            }
        }
        let check = |mailbox: &Mailbox| {
            let dump = dump_mailbox(mailbox, &[]);
            assert_eq!(dump.stats, model.stats());
            assert_eq!(dump.digests, model.digests());
            assert_eq!(dump.tagged.iter().sum::<usize>(), model.entries.len());
            assert!(dump.live.iter().map(|a| &a.id).eq(model.live().iter().map(|(id, _)| *id)));
        };
        check(&mailbox);
        drop(mailbox);
        check(&Mailbox::with_backend(disk, OPTIONS).unwrap());
    }
}

#[test]
fn a_moment_is_kept_over_restarts() {
    let disk = Disk::default();
    let mailbox = Mailbox::with_backend(disk.clone(), OPTIONS).unwrap();
    assert_eq!(mailbox.view().unwrap().time(), None);
    for time in [UnixMillis(7), UnixMillis(5)] {
        let mut txn = mailbox.begin().unwrap();
        txn.keep_time(time);
        assert!(txn.is_dirty());
        txn.commit().unwrap();
        assert_eq!(mailbox.view().unwrap().time(), Some(time));
    }
    drop(mailbox);
    let mailbox = Mailbox::with_backend(disk, OPTIONS).unwrap();
    assert_eq!(mailbox.view().unwrap().time(), Some(UnixMillis(5)));
}

#[test]
fn a_life_is_six_days_from_arrival_whatever_the_header_says() {
    let mailbox = Mailbox::with_backend(Disk::default(), OPTIONS).unwrap();
    let late = Spec { expiry: START_HOUR + LIFETIME_HOURS + 2, ..Spec::simple(1) };
    let (id, envelope, header) = late.make();
    let at = |hour: u32| UnixMillis(u64::from(hour) * HOUR_MS);
    let mut txn = mailbox.begin().unwrap();
    txn.insert(&id, &envelope, &header, PEER, at(START_HOUR)).unwrap();
    assert_eq!(txn.sweep(at(START_HOUR + LIFETIME_HOURS - 1), 9).unwrap(), 0);
    assert_eq!(txn.sweep(at(START_HOUR + LIFETIME_HOURS), 9).unwrap(), 1);
    assert_eq!(txn.get(&id).unwrap(), None);
    // It does not come back from a node where it arrived later.
    let again = txn.insert(&id, &envelope, &header, PEER, at(START_HOUR + LIFETIME_HOURS)).unwrap();
    assert_eq!(again, Inserted::Purged);
    assert_eq!(txn.sweep(at(START_HOUR + LIFETIME_HOURS + 2), 9).unwrap(), 1);
    assert_eq!(txn.stats().unwrap(), MailboxStats { last_arrival: 1, ..MailboxStats::default() });
}

#[test]
fn tombstones_count_against_the_quota() {
    let options = MailboxOptions { bytes_max: 20 * MAILBOX_ENTRY_BYTES, ..OPTIONS };
    let mailbox = Mailbox::with_backend(Disk::default(), options).unwrap();
    let mut txn = mailbox.begin().unwrap();
    let mut kept = 0;
    for number in 0..1000 {
        let (id, envelope, header) = Spec::simple(number).make();
        if txn.insert(&id, &envelope, &header, PEER, UnixMillis(0)).unwrap() == Inserted::Full {
            break;
        }
        txn.acknowledge(&Spec::simple(number).ack(0)).unwrap();
        kept += 1;
    }
    assert!((10..20).contains(&kept), "{kept} tombstones");
    txn.commit().unwrap();
}

#[test]
fn a_full_mailbox_still_takes_the_users_own() {
    let options = MailboxOptions { bytes_max: 20 * MAILBOX_ENTRY_BYTES, ..OPTIONS };
    let mailbox = Mailbox::with_backend(Disk::default(), options).unwrap();
    let mut txn = mailbox.begin().unwrap();
    let mut insert = |number: u64, source| {
        let (id, envelope, header) = Spec::simple(number).make();
        txn.insert(&id, &envelope, &header, source, UnixMillis(0)).unwrap()
    };
    let full = (0..).find(|number| insert(*number, PEER) == Inserted::Full).unwrap();
    assert!(matches!(insert(full, Source::Own), Inserted::New { .. }));
    // The reserve is bounded as well.
    let most = full + MAILBOX_RESERVE_BYTES / MAILBOX_ENTRY_BYTES;
    assert!((full + 1..most).any(|number| insert(number, Source::Own) == Inserted::Full));
}

#[test]
fn one_peers_share_leaves_room_for_the_others() {
    let options = MailboxOptions { bytes_per_source_max: 5_000, ..OPTIONS };
    let mailbox = Mailbox::with_backend(Disk::default(), options).unwrap();
    let insert = |txn: &mut MailboxTxn, number: u64, peer: u64| {
        let (id, envelope, header) = Spec::simple(number).make();
        let source = Source::Peer(SourceId(peer));
        txn.insert(&id, &envelope, &header, source, UnixMillis(0)).unwrap()
    };
    let mut txn = mailbox.begin().unwrap();
    let refused = (0..).find(|number| insert(&mut txn, *number, 1) == Inserted::OverShare).unwrap();
    assert!((2..10).contains(&refused));
    assert_eq!(txn.stats().unwrap().envelopes, refused);
    txn.commit().unwrap();
    let mut txn = mailbox.begin().unwrap();
    assert_eq!(insert(&mut txn, refused, 1), Inserted::OverShare);
    assert!(matches!(insert(&mut txn, refused, 2), Inserted::New { .. }));
    // What is acknowledged no longer counts, nor what ended.
    for number in 0..2 {
        txn.acknowledge(&Spec::simple(number).ack(0)).unwrap();
    }
    assert!(matches!(insert(&mut txn, 100, 1), Inserted::New { .. }));
    txn.sweep(UnixMillis(1_000 * HOUR_MS), usize::MAX).unwrap();
    txn.commit().unwrap();
    let mut txn = mailbox.begin().unwrap();
    assert!(matches!(insert(&mut txn, 101, 1), Inserted::New { .. }));
}
