//! Which device was answered, or asked, about which room, and how soon it may be again.
//!
//! Two devices that can't come to know the same of a room would tell and ask each other for ever. So as long as nothing new comes
//! to be known here, each time is twice as late as the one before. What *they* say makes no difference: they could say anything.

use std::collections::HashMap;
use std::time::Duration;

use martlet_protocol::{DeviceId, RoomId};

use crate::limits::{ROOM_ANSWER_INTERVAL, ROOM_ANSWER_INTERVAL_MAX, ROOM_ANSWERS_MAX};

/// Which device was answered, or asked, about which room, and when, since the host's start.
#[derive(Default)]
pub(super) struct Lately(HashMap<(RoomId, DeviceId), Last>);

struct Last {
    at: Duration,
    wait: Duration,
    /// The digest of what was known here.
    known: [u8; 32],
}

impl Lately {
    /// Whether it is not too soon. From now on it is, for a while.
    pub(super) fn may(
        &mut self,
        whom: (RoomId, DeviceId),
        known: [u8; 32],
        steady: Duration,
    ) -> bool {
        let mut wait = ROOM_ANSWER_INTERVAL;
        match self.0.get(&whom) {
            Some(last) if steady >= last.forgotten_at() => {}
            Some(last) if last.known == known => {
                if steady < last.at.saturating_add(last.wait) {
                    return false;
                }
                wait = last.wait.saturating_mul(2).min(ROOM_ANSWER_INTERVAL_MAX);
            }
            Some(last) if steady < last.at.saturating_add(ROOM_ANSWER_INTERVAL) => return false,
            Some(_) => {}
            None => self.make_room(steady),
        }
        self.0.insert(whom, Last { at: steady, wait, known });
        true
    }

    fn make_room(&mut self, steady: Duration) {
        if self.0.len() < ROOM_ANSWERS_MAX {
            return;
        }
        self.0.retain(|_, last| steady < last.forgotten_at());
        if self.0.len() >= ROOM_ANSWERS_MAX {
            let soonest = self.0.iter().min_by_key(|(_, last)| last.at.saturating_add(last.wait));
            if let Some(whom) = soonest.map(|(whom, _)| *whom) {
                self.0.remove(&whom);
            }
        }
    }
}

impl Last {
    /// Later than any wait is over: else who asks just then would be answered as if for the first time.
    fn forgotten_at(&self) -> Duration {
        self.at.saturating_add(2 * ROOM_ANSWER_INTERVAL_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 3600;

    fn asked_each_second(known: impl Fn(u64) -> [u8; 32]) -> Vec<u64> {
        let mut lately = Lately::default();
        let whom = (RoomId([1; 32]), DeviceId([2; 32]));
        (0..DAY).filter(|at| lately.may(whom, known(*at), Duration::from_secs(*at))).collect()
    }

    /// A hello was answered every ten seconds for ever, each time with up to 16 MiB.
    #[test]
    fn who_asks_again_and_again_is_answered_ever_more_rarely() {
        let answered = asked_each_second(|_| [0; 32]);
        assert_eq!(answered[..5], [0, 10, 30, 70, 150]);
        assert!(answered.len() < 40, "{}", answered.len());
        let last = answered.len() - 1;
        assert_eq!(answered[last] - answered[last - 1], 3600);
    }

    #[test]
    fn what_is_new_here_is_told_soon() {
        let answered = asked_each_second(|at| [u8::from(at > 1000); 32]);
        assert!(answered.contains(&1001), "{answered:?}");
    }

    #[test]
    fn it_is_bounded_and_keeps_nobody_from_being_answered() {
        let mut lately = Lately::default();
        for at in (0_u64..).take(ROOM_ANSWERS_MAX + 10) {
            let mut device = [0; 32];
            device[..8].copy_from_slice(&at.to_le_bytes());
            let whom = (RoomId([1; 32]), DeviceId(device));
            assert!(lately.may(whom, [0; 32], Duration::from_secs(at)));
        }
        assert_eq!(lately.0.len(), ROOM_ANSWERS_MAX);
    }
}
