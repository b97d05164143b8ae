//! What a room is, by the operations that count.
//!
//! Someone is in it if something brought them in that counts, and no removal and no leave of theirs that counts lies outside
//! the past of that: who is removed and added beside each other is out, and who is added later is in.

use std::collections::BTreeMap;

use super::action::Action;
use super::resolve::{Judged, Verdict, settings};
use super::set::OpSet;
use super::setting::Settings;
use crate::ids::{IdentityId, OpId};

/// A room, as the operations that are known make it. All who know the same have the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    people: BTreeMap<IdentityId, Person>,
    settings: Settings,
    creator: IdentityId,
    closed_by: Vec<OpId>,
    void: BTreeMap<OpId, Void>,
}

/// Someone who is in the room, or was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Person {
    /// Whether they are in it.
    pub presence: Presence,
    /// What made them a moderator, if they are one; of several the senior.
    pub grant: Option<OpId>,
    /// What brought them in: of several the last. Of who is out, what did before.
    pub admitted_by: OpId,
    /// Whether they made an operation after that, and so know of it.
    pub has_acted: bool,
}

/// Whether someone is in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// They are.
    In,
    /// A moderator put them out.
    Removed,
    /// They went.
    Left,
}

/// What someone is to a room, as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// They were added, and nothing came from them since.
    Invited,
    /// They take part.
    Member,
    /// They take part, and decide who else does.
    Moderator,
    /// A moderator put them out.
    Removed,
    /// They went.
    Left,
}

/// Why an operation does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Void {
    /// Another one undid it, or what it rests on.
    Undone {
        /// Which.
        by: OpId,
    },
    /// Its author had no right to it.
    NoRight,
}

impl Role {
    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Invited => "invited",
            Self::Member => "member",
            Self::Moderator => "moderator",
            Self::Removed => "removed",
            Self::Left => "left",
        }
    }
}

impl Person {
    /// What they are to the room; `was_heard`: something came from them since they were admitted, such as a message.
    #[must_use]
    pub fn role(&self, was_heard: bool) -> Role {
        match self.presence {
            Presence::Removed => Role::Removed,
            Presence::Left => Role::Left,
            Presence::In if !was_heard && !self.has_acted => Role::Invited,
            Presence::In if self.grant.is_some() => Role::Moderator,
            Presence::In => Role::Member,
        }
    }
}

impl State {
    pub(super) fn of(set: &OpSet, judged: &Judged) -> Self {
        let creation = &set.entries[0].op;
        let mut current = match creation.action() {
            Action::Create(create) => create.settings.clone(),
            // The set begins with the creation.
            Action::Add(_)
            | Action::Remove(_)
            | Action::Grant(_)
            | Action::Revoke(_)
            | Action::Set(_)
            | Action::Leave
            | Action::Close
            | Action::Unknown { .. } => Settings::default(),
        };
        settings(set, judged).iter().for_each(|(_, setting)| current.apply(setting));
        let void = set.entries.iter().zip(&judged.verdicts).filter_map(|(entry, verdict)| {
            let why = match verdict {
                Verdict::Counts => return None,
                Verdict::Undone(by) => Void::Undone { by: set.entries[*by].op.id() },
                Verdict::NoRight => Void::NoRight,
            };
            Some((entry.op.id(), why))
        });
        Self {
            people: people(set, judged),
            settings: current,
            creator: creation.author(),
            closed_by: closed_by(set, judged),
            void: void.collect(),
        }
    }

    /// All who are or were in the room.
    pub fn people(&self) -> impl Iterator<Item = (&IdentityId, &Person)> {
        self.people.iter()
    }

    /// Someone who is in the room, or was.
    #[must_use]
    pub fn person(&self, who: &IdentityId) -> Option<&Person> {
        self.people.get(who)
    }

    /// Those who are in the room.
    pub fn members(&self) -> impl Iterator<Item = &IdentityId> {
        let inside = self.people.iter().filter(|(_, person)| person.presence == Presence::In);
        inside.map(|(who, _)| who)
    }

    /// Of these, who may decide.
    pub fn moderators(&self) -> impl Iterator<Item = &IdentityId> {
        self.people.iter().filter(|(_, person)| person.grant.is_some()).map(|(who, _)| who)
    }

    /// What is set.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Who created it.
    #[must_use]
    pub fn creator(&self) -> IdentityId {
        self.creator
    }

    /// Whether the room has ended: it can be read only.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        !self.closed_by.is_empty()
    }

    /// By what it has ended: its creator's word, or those of two moderators or more.
    #[must_use]
    pub fn closed_by(&self) -> &[OpId] {
        &self.closed_by
    }

    /// Why an operation does not count, if it does not.
    #[must_use]
    pub fn void(&self, op: &OpId) -> Option<Void> {
        self.void.get(op).copied()
    }

    /// All operations that don't count.
    pub fn all_void(&self) -> impl Iterator<Item = (&OpId, &Void)> {
        self.void.iter()
    }
}

fn people(set: &OpSet, judged: &Judged) -> BTreeMap<IdentityId, Person> {
    // The last operation of each: in whose past is what brought them in.
    let mut acts: BTreeMap<IdentityId, Vec<usize>> = BTreeMap::new();
    for (place, entry) in set.entries.iter().enumerate() {
        acts.entry(entry.op.author()).or_default().push(place);
    }
    let people = judged.admissions.iter().map(|(who, admissions)| {
        let removals = judged.removals.get(who).map_or(&[][..], Vec::as_slice);
        let leaves = set.leaves_of(who);
        let is_before = |end: &usize, admission: usize| set.entries[admission].past.contains(*end);
        let stands = |admission: &&usize| {
            removals.iter().chain(leaves).all(|end| is_before(end, **admission))
        };
        let standing: Vec<_> = admissions.iter().filter(stands).copied().collect();
        let is_final =
            |removal: &usize| !admissions.iter().any(|admission| is_before(removal, *admission));
        let presence = match (standing.is_empty(), removals.iter().any(is_final)) {
            (false, _) => Presence::In,
            (true, true) => Presence::Removed,
            (true, false) => Presence::Left,
        };
        let grants = judged.grants.get(who).into_iter().flatten();
        let mut living =
            grants.filter(|grant| standing.contains(grant) && judged.endings[**grant].is_empty());
        let grant = living.next().map(|grant| set.entries[*grant].op.id());
        let last = if standing.is_empty() { admissions } else { &standing };
        let last = last.iter().max_by_key(|place| judged.order_of(**place)).copied().unwrap_or(0);
        let mut own = acts.get(who).into_iter().flatten();
        let has_acted = own.any(|act| *act == last || set.entries[*act].past.contains(last));
        let admitted_by = set.entries[last].op.id();
        (*who, Person { presence, grant, admitted_by, has_acted })
    });
    people.collect()
}

/// What closed the room: the creator's word, or those of two moderators.
fn closed_by(set: &OpSet, judged: &Judged) -> Vec<OpId> {
    let entries = set.entries.iter().enumerate();
    let closes = entries.filter(|(place, entry)| {
        matches!(entry.op.action(), Action::Close) && judged.counts(*place)
    });
    let closes: Vec<_> = closes.map(|(_, entry)| entry).collect();
    let is_creators = closes.iter().any(|entry| entry.by == 0);
    let authors = closes.first().map(|first| first.op.author());
    if !is_creators && closes.iter().all(|entry| Some(entry.op.author()) == authors) {
        return Vec::new();
    }
    let mut closed_by: Vec<_> = closes.iter().map(|entry| entry.op.id()).collect();
    closed_by.sort_unstable();
    closed_by
}
