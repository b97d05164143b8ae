//! Who is banned, why and until when: by peer id, across restarts.
//!
//! Pure bookkeeping over the wall clock, since a ban outlives the process.

use std::collections::HashMap;
use std::time::Duration;

use crate::limits::{BAN_MAX, BAN_MIN, BAN_REASON_BYTES_MAX, BAN_REMEMBERED, BANS_MAX};
use libp2p::PeerId;
use martlet_protocol::UnixMillis;
use martlet_protocol::control::Ban;
use serde::{Deserialize, Serialize};

/// All bans, and those that ended lately: who misbehaves again is banned for longer.
#[derive(Default)]
pub(super) struct Bans {
    bans: HashMap<PeerId, Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    reason: String,
    since: UnixMillis,
    /// `None`: until it is lifted.
    until: Option<UnixMillis>,
    /// Bans for misbehaviour, this one included.
    times: u32,
    by_user: bool,
    /// Whether it is over and only remembered.
    is_over: bool,
}

/// The bans as they are on disk.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct BanRecords {
    bans: Vec<BanRecord>,
}

#[derive(Debug, Serialize, Deserialize)]
struct BanRecord {
    peer_id: String,
    reason: String,
    since: UnixMillis,
    until: Option<UnixMillis>,
    times: u32,
    by_user: bool,
}

impl Bans {
    /// The bans that a file holds. What it holds too much, or malformed, is left out.
    pub(super) fn from_records(records: BanRecords, now: UnixMillis) -> Self {
        let entries = records.bans.into_iter().take(BANS_MAX).filter_map(|record| {
            let peer = record.peer_id.parse().ok()?;
            let BanRecord { reason, since, until, times, by_user, .. } = record;
            let reason = shortened(&reason);
            Some((peer, Entry { reason, since, until, times, by_user, is_over: false }))
        });
        let mut bans = Self { bans: entries.collect() };
        bans.take_ended(now);
        bans
    }

    /// What goes to disk.
    pub(super) fn to_records(&self) -> BanRecords {
        let bans = self.bans.iter().map(|(peer, entry)| BanRecord {
            peer_id: peer.to_base58(),
            reason: entry.reason.clone(),
            since: entry.since,
            until: entry.until,
            times: entry.times,
            by_user: entry.by_user,
        });
        BanRecords { bans: bans.collect() }
    }

    /// Bans a peer for misbehaviour: [`BAN_MIN`], doubling each time, at most [`BAN_MAX`]. What
    /// the user decided stays. Returns for how long.
    pub(super) fn misbehaved(&mut self, peer: PeerId, reason: &str, now: UnixMillis) -> Duration {
        let known = self.bans.get(&peer);
        if known.is_some_and(|entry| entry.by_user && !entry.is_over) {
            return BAN_MAX;
        }
        let times = known.map_or(0, |entry| entry.times).saturating_add(1);
        let lasts = (BAN_MIN * (1 << (times - 1).min(16))).min(BAN_MAX);
        let until = Some(later(now, lasts));
        let reason = shortened(reason);
        let entry = Entry { reason, since: now, until, times, by_user: false, is_over: false };
        self.insert(peer, entry);
        lasts
    }

    /// Bans a peer at the user's word, until it is lifted where no time is given.
    pub(super) fn by_user(
        &mut self,
        peer: PeerId,
        lasts: Option<Duration>,
        reason: &str,
        now: UnixMillis,
    ) {
        let times = self.bans.get(&peer).map_or(0, |entry| entry.times);
        let until = lasts.map(|lasts| later(now, lasts));
        let reason = shortened(reason);
        let entry = Entry { reason, since: now, until, times, by_user: true, is_over: false };
        self.insert(peer, entry);
    }

    /// Lifts a ban, and forgets it. Returns whether there was one in force.
    pub(super) fn lift(&mut self, peer: &PeerId) -> bool {
        self.bans.remove(peer).is_some_and(|entry| !entry.is_over)
    }

    /// The ban of a peer, if one is in force.
    pub(super) fn get(&self, peer: &PeerId) -> Option<Ban> {
        self.bans.get(peer).filter(|entry| !entry.is_over).map(|entry| entry.describe(peer))
    }

    /// All bans in force, the newest first.
    pub(super) fn list(&self) -> Vec<Ban> {
        let mut list: Vec<Ban> = self
            .bans
            .iter()
            .filter(|(_, entry)| !entry.is_over)
            .map(|(peer, entry)| entry.describe(peer))
            .collect();
        list.sort_by(|a, b| (b.since, &a.peer_id).cmp(&(a.since, &b.peer_id)));
        list
    }

    /// The peers banned now.
    pub(super) fn peers(&self) -> impl Iterator<Item = PeerId> {
        self.bans.iter().filter(|(_, entry)| !entry.is_over).map(|(peer, _)| *peer)
    }

    /// The peers whose ban has ended since this was last asked.
    pub(super) fn take_ended(&mut self, now: UnixMillis) -> Vec<PeerId> {
        let mut ended = Vec::new();
        for (peer, entry) in &mut self.bans {
            if !entry.by_user {
                // A clock that was set back must not make a ban longer than any is.
                entry.until = entry.until.map(|until| until.min(later(now, BAN_MAX)));
            }
            if !entry.is_over && entry.until.is_some_and(|until| until <= now) {
                entry.is_over = true;
                ended.push(*peer);
            }
        }
        self.bans.retain(|_, entry| {
            let kept_until = entry.until.map(|until| later(until, BAN_REMEMBERED));
            !entry.is_over || entry.times > 0 && kept_until.is_none_or(|until| until > now)
        });
        ended
    }

    /// Makes room: for one that is over, else for the one for misbehaviour that ends first. What the
    /// user banned is never forgotten for a new one, unless all are the user's.
    fn insert(&mut self, peer: PeerId, entry: Entry) {
        if self.bans.len() >= BANS_MAX && !self.bans.contains_key(&peer) {
            let least = self.bans.iter().min_by_key(|(_, entry)| {
                (!entry.is_over, entry.by_user, entry.until.unwrap_or(UnixMillis(u64::MAX)))
            });
            if let Some(peer) = least.map(|(peer, _)| *peer) {
                self.bans.remove(&peer);
            }
        }
        self.bans.insert(peer, entry);
    }
}

impl Entry {
    fn describe(&self, peer: &PeerId) -> Ban {
        Ban {
            peer_id: peer.to_base58(),
            reason: self.reason.clone(),
            since: self.since,
            until: self.until,
            by_user: self.by_user,
        }
    }
}

fn later(time: UnixMillis, by: Duration) -> UnixMillis {
    UnixMillis(time.0.saturating_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)))
}

/// At most [`BAN_REASON_BYTES_MAX`] bytes of it.
fn shortened(reason: &str) -> String {
    let end = (0..=reason.len().min(BAN_REASON_BYTES_MAX)).rev();
    let end = end.into_iter().find(|at| reason.is_char_boundary(*at)).unwrap_or(0);
    reason[..end].to_owned()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    fn until(bans: &Bans, peer: &PeerId) -> Option<UnixMillis> {
        bans.get(peer).and_then(|ban| ban.until)
    }

    #[test]
    fn each_ban_is_twice_as_long_up_to_a_day_and_a_quiet_week_forgives() {
        let (mut bans, peer) = (Bans::default(), PeerId::random());
        let mut now = NOW;
        for minutes in [10, 20, 40, 80, 160, 320, 640, 1280, 1440, 1440] {
            let lasts = bans.misbehaved(peer, "garbage", now);
            assert_eq!(lasts, Duration::from_secs(minutes * 60));
            assert!(bans.take_ended(now).is_empty());
            now = until(&bans, &peer).unwrap();
            assert_eq!(bans.take_ended(now), [peer]);
            assert!(bans.get(&peer).is_none() && bans.take_ended(now).is_empty());
        }
        now = later(now, BAN_REMEMBERED);
        bans.take_ended(now);
        assert_eq!(bans.misbehaved(peer, "garbage", now), BAN_MIN);
    }

    #[test]
    fn bans_come_back_from_disk_and_bad_records_do_not() {
        let mut bans = Bans::default();
        let (short, forever, over) = (PeerId::random(), PeerId::random(), PeerId::random());
        bans.misbehaved(over, "garbage", NOW);
        let later_on = later(NOW, BAN_MIN);
        bans.misbehaved(short, "garbage", later_on);
        bans.by_user(forever, None, "mine", later_on);
        let json = serde_json::to_string(&bans.to_records()).unwrap();
        let mut records: BanRecords = serde_json::from_str(&json).unwrap();
        records.bans.push(BanRecord {
            peer_id: "nobody".into(),
            reason: String::new(),
            since: NOW,
            until: None,
            times: 0,
            by_user: true,
        });
        let mut again = Bans::from_records(records, later_on);
        assert_eq!(again.list().len(), 2);
        assert_eq!(again.get(&forever), bans.get(&forever));
        assert_eq!(again.get(&short), bans.get(&short));
        // Remembered, though it was over.
        assert_eq!(again.misbehaved(over, "garbage", later_on), 2 * BAN_MIN);
    }

    #[test]
    fn the_users_word_goes_first() {
        let (mut bans, peer) = (Bans::default(), PeerId::random());
        bans.by_user(peer, None, "mine", NOW);
        bans.misbehaved(peer, "garbage", NOW);
        assert_eq!(bans.get(&peer).unwrap().reason, "mine");
        assert!(bans.lift(&peer) && !bans.lift(&peer));
        bans.by_user(peer, Some(Duration::from_secs(60)), &"ü".repeat(500), NOW);
        let ban = bans.get(&peer).unwrap();
        assert_eq!((ban.until, ban.reason.len()), (Some(UnixMillis(NOW.0 + 60_000)), 200));
    }

    #[test]
    fn a_clock_set_back_makes_no_ban_longer_than_a_day() {
        let (mut bans, peer) = (Bans::default(), PeerId::random());
        bans.misbehaved(peer, "garbage", NOW);
        let back = UnixMillis(NOW.0 - 90 * 24 * 3_600_000);
        bans.take_ended(back);
        assert_eq!(until(&bans, &peer), Some(later(back, BAN_MAX)));
    }

    #[test]
    fn bans_are_bounded_and_the_users_are_kept() {
        let (mut bans, mine) = (Bans::default(), PeerId::random());
        bans.by_user(mine, None, "mine", NOW);
        for _ in 0..2 * BANS_MAX {
            bans.misbehaved(PeerId::random(), "garbage", NOW);
        }
        assert_eq!(bans.bans.len(), BANS_MAX);
        assert!(bans.get(&mine).is_some());
    }
}
