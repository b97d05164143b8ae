//! What is known of peers' clocks: who brings what ends at a time that makes no sense may have one that is far off.

use libp2p::PeerId;
use martlet_protocol::UnixMillis;
use tokio::time::Instant;

use super::{Intake, Verdict};
use crate::limits::{CLOCK_ANSWER_MAX, CLOCK_HOPELESS};

/// What is known of a peer's clock.
#[derive(Debug, Clone, Copy)]
pub(super) enum PeerClock {
    /// Nobody asked.
    Unknown,
    /// It was asked then.
    Asked(Instant),
    /// It is near this node's.
    Near,
    /// One of the two is far off.
    Apart,
}

impl Intake {
    /// A peer told what its clock shows.
    pub(in crate::net) fn clock_heard(&mut self, from: PeerId, theirs: UnixMillis) {
        let apart = u128::from(theirs.0.abs_diff(self.clock.now().0));
        let is_apart = apart > CLOCK_HOPELESS.as_millis();
        self.share(from).clock = if is_apart { PeerClock::Apart } else { PeerClock::Near };
    }

    /// A peer brought what ends at a time that makes no sense here; `None` if its clock is no reason for that.
    pub(super) fn doubt(&mut self, from: PeerId) -> Option<Verdict> {
        let now = Instant::now();
        let share = self.share(from);
        match share.clock {
            PeerClock::Unknown => {
                share.clock = PeerClock::Asked(now);
                Some(Verdict::Doubtful)
            }
            PeerClock::Asked(at) if now.duration_since(at) < CLOCK_ANSWER_MAX => {
                Some(Verdict::Ignore)
            }
            PeerClock::Asked(_) | PeerClock::Near => None,
            PeerClock::Apart => Some(Verdict::Ignore),
        }
    }
}
