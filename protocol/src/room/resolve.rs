//! Which operations count: a function of the set, whatever the order in which it came.
//!
//! The *rank* of a grant is (grants between it and the creation, height, id); lower is senior. An operation `o` by a grant `g`
//! counts if `g` counts, and no operation `r` that counts and was done by a lower rank than `g`'s ends `g`, unless `o` lies in
//! the past of `r`. `r` ends `g` if it revokes `g`, or removes whom `g` made a moderator and does not lie in the past of `g`.
//! To revoke takes a lower rank than the grant's, or to be whose grant it is: who steps down. That ends what is done by it, and
//! undoes nothing but what has it in its past. (Else its author could take back what others rest on.) The creator can't. To remove takes a lower rank than those of all grants of that person that
//! count and were not ended in the past of the removal. (A removal has no power over what was granted after it.)
//!
//! So grants are judged by rank, each with all that was done by it: every rule looks at lower ranks only. What members do
//! (to add, where the room lets them) is judged after all that moderators do, since it changes nothing of that. What someone
//! says of themselves, that they leave, always counts.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::action::Action;
use super::bits::Bits;
use super::set::{Entry, OpSet, Rank};
use super::setting::{AddBy, Setting};
use crate::ids::IdentityId;

/// What is judged of each operation, by its place in the set.
#[derive(Debug, Clone)]
pub(super) struct Judged {
    /// Whether it counts.
    pub(super) verdicts: Vec<Verdict>,
    /// What ended each grant.
    pub(super) endings: Vec<Bits>,
    /// Those that brought each person in, and count.
    pub(super) admissions: BTreeMap<IdentityId, Vec<usize>>,
    /// Grants of each person that count, by rank.
    pub(super) grants: BTreeMap<IdentityId, Vec<usize>>,
    /// Removals of each person that count.
    pub(super) removals: BTreeMap<IdentityId, Vec<usize>>,
    /// Of these, the ones after which no moderator brought them in again.
    barred: BTreeMap<IdentityId, Vec<usize>>,
    /// Who may add, as it was set.
    add_by: Vec<(usize, AddBy)>,
    /// The place of each in the order by (height, id).
    order: Vec<usize>,
}

/// Whether an operation counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It does.
    Counts,
    /// The operation in this place undid it, or what it rests on.
    Undone(usize),
    /// Its author had no right to it.
    NoRight,
}

impl Judged {
    pub(super) fn of(set: &OpSet) -> Self {
        let verdict = |entry: &Entry| match entry.op.action() {
            Action::Create(_) | Action::Leave => Verdict::Counts,
            Action::Add(_)
            | Action::Remove(_)
            | Action::Grant(_)
            | Action::Revoke(_)
            | Action::Set(_)
            | Action::Close
            | Action::Unknown { .. } => Verdict::NoRight,
        };
        let mut judged = Self {
            verdicts: set.entries.iter().map(verdict).collect(),
            endings: vec![Bits::default(); set.len()],
            admissions: BTreeMap::new(),
            grants: BTreeMap::new(),
            removals: BTreeMap::new(),
            barred: BTreeMap::new(),
            add_by: Vec::new(),
            order: order(set),
        };
        judged.moderators(set);
        judged.admissions = judged.admissions(set);
        judged.barred = judged.barred(set);
        judged.add_by = judged.add_by(set);
        judged.members(set);
        judged.admissions = judged.admissions(set);
        judged
    }

    pub(super) fn counts(&self, place: usize) -> bool {
        self.verdicts[place] == Verdict::Counts
    }

    /// Where it is by (height, id).
    pub(super) fn order_of(&self, place: usize) -> usize {
        self.order[place]
    }

    /// Whether someone has a grant that keeps whoever acts by this rank, with that past, from removing them. What was granted
    /// after the removal does not, if it has a place already.
    pub(super) fn shields(
        &self,
        set: &OpSet,
        who: &IdentityId,
        of: Rank,
        past: &Bits,
        removal: Option<usize>,
    ) -> bool {
        let grants = self.grants.get(who).into_iter().flatten();
        let is_senior = |grant: &&usize| set.entries[**grant].rank().is_some_and(|it| it <= of);
        let is_later =
            |grant: usize| removal.is_some_and(|removal| set.entries[grant].past.contains(removal));
        grants
            .take_while(is_senior)
            .any(|grant| !is_later(*grant) && !self.endings[*grant].meets(past))
    }

    /// Whether a member may add someone, with that past: the room let them, and nobody was removed who was not brought in again
    /// by a moderator.
    pub(super) fn may_member_add(&self, set: &OpSet, who: &IdentityId, past: &Bits) -> bool {
        if let Action::Create(create) = set.entries[0].op.action() {
            let mut sets = self.add_by.iter().filter(|(place, _)| past.contains(*place));
            let last = sets.next_back().map_or(create.settings.add_by, |(_, add_by)| *add_by);
            if last != AddBy::Members {
                return false;
            }
        }
        let mut barred = self.barred.get(who).into_iter().flatten();
        !barred.any(|removal| past.contains(*removal))
    }

    fn moderators(&mut self, set: &OpSet) {
        self.verdicts[0] = Verdict::Counts;
        let ranked = set.entries.iter().enumerate();
        let ranked = ranked.filter_map(|(place, entry)| Some((entry.rank()?, place)));
        let mut ranked: Vec<_> = ranked.collect();
        ranked.sort_unstable();
        // By grant: what counts of what revokes it.
        let mut revocations: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (rank, grant) in ranked {
            let entry = &set.entries[grant];
            let Some(who) = entry.admitted() else { continue };
            if !self.counts(grant) {
                let why = self.verdicts[grant];
                entry.under.iter().for_each(|place| self.judge(set, *place, why));
                continue;
            }
            // All of lower ranks: what is done by this one and by higher ranks is judged later.
            let removals = self.removals.get(&who).into_iter().flatten().copied();
            let removals = removals.filter(|removal| !entry.past.contains(*removal));
            let mut ends: Vec<_> = revocations.remove(&grant).unwrap_or_default();
            ends.extend(removals);
            let undo_of = |place: usize| {
                ends.iter().filter(move |end| !set.entries[**end].past.contains(place))
            };
            let steps_down = |place: &&usize| {
                let op = &set.entries[**place].op;
                let is_own =
                    matches!(op.action(), Action::Revoke(of) if set.place(of) == Some(grant));
                is_own && grant != 0 && undo_of(**place).next().is_none()
            };
            let own_ends: Vec<_> = entry.under.iter().filter(steps_down).copied().collect();
            ends.iter().chain(&own_ends).for_each(|end| self.endings[grant].insert(*end));
            self.grants.entry(who).or_default().push(grant);
            for place in &entry.under {
                let op = &set.entries[*place];
                let after = own_ends.iter().filter(|end| op.past.contains(**end));
                let verdict = match (self.first(undo_of(*place).chain(after)), op.op.action()) {
                    (Some(end), _) => Verdict::Undone(end),
                    (None, Action::Remove(who)) => {
                        let is_kept = self.shields(set, who, rank, &op.past, Some(*place));
                        if is_kept { Verdict::NoRight } else { Verdict::Counts }
                    }
                    (None, Action::Revoke(target)) => {
                        let target = set.place(target);
                        let target_rank = target.and_then(|target| set.entries[target].rank());
                        match (target, target_rank) {
                            (Some(target), Some(other)) if rank < other => {
                                revocations.entry(target).or_default().push(*place);
                                Verdict::Counts
                            }
                            (Some(target), _) if target == grant && grant != 0 => Verdict::Counts,
                            (Some(_) | None, Some(_) | None) => Verdict::NoRight,
                        }
                    }
                    (
                        None,
                        Action::Create(_)
                        | Action::Add(_)
                        | Action::Grant(_)
                        | Action::Set(_)
                        | Action::Leave
                        | Action::Close
                        | Action::Unknown { .. },
                    ) => Verdict::Counts,
                };
                self.judge(set, *place, verdict);
            }
        }
    }

    fn members(&mut self, set: &OpSet) {
        for (place, entry) in set.entries.iter().enumerate() {
            let by = &set.entries[entry.by];
            if !matches!(by.op.action(), Action::Add(_)) {
                continue;
            }
            let verdict = match self.verdicts[entry.by] {
                Verdict::Counts => self.of_member(set, place, entry, by),
                why @ (Verdict::Undone(_) | Verdict::NoRight) => why,
            };
            self.judge(set, place, verdict);
        }
    }

    /// Of what a member did by being added.
    fn of_member(&self, set: &OpSet, place: usize, entry: &Entry, by: &Entry) -> Verdict {
        let is_beside = |other: &&usize| !set.entries[**other].past.contains(place);
        let removals = self.removals.get(&entry.op.author()).into_iter().flatten();
        let removals = removals.filter(|removal| !by.past.contains(**removal));
        if let Some(removal) = self.first(removals.filter(is_beside)) {
            return Verdict::Undone(removal);
        }
        let Action::Add(who) = entry.op.action() else { return Verdict::Counts };
        if !self.may_member_add(set, who, &entry.past) {
            return Verdict::NoRight;
        }
        // Else who once had the right could go on to use it, and say that they hadn't heard.
        let taken_back = self.add_by.iter().filter(|(_, add_by)| *add_by == AddBy::Moderators);
        let taken_back = taken_back.map(|(at, _)| at).filter(|at| !entry.past.contains(**at));
        match self.first(taken_back.filter(is_beside)) {
            Some(at) => Verdict::Undone(at),
            None => Verdict::Counts,
        }
    }

    fn judge(&mut self, set: &OpSet, place: usize, verdict: Verdict) {
        let action = set.entries[place].op.action();
        if matches!(action, Action::Leave) {
            return;
        }
        self.verdicts[place] = verdict;
        if let (Action::Remove(who), Verdict::Counts) = (action, verdict) {
            self.removals.entry(*who).or_default().push(place);
        }
    }

    /// The one that all name who know them, in whatever order they came.
    fn first<'a>(&self, places: impl Iterator<Item = &'a usize>) -> Option<usize> {
        places.min_by_key(|place| self.order[**place]).copied()
    }

    fn admissions(&self, set: &OpSet) -> BTreeMap<IdentityId, Vec<usize>> {
        let mut admissions: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (place, entry) in set.entries.iter().enumerate() {
            if let Some(who) = entry.admitted().filter(|_| self.counts(place)) {
                admissions.entry(who).or_default().push(place);
            }
        }
        admissions
    }

    fn barred(&self, set: &OpSet) -> BTreeMap<IdentityId, Vec<usize>> {
        let mut barred: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (who, removals) in &self.removals {
            let admissions = self.admissions.get(who).map_or(&[][..], Vec::as_slice);
            let is_after = |removal, place: &usize| set.entries[*place].past.contains(removal);
            let bars = |removal: &&usize| !admissions.iter().any(|it| is_after(**removal, it));
            let bars: Vec<_> = removals.iter().filter(bars).copied().collect();
            barred.insert(*who, bars);
        }
        barred
    }

    fn add_by(&self, set: &OpSet) -> Vec<(usize, AddBy)> {
        settings(set, self)
            .into_iter()
            .filter_map(|(place, setting)| match setting {
                Setting::AddBy(add_by) => Some((place, *add_by)),
                Setting::Name(_)
                | Setting::History(_)
                | Setting::Expire(_)
                | Setting::Burn(_)
                | Setting::Strict(_)
                | Setting::MembersMax(_)
                | Setting::Unknown { .. } => None,
            })
            .collect()
    }
}

/// What was set and counts, the later the more: by (height, rank of who did it, the senior last, id).
pub(super) fn settings<'a>(set: &'a OpSet, judged: &Judged) -> Vec<(usize, &'a Setting)> {
    let sets = set.entries.iter().enumerate().filter(|(place, _)| judged.counts(*place));
    let sets = sets.filter_map(|(place, entry)| {
        let Action::Set(setting) = entry.op.action() else { return None };
        Some((place, entry, setting))
    });
    let mut sets: Vec<_> = sets.collect();
    sets.sort_by_cached_key(|(_, entry, _)| {
        let rank = set.entries[entry.by].rank();
        (entry.op.height(), Reverse(rank), entry.op.id())
    });
    sets.into_iter().map(|(place, _, setting)| (place, setting)).collect()
}

fn order(set: &OpSet) -> Vec<usize> {
    let mut places: Vec<_> = (0..set.len()).collect();
    places.sort_by_cached_key(|place| {
        let op = &set.entries[*place].op;
        (op.height(), op.id())
    });
    let mut order = vec![0; places.len()];
    places.into_iter().enumerate().for_each(|(at, place)| order[place] = at);
    order
}
