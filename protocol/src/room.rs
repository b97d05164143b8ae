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

use std::sync::OnceLock;

use resolve::Judged;

use crate::ids::{IdentityId, OpId, RoomId};
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

    /// What someone's being in it ended by: removals that count, and leaves.
    #[must_use]
    pub fn endings_of(&self, who: &IdentityId) -> Vec<OpId> {
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
