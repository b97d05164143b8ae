//! Order: messages that came before earlier ones wait for them, on disk.
//!
//! A device numbers what it writes to a conversation: 1, 2, 3, … What comes out of turn is held back until
//! the gap before it is filled or its time is over. In memory there is one [`Wait`] for each device that
//! has something waiting, however much that is.

use crate::clock::Times;
use crate::limits::{
    HOLD_BACK_IDLE_MAX, HOLD_BACK_MAX, HOLD_BACK_MIN, RELEASED_PER_BATCH_MAX, SAME_NUMBER_MAX,
};
use martlet_protocol::{DeviceId, UnixMillis};
use martlet_store::records::{HELD, HeldRecord, MESSAGE_INDEX, MessageAt, MessageRecord};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

use super::{Appeared, Timeline, expires_at, put_index, received_key, writer};
use crate::conversation::{Author, ConversationRef};
use crate::kinds::{Content, Does};

/// Waiting messages read at once: few first, since often one is due; up to this many where many are.
const PAGE_MAX: usize = 64;
/// The one that is due, and the one after it.
const PAGE_MIN: usize = 2;

/// What one device writes to one conversation. (Devices' keys are their own: no two persons share one.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line {
    pub(crate) conversation: ConversationRef,
    pub(crate) device: DeviceId,
}

/// What waits of one line.
#[derive(Debug)]
pub(super) struct Wait {
    /// The first that waits, and when it came.
    first: (u64, UnixMillis),
    /// The last that waits.
    last: u64,
    /// Numbers that wait.
    count: u64,
    /// When the device's last message came.
    last_arrival: UnixMillis,
    /// The most numbers that were missing before `last` at once.
    most_missing: u64,
    /// The fewest that were missing since.
    fewest_missing: u64,
    /// When there were that few for the first time.
    progress_at: UnixMillis,
    /// Of those that wait and will end, or wait for what was not for this device: until when they may wait, and the last of them.
    hurry: Option<Hurry>,
}

/// What waits is shown before its own end.
#[derive(Debug, Clone, Copy)]
struct Hurry {
    /// Half of the time that the one which ends first had when it came, or [`HOLD_BACK_MIN`].
    at: UnixMillis,
    /// The number of the last one that ends.
    last: u64,
}

impl Line {
    pub(super) fn scope(&self) -> [u8; 64] {
        let mut scope = [0; 64];
        scope[..32].copy_from_slice(&self.conversation.0);
        scope[32..].copy_from_slice(&self.device.0);
        scope
    }
}

impl Wait {
    fn new(number: u64, at: UnixMillis) -> Self {
        Self {
            first: (number, at),
            last: number,
            count: 0,
            last_arrival: at,
            most_missing: 0,
            fewest_missing: 0,
            progress_at: at,
            hurry: None,
        }
    }

    /// One that waits ends at a time of its own, if it does: it is to be shown before.
    fn hurry(&mut self, message: &MessageRecord) {
        let Some(at) = shown_by(message) else { return };
        let before = self.hurry.unwrap_or(Hurry { at, last: message.seq });
        self.hurry = Some(Hurry { at: before.at.min(at), last: before.last.max(message.seq) });
    }

    /// What it waits for was not for this device, most likely: it waits no longer than for what may be on its way.
    fn hurry_past(&mut self, message: &MessageRecord) {
        let at = message.stored_at.plus(HOLD_BACK_MIN);
        let before = self.hurry.unwrap_or(Hurry { at, last: message.seq });
        self.hurry = Some(Hurry { at: before.at.min(at), last: before.last.max(message.seq) });
    }

    /// Whether one that waits would end unseen if it waited on.
    fn ends_soon(&self, now: UnixMillis) -> bool {
        self.hurry.is_some_and(|hurry| hurry.at <= now)
    }

    /// One more waits, of a line at `due`.
    fn add(&mut self, number: u64, at: UnixMillis, due: u64) {
        self.first = self.first.min((number, at));
        self.last = self.last.max(number);
        self.count += 1;
        self.last_arrival = self.last_arrival.max(at);
        self.note_progress(due, at);
    }

    /// A line that is being filled is one that lacks less than ever since it lacked most. One number lost for
    /// good makes no progress, whatever comes after it.
    fn note_progress(&mut self, due: u64, now: UnixMillis) {
        let missing = (self.last + 1).saturating_sub(due).saturating_sub(self.count);
        if missing > self.most_missing {
            (self.most_missing, self.fewest_missing) = (missing, missing);
        } else if missing < self.fewest_missing {
            self.fewest_missing = missing;
            self.progress_at = now;
        }
    }

    /// A gap was given up: what lacks behind it has its own time.
    fn start_over(&mut self, due: u64) {
        self.most_missing = 0;
        self.note_progress(due, self.progress_at);
    }

    /// When the first has waited long enough, if nothing more comes.
    fn over_at(&self, now: UnixMillis) -> UnixMillis {
        let (_, since) = self.first;
        if now < since {
            // The clock was set back: how long it has been can't be told.
            return now;
        }
        let of_idling = self.last_arrival.plus(HOLD_BACK_IDLE_MAX);
        let over_at = of_idling.min(since.max(self.progress_at).plus(HOLD_BACK_MAX));
        self.hurry.map_or(over_at, |hurry| over_at.min(hurry.at))
    }
}

/// Until when a message that ends may wait for others: for half of what it has left, if that is a while.
fn shown_by(message: &MessageRecord) -> Option<UnixMillis> {
    let MessageRecord { timers, sent_at, stored_at, .. } = message;
    let end = expires_at(timers, *sent_at, *stored_at)?;
    let half = end.since(*stored_at) / 2;
    Some(if half < HOLD_BACK_MIN { *stored_at } else { stored_at.plus(half) })
}

impl Timeline {
    /// Takes a message that came: in its place, or held back until its place has come.
    pub(crate) fn receive(
        &mut self,
        records: &mut VaultTxn,
        conversation: ConversationRef,
        author: Author,
        message: MessageRecord,
        now: UnixMillis,
    ) -> Result<Vec<Appeared>, StoreError> {
        let mut appeared = Vec::new();
        let taken = match self.gives_way(records, &conversation, &message)? {
            true => {
                appeared.push(Appeared::InPlaceOf(conversation, message.id));
                Some(message)
            }
            false => self.in_turn(records, &conversation, message)?,
        };
        let Some(message) = taken else {
            return Ok(appeared);
        };
        let line = Line { conversation, device: author.device };
        if let Some(wait) = self.waits.get_mut(&line) {
            wait.last_arrival = now;
        }
        let due = self.due(&line);
        if message.seq > due
            && self.has_room_to_wait(&line)
            && self.hold(records, line, &message)?
        {
            // It may end sooner than anything is waited for.
            let is_due = self.waits.get(&line).is_some_and(|wait| wait.ends_soon(now));
            if is_due {
                appeared.extend(self.release_overdue(records, &[line], now)?);
            }
            return Ok(appeared);
        }
        self.show(records, &line, &message, &mut appeared)?;
        if message.seq < due {
            self.note_found(&line, message.seq);
        } else if message.seq == due {
            self.set_due(&line, due + 1);
            if let Some(wait) = self.waits.get_mut(&line) {
                wait.note_progress(due + 1, now);
            }
            self.release(records, &line, &mut appeared)?;
        }
        Ok(appeared)
    }

    /// Whether a message that is not known has a number whose turn is over, and that is not missing.
    pub(crate) fn is_again(
        &self,
        records: &VaultTxn,
        line: &Line,
        message: &MessageRecord,
    ) -> Result<bool, StoreError> {
        // A recall has the number of what it takes back.
        let is_over = message.seq < self.due(line)
            && !self.is_missing(line, message.seq)
            && !matches!(Content::of(message), Content::Does(Does::Recall(_)));
        let key = received_key(&writer(&line.conversation, message), &message.id);
        Ok(is_over && records.get(&MESSAGE_INDEX, Key::Named(&key))?.is_none())
    }

    /// The lines of which something is held back.
    pub(crate) fn waiting(&self) -> Vec<Line> {
        self.waits.keys().copied().collect()
    }

    /// When what is held back of a line has waited long enough, if nothing more comes.
    pub(crate) fn over_at(&self, line: &Line, now: UnixMillis) -> Option<UnixMillis> {
        self.waits.get(line).map(|wait| wait.over_at(now))
    }

    /// Shows what of these lines waited too long for what was sent before it.
    pub(crate) fn release_overdue(
        &mut self,
        records: &mut VaultTxn,
        lines: &[Line],
        now: UnixMillis,
    ) -> Result<Vec<Appeared>, StoreError> {
        let mut appeared = Vec::new();
        for line in lines.iter().copied() {
            // One gap after the other: what waits behind the second has waited as long, or waits on.
            while let Some(wait) = self.waits.get(&line)
                && appeared.len() < RELEASED_PER_BATCH_MAX
                && wait.over_at(now) <= now
            {
                let (first, _) = wait.first;
                let lost = self.note_lost(&line, first);
                if lost > 0 {
                    appeared.push(Appeared::Lost(line.conversation, lost));
                }
                self.set_due(&line, first);
                if let Some(wait) = self.waits.get_mut(&line) {
                    wait.start_over(first);
                }
                self.release(records, &line, &mut appeared)?;
            }
        }
        Ok(appeared)
    }

    /// Goes on with what is being shown, where that was too much for one batch.
    pub(crate) fn release_more(
        &mut self,
        records: &mut VaultTxn,
    ) -> Result<Vec<Appeared>, StoreError> {
        let mut appeared = Vec::new();
        for line in self.releasing() {
            self.release(records, &line, &mut appeared)?;
        }
        Ok(appeared)
    }

    /// How long what is held back has waited can't be told: the daemon was off, or the clock has stepped. It
    /// begins anew.
    pub(crate) fn wait_anew(&mut self, now: UnixMillis) {
        for wait in self.waits.values_mut() {
            (wait.first.1, wait.last_arrival, wait.progress_at) = (now, now, now);
        }
    }

    /// Since the last batch the clock may have been set, by too little to be called a step. What is held back has
    /// waited as long as it has all the same.
    pub(super) fn follow_clock(&mut self, times: &Times) {
        let last = self.clock.replace((times.now, times.steady));
        let Some((now, steady)) = last else { return };
        let expected = now.plus(times.steady.saturating_sub(steady));
        let (ahead, behind) = (times.now.since(expected), expected.since(times.now));
        for wait in self.waits.values_mut().filter(|_| times.now != expected) {
            let hurry = wait.hurry.as_mut().map(|hurry| &mut hurry.at);
            let times = [&mut wait.first.1, &mut wait.last_arrival, &mut wait.progress_at];
            for at in times.into_iter().chain(hurry) {
                *at = at.plus(ahead).minus(behind);
            }
        }
    }

    /// Whether there is more to show at once.
    pub(crate) fn is_releasing(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The lines of which there is more to show at once.
    pub(crate) fn releasing(&self) -> Vec<Line> {
        self.ready.iter().copied().collect()
    }

    /// Holds a message back; `false` if too many with its number are.
    fn hold(
        &mut self,
        records: &mut VaultTxn,
        line: Line,
        message: &MessageRecord,
    ) -> Result<bool, StoreError> {
        let Line { conversation, device } = line;
        let (seq, at) = (message.seq, message.stored_at);
        let scope = line.scope();
        let key = Key::Scoped(&scope, seq);
        let due = self.due(&line);
        if let Some(mut held) = records.get(&HELD, key)? {
            // A device that was put back from a copy counts again from where it was.
            if held.others.len() + 1 >= SAME_NUMBER_MAX {
                return Ok(false);
            }
            held.others.push(message.clone());
            records.put(&HELD, key, &held)?;
            if let Some(wait) = self.waits.get_mut(&line) {
                wait.hurry(message);
            }
        } else {
            let held =
                HeldRecord { conversation, device, message: message.clone(), others: Vec::new() };
            records.put(&HELD, key, &held)?;
            let wait = self.waits.entry(line).or_insert_with(|| Wait::new(seq, at));
            wait.add(seq, at, due);
            wait.hurry(message);
            if self.skipped.contains(&line) {
                wait.hurry_past(message);
            }
        }
        // Its id is taken now: the same message in another envelope is the same message.
        put_index(records, message, &MessageAt { conversation, position: 0 })?;
        Ok(true)
    }

    /// Shows what waits and is due, as much as one batch may.
    fn release(
        &mut self,
        records: &mut VaultTxn,
        line: &Line,
        appeared: &mut Vec<Appeared>,
    ) -> Result<(), StoreError> {
        self.ready.remove(line);
        let mut due = self.due(line);
        // Nothing is read while what waits is not due: each message before it comes by here.
        if self.waits.get(line).is_none_or(|wait| wait.first.0 > due) {
            return Ok(());
        }
        let scope = line.scope();
        let mut page_size = PAGE_MIN;
        let next = loop {
            let page = records.range_readable(&HELD, Some(&scope), due..=u64::MAX, page_size)?;
            let is_last = page.len() < page_size;
            page_size = (page_size * 2).min(PAGE_MAX);
            let mut stopped = None;
            for (number, held) in page {
                if number > due || appeared.len() >= RELEASED_PER_BATCH_MAX {
                    let at = held.map_or(UnixMillis(0), |held| held.message.stored_at);
                    stopped = Some((number, at));
                    break;
                }
                records.delete(&HELD, Key::Scoped(&scope, number))?;
                // What can't be read any more is lost, and stops nothing.
                for message in held.iter().flat_map(HeldRecord::messages) {
                    self.show(records, line, message, appeared)?;
                }
                due += 1;
                if let Some(wait) = self.waits.get_mut(line) {
                    wait.count = wait.count.saturating_sub(1);
                }
            }
            if stopped.is_some() || is_last {
                break stopped;
            }
        };
        self.set_due(line, due);
        match (next, self.waits.get_mut(line)) {
            (Some(first), Some(wait)) => {
                wait.first = first;
                wait.hurry = wait.hurry.filter(|hurry| hurry.last >= due);
                if first.0 == due {
                    self.ready.insert(*line);
                }
            }
            (Some(_) | None, _) => self.forget_wait(line),
        }
        Ok(())
    }

    pub(super) fn forget_wait(&mut self, line: &Line) {
        self.waits.remove(line);
        self.ready.remove(line);
    }

    /// A message's turn has come: what it says is shown, what it does is done.
    fn show(
        &mut self,
        records: &mut VaultTxn,
        line: &Line,
        message: &MessageRecord,
        appeared: &mut Vec<Appeared>,
    ) -> Result<(), StoreError> {
        match Content::of(message) {
            Content::Says(_) | Content::Unknown { .. }
                if self.was_recalled(&line.conversation, message)
                    || self.has_ended(message).is_some() =>
            {
                // Its number is used, and nobody sees it.
                self.remember_id(records, line.conversation, message)
            }
            Content::Says(_) | Content::Unknown { .. } => {
                let place = self.append(records, line.conversation, message)?;
                appeared.push(Appeared::Message(place));
                Ok(())
            }
            Content::Does(does) => {
                // Its number is used and its id known; a position it has not.
                let conversation = line.conversation;
                put_index(records, message, &MessageAt { conversation, position: 0 })?;
                let did = |author| Appeared::Did(conversation, author, does);
                appeared.extend(message.author.map(did));
                Ok(())
            }
        }
    }

    pub(super) fn load_waits(&mut self, records: &VaultTxn) -> Result<(), StoreError> {
        records.for_each(&HELD, |held| {
            let line = Line { conversation: held.conversation, device: held.device };
            if self.is_line_removed(&line) {
                return;
            }
            let due = self.due(&line);
            let (seq, at) = (held.message.seq, held.message.stored_at);
            let wait = self.waits.entry(line).or_insert_with(|| Wait::new(seq, at));
            wait.add(seq, at, due);
            held.messages().for_each(|message| wait.hurry(message));
            // How it went before the start isn't known.
            wait.progress_at = wait.last_arrival;
            if seq == due {
                self.ready.insert(line);
            }
        })
    }
}
