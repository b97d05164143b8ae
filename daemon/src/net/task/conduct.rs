//! What peers do that no honest one does, and what comes of it: throttled, disconnected, banned.

use std::time::Duration;

use crate::limits::{DISCONNECTED_FOR, REFUSED_PEERS_MAX};
use libp2p::PeerId;
use martlet_protocol::control::{Ban, PeerDetails};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::super::asked::Unread;
use super::super::intake::Verdict;
use super::super::scores::{Conduct, Standing};
use super::super::state_files::{BANS_FILE, NotStored};
use super::super::streams::Misuse;
use super::super::{NetSink, shorten};
use super::{Task, Timers};

impl<S: NetSink> Task<S> {
    /// Does what the verdict on something that a peer brought leads to.
    pub(super) fn on_verdict(&mut self, peer: PeerId, verdict: Verdict) -> Timers {
        match verdict {
            Verdict::Accept | Verdict::Keep => {
                self.health.far_future.taken += 1;
                return self.after_news();
            }
            Verdict::Doubtful => {
                self.ask_doubted_time(peer);
                return self.look_at_clock(Instant::now());
            }
            // Perhaps for its hour. A clock that is wrong for seconds is seen while it is.
            Verdict::Ignore => return self.look_at_clock(Instant::now()),
            Verdict::FarFuture => {
                self.health.far_future.refused += 1;
                return self.look_at_clock(Instant::now());
            }
            Verdict::Reject => self.count_conduct(peer, Conduct::Invalid),
            Verdict::OverShare => {
                if let Some(state) = self.peers.get_mut(&peer) {
                    state.sync.over_share(Instant::now());
                }
            }
            Verdict::Excess => self.cut_off(peer),
            Verdict::Shed => {
                if let Some(state) = self.peers.get_mut(&peer) {
                    state.sync.gap(Instant::now());
                }
            }
            Verdict::RejectAndCut => {
                self.count_conduct(peer, Conduct::Invalid);
                self.cut_off(peer);
            }
        }
        Timers::Changed
    }

    /// Counts something that no honest peer asks or answers.
    pub(super) fn count_fault(&mut self, peer: PeerId) {
        let is_cut = self.intake.count_invalid(peer) == Verdict::RejectAndCut;
        self.count_conduct(peer, Conduct::Fault);
        if is_cut {
            self.cut_off(peer);
        }
    }

    /// Counts that a peer brings more than its share: gossip, requests or streams.
    pub(super) fn count_excess(&mut self, peer: PeerId) {
        self.count_conduct(peer, Conduct::Excess);
    }

    /// Counts a request that could not be read: what breaks off may be an honest peer's, but not thousands of it.
    pub(super) fn count_unread(&mut self, peer: PeerId, unread: Unread) {
        tracing::debug!(peer = %shorten::peer(&peer), %unread, "a peer's request was not read");
        match unread {
            Unread::Invalid => self.count_fault(peer),
            Unread::BrokenOff => self.count_stalled(peer),
        }
        if !self.intake.takes_request(peer) {
            self.count_excess(peer);
        }
    }

    /// Counts how a peer used streams of the blob protocol.
    pub(super) fn count_misuse(&mut self, peer: PeerId, misuse: Misuse) {
        match misuse {
            Misuse::Unread(unread) => self.count_unread(peer, unread),
            Misuse::TooSlow => self.count_stalled(peer),
            Misuse::TooMany => self.count_excess(peer),
            Misuse::False => self.count_fault(peer),
        }
    }

    /// Counts that a peer left a request or an answer half-way.
    pub(super) fn count_stalled(&mut self, peer: PeerId) {
        self.count_conduct(peer, Conduct::Stalled);
    }

    /// Counts envelopes that were good and new.
    pub(super) fn count_useful(&mut self, peer: PeerId, envelopes: usize) {
        let now = Instant::now();
        self.count_news(Some(peer), envelopes);
        for _ in 0..envelopes.min(1000) {
            self.opinions.scores.count(peer, Conduct::Useful, now);
        }
        if let Some(state) = self.peers.get_mut(&peer) {
            state.brought(u64::try_from(envelopes).unwrap_or(u64::MAX), now);
        }
    }

    /// Counts envelopes that are new here, and has them carried where gossip doesn't go.
    pub(super) fn count_news(&mut self, from: Option<PeerId>, envelopes: usize) {
        if envelopes == 0 {
            return;
        }
        self.news.count += envelopes as u64;
        let now = Instant::now();
        for peer in self.news.bridges.iter().filter(|peer| Some(**peer) != from) {
            if let Some(state) = self.peers.get_mut(peer) {
                state.sync.news(now);
            }
        }
    }

    /// Whether timers may have changed with news.
    pub(super) fn after_news(&self) -> Timers {
        if self.news.bridges.is_empty() { Timers::Same } else { Timers::Changed }
    }

    /// Counts what a peer did, and does what its score then leads to.
    pub(super) fn count_conduct(&mut self, peer: PeerId, conduct: Conduct) {
        if matches!(conduct, Conduct::Invalid | Conduct::Fault)
            && let Some(state) = self.peers.get_mut(&peer)
        {
            state.invalid += 1;
        }
        let now = Instant::now();
        let before = self.opinions.scores.standing(&peer, now);
        let standing = self.opinions.scores.count(peer, conduct, now);
        match standing {
            Standing::Good => {}
            Standing::Throttled => {
                if before < standing {
                    tracing::debug!(peer = %shorten::peer(&peer), "throttled");
                }
            }
            Standing::Disconnect => self.disconnect_for_score(peer, now),
            Standing::Ban => self.cut_off(peer),
        }
    }

    /// Bans a peer for its conduct.
    pub(super) fn cut_off(&mut self, peer: PeerId) {
        if self.opinions.bans.get(&peer).is_some() {
            return;
        }
        let lasts = self.opinions.bans.misbehaved(
            peer,
            "it kept sending what is invalid, or more than its share",
            self.context.clock.now(),
        );
        self.context.metrics.net.bans.inc();
        if self.lines.takes(1) {
            tracing::info!(peer = %shorten::peer(&peer), for_ = ?lasts, "banned: it misbehaves");
        }
        // It starts anew afterwards; that it was banned is remembered.
        self.opinions.scores.forget(&peer);
        self.enforce_ban(peer);
        self.save_bans();
    }

    /// Bans a peer at the user's word. The caller has it written.
    pub(super) fn ban(
        &mut self,
        peer: PeerId,
        lasts: Option<Duration>,
        reason: &str,
    ) -> Option<Ban> {
        self.opinions.bans.by_user(peer, lasts, reason, self.context.clock.now());
        self.enforce_ban(peer);
        self.opinions.bans.get(&peer)
    }

    /// Has the bans written, and gives the user who changed them their answer.
    pub(super) fn save_bans_and_tell<T: Send + 'static>(
        &self,
        answer: T,
        reply: oneshot::Sender<Result<T, NotStored>>,
    ) {
        self.memory.files.save_and_tell(BANS_FILE, self.opinions.bans.to_records(), |written| {
            // Whoever asked may have gone.
            let _ = reply.send(written.map(|()| answer));
        });
    }

    /// Lifts a ban, or what a peer's score led to. Returns whether there was anything to lift. The caller has it
    /// written.
    pub(super) fn unban(&mut self, peer: PeerId) -> bool {
        let was_refused = self.opinions.refused.remove(&peer).is_some();
        let was_banned = self.opinions.bans.lift(&peer);
        self.opinions.scores.forget(&peer);
        self.swarm.behaviour_mut().blocked.unblock_peer(peer);
        was_banned || was_refused
    }

    /// Whether there is to be nothing to do with a peer now.
    pub(super) fn is_blocked(&self, peer: &PeerId) -> bool {
        self.swarm.behaviour().blocked.blocked_peers().contains(peer)
    }

    /// Lets peers in again whose time is over.
    pub(super) fn pardon(&mut self, now: Instant) {
        let ended = self.opinions.bans.take_ended(self.context.clock.now());
        let mut back: Vec<PeerId> = self
            .opinions
            .refused
            .extract_if(|_, until| *until <= now)
            .map(|(peer, _)| peer)
            .collect();
        back.extend(&ended);
        for peer in back {
            if self.opinions.bans.get(&peer).is_none() && !self.opinions.refused.contains_key(&peer)
            {
                self.swarm.behaviour_mut().blocked.unblock_peer(peer);
            }
        }
        if !ended.is_empty() {
            self.save_bans();
        }
        self.opinions.scores.forget_settled(now);
    }

    /// What a peer's conduct adds to what is told of it.
    pub(super) fn judge(&self, peer: &PeerId, details: &mut PeerDetails) {
        let now = Instant::now();
        // One place after the point is all that means something.
        details.score = (self.opinions.scores.points(peer, now) * 10.0).round() / 10.0;
        details.throttled = self.opinions.scores.standing(peer, now) >= Standing::Throttled;
        details.pinned = self.opinions.pinned.contains(peer);
    }

    /// Has the bans written, which have changed.
    pub(super) fn save_bans(&self) {
        self.memory.files.save(BANS_FILE, self.opinions.bans.to_records());
    }

    fn disconnect_for_score(&mut self, peer: PeerId, now: Instant) {
        if !self.peers.is_connected(&peer) || self.is_blocked(&peer) {
            return;
        }
        tracing::info!(peer = %shorten::peer(&peer), "disconnected for a minute: it misbehaves");
        if self.opinions.scores.count(peer, Conduct::Disconnected, now) == Standing::Ban {
            return self.cut_off(peer);
        }
        if self.opinions.refused.len() < REFUSED_PEERS_MAX {
            self.opinions.refused.insert(peer, now + DISCONNECTED_FOR);
            // Blocking closes its connections.
            self.swarm.behaviour_mut().blocked.block_peer(peer);
        } else {
            self.disconnect(peer);
        }
    }

    fn enforce_ban(&mut self, peer: PeerId) {
        self.memory.cache.forget(&peer);
        self.swarm.behaviour_mut().blocked.block_peer(peer);
    }
}
