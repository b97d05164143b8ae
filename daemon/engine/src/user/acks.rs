//! Own acks: when each is revealed, and that none is lost.
//!
//! On a network that is `mixed` an ack waits first, for a random time of its own, and then goes by the stem. Its
//! envelope lives on in the mailbox here as in everyone's until the ack comes back: neither gossip nor sync
//! tells from here that it has come.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use martlet_protocol::network::Privacy;
use martlet_protocol::{Ack, EnvelopeId};
use martlet_store::mailbox::Acknowledged;
use martlet_store::records::{LATE_ACKS, RECENT_ACKS};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};
use rand_core::Rng;

use super::User;
use crate::limits::{ACK_REPLAY_MAX, LATE_ACK_MAX, LATE_ACK_MEAN, LATE_ACKS_MAX};
use crate::seam::Stemmed;
use crate::turn::Turn;

/// Acks in one record, where many are written anew.
const RECENT_ACKS_PER_RECORD: usize = 1024;

/// Own acks that are not done with yet.
pub(super) struct OwnAcks {
    recent: RecentAcks,
    late: LateAcks,
}

/// Own acks, kept in the vault until the mailbox is committed. A crash in between would make this
/// node forget that it acknowledged an envelope, and its sender might never learn of it.
struct RecentAcks {
    /// Of this batch.
    new: Vec<Ack>,
    /// The number under which the last were written.
    written: u64,
    /// Those up to this number are in the mailbox, on disk.
    settled: u64,
    /// Those up to this number were deleted.
    deleted: u64,
    /// Those up to this number were found at the start, and are not looked at yet.
    found: u64,
    /// Revealed again when the envelope comes again: what was found at the start, and what waited for its
    /// time when its envelope was lost.
    replayed: HashMap<EnvelopeId, Vec<Ack>>,
    /// Until when, by the time since the host's start; `None` before there was a sync with a neighbour.
    replayed_until: Option<Duration>,
}

/// Own acks that wait for their time. They are in the vault, by number: who comes back after days has tens of
/// thousands of them at once.
struct LateAcks {
    /// By the time since the host's start at which they are due, and number.
    waiting: BTreeSet<(Duration, u64)>,
    /// Numbers found at the start; their times are drawn with the first batch.
    found: Vec<u64>,
    /// The number given last.
    last: u64,
}

impl OwnAcks {
    /// What the vault has of them.
    pub(super) fn load(txn: &VaultTxn) -> Result<Self, StoreError> {
        let batches = txn.range(&RECENT_ACKS, None, 0..=u64::MAX, usize::MAX)?;
        let written = batches.last().map_or(0, |(number, _)| *number);
        let late = txn.range(&LATE_ACKS, None, 0..=u64::MAX, usize::MAX)?;
        // One that is to be revealed again may wait for its time already.
        let waits: HashSet<_> = late.iter().map(|(_, ack)| (ack.envelope, ack.slot)).collect();
        let mut replayed: HashMap<EnvelopeId, Vec<Ack>> = HashMap::new();
        for ack in batches.into_iter().flat_map(|(_, acks)| acks) {
            if !waits.contains(&(ack.envelope, ack.slot)) {
                replayed.entry(ack.envelope).or_default().push(ack);
            }
        }
        let found: Vec<u64> = late.into_iter().map(|(number, _)| number).collect();
        let last = found.last().copied().unwrap_or(0);
        Ok(Self {
            recent: RecentAcks {
                new: Vec::new(),
                written,
                settled: 0,
                deleted: 0,
                found: written,
                replayed,
                replayed_until: None,
            },
            late: LateAcks { waiting: BTreeSet::new(), found, last },
        })
    }

    /// Writes those of this batch.
    pub(super) fn flush(&mut self, records: &mut VaultTxn) -> Result<(), StoreError> {
        let acks = &mut self.recent;
        if !acks.new.is_empty() {
            acks.written += 1;
            records.put(
                &RECENT_ACKS,
                Key::Ordinal(acks.written),
                &std::mem::take(&mut acks.new),
            )?;
            if acks.replayed.is_empty() && acks.settled > acks.deleted {
                records.delete_range(&RECENT_ACKS, None, 0..=acks.settled)?;
                acks.deleted = acks.settled;
            }
        }
        Ok(())
    }

    /// The mailbox is on disk.
    pub(super) fn mailbox_committed(&mut self) {
        self.recent.settled = self.recent.written;
    }

    /// Forgets what is not revealed again any more, by the time since the host's start.
    pub(super) fn forget_replayed(&mut self, steady: Duration) {
        if self.recent.replayed_until.is_some_and(|until| steady > until) {
            self.recent.replayed.clear();
        }
    }

    /// There was a sync with a neighbour: the others will not be long.
    pub(super) fn note_sync(&mut self, steady: Duration) {
        self.recent.replayed_until.get_or_insert(steady.saturating_add(ACK_REPLAY_MAX));
    }

    /// When the next one is due, by the time since the host's start.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.late.waiting.first().map(|(due, _)| *due)
    }
}

impl User {
    /// Reveals acks once the batch is on disk; on a network that is `mixed`, in a while.
    pub(super) fn acknowledge(
        &mut self,
        turn: &mut Turn<'_>,
        acks: Vec<Ack>,
    ) -> Result<(), StoreError> {
        match self.network.privacy() {
            Privacy::Fast => acks.into_iter().try_for_each(|ack| self.reveal(turn, ack)),
            Privacy::Mixed => acks.into_iter().try_for_each(|ack| self.hold_back(turn, ack)),
        }
    }

    /// Puts the acks whose time has come on the stem. What is too many leaves without it.
    pub(crate) fn reveal_late_acks(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        while self.acks.late.waiting.len() > LATE_ACKS_MAX
            && let Some((number, ack)) = self.next_late_ack(turn)?
        {
            self.settle_late_ack(turn, number, ack, true)?;
        }
        while self.acks.next_due().is_some_and(|due| due <= turn.steady)
            && self.stem.has_place_for_ack()
            && let Some((number, ack)) = self.next_late_ack(turn)?
        {
            self.stem.add_ack(ack.clone(), number);
            turn.net.stem.push(Stemmed::Ack(ack));
        }
        Ok(())
    }

    /// The ack that is due first waits no longer.
    fn next_late_ack(&mut self, turn: &mut Turn<'_>) -> Result<Option<(u64, Ack)>, StoreError> {
        let Some((_, number)) = self.acks.late.waiting.pop_first() else { return Ok(None) };
        let ack = turn.vault()?.get(&LATE_ACKS, Key::Ordinal(number))?;
        Ok(ack.map(|ack| (number, ack)))
    }

    /// An own ack comes off the stem, if it is on it. It `leaves` by gossip from here where nobody brought it
    /// back.
    pub(crate) fn take_ack_off_stem(
        &mut self,
        turn: &mut Turn<'_>,
        ack: &Ack,
        leaves: bool,
    ) -> Result<(), StoreError> {
        match self.stem.take_ack(ack) {
            Some(number) => self.settle_late_ack(turn, number, ack.clone(), leaves),
            None => Ok(()),
        }
    }

    fn settle_late_ack(
        &mut self,
        turn: &mut Turn<'_>,
        number: u64,
        ack: Ack,
        leaves: bool,
    ) -> Result<(), StoreError> {
        turn.vault()?.delete(&LATE_ACKS, Key::Ordinal(number))?;
        let outcome = turn.mailbox_mut().acknowledge(&ack)?;
        if leaves {
            turn.net.acks.push(ack.clone());
        }
        if outcome == Acknowledged::NoEnvelope {
            // A crash lost the envelope: a neighbour will bring it again.
            self.acks.recent.replayed.entry(ack.envelope).or_default().push(ack.clone());
        }
        self.acks.recent.new.push(ack);
        Ok(())
    }

    /// After a start: acks that may not have reached the mailbox or the network.
    ///
    /// Those that the mailbox has on disk are done with: they had left before it was committed, and sync tells them on.
    /// What says them again with each start is a flood to its neighbours, if it starts often. Those whose envelope
    /// isn't here are kept for when a neighbour brings it again: as long as one has it, it lacks the ack.
    pub(super) fn replay_recent_acks(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        self.acks.recent.replayed_until = None;
        for number in std::mem::take(&mut self.acks.late.found) {
            let due = turn.steady.saturating_add(late_by(turn.rng));
            self.acks.late.waiting.insert((due, number));
        }
        let replayed = std::mem::take(&mut self.acks.recent.replayed).into_values();
        let mut replayed: Vec<Ack> = replayed.flatten().collect();
        replayed.sort_unstable_by_key(|ack| (ack.envelope, ack.slot));
        let (mut lost, mut untold) = (Vec::new(), Vec::new());
        for ack in replayed {
            match turn.mailbox().has_ack(&ack)? {
                Some(true) => {}
                Some(false) => untold.push(ack),
                None => lost.push(ack),
            }
        }
        let recent = &mut self.acks.recent;
        let found = std::mem::take(&mut recent.found);
        if found > 0 {
            let records = turn.vault()?;
            records.delete_range(&RECENT_ACKS, None, 0..=found)?;
            for some in lost.chunks(RECENT_ACKS_PER_RECORD) {
                recent.written += 1;
                records.put(&RECENT_ACKS, Key::Ordinal(recent.written), &some.to_vec())?;
            }
        }
        for ack in lost {
            recent.replayed.entry(ack.envelope).or_default().push(ack);
        }
        // On a network that is `mixed` each in its time: all at once they would tell that they are one device's.
        self.acknowledge(turn, untold)
    }

    /// Whether an envelope was acknowledged here, and then lost in a crash.
    pub(crate) fn has_lost(&self, id: &EnvelopeId) -> bool {
        self.acks.recent.replayed.contains_key(id)
    }

    /// Reveals again what was revealed before a crash, now that the envelope has come again.
    pub(super) fn replay_acks_of(
        &mut self,
        turn: &mut Turn<'_>,
        id: &EnvelopeId,
    ) -> Result<(), StoreError> {
        match self.acks.recent.replayed.remove(id) {
            Some(acks) => self.acknowledge(turn, acks),
            None => Ok(()),
        }
    }

    fn reveal(&mut self, turn: &mut Turn<'_>, ack: Ack) -> Result<(), StoreError> {
        turn.mailbox_mut().acknowledge(&ack)?;
        turn.net.acks.push(ack.clone());
        self.acks.recent.new.push(ack);
        Ok(())
    }

    fn hold_back(&mut self, turn: &mut Turn<'_>, ack: Ack) -> Result<(), StoreError> {
        let late = &mut self.acks.late;
        late.last += 1;
        turn.vault()?.put(&LATE_ACKS, Key::Ordinal(late.last), &ack)?;
        let due = turn.steady.saturating_add(late_by(turn.rng));
        late.waiting.insert((due, late.last));
        Ok(())
    }
}

/// How long an ack waits: exponentially distributed, so that how long it has waited already tells nothing
/// of when it comes (Loopix, 2017, section 4.1).
fn late_by(rng: &mut impl Rng) -> Duration {
    // In (0, 1].
    let chance = (f64::from(rng.next_u32()) + 1.0) / (f64::from(u32::MAX) + 1.0);
    LATE_ACK_MEAN.mul_f64(-chance.ln()).min(LATE_ACK_MAX)
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    #[test]
    fn acks_wait_as_long_as_is_said_each_for_another_time() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut times: Vec<Duration> = (0..10_000).map(|_| late_by(&mut rng)).collect();
        let mean = times.iter().sum::<Duration>() / 10_000;
        assert!(mean.abs_diff(LATE_ACK_MEAN) < LATE_ACK_MEAN / 20, "{mean:?}");
        times.sort_unstable();
        assert!(times.iter().all(|time| *time <= LATE_ACK_MAX));
        // Half of them sooner than ln 2 of the mean: it is no fixed wait.
        let median = times[5_000];
        assert!(median.abs_diff(LATE_ACK_MEAN.mul_f64(0.693)) < LATE_ACK_MEAN / 20, "{median:?}");
    }
}
