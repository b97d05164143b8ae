//! The agenda: what is due when, where no input brings it about.
//!
//! A tick takes out of it what is due and looks at nothing else, however much waits. Each entry only says that
//! its owner is to be looked at: whoever does what is due looks at the owner's records first, does what there
//! is to do, and says when it is due again. So an entry that is too early costs a look, and one whose subject
//! is gone costs nothing. Each subject has one entry at most: the owners' bounds are the agenda's.
//!
//! It is in memory alone. It is read from the owners' records at the start, when the clock has gone back or
//! stepped (what is due by a clock that only goes on needs no second look), and with each day's chores.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use martlet_protocol::time::Day;
use martlet_protocol::{ExpiryHour, IdentityId, UnixMillis};

use crate::timeline::Line;

/// What can be due. What is due together is done in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    /// What a device wrote may have waited long enough for what it wrote before.
    Held(Line),
    /// The chores of the day.
    Day,
    /// The bundle of the day has its time.
    Bundle,
    /// The claim of the user's handle has its time.
    Handle,
    /// Own envelopes end. After the day's chores: what a wrong clock addressed is addressed anew by them.
    End(ExpiryHour),
    /// Messages are over by their timers. After that: what was delivered in time is.
    Ended,
    /// Own pings and pongs are of no use any more.
    Pings,
    /// Messages wait for this contact's keys, and a bundle that is known can be used from now on.
    Waiting(IdentityId),
    /// The bundles of this contact are to be looked up.
    LookUp(IdentityId),
    /// Openings that failed may be paid for.
    Debts,
    /// What has ended may be shredded.
    Shred,
}

impl What {
    /// The line, if it is something held back.
    pub(crate) fn held(&self) -> Option<Line> {
        match self {
            Self::Held(line) => Some(*line),
            Self::Day
            | Self::Bundle
            | Self::Handle
            | Self::End(_)
            | Self::Ended
            | Self::Pings
            | Self::Waiting(_)
            | Self::LookUp(_)
            | Self::Debts
            | Self::Shred => None,
        }
    }
}

/// When something is due, by which of the engine's times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// By what the node goes by.
    Now(UnixMillis),
    /// By what surely has come: what ends for good.
    Sure(UnixMillis),
    /// By the time since the host's start.
    Steady(Duration),
}

/// What is due when.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    queue: BTreeMap<Due, BTreeSet<What>>,
    dues: BTreeMap<What, Due>,
    /// The day whose chores were done; `None` after a start, and once the clock has stepped.
    day: Option<Day>,
    /// *Now*, as of the last batch.
    now: UnixMillis,
    /// Whether it must be read from the records before it says anything.
    is_unread: bool,
}

impl Agenda {
    /// An agenda that is still to be read.
    pub(crate) fn unread() -> Self {
        Self { is_unread: true, ..Self::default() }
    }

    /// A batch begins at `now`. Where the clock has gone back, since the last tick or since an entry was made, all
    /// of it is to be read anew; where it has stepped, the day's chores are due as well.
    pub(crate) fn begin_batch(&mut self, now: UnixMillis, has_stepped: bool) {
        if has_stepped {
            self.day = None;
        }
        self.is_unread |= has_stepped || now < self.now;
        self.now = now;
    }

    /// Whether the day's chores were done since the start, or since the clock stepped.
    pub(crate) fn has_begun(&self) -> bool {
        self.day.is_some()
    }

    /// The day whose chores were done.
    pub(crate) fn day(&self) -> Option<Day> {
        self.day
    }

    /// The chores of `day` are done now.
    pub(crate) fn begin_day(&mut self, day: Day) {
        self.day = Some(day);
    }

    /// Whether it must be read from the records before it is asked.
    pub(crate) fn is_unread(&self) -> bool {
        self.is_unread
    }

    /// Forgets all entries: it is read now.
    pub(crate) fn begin(&mut self) {
        self.is_unread = false;
        self.queue.clear();
        self.dues.clear();
    }

    /// `what` is due then, and at no other time; `None` if it is not due at all.
    pub(crate) fn set(&mut self, what: What, due: impl Into<Option<Due>>) {
        let due = due.into();
        let was = match due {
            Some(due) => self.dues.insert(what, due),
            None => self.dues.remove(&what),
        };
        if was == due {
            return;
        }
        if let Some(was) = was
            && let Some(others) = self.queue.get_mut(&was)
        {
            others.remove(&what);
            if others.is_empty() {
                self.queue.remove(&was);
            }
        }
        if let Some(due) = due {
            self.queue.entry(due).or_default().insert(what);
        }
    }

    /// The same, if it has no entry yet.
    pub(crate) fn set_if_none(&mut self, what: What, due: Due) {
        if !self.dues.contains_key(&what) {
            self.set(what, due);
        }
    }

    /// Takes out what is due.
    pub(crate) fn take_due(
        &mut self,
        now: UnixMillis,
        sure: UnixMillis,
        steady: Duration,
    ) -> BTreeSet<What> {
        let mut taken = BTreeSet::new();
        for due in [
            Due::Now(UnixMillis(0))..=Due::Now(now),
            Due::Sure(UnixMillis(0))..=Due::Sure(sure),
            Due::Steady(Duration::ZERO)..=Due::Steady(steady),
        ] {
            while let Some((first, _)) = self.queue.range(due.clone()).next() {
                let first = *first;
                let what = self.queue.remove(&first).unwrap_or_default();
                for what in what {
                    self.dues.remove(&what);
                    taken.insert(what);
                }
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests;
