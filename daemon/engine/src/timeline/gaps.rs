//! Which number of which device is due, and which never came.

use crate::limits::{DUE_POSITIONS_MAX, LOST_RANGES_MAX};
use martlet_store::records::{ConversationRecord, LostRecord};

use super::Timeline;
use super::order::Line;
use crate::conversation::ConversationRef;

impl Timeline {
    /// The number of the device's next message.
    pub(super) fn due(&self, line: &Line) -> u64 {
        self.get(&line.conversation)
            .and_then(|record| record.due.iter().find(|(of, _)| *of == line.device))
            .map_or(1, |(_, due)| *due)
    }

    /// Moves on. Devices come and go: of those that wrote longest ago, and have nothing waiting, some are
    /// forgotten.
    pub(super) fn set_due(&mut self, line: &Line, due: u64) {
        self.skipped.remove(line);
        let Line { conversation, device } = *line;
        let is_waiting = |device| self.waits.contains_key(&Line { conversation, device });
        let oldest = self.get(&conversation).filter(|record| {
            record.due.len() >= DUE_POSITIONS_MAX && !record.due.iter().any(|(of, _)| *of == device)
        });
        let oldest =
            oldest.and_then(|record| record.due.iter().position(|(of, _)| !is_waiting(*of)));
        let record = self.get_mut(conversation);
        if let Some(oldest) = oldest {
            record.due.remove(oldest);
        }
        match record.due.iter().position(|(of, _)| *of == device) {
            Some(at) => record.due[at..].rotate_left(1),
            None => record.due.push((device, 0)),
        }
        if let Some((_, next)) = record.due.last_mut() {
            *next = due;
        }
        if let Some(unheard) = &mut record.unheard {
            unheard.retain(|of| *of != device);
        }
    }

    /// Another device of the user's is heard, for the first time perhaps: what it numbered before was not for this one.
    pub(crate) fn begin_line(&mut self, line: &Line, number: u64) {
        let record = self.get(&line.conversation);
        let is_known =
            record.is_some_and(|record| record.due.iter().any(|(of, _)| *of == line.device));
        if !is_known {
            self.set_due(line, number);
        }
    }

    /// What a device numbered up to this was not for this one: if none of it came, what is missing before the device's next message
    /// is not told, nor waited for as long.
    pub(crate) fn miss_up_to(&mut self, line: &Line, number: u64) {
        let is_heard = |record: &ConversationRecord| {
            record.due.iter().any(|(of, due)| *of == line.device && *due <= number)
        };
        if !self.get(&line.conversation).is_some_and(is_heard) {
            return;
        }
        self.skipped.insert(*line);
        let unheard = self.get_mut(line.conversation).unheard.get_or_insert_default();
        if !unheard.contains(&line.device) {
            unheard.push(line.device);
        }
    }

    /// The vault was put back from a copy: what others numbered meanwhile is not waited for. Each of these lines begins anew, but
    /// where something is held back.
    pub(crate) fn begin_lines_anew(&mut self, id: ConversationRef) {
        let waiting: Vec<_> = self.waits.keys().filter(|line| line.conversation == id).collect();
        let waiting: Vec<_> = waiting.into_iter().map(|line| line.device).collect();
        self.get_mut(id).due.retain(|(device, _)| waiting.contains(device));
    }

    /// The other side is a contact from now on, and had written before: nobody lost what of that is over, so
    /// what is missing before a device's next message is not told.
    pub(crate) fn join_midway(&mut self, id: ConversationRef) {
        let record = self.get_mut(id);
        record.unheard = Some(record.due.iter().map(|(device, _)| *device).collect());
    }

    /// Whether a message may be held back: of as many devices as there may be positions.
    pub(super) fn has_room_to_wait(&self, line: &Line) -> bool {
        let lines = Line { device: martlet_protocol::DeviceId([0; 32]), ..*line }..=Line {
            device: martlet_protocol::DeviceId([u8::MAX; 32]),
            ..*line
        };
        self.waits.contains_key(line) || self.waits.range(lines).count() < DUE_POSITIONS_MAX
    }

    /// The numbers before `first` are not waited for any more; how many they are.
    pub(super) fn note_lost(&mut self, line: &Line, first: u64) -> u64 {
        let due = self.due(line);
        let is_known = |record: &ConversationRecord| {
            let is_due = record.due.iter().any(|(of, _)| *of == line.device);
            match &record.unheard {
                Some(unheard) => is_due && !unheard.contains(&line.device),
                // None was ever forgotten.
                None => is_due || record.due.len() < DUE_POSITIONS_MAX,
            }
        };
        if first <= due || !self.get(&line.conversation).is_none_or(is_known) {
            return 0;
        }
        let record = self.get_mut(line.conversation);
        let before = record.last_position + 1;
        let lost = LostRecord { device: line.device, first: due, last: first - 1, before };
        record.lost.push(lost);
        if record.lost.len() > LOST_RANGES_MAX {
            record.lost.remove(0);
        }
        first - due
    }

    /// Whether it is known that a number never came.
    pub(super) fn is_missing(&self, line: &Line, number: u64) -> bool {
        let lost = self.get(&line.conversation).map_or(&[][..], |record| &record.lost);
        let is_it = |lost: &LostRecord| {
            lost.device == line.device && (lost.first..=lost.last).contains(&number)
        };
        lost.iter().any(is_it)
    }

    /// One that was lost came after all.
    pub(super) fn note_found(&mut self, line: &Line, number: u64) {
        let is_it = |lost: &LostRecord| {
            lost.device == line.device && (lost.first..=lost.last).contains(&number)
        };
        let at = self.get(&line.conversation).and_then(|record| record.lost.iter().position(is_it));
        let Some(at) = at else { return };
        let lost = &mut self.get_mut(line.conversation).lost;
        let whole = lost.remove(at);
        let before = LostRecord { last: number - 1, ..whole.clone() };
        let after = LostRecord { first: number + 1, ..whole };
        let parts = [before, after].into_iter().filter(|part| part.first <= part.last);
        lost.splice(at..at, parts);
        // A part too many is the oldest.
        if lost.len() > LOST_RANGES_MAX {
            lost.remove(0);
        }
    }

    /// Where messages are missing: the position after them, and how many.
    pub(crate) fn lost(&self, id: &ConversationRef) -> Vec<(u64, u64)> {
        let mut places: Vec<(u64, u64)> = Vec::new();
        for lost in self.get(id).map_or(&[][..], |record| &record.lost) {
            let count = lost.last - lost.first + 1;
            match places.iter_mut().find(|(before, _)| *before == lost.before) {
                Some((_, sum)) => *sum = sum.saturating_add(count),
                None => places.push((lost.before, count)),
            }
        }
        places
    }

    /// Messages missing among what the user has not read.
    pub(super) fn lost_after_read(&self, id: &ConversationRef) -> u64 {
        let read = self.get(id).map_or(0, |record| record.read_position);
        let unread = self.lost(id).into_iter().filter(|(before, _)| *before > read);
        unread.fold(0, |sum: u64, (_, count)| sum.saturating_add(count))
    }
}
