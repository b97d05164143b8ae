//! The stem, as the task drives it: hops to neighbours and from them, and what comes to its end here.

use std::sync::Arc;
use std::time::Duration;

use crate::limits::{STEM_GOES_ON, STEM_GRACE};
use libp2p::PeerId;
use libp2p::request_response::{self, InboundFailure, OutboundFailure, ResponseChannel};
use martlet_engine::{FromNet, Stemmed};
use martlet_protocol::{Ack, Header, codec};
use rand::RngExt;
use tokio::time::Instant;

use super::super::NetSink;
use super::super::asked::Asked;
use super::super::peer_key::key_of;
use super::super::scores::Standing;
use super::super::stem::codec::{Answer, encode};
use super::super::stem::{Candidate, Key, Ride, lane};
use super::{Task, Timers};

impl<S: NetSink> Task<S> {
    /// Puts items of the user's own on the stem.
    pub(super) fn stem_own(&mut self, items: Vec<Stemmed>) {
        let now = Instant::now();
        let mut off = Vec::new();
        for item in items {
            let key = Key::of(&item);
            self.context.metrics.stem.own.inc();
            if self.stem.hold(key, &item, None, now, &mut rand::rng()) {
                self.carry(Ride { key, edge: None, is_again: false }, now);
            } else {
                off.push(item);
            }
        }
        self.give_up(off);
        self.hop();
    }

    /// A neighbour came, or told what it speaks: own items may have waited for it.
    pub(super) fn stem_waiting(&mut self) {
        let now = Instant::now();
        for key in self.stem.take_waiting() {
            self.carry(Ride { key, edge: None, is_again: false }, now);
        }
        self.hop();
    }

    /// A neighbour is gone, or `failed`: what was to go to it goes another way.
    pub(super) fn stem_lost(&mut self, peer: &PeerId, failed: bool) {
        let now = Instant::now();
        for ride in self.stem.forget(peer, failed) {
            self.carry(ride, now);
        }
        self.stem_waiting();
    }

    /// An envelope came by gossip or by sync: it is on the network.
    pub(super) fn stem_saw(&mut self, key: Key) {
        self.stem.take(&key);
    }

    /// Acks came by gossip.
    pub(super) fn stem_saw_acks(&mut self, data: &[u8]) {
        if self.stem.is_empty() {
            return;
        }
        let acks: Vec<Ack> = codec::decode(data, data.len()).unwrap_or_default();
        for ack in acks {
            self.stem.take(&Key::of(&Stemmed::Ack(ack)));
        }
    }

    /// Publishes what did not come by gossip in time.
    pub(super) fn stem_due(&mut self, now: Instant) {
        let mut off = Vec::new();
        for (key, held) in self.stem.take_due(now) {
            match held.edge {
                // It has not left yet.
                None if self.peers.count() == 0 => {
                    self.stem.hold(key, &held.item, None, now, &mut rand::rng());
                    self.stem.wait(key);
                }
                None => {
                    self.context.metrics.stem.failsafe.inc();
                    off.push(held.item);
                }
                Some(peer) => {
                    self.context.metrics.stem.failsafe.inc();
                    self.publish_stemmed(peer, &held.item);
                }
            }
        }
        self.give_up(off);
    }

    pub(super) fn on_stem(
        &mut self,
        event: request_response::Event<Asked<Vec<u8>>, Answer>,
    ) -> Timers {
        match event {
            request_response::Event::Message { peer, message, .. } => match message {
                request_response::Message::Request { request, channel, .. } => match request {
                    Ok(request) => self.on_stemmed(peer, &request, channel),
                    Err(unread) => self.count_unread(peer, unread),
                },
                request_response::Message::Response { request_id, response } => {
                    // What is refused waits for its fail-safe: who is busy must not choose the way.
                    self.stem.ended(&request_id);
                    if response == Answer::Refused {
                        self.context.metrics.stem.refused.inc();
                    }
                    self.hop();
                }
            },
            request_response::Event::OutboundFailure { peer, request_id, error, .. } => {
                let failed = match error {
                    OutboundFailure::Timeout => {
                        self.count_stalled(peer);
                        true
                    }
                    OutboundFailure::UnsupportedProtocols => {
                        if let Some(state) = self.peers.get_mut(&peer) {
                            state.speaks_stem = Some(false);
                        }
                        true
                    }
                    OutboundFailure::Io(_) => true,
                    OutboundFailure::DialFailure | OutboundFailure::ConnectionClosed => false,
                };
                let ended = self.stem.ended(&request_id);
                self.stem_lost(&peer, failed);
                if let Some((_, ride)) = ended.filter(|(_, ride)| !ride.is_again) {
                    self.carry(Ride { is_again: true, ..ride }, Instant::now());
                    self.hop();
                }
            }
            request_response::Event::InboundFailure { peer, error, .. } => match error {
                // It does not read the answer.
                InboundFailure::Timeout => self.count_stalled(peer),
                InboundFailure::Io(_)
                | InboundFailure::ConnectionClosed
                | InboundFailure::UnsupportedProtocols
                | InboundFailure::ResponseOmission => {}
            },
            request_response::Event::ResponseSent { .. } => {}
        }
        Timers::Changed
    }

    fn on_stemmed(&mut self, peer: PeerId, request: &[u8], channel: ResponseChannel<Answer>) {
        let now = Instant::now();
        let is_throttled = self.opinions.scores.standing(&peer, now) >= Standing::Throttled;
        let judged = if is_throttled { None } else { Some(self.intake.stemmed(peer, request)) };
        if let Some(Ok(item)) = &judged {
            self.context.sink.passes_by(key_of(&peer), item);
        }
        let (answer, verdict) = match judged {
            Some(Ok(item)) if self.take_stemmed(peer, &item, now) => (Answer::Taken, None),
            Some(Err(verdict)) => (Answer::Refused, Some(verdict)),
            Some(Ok(_)) | None => (Answer::Refused, None),
        };
        if let Some(stem) = self.swarm.behaviour_mut().stem.as_mut()
            && stem.send_response(channel, answer).is_err()
        {
            tracing::debug!("too late to answer what came by the stem");
        }
        if let Some(verdict) = verdict {
            self.on_verdict(peer, verdict);
        }
        self.hop();
    }

    /// Passes on or publishes what a neighbour brought; whether there is room for it. What comes a second time
    /// is treated like the first: else who sends something to many would learn which of them know it.
    fn take_stemmed(&mut self, peer: PeerId, item: &Stemmed, now: Instant) -> bool {
        if let Stemmed::Envelope(envelope) = item
            && !Header::parse(&envelope.content)
                .is_ok_and(|header| self.context.kept.get().contains(header.shard))
        {
            // It changed its shards just now, or the other one believes so.
            return false;
        }
        let (key, mut rng) = (Key::of(item), rand::rng());
        let goes_on = rng.random_bool(STEM_GOES_ON);
        if goes_on && !self.stem.hold(key, item, Some(peer), now, &mut rng) {
            return false;
        }
        if goes_on {
            self.context.metrics.stem.relayed.inc();
            self.carry(Ride { key, edge: Some(peer), is_again: false }, now);
        } else {
            self.stem.take(&key);
            self.context.metrics.stem.published.inc();
            self.publish_stemmed(peer, item);
        }
        true
    }

    /// Sends something to the successor of the edge by which it came. Where there is none the stem ends.
    fn carry(&mut self, ride: Ride, now: Instant) {
        let Some(held) = self.stem.get(&ride.key) else { return };
        let lane = lane(&held.item, self.context.network.shard_bits);
        let candidates = self.candidates(lane, now);
        let successor = self.stem.successor(lane, ride.edge, &candidates, now, &mut rand::rng());
        match (successor, ride.edge) {
            (Some(successor), _) => self.stem.enqueue(successor, ride),
            (None, None) if self.may_come_yet(now) => self.stem.wait(ride.key),
            (None, None) => {
                let held = self.stem.take(&ride.key);
                self.give_up(held.map(|held| held.item).into_iter().collect());
            }
            (None, Some(peer)) => {
                if let Some(held) = self.stem.take(&ride.key) {
                    self.context.metrics.stem.published.inc();
                    self.publish_stemmed(peer, &held.item);
                }
            }
        }
    }

    /// Begins the hops that may begin.
    fn hop(&mut self) {
        while let Some((peer, ride, item)) = self.stem.next_hop() {
            let Some(stem) = self.swarm.behaviour_mut().stem.as_mut() else { return };
            let request = stem.send_request(&peer, Ok(encode(&item)));
            self.stem.sent(request, peer, ride);
        }
    }

    /// Neighbours that pass on what is on the stem, in the order of their ids.
    fn candidates(&self, lane: Option<martlet_protocol::Shard>, now: Instant) -> Vec<Candidate> {
        if !self.swarm.behaviour().stem.is_enabled() {
            return Vec::new();
        }
        let keepers: Option<Vec<PeerId>> = lane.map(|shard| self.shards.keepers(shard).collect());
        let mut candidates: Vec<Candidate> = self
            .peers
            .iter()
            .filter(|(peer, state)| {
                state.speaks_stem == Some(true)
                    && keepers.as_ref().is_none_or(|keepers| keepers.contains(peer))
                    && self.opinions.scores.standing(peer, now) < Standing::Throttled
            })
            .map(|(peer, state)| {
                let dialled_here = state.endpoint().is_some_and(|(_, dialled_here)| dialled_here);
                Candidate { peer: *peer, dialled_here }
            })
            .collect();
        candidates.sort_unstable_by_key(|candidate| candidate.peer);
        candidates
    }

    /// Whether there may soon be a neighbour that speaks the stem: nobody is connected, or someone just came.
    fn may_come_yet(&self, now: Instant) -> bool {
        if !self.swarm.behaviour().stem.is_enabled() {
            return false;
        }
        let is_new = |since: Instant, grace: Duration| now.saturating_duration_since(since) < grace;
        self.peers.count() == 0
            || self
                .peers
                .iter()
                .any(|(_, state)| state.speaks_stem.is_none() && is_new(state.since, STEM_GRACE))
    }

    /// What is not passed on any further goes to everyone, and into the mailbox here.
    fn publish_stemmed(&mut self, from: PeerId, item: &Stemmed) {
        self.intake.keep_stemmed(from, item);
        let (topic, bytes) = match item {
            Stemmed::Envelope(envelope) => {
                let Ok(header) = Header::parse(&envelope.content) else { return };
                let topic = self.outgoing.topics.envelopes(header.shard).cloned();
                let Some(topic) = topic else { return };
                self.count_news(Some(from), 1);
                (topic, envelope.encode())
            }
            Stemmed::Ack(ack) => (self.outgoing.topics.acks().clone(), codec::encode(&[ack])),
        };
        let published = self.swarm.behaviour_mut().gossip.publish(topic.clone(), bytes);
        if let Err(error) = published
            && self.on_publish_error(&error)
            && let Stemmed::Envelope(envelope) = item
        {
            let given_up = self.outgoing.keep_unsent(topic, envelope.clone());
            self.count_given_up(given_up);
        }
    }

    /// Tells the engine what of the user's own it has to publish itself.
    fn give_up(&self, items: Vec<Stemmed>) {
        if items.is_empty() {
            return;
        }
        let sink = Arc::clone(&self.context.sink);
        tokio::spawn(async move { sink.deliver(FromNet::OffStem(items)).await });
    }
}
