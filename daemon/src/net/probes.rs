//! Whether who was just sent something is still there: asked when no word comes, so that a link that is silently lost
//! shows within seconds.
//!
//! Over TCP the kernel tells: what it sent and nobody confirmed ends the connection after [`crate::limits::SILENCE_MAX`]
//! (`transport`), and a probe only sees to it that something was sent. Over QUIC a probe without an answer counts: its
//! streams don't wait for each other, so that a probe doesn't stand behind what a slow link is busy with.
//!
//! Pure bookkeeping: the swarm's task asks, and reports what it heard.

use std::collections::HashMap;

use libp2p::PeerId;
use tokio::time::Instant;

use crate::limits::{PROBE_AFTER, SILENCE_MAX};

/// The peers of which a word is waited for: connected ones, so they are bounded.
#[derive(Debug, Default)]
pub(super) struct Probes {
    awaited: HashMap<PeerId, Awaited>,
}

#[derive(Debug, Clone, Copy)]
enum Awaited {
    /// Something was sent; to be asked then.
    Word(Instant),
    /// Asked; silent if there is no answer until then.
    Answer(Instant),
}

/// What is to be done now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    /// To be asked.
    pub(super) ask: Vec<PeerId>,
    /// Asked, and silent.
    pub(super) silent: Vec<PeerId>,
}

impl Probes {
    /// Something was sent to a peer: it is asked in a second if no word comes before.
    pub(super) fn sent(&mut self, peer: PeerId, now: Instant) {
        self.awaited.entry(peer).or_insert(Awaited::Word(now + PROBE_AFTER));
    }

    /// The way to a peer may have changed: it is asked at once.
    pub(super) fn doubt(&mut self, peer: PeerId, now: Instant) {
        match self.awaited.get(&peer) {
            Some(Awaited::Answer(_)) => {}
            Some(Awaited::Word(_)) | None => {
                self.awaited.insert(peer, Awaited::Word(now));
            }
        }
    }

    /// A peer was heard, or is gone.
    pub(super) fn settled(&mut self, peer: &PeerId) {
        self.awaited.remove(peer);
    }

    /// What is due.
    pub(super) fn take_due(&mut self, now: Instant) -> Due {
        let mut due = Due::default();
        self.awaited.retain(|peer, awaited| match awaited {
            Awaited::Word(at) if *at <= now => {
                due.ask.push(*peer);
                *awaited = Awaited::Answer(now + SILENCE_MAX);
                true
            }
            Awaited::Answer(until) if *until <= now => {
                due.silent.push(*peer);
                false
            }
            Awaited::Word(_) | Awaited::Answer(_) => true,
        });
        due
    }

    /// When something is due next.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let times = self.awaited.values().map(|awaited| match awaited {
            Awaited::Word(at) | Awaited::Answer(at) => *at,
        });
        times.min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_after_something_was_sent_is_asked_once_and_then_silent() {
        let (mut probes, peer) = (Probes::default(), PeerId::random());
        let start = Instant::now();
        probes.sent(peer, start);
        probes.sent(peer, start + PROBE_AFTER / 2);
        assert_eq!(probes.take_due(start), Due::default());
        let asked = start + PROBE_AFTER;
        assert_eq!(probes.next_due(), Some(asked));
        assert_eq!(probes.take_due(asked), Due { ask: vec![peer], silent: vec![] });
        probes.sent(peer, asked);
        probes.doubt(peer, asked);
        assert_eq!(probes.take_due(asked), Due::default());
        let silent = asked + SILENCE_MAX;
        assert_eq!(probes.take_due(silent), Due { ask: vec![], silent: vec![peer] });
        assert_eq!(probes.next_due(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_heard_is_not_asked_and_who_is_doubted_is_at_once() {
        let (mut probes, peer) = (Probes::default(), PeerId::random());
        let start = Instant::now();
        probes.sent(peer, start);
        probes.settled(&peer);
        assert_eq!(probes.take_due(start + PROBE_AFTER), Due::default());
        probes.sent(peer, start);
        probes.doubt(peer, start);
        assert_eq!(probes.take_due(start).ask, [peer]);
    }
}
