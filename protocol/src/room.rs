//! Rooms: who is in one, who moderates it, and how it is set, without a server and without an order.
//!
//! A room is a set of signed operations. Nodes make their sets equal, and its [state](State) is a
//! function of the set: in whatever order operations come, and however often, all who have the same agree. What two
//! people do beside each other is decided by seniority. Whoever removes a moderator and had seen less than that moderator did
//! voids the rest: what is backdated counts no more than what is late.
//!
//! | file | has |
//! | --- | --- |
//! | `action`, `setting` | what an operation does |
//! | `operation` | its bytes: signed, read, verified |
//! | `set` | the set, and what waits for its past |
//! | `known` | what someone knows of it who names some operations |
//! | `resolve` | which operations count |
//! | `state` | what the room is then |
//! | `author` | what may be done, and signed |

mod action;
mod author;
mod bits;
mod known;
mod operation;
mod resolve;
mod set;
mod setting;
mod state;

pub use action::{Action, Create, ROOM_VERSION};
pub use author::Denied;
pub use operation::{OpError, Operation, Unverified};
pub use set::{Equivocation, Inserted, Misfit, News, OpSet};
pub use setting::{AddBy, Setting, Settings};
pub use state::{Person, Presence, Role, State, Void};

use std::collections::BTreeSet;
use std::sync::OnceLock;

use resolve::{Judged, Verdict};

use crate::ids::{IdentityId, OpId, RoomId};
use crate::message::in_room::HEAD_BYTES;
use crate::time::UnixMillis;

/// A room: the set of its operations, and what that makes it.
#[derive(Debug, Clone)]
pub struct Room {
    set: OpSet,
    /// Made when it is asked for: many operations may come at once.
    view: OnceLock<View>,
}

#[derive(Debug, Clone)]
struct View {
    judged: Judged,
    state: State,
}

impl Room {
    /// The room that this operation creates; `None` if it creates none.
    #[must_use]
    pub fn new(creation: Operation) -> Option<Self> {
        OpSet::new(creation).map(|set| Self { set, view: OnceLock::new() })
    }

    /// Which.
    #[must_use]
    pub fn id(&self) -> RoomId {
        self.set.room()
    }

    /// Its operations.
    #[must_use]
    pub fn set(&self) -> &OpSet {
        &self.set
    }

    /// Takes an operation.
    ///
    /// # Errors
    /// [`Misfit`].
    pub fn insert(&mut self, op: Operation, now: UnixMillis) -> Result<Inserted, Misfit> {
        let inserted = self.set.insert(op, now)?;
        match inserted {
            Inserted::New(_) => self.view = OnceLock::new(),
            Inserted::Known | Inserted::Waits => {}
        }
        Ok(inserted)
    }

    /// Forgets operations that waited for others for too long; how many.
    pub fn forget_waiting(&mut self, now: UnixMillis) -> usize {
        self.set.forget_waiting(now)
    }

    /// What the room is.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.view().state
    }

    /// Whether someone was brought in, and all that did was undone since: they were never in it, for all who know that.
    #[must_use]
    pub fn is_undone(&self, who: &IdentityId) -> bool {
        !self.undoers_of(who).is_empty()
    }

    /// What undid that someone was brought in, if nothing that counts did.
    fn undoers_of(&self, who: &IdentityId) -> Vec<OpId> {
        let (judged, entries) = (self.judged(), &self.set.entries);
        if judged.admissions.contains_key(who) {
            return Vec::new();
        }
        let admissions = entries.iter().zip(&judged.verdicts);
        let admissions = admissions.filter(|(entry, _)| entry.admitted() == Some(*who));
        let undoers = admissions.filter_map(|(_, verdict)| match verdict {
            Verdict::Undone(by) => Some(entries[*by].op.id()),
            Verdict::Counts | Verdict::NoRight => None,
        });
        undoers.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// What ended since that someone moderated it who knew these operations last; `None` if by them they did not. What made them a
    /// moderator counts, lies in the past of these, and by all that lies there was not ended. Of several that the one ended least.
    #[must_use]
    pub fn moderated_by(&self, who: &IdentityId, heads: &[[u8; HEAD_BYTES]]) -> Option<Vec<OpId>> {
        let (judged, entries) = (self.judged(), &self.set.entries);
        let is_known = |place: usize| self.set.is_in_past_of(&entries[place].op.id(), heads);
        let grants = judged.grants.get(who).into_iter().flatten().filter(|it| is_known(**it));
        let leaves = self.set.leaves_of(who);
        let ends_of = |grant: &usize| {
            let mut ends: Vec<_> = judged.endings[*grant].iter().collect();
            ends.extend(leaves.iter().filter(|it| !entries[*grant].past.contains(**it)));
            ends
        };
        let ends = grants.map(ends_of).filter(|ends| !ends.iter().any(|end| is_known(*end)));
        let ends = ends.min_by_key(Vec::len)?;
        Some(ends.into_iter().map(|end| entries[end].op.id()).collect())
    }

    /// What someone's being in it ended by: removals that count, and leaves; or what undid that they were brought in.
    #[must_use]
    pub fn endings_of(&self, who: &IdentityId) -> Vec<OpId> {
        let undoers = self.undoers_of(who);
        if !undoers.is_empty() {
            return undoers;
        }
        let removals = self.judged().removals.get(who).into_iter().flatten();
        let ends = removals.chain(self.set.leaves_of(who));
        ends.map(|place| self.set.entries[*place].op.id()).collect()
    }

    fn judged(&self) -> &Judged {
        &self.view().judged
    }

    fn view(&self) -> &View {
        self.view.get_or_init(|| {
            let judged = Judged::of(&self.set);
            let state = State::of(&self.set, &judged);
            View { judged, state }
        })
    }
}
