//! Where each id and each tag is in the log, in memory, and what each source holds.
//!
//! Ids and tags are random: as keys of tables they would touch another page with every envelope,
//! which costs far more than the envelope. So the tables are all in order of arrival, and what is
//! random is found here, by its first 8 bytes: these lead to arrivals, and the rows there say
//! whether it is the one that was asked for. An arrival that isn't in the reader's snapshot leads
//! nowhere. Each envelope costs 25 to 55 bytes of memory (16 for its id, 16 for its tag, and the
//! room in the tree's nodes); reading it all at the start takes half a second per million.
//!
//! Which peer brought an envelope is known here alone. It never reaches the disk: a file that is
//! seized does not tell who talked to whom, and a restart forgets what each peer holds.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use martlet_protocol::{EnvelopeId, Tag};

use super::SourceId;

/// Arrivals are numbered below this, so that a source fits beside one: 34 years at 1,000 a second.
pub(super) const ARRIVALS_MAX: u64 = 1 << (64 - SOURCE_BITS);
const SOURCE_BITS: u32 = 24;
const SOURCE_MASK: u64 = (1 << SOURCE_BITS) - 1;
/// The source of what is the user's own, or came before this process began.
const NO_SOURCE: u64 = 0;

/// The first 8 bytes of an id or a tag, as they are found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Prefix(pub(super) u64);

/// The index of what is committed, shared by the writer and all readers.
#[derive(Debug, Default)]
pub(super) struct Index(RwLock<Committed>);

/// What one transaction changes.
#[derive(Debug, Default)]
pub(super) struct Changes {
    ids: BTreeMap<(Prefix, u64), Option<SourceId>>,
    tags: BTreeSet<(Prefix, u64)>,
    /// As the committed index has them.
    ids_removed: Vec<(Prefix, u64)>,
    tags_removed: Vec<(Prefix, u64)>,
    /// Bytes by which the charge of a source grows or falls.
    charges: HashMap<SourceId, i64>,
}

/// Each entry is a prefix and an arrival, with the ids' sources in the arrival's low bits.
#[derive(Debug, Default)]
struct Committed {
    ids: BTreeSet<(Prefix, u64)>,
    tags: BTreeSet<(Prefix, u64)>,
    sources: Sources,
}

/// What each source holds, and the small number it has in the ids' entries.
#[derive(Debug, Default)]
struct Sources {
    numbers: HashMap<SourceId, u64>,
    /// Number `n` is at `n - 1`.
    held: Vec<(SourceId, u64)>,
    free: Vec<u64>,
}

impl Prefix {
    pub(super) fn of_id(id: &EnvelopeId) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = id.0;
        Self(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }

    /// Never 0, which stands for no tag.
    pub(super) fn of_tag(tag: &Tag) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = tag.0;
        Self(u64::from_be_bytes([a, b, c, d, e, f, g, h]).max(1))
    }
}

impl Index {
    /// Takes the place of what there was. No entry has a source.
    pub(super) fn replace(&self, ids: Vec<(Prefix, u64)>, tags: Vec<(Prefix, u64)>) {
        let ids = ids.into_iter().map(|(prefix, arrival)| (prefix, packed(arrival, NO_SOURCE)));
        let replaced = Committed {
            ids: ids.collect(),
            tags: tags.into_iter().collect(),
            sources: Sources::default(),
        };
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = replaced;
    }

    /// Arrivals that may have an id of this prefix, with what `changes` adds.
    pub(super) fn ids(&self, prefix: Prefix, changes: &Changes) -> Vec<u64> {
        let mut found: Vec<u64> = self
            .read()
            .ids
            .range((prefix, 0)..=(prefix, u64::MAX))
            .map(|(_, packed)| packed >> SOURCE_BITS)
            .collect();
        let added = changes.ids.range((prefix, 0)..=(prefix, u64::MAX));
        found.extend(added.map(|((_, arrival), _)| *arrival));
        found
    }

    /// Arrivals that may have a tag of this prefix, ascending, with what `changes` adds.
    pub(super) fn tags(&self, prefix: Prefix, changes: &Changes) -> Vec<u64> {
        let committed = self.read();
        let added = changes.tags.range((prefix, 0)..=(prefix, u64::MAX));
        let tags = committed.tags.range((prefix, 0)..=(prefix, u64::MAX));
        tags.chain(added).map(|(_, arrival)| *arrival).collect()
    }

    /// Bytes charged to a source, with what `changes` makes of it.
    pub(super) fn held(&self, source: &SourceId, changes: &Changes) -> u64 {
        let change = changes.charges.get(source).copied().unwrap_or_default();
        self.read().sources.held(source).saturating_add_signed(change)
    }

    /// Lets what `changes` adds be found, just before it is committed: nobody looks in vain for
    /// what is there, and who has an older snapshot doesn't find it in the tables.
    pub(super) fn add(&self, changes: &Changes) {
        let mut committed = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let Committed { ids, tags, sources } = &mut *committed;
        for ((prefix, arrival), source) in &changes.ids {
            let number = source.as_ref().map_or(NO_SOURCE, |source| sources.number(source));
            ids.insert((*prefix, packed(*arrival, number)));
        }
        tags.extend(&changes.tags);
    }

    /// Forgets what `changes` removes, once it is committed, and charges the sources.
    pub(super) fn settle(&self, changes: Changes) {
        let mut committed = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for entry in changes.ids_removed {
            committed.ids.remove(&entry);
        }
        for entry in changes.tags_removed {
            committed.tags.remove(&entry);
        }
        for (source, change) in changes.charges {
            committed.sources.charge(&source, change);
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Committed> {
        // Each change is whole before anything can panic.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Changes {
    /// Adds an envelope, with its tag if it has one, and charges its source.
    pub(super) fn add(
        &mut self,
        id: Prefix,
        tag: Option<Prefix>,
        arrival: u64,
        charged: Option<(SourceId, u64)>,
    ) {
        self.ids.insert((id, arrival), charged.map(|(source, _)| source));
        self.tags.extend(tag.map(|tag| (tag, arrival)));
        if let Some((source, bytes)) = charged {
            *self.charges.entry(source).or_default() += signed(bytes);
        }
    }

    /// Who brought an id that is there.
    pub(super) fn source(&self, index: &Index, id: Prefix, arrival: u64) -> Option<SourceId> {
        match self.ids.get(&(id, arrival)) {
            Some(source) => *source,
            None => {
                let committed = index.read();
                committed.entry(id, arrival).and_then(|entry| committed.source(entry))
            }
        }
    }

    /// Removes a tag.
    pub(super) fn remove_tag(&mut self, tag: Prefix, arrival: u64) {
        if !self.tags.remove(&(tag, arrival)) {
            self.tags_removed.push((tag, arrival));
        }
    }

    /// Takes `bytes` off the charge of the source of an id that is there.
    pub(super) fn discharge(&mut self, index: &Index, id: Prefix, arrival: u64, bytes: u64) {
        let source = self.source(index, id, arrival);
        self.take_off(source, bytes);
    }

    /// Removes an id, for which its source was last charged `bytes`.
    pub(super) fn remove_id(&mut self, index: &Index, id: Prefix, arrival: u64, bytes: u64) {
        if let Some(source) = self.ids.remove(&(id, arrival)) {
            return self.take_off(source, bytes);
        }
        let committed = index.read();
        if let Some(entry) = committed.entry(id, arrival) {
            self.ids_removed.push(entry);
            self.take_off(committed.source(entry), bytes);
        }
    }

    fn take_off(&mut self, source: Option<SourceId>, bytes: u64) {
        if let Some(source) = source {
            *self.charges.entry(source).or_default() -= signed(bytes);
        }
    }
}

impl Committed {
    /// The entry of an id that is there.
    fn entry(&self, prefix: Prefix, arrival: u64) -> Option<(Prefix, u64)> {
        let entries = (prefix, packed(arrival, 0))..=(prefix, packed(arrival, SOURCE_MASK));
        self.ids.range(entries).next().copied()
    }

    fn source(&self, (_, packed): (Prefix, u64)) -> Option<SourceId> {
        self.sources.source(packed & SOURCE_MASK)
    }
}

impl Sources {
    fn held(&self, source: &SourceId) -> u64 {
        let held = self.numbers.get(source).and_then(|number| self.held.get(at(*number)?));
        held.map_or(0, |(_, bytes)| *bytes)
    }

    fn source(&self, number: u64) -> Option<SourceId> {
        self.held.get(at(number)?).map(|(source, _)| *source)
    }

    /// The number of a source, a new one if it has none. Past 16 million sources they have none:
    /// so many, each with an envelope, fill any mailbox before.
    fn number(&mut self, source: &SourceId) -> u64 {
        if let Some(number) = self.numbers.get(source) {
            return *number;
        }
        let next = u64::try_from(self.held.len()).unwrap_or(u64::MAX).saturating_add(1);
        let number = match self.free.pop() {
            Some(number) => number,
            None if next > SOURCE_MASK => return NO_SOURCE,
            None => {
                self.held.push((*source, 0));
                next
            }
        };
        if let Some(held) = at(number).and_then(|at| self.held.get_mut(at)) {
            *held = (*source, 0);
        }
        self.numbers.insert(*source, number);
        number
    }

    fn charge(&mut self, source: &SourceId, change: i64) {
        let Some(number) = self.numbers.get(source).copied() else { return };
        let Some((_, bytes)) = at(number).and_then(|at| self.held.get_mut(at)) else { return };
        *bytes = bytes.saturating_add_signed(change);
        // Each entry is charged something until it is removed, so none has this number now.
        if *bytes == 0 {
            self.numbers.remove(source);
            self.free.push(number);
        }
    }
}

fn packed(arrival: u64, source: u64) -> u64 {
    (arrival << SOURCE_BITS) | source
}

/// Where a source's number is in the list.
fn at(number: u64) -> Option<usize> {
    usize::try_from(number.checked_sub(1)?).ok()
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: SourceId = SourceId(1);
    const B: SourceId = SourceId(2);

    fn added(entries: &[(u64, u64, SourceId)]) -> Changes {
        let mut changes = Changes::default();
        for (prefix, arrival, source) in entries {
            changes.add(Prefix(*prefix), None, *arrival, Some((*source, 100)));
        }
        changes
    }

    fn commit(index: &Index, changes: Changes) {
        index.add(&changes);
        index.settle(changes);
    }

    #[test]
    fn what_a_source_holds_falls_with_what_goes_and_its_number_is_used_again() {
        let index = Index::default();
        let none = Changes::default();
        let changes = added(&[(7, 1, A), (7, 2, B), (8, 3, A)]);
        assert_eq!(index.held(&A, &changes), 200);
        commit(&index, changes);
        assert_eq!((index.held(&A, &none), index.held(&B, &none)), (200, 100));
        assert_eq!(index.ids(Prefix(7), &none), [1, 2]);

        let mut changes = Changes::default();
        for (prefix, arrival) in [(7, 1), (8, 3)] {
            changes.discharge(&index, Prefix(prefix), arrival, 60);
            changes.remove_id(&index, Prefix(prefix), arrival, 40);
        }
        assert_eq!(index.held(&A, &changes), 0);
        assert_eq!(index.held(&A, &none), 200);
        commit(&index, changes);
        assert_eq!(index.ids(Prefix(7), &none), [2]);

        commit(&index, added(&[(9, 4, SourceId(3))]));
        assert_eq!((index.held(&A, &none), index.held(&B, &none)), (0, 100));
        assert_eq!(index.held(&SourceId(3), &none), 100);
        assert_eq!(index.read().sources.held.len(), 2);
    }

    #[test]
    fn what_comes_and_goes_in_one_transaction_leaves_nothing() {
        let index = Index::default();
        let mut changes = added(&[(7, 1, A)]);
        changes.remove_id(&index, Prefix(7), 1, 100);
        commit(&index, changes);
        assert!(index.ids(Prefix(7), &Changes::default()).is_empty());
        assert_eq!(index.held(&A, &Changes::default()), 0);
    }
}
