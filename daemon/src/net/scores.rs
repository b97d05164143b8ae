//! What peers have earned: a number per peer that falls with what no honest peer does, rises a
//! little with what is of use, and decays towards 0.
//!
//! Pure bookkeeping, time as an argument. 0 is a stranger. At [`THROTTLED_AT`] a peer's gossip is
//! looked at only up to a small rate and its requests are served one at a time; at
//! [`DISCONNECTED_AT`] it is disconnected for a minute, which costs it points too, so that the third
//! time in a row leads to [`BANNED_AT`]. Nothing is measured that a quiet shard or a slow link would
//! make an honest peer fail at, and nothing by IP address: on a LAN all share one.

use std::collections::HashMap;
use std::time::Duration;

use crate::limits::{
    SCORE_HALF_LIFE, SCORES_MAX, THROTTLED_FLOOD_PER_SECOND, THROTTLED_MESSAGES_PER_SECOND_MAX,
};
use libp2p::PeerId;
use tokio::time::Instant;

/// The score from which a peer is throttled.
pub(super) const THROTTLED_AT: f64 = -20.0;
/// The score from which it is disconnected.
pub(super) const DISCONNECTED_AT: f64 = -50.0;
/// The score from which it is banned.
pub(super) const BANNED_AT: f64 = -100.0;
/// The most that good conduct earns: four faults.
const POINTS_MAX: f64 = 20.0;
/// What is left of a score that decayed this far says nothing.
const NEGLIGIBLE: f64 = 0.5;

/// Something a peer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Conduct {
    /// It brought an envelope that is good and new.
    Useful,
    /// It gossiped what no honest peer gossips.
    Invalid,
    /// It asked or answered what no honest peer does.
    Fault,
    /// It left a request, or an answer, half-way until the time was over. A slow link does the same,
    /// so this alone never does more than throttle.
    Stalled,
    /// It brought more than its share. Counted once a second, however much it was.
    Excess,
    /// It was disconnected for its score.
    Disconnected,
}

/// What a score leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// Nothing.
    Good,
    /// Its gossip is looked at up to a small rate, its requests one at a time.
    Throttled,
    /// To be disconnected for a while.
    Disconnect,
    /// To be banned.
    Ban,
}

/// What is done with a gossip message before it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is looked at.
    Judged,
    /// It is not.
    Ignored,
    /// It is not, and there are so many that they count as [`Conduct::Excess`].
    Flood,
}

/// All peers' scores, at most [`SCORES_MAX`].
#[derive(Default)]
pub(super) struct Scores {
    peers: HashMap<PeerId, Score>,
}

struct Score {
    points: f64,
    at: Instant,
    /// When excess was last counted.
    excess_at: Option<Instant>,
    /// Messages in the current second, while throttled.
    second: (Instant, u32),
}

impl Scores {
    /// Counts what a peer did, and gives where it stands then.
    pub(super) fn count(&mut self, peer: PeerId, conduct: Conduct, now: Instant) -> Standing {
        if !self.peers.contains_key(&peer) {
            self.make_room(now);
        }
        let score = self.peers.entry(peer).or_insert_with(|| Score::new(now));
        score.decay(now);
        score.count(conduct, now);
        standing(score.points)
    }

    /// The score of a peer, decayed up to `now`.
    pub(super) fn points(&self, peer: &PeerId, now: Instant) -> f64 {
        self.peers.get(peer).map_or(0.0, |score| score.decayed(now))
    }

    /// Where a peer stands.
    pub(super) fn standing(&self, peer: &PeerId, now: Instant) -> Standing {
        standing(self.points(peer, now))
    }

    /// What is to be done with a gossip message of a peer.
    pub(super) fn admit(&mut self, peer: &PeerId, now: Instant) -> Admission {
        match self.peers.get_mut(peer) {
            // Good conduct is most of it, and needs no decay.
            Some(score) if score.points < 0.0 => score.admit(now),
            Some(_) | None => Admission::Judged,
        }
    }

    /// Forgets a peer's score: the user has pardoned it.
    pub(super) fn forget(&mut self, peer: &PeerId) {
        self.peers.remove(peer);
    }

    /// Forgets scores that have decayed to nothing.
    pub(super) fn forget_settled(&mut self, now: Instant) {
        self.peers.retain(|_, score| score.decayed(now).abs() >= NEGLIGIBLE);
    }

    fn make_room(&mut self, now: Instant) {
        if self.peers.len() < SCORES_MAX {
            return;
        }
        self.forget_settled(now);
        if self.peers.len() >= SCORES_MAX {
            let best = self.peers.iter().max_by(|(_, a), (_, b)| a.points.total_cmp(&b.points));
            if let Some(peer) = best.map(|(peer, _)| *peer) {
                self.peers.remove(&peer);
            }
        }
    }
}

impl Score {
    fn new(now: Instant) -> Self {
        Self { points: 0.0, at: now, excess_at: None, second: (now, 0) }
    }

    fn decayed(&self, now: Instant) -> f64 {
        let halves = now.duration_since(self.at).as_secs_f64() / SCORE_HALF_LIFE.as_secs_f64();
        self.points * 0.5_f64.powf(halves)
    }

    fn decay(&mut self, now: Instant) {
        // Not for every envelope of a burst.
        if now.duration_since(self.at) >= Duration::from_secs(1) {
            self.points = self.decayed(now);
            self.at = now;
        }
    }

    fn count(&mut self, conduct: Conduct, now: Instant) {
        match conduct {
            Conduct::Useful => self.points = (self.points + 0.05).min(POINTS_MAX),
            Conduct::Invalid | Conduct::Fault => self.points -= 5.0,
            Conduct::Stalled => {
                let floor = (THROTTLED_AT + DISCONNECTED_AT) / 2.0;
                self.points = (self.points - 2.0).max(floor.min(self.points));
            }
            Conduct::Excess => {
                let second = Duration::from_secs(1);
                if self.excess_at.is_none_or(|at| now.duration_since(at) >= second) {
                    self.excess_at = Some(now);
                    self.points = self.points.min(0.0) - 1.0;
                }
            }
            Conduct::Disconnected => self.points -= 20.0,
        }
    }

    fn admit(&mut self, now: Instant) -> Admission {
        if standing(self.decayed(now)) == Standing::Good {
            return Admission::Judged;
        }
        let (since, messages) = &mut self.second;
        if now.duration_since(*since) >= Duration::from_secs(1) {
            (*since, *messages) = (now, 0);
        }
        *messages = messages.saturating_add(1);
        if *messages <= THROTTLED_MESSAGES_PER_SECOND_MAX {
            Admission::Judged
        } else if *messages < THROTTLED_FLOOD_PER_SECOND {
            Admission::Ignored
        } else {
            Admission::Flood
        }
    }
}

fn standing(points: f64) -> Standing {
    if points <= BANNED_AT {
        Standing::Ban
    } else if points <= DISCONNECTED_AT {
        Standing::Disconnect
    } else if points <= THROTTLED_AT {
        Standing::Throttled
    } else {
        Standing::Good
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn garbage_leads_down_the_ladder() {
        let (mut scores, peer, now) = (Scores::default(), PeerId::random(), Instant::now());
        let mut steps = Vec::new();
        for _ in 0..20 {
            steps.push(scores.count(peer, Conduct::Invalid, now));
        }
        assert_eq!(steps[2], Standing::Good);
        assert_eq!(steps[3], Standing::Throttled);
        assert_eq!(steps[9], Standing::Disconnect);
        assert_eq!(steps[19], Standing::Ban);
        assert!(steps.is_sorted());
        assert_eq!(scores.standing(&PeerId::random(), now), Standing::Good);
    }

    #[test]
    fn what_is_past_counts_less_and_less() {
        let (mut scores, peer, now) = (Scores::default(), PeerId::random(), Instant::now());
        for _ in 0..15 {
            scores.count(peer, Conduct::Fault, now);
        }
        let later = now + SCORE_HALF_LIFE;
        assert!((scores.points(&peer, later) + 37.5).abs() < 0.01);
        assert_eq!(scores.standing(&peer, later), Standing::Throttled);
        scores.forget_settled(now + SCORE_HALF_LIFE * 10);
        assert!(scores.peers.is_empty());
    }

    #[test]
    fn usefulness_buys_few_faults() {
        let (mut scores, peer, now) = (Scores::default(), PeerId::random(), Instant::now());
        for _ in 0..1_000_000 {
            scores.count(peer, Conduct::Useful, now);
        }
        assert!((scores.points(&peer, now) - POINTS_MAX).abs() < 0.01);
        for _ in 0..24 {
            scores.count(peer, Conduct::Invalid, now);
        }
        assert_eq!(scores.standing(&peer, now), Standing::Ban);
    }

    #[test]
    fn a_burst_over_the_rate_is_forgiven_and_a_lasting_flood_is_not() {
        let (mut scores, peer, now) = (Scores::default(), PeerId::random(), Instant::now());
        for _ in 0..100_000 {
            scores.count(peer, Conduct::Excess, now);
        }
        assert_eq!(scores.standing(&peer, now), Standing::Good);
        let mut seconds = 0;
        while scores.count(peer, Conduct::Excess, after(now, seconds)) != Standing::Ban {
            if scores.standing(&peer, after(now, seconds)) == Standing::Disconnect {
                scores.count(peer, Conduct::Disconnected, after(now, seconds));
                seconds += 60;
            }
            seconds += 1;
            assert!(seconds < 600, "{}", scores.points(&peer, after(now, seconds)));
        }
        assert!(seconds > 60);
    }

    #[test]
    fn a_slow_link_alone_never_does_more_than_throttle() {
        let (mut scores, peer, now) = (Scores::default(), PeerId::random(), Instant::now());
        for _ in 0..1000 {
            assert!(scores.count(peer, Conduct::Stalled, now) <= Standing::Throttled);
        }
        assert_eq!(scores.standing(&peer, now), Standing::Throttled);
        // Nor does it mend what was worse.
        for _ in 0..7 {
            scores.count(peer, Conduct::Fault, now);
        }
        let before = scores.points(&peer, now);
        scores.count(peer, Conduct::Stalled, now);
        assert!(scores.points(&peer, now) <= before);
    }

    #[test]
    fn a_throttled_peer_is_heard_a_little() {
        let (mut scores, peer, now) = (Scores::default(), PeerId::random(), Instant::now());
        assert_eq!(scores.admit(&peer, now), Admission::Judged);
        for _ in 0..5 {
            scores.count(peer, Conduct::Invalid, now);
        }
        for (at, expected) in [(now, 50), (after(now, 1), 50)] {
            let judged = (0..200).filter(|_| scores.admit(&peer, at) == Admission::Judged).count();
            assert_eq!(judged, expected);
        }
        let flood = (0..1000).filter(|_| scores.admit(&peer, after(now, 2)) == Admission::Flood);
        assert_eq!(flood.count(), 1);
    }

    #[test]
    fn scores_are_bounded_and_the_worst_are_kept() {
        let (mut scores, bad, now) = (Scores::default(), PeerId::random(), Instant::now());
        for _ in 0..5 {
            scores.count(bad, Conduct::Fault, now);
        }
        for _ in 0..SCORES_MAX + 10 {
            scores.count(PeerId::random(), Conduct::Invalid, now);
        }
        assert_eq!(scores.peers.len(), SCORES_MAX);
        assert_eq!(scores.standing(&bad, now), Standing::Throttled);
    }

    proptest! {
        #[test]
        fn a_score_stays_within_its_range_and_honest_conduct_is_never_punished(
            steps in proptest::collection::vec((0..5_u8, 0..120_u64), 1..300),
        ) {
            let (mut scores, peer, mut now) = (Scores::default(), PeerId::random(), Instant::now());
            let mut bad = false;
            for (kind, wait) in steps {
                now += Duration::from_secs(wait);
                let conduct = match kind {
                    0 | 1 => Conduct::Useful,
                    2 => Conduct::Stalled,
                    3 => Conduct::Invalid,
                    _ => Conduct::Excess,
                };
                bad |= matches!(conduct, Conduct::Invalid | Conduct::Excess);
                let standing = scores.count(peer, conduct, now);
                let points = scores.points(&peer, now);
                prop_assert!(points <= POINTS_MAX && points.is_finite());
                prop_assert!(bad || standing <= Standing::Throttled);
            }
        }
    }
}
