//! Envelopes and acks, on their way in and out.

use martlet_protocol::EnvelopeError;

use super::describe::{Counter, Describe};

/// Envelopes on their way in and out.
#[derive(Debug)]
pub struct EnvelopeMetrics {
    /// Good ones that peers brought by gossip. Copies that gossipsub knew are not seen.
    pub received_by_gossip: Counter,
    /// Good ones that peers brought by sync.
    pub received_by_sync: Counter,
    /// Received and new, on their way to the disk.
    pub new: Counter,
    /// Bytes of those: their content.
    pub new_bytes: Counter,
    /// Received and known already, live or purged.
    pub duplicate: Counter,
    /// Refused.
    pub refused: RefusedEnvelopes,
    /// The user's own, given to gossip.
    pub published: Counter,
    /// Others', passed on by gossip.
    pub forwarded: Counter,
    /// Sent to a peer that lacked them.
    pub sent_by_sync: Counter,
}

/// Envelopes refused, by reason.
#[derive(Debug)]
pub struct RefusedEnvelopes {
    /// Malformed, of another network, or of an unknown version or kind.
    pub invalid: Counter,
    /// Their life is over.
    pub expired: Counter,
    /// They would outlive six days and the clock skew.
    pub far_future: Counter,
    /// Of a shard that doesn't exist, or on another's topic.
    pub wrong_shard: Counter,
    /// Too little work.
    pub stamp: Counter,
    /// The peer brought too many in a minute.
    pub rate: Counter,
    /// The engine is behind; sync fetches them later.
    pub shed: Counter,
    /// The mailbox or the disk is full.
    pub full: Counter,
    /// The peer holds its share of the mailbox.
    pub over_share: Counter,
    /// A peer sent them in a sync without having been asked.
    pub unasked: Counter,
}

/// Acks on their way in and out.
#[derive(Debug)]
pub struct AckMetrics {
    /// The user's own, given to gossip.
    pub sent: Counter,
    /// They opened a slot; others are still open.
    pub accepted: Counter,
    /// They opened the last slot: the envelope is purged.
    pub purged: Counter,
    /// Known already.
    pub known: Counter,
    /// They open no slot.
    pub invalid: Counter,
    /// Their envelope isn't here (yet).
    pub orphan: Counter,
    /// Gossiped batches of no valid form.
    pub batches_invalid: Counter,
    /// Gossiped batches of a peer that brought too many acks in a minute.
    pub batches_rate: Counter,
    /// Gossiped batches not taken because the engine is behind.
    pub batches_shed: Counter,
}

impl EnvelopeMetrics {
    pub(super) fn new(describe: &mut Describe<'_>) -> Self {
        let received = describe.counters(
            "envelopes_received",
            "Valid envelopes that peers brought; copies that gossip knew are not counted",
            ["way"],
        );
        let stored = describe.counters(
            "envelopes_taken",
            "Envelopes received that the mailbox was offered, by whether it had them",
            ["result"],
        );
        let stored_bytes = describe.byte_counters(
            "envelopes_taken",
            "Bytes of envelopes received that the mailbox was offered and did not have",
            ["result"],
        );
        let sent = describe.counters("envelopes_sent", "Envelopes given to peers", ["way"]);
        Self {
            received_by_gossip: received(["gossip"]),
            received_by_sync: received(["sync"]),
            new: stored(["new"]),
            new_bytes: stored_bytes(["new"]),
            duplicate: stored(["duplicate"]),
            refused: RefusedEnvelopes::new(describe),
            published: sent(["publish"]),
            forwarded: sent(["forward"]),
            sent_by_sync: sent(["sync"]),
        }
    }
}

impl RefusedEnvelopes {
    fn new(describe: &mut Describe<'_>) -> Self {
        let refused = describe.counters(
            "envelopes_refused",
            "Envelopes from peers that were refused",
            ["reason"],
        );
        Self {
            invalid: refused(["invalid"]),
            expired: refused(["expired"]),
            far_future: refused(["far_future"]),
            wrong_shard: refused(["wrong_shard"]),
            stamp: refused(["stamp"]),
            rate: refused(["rate"]),
            shed: refused(["shed"]),
            full: refused(["full"]),
            over_share: refused(["over_share"]),
            unasked: refused(["unasked"]),
        }
    }

    /// The counter of what is wrong with an envelope.
    #[must_use]
    pub fn by(&self, error: &EnvelopeError) -> &Counter {
        match error {
            EnvelopeError::Codec(_)
            | EnvelopeError::Truncated { .. }
            | EnvelopeError::Version { .. }
            | EnvelopeError::Kind { .. }
            | EnvelopeError::Slots { .. }
            | EnvelopeError::BodySize { .. }
            | EnvelopeError::WrongNetwork => &self.invalid,
            EnvelopeError::WrongShard { .. } => &self.wrong_shard,
            EnvelopeError::Expired => &self.expired,
            EnvelopeError::FarFuture => &self.far_future,
            EnvelopeError::Stamp { .. } => &self.stamp,
        }
    }
}

impl AckMetrics {
    pub(super) fn new(describe: &mut Describe<'_>) -> Self {
        let taken = describe.counters(
            "acks_received",
            "Acks that peers brought, by what they did; an orphan is counted again when its envelope comes",
            ["result"],
        );
        let batches = describe.counters(
            "ack_batches_refused",
            "Gossiped batches of acks that were refused unread",
            ["reason"],
        );
        Self {
            sent: describe.counter("acks_sent", "The user's own acks, given to gossip"),
            accepted: taken(["accepted"]),
            purged: taken(["purged"]),
            known: taken(["known"]),
            invalid: taken(["invalid"]),
            orphan: taken(["orphan"]),
            batches_invalid: batches(["invalid"]),
            batches_rate: batches(["rate"]),
            batches_shed: batches(["shed"]),
        }
    }
}
