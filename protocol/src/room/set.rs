//! The set of a room's operations. It only grows, and it is the same in whatever order its operations come.
//!
//! An operation whose previous ones are not all there waits for them. What does not fit its past is refused, and so is then
//! all that rests on it: whether it fits depends on the operation and its past alone, so all who have both decide alike.

use std::collections::{BTreeMap, BTreeSet};

use super::action::Action;
use super::bits::Bits;
use super::operation::Operation;
use crate::ids::{DeviceId, IdentityId, OpId, RoomId};
use crate::limits::{
    ROOM_OP_WAIT_MAX, ROOM_OPS_MAX, ROOM_OPS_RESERVE, ROOM_OPS_WAITING_MAX, ROOM_RESERVES,
};
use crate::time::UnixMillis;

/// The operations of a room that are known, with all that lies in their past.
#[derive(Debug, Clone)]
pub struct OpSet {
    /// Each after those in its past; the creation first.
    pub(super) entries: Vec<Entry>,
    pub(super) places: BTreeMap<OpId, usize>,
    heads: BTreeSet<OpId>,
    /// The operations of each device under each right, in the order of `entries`.
    of_device: BTreeMap<(usize, DeviceId), Vec<usize>>,
    leaves: BTreeMap<IdentityId, Vec<usize>>,
    waiting: BTreeMap<OpId, Waiting>,
    /// What waits for an operation that is not in the set.
    awaited: BTreeMap<OpId, BTreeSet<OpId>>,
}

/// An operation in its place.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) op: Operation,
    pub(super) past: Bits,
    /// The place of what it was done by; the creation's is its own.
    pub(super) by: usize,
    /// How many grants lie between it and the creation; `None` if it rests on what this build doesn't know.
    pub(super) depth: Option<u32>,
    /// What is done by it, in the order of the set.
    pub(super) under: Vec<usize>,
}

#[derive(Debug, Clone)]
struct Waiting {
    op: Operation,
    since: UnixMillis,
}

/// Which of two grants counts more: the lower. First counts how many grants lie between it and the creation, which nobody can
/// choose for themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    depth: u32,
    height: u32,
    id: OpId,
}

/// What became of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inserted {
    /// It was there already.
    Known,
    /// It waits for some of its past.
    Waits,
    /// It is in the set.
    New(News),
}

/// What an operation that came into the set brought with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct News {
    /// Itself, and those that waited for it, each after its past.
    pub ops: Vec<OpId>,
    /// Those that waited for it and don't fit.
    pub refused: Vec<(OpId, Misfit)>,
    /// Whose devices wrote what nobody writes who has one memory.
    pub equivocations: Vec<Equivocation>,
}

/// Two operations that one device made under one right as if the other were not there. It was copied or restored, or its owner
/// tells different people different things. Both operations count: the set is the same for all in any case. If one were void,
/// its author could take back what others rest on, by a twin with a lower id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Equivocation {
    /// Whose.
    pub author: IdentityId,
    /// Which device's.
    pub device: DeviceId,
    /// The one with the lower id, and the other.
    pub ops: (OpId, OpId),
}

/// Why an operation is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// Of another room.
    #[error("the operation is of another room")]
    OtherRoom,
    /// Its height is not one more than the highest before it.
    #[error("the operation's height does not fit its past")]
    Height,
    /// What it is done by is not in its past, or brought in someone else, or gives no such right.
    #[error("the operation's author has no right to it")]
    By,
    /// The author went before.
    #[error("the operation's author had left")]
    Left,
    /// Its number is not how many of its device lie in its past.
    #[error("the operation's number does not fit its past")]
    Number,
    /// It takes back what is no grant in its past.
    #[error("the operation takes back what is no grant in its past")]
    Target,
    /// There are too many.
    #[error("the room has more operations than are kept")]
    Full,
}

impl Entry {
    /// Its rank, if something can be done by it as a moderator.
    pub(super) fn rank(&self) -> Option<Rank> {
        match self.op.action() {
            Action::Create(_) | Action::Grant(_) => self.rank_of_admission(),
            Action::Add(_)
            | Action::Remove(_)
            | Action::Revoke(_)
            | Action::Set(_)
            | Action::Leave
            | Action::Close
            | Action::Unknown { .. } => None,
        }
    }

    pub(super) fn rank_of_admission(&self) -> Option<Rank> {
        let depth = self.depth?;
        Some(Rank { depth, height: self.op.height(), id: self.op.id() })
    }

    /// Whom it brings in.
    pub(super) fn admitted(&self) -> Option<IdentityId> {
        match self.op.action() {
            Action::Create(_) => Some(self.op.author()),
            action => action.admitted(),
        }
    }
}

impl OpSet {
    /// The set of a room that was just created, or `None` if that is no creation.
    #[must_use]
    pub fn new(create: Operation) -> Option<Self> {
        if !matches!(create.action(), Action::Create(_)) {
            return None;
        }
        let id = create.id();
        let (by, past, under) = (0, Bits::default(), Vec::new());
        Some(Self {
            entries: vec![Entry { op: create, past, by, depth: Some(0), under }],
            places: BTreeMap::from([(id, 0)]),
            heads: BTreeSet::from([id]),
            of_device: BTreeMap::new(),
            leaves: BTreeMap::new(),
            waiting: BTreeMap::new(),
            awaited: BTreeMap::new(),
        })
    }

    /// The room.
    #[must_use]
    pub fn room(&self) -> RoomId {
        self.entries[0].op.room()
    }

    /// How many there are, without those that wait.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there is always the creation")]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it is there or waits.
    #[must_use]
    pub fn has(&self, id: &OpId) -> bool {
        self.places.contains_key(id) || self.waiting.contains_key(id)
    }

    /// An operation that is there.
    #[must_use]
    pub fn get(&self, id: &OpId) -> Option<&Operation> {
        self.place(id).map(|place| &self.entries[place].op)
    }

    /// All that are there, each after its past.
    pub fn iter(&self) -> impl Iterator<Item = &Operation> {
        self.entries.iter().map(|entry| &entry.op)
    }

    /// Those that no other names.
    pub fn heads(&self) -> impl Iterator<Item = &OpId> {
        self.heads.iter()
    }

    /// What two compare to find out whether they have the same: BLAKE3 derive_key(`martlet 2026 room digest v1`, the ids,
    /// ascending).
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("martlet 2026 room digest v1");
        for id in self.places.keys() {
            hasher.update(&id.0);
        }
        *hasher.finalize().as_bytes()
    }

    /// What is missing to whoever has these and all that lies in their past: oldest first. Those that are not there are
    /// passed over.
    #[must_use]
    pub fn missing_to(&self, heads: &[OpId]) -> Vec<&Operation> {
        let mut has = Bits::default();
        for place in heads.iter().filter_map(|id| self.place(id)) {
            has.insert(place);
            has.extend(&self.entries[place].past);
        }
        let entries = self.entries.iter().enumerate();
        let mut missing: Vec<_> = entries
            .filter(|(place, _)| !has.contains(*place))
            .map(|(_, entry)| &entry.op)
            .collect();
        missing.sort_by_key(|op| (op.height(), op.id()));
        missing
    }

    /// What others wait for: to be asked for.
    pub fn awaited(&self) -> impl Iterator<Item = &OpId> {
        let is_lacking =
            |id: &&OpId| !self.waiting.contains_key(id) && !self.places.contains_key(id);
        self.awaited.keys().filter(is_lacking)
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Forgets those that waited for too long; how many.
    pub fn forget_waiting(&mut self, now: UnixMillis) -> usize {
        let is_over = |waits: &Waiting| waits.since.plus(ROOM_OP_WAIT_MAX) <= now;
        let over: Vec<_> =
            self.waiting.iter().filter(|(_, waits)| is_over(waits)).map(|(id, _)| *id).collect();
        over.iter().for_each(|id| drop(self.take_waiting(id)));
        over.len()
    }

    /// Takes an operation.
    ///
    /// # Errors
    /// [`Misfit`].
    pub fn insert(&mut self, op: Operation, now: UnixMillis) -> Result<Inserted, Misfit> {
        if op.room() != self.room() {
            return Err(Misfit::OtherRoom);
        }
        if self.has(&op.id()) {
            return Ok(Inserted::Known);
        }
        if op.previous().iter().any(|id| !self.places.contains_key(id)) {
            self.wait(op, now);
            return Ok(Inserted::Waits);
        }
        let mut news = News::default();
        let mut ready = self.put(op, &mut news)?;
        while let Some(id) = ready.pop() {
            let Some(op) = self.take_waiting(&id) else { continue };
            match self.put(op, &mut news) {
                Ok(more) => ready.extend(more),
                Err(misfit) => news.refused.push((id, misfit)),
            }
        }
        Ok(Inserted::New(news))
    }

    pub(super) fn place(&self, id: &OpId) -> Option<usize> {
        self.places.get(id).copied()
    }

    /// How many operations of a device under a right lie in this past.
    pub(super) fn number(&self, by: usize, device: DeviceId, past: &Bits) -> u32 {
        let own = self.of_device.get(&(by, device)).map_or(&[][..], Vec::as_slice);
        let before = own.iter().filter(|place| past.contains(**place)).count();
        u32::try_from(before).unwrap_or(u32::MAX)
    }

    /// Where someone left.
    pub(super) fn leaves_of(&self, who: &IdentityId) -> &[usize] {
        self.leaves.get(who).map_or(&[], Vec::as_slice)
    }

    /// The past of what names these, and its height.
    pub(super) fn past_of(&self, previous: impl Iterator<Item = usize>) -> (Bits, u32) {
        let (mut past, mut height) = (Bits::default(), 0);
        for place in previous {
            past.insert(place);
            past.extend(&self.entries[place].past);
            height = height.max(self.entries[place].op.height() + 1);
        }
        (past, height)
    }

    /// Up to how many operations there may be for one more by this right.
    pub(super) fn len_max(&self, by: usize) -> usize {
        let steps = self.depth_of_right(by).map_or(ROOM_RESERVES, |depth| depth.min(ROOM_RESERVES));
        ROOM_OPS_MAX - steps as usize * ROOM_OPS_RESERVE
    }

    /// Puts an operation whose previous ones are all there into its place; what may be put after it.
    fn put(&mut self, op: Operation, news: &mut News) -> Result<Vec<OpId>, Misfit> {
        let (past, by) = self.fit(&op)?;
        let (place, id) = (self.entries.len(), op.id());
        news.equivocations.extend(self.equivocation_with(&op, by));
        self.of_device.entry((by, op.device())).or_default().push(place);
        if matches!(op.action(), Action::Leave) {
            self.leaves.entry(op.author()).or_default().push(place);
        }
        for previous in op.previous() {
            self.heads.remove(previous);
        }
        self.heads.insert(id);
        self.places.insert(id, place);
        self.entries[by].under.push(place);
        let depth = self.depth_of_right(by).map(|depth| depth + 1);
        self.entries.push(Entry { op, past, by, depth, under: Vec::new() });
        news.ops.push(id);
        let after = self.awaited.get(&id).into_iter().flatten();
        let is_ready = |waits: &Waiting| {
            waits.op.previous().iter().all(|previous| self.places.contains_key(previous))
        };
        Ok(after.filter(|id| self.waiting.get(id).is_some_and(is_ready)).copied().collect())
    }

    /// The past of an operation, and the place of what it is done by, if it fits.
    fn fit(&self, op: &Operation) -> Result<(Bits, usize), Misfit> {
        let previous = op.previous().iter().filter_map(|id| self.place(id));
        let (past, height) = self.past_of(previous);
        if op.height() != height {
            return Err(Misfit::Height);
        }
        let by = self.place(&op.by()).filter(|by| past.contains(*by)).ok_or(Misfit::By)?;
        if !self.may_act(by, op) {
            return Err(Misfit::By);
        }
        let mut leaves = self.leaves_of(&op.author()).iter();
        if leaves.any(|left| past.contains(*left) && !self.entries[by].past.contains(*left)) {
            return Err(Misfit::Left);
        }
        if op.n() != self.number(by, op.device(), &past) {
            return Err(Misfit::Number);
        }
        if let Action::Revoke(grant) = op.action() {
            let target = self.place(grant).filter(|target| past.contains(*target));
            let action = target.map(|target| self.entries[target].op.action());
            if !matches!(
                action,
                Some(Action::Create(_) | Action::Grant(_) | Action::Unknown { .. })
            ) {
                return Err(Misfit::Target);
            }
        }
        if self.entries.len() >= self.len_max(by) {
            return Err(Misfit::Full);
        }
        Ok((past, by))
    }

    /// Whether what is in this place may give its author the right to do that. Of a later build's action that is not known
    /// here: the operation is kept, without effect.
    fn may_act(&self, by: usize, op: &Operation) -> bool {
        let entry = &self.entries[by];
        let is_authors = entry.admitted() == Some(op.author());
        match entry.op.action() {
            Action::Create(_) | Action::Grant(_) => is_authors,
            Action::Add(_) => {
                is_authors
                    && matches!(
                        op.action(),
                        Action::Add(_) | Action::Leave | Action::Unknown { .. }
                    )
            }
            Action::Unknown { .. } => true,
            Action::Remove(_)
            | Action::Revoke(_)
            | Action::Set(_)
            | Action::Leave
            | Action::Close => false,
        }
    }

    fn depth_of_right(&self, by: usize) -> Option<u32> {
        let entry = &self.entries[by];
        entry.depth.filter(|_| entry.op.action().admits())
    }

    /// A removal may leave out of its past what it undoes, and so the author's own later operations.
    fn equivocation_with(&self, op: &Operation, by: usize) -> Option<Equivocation> {
        let is_removal = |op: &Operation| matches!(op.action(), Action::Remove(_));
        if is_removal(op) {
            return None;
        }
        let own = self.of_device.get(&(by, op.device()))?.iter();
        let mut others = own.map(|place| &self.entries[*place].op);
        let twin = others.find(|other| other.n() == op.n() && !is_removal(other))?;
        let ops = (op.id().min(twin.id()), op.id().max(twin.id()));
        Some(Equivocation { author: op.author(), device: op.device(), ops })
    }

    fn wait(&mut self, op: Operation, now: UnixMillis) {
        if self.waiting.len() >= ROOM_OPS_WAITING_MAX {
            // The one that has waited longest: it may be asked for again.
            let oldest = self.waiting.iter().min_by_key(|(id, waits)| (waits.since, **id));
            if let Some(id) = oldest.map(|(id, _)| *id) {
                self.take_waiting(&id);
            }
        }
        let id = op.id();
        for previous in op.previous().iter().filter(|id| !self.places.contains_key(id)) {
            self.awaited.entry(*previous).or_default().insert(id);
        }
        self.waiting.insert(id, Waiting { op, since: now });
    }

    fn take_waiting(&mut self, id: &OpId) -> Option<Operation> {
        let Waiting { op, .. } = self.waiting.remove(id)?;
        for previous in op.previous() {
            if let Some(waiting) = self.awaited.get_mut(previous) {
                waiting.remove(id);
                if waiting.is_empty() {
                    self.awaited.remove(previous);
                }
            }
        }
        Some(op)
    }
}
