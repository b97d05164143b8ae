//! An own envelope not yet proved received.

use martlet_protocol::network::NetworkDescriptor;
use martlet_protocol::{
    Ack, AckCommit, Envelope, ExpiryHour, Header, IdentityId, Shard, UnixMillis, stamp,
};
use martlet_store::StoreError;
use martlet_store::records::{OUTBOX, OutboxRecord, SealedTo};

/// An own message's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    /// With whom.
    pub(crate) identity: IdentityId,
    /// Its position in the conversation.
    pub(crate) position: u64,
}

/// What an own envelope is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carries {
    /// The message at this position of the conversation.
    Message(u64),
    /// A part of the file that the message at this position announces.
    Part(u64, u16),
    /// The key of a session.
    Key,
    /// What is of use for minutes, is no message and is shown nowhere: a ping, a pong.
    Control,
}

impl Carries {
    fn of(record: &OutboxRecord) -> Self {
        match (record.is_control, record.position, record.part) {
            (true, ..) => Self::Control,
            (false, Some(position), Some(part)) => Self::Part(position, part),
            (false, Some(position), None) => Self::Message(position),
            (false, None, _) => Self::Key,
        }
    }
}

/// What an ack proves.
pub(super) struct Acknowledged {
    /// In a room of few devices: whose device has the envelope.
    pub(super) by: Option<IdentityId>,
    /// Whether all have it for whom it is.
    pub(super) is_whole: bool,
}

/// An own envelope not yet proved received: what is in memory of it. There may be tens of thousands, so it is small.
pub(crate) struct Pending {
    pub(super) identity: IdentityId,
    pub(super) carries: Carries,
    /// Of a session key: whose prekey it is sealed to.
    sealed_to: Option<Box<SealedTo>>,
    commits: Box<[AckCommit]>,
    /// Bit `n`: slot `n` was acknowledged.
    acked: u8,
    /// In a room of few devices: whose the slots are.
    readers: Box<[IdentityId]>,
    /// Whether another node has it on disk.
    pub(super) is_stored: bool,
    /// Its arrival number in the mailbox; `None` if it isn't there.
    pub(super) arrival: Option<u64>,
    /// The how manieth it is of those made or loaded.
    pub(super) order: u64,
    pub(super) expiry: ExpiryHour,
    /// Whether it was addressed in another network than this, or in another version's format.
    is_foreign: bool,
    /// Whether it was addressed by a clock that no other had agreed with.
    in_doubt: bool,
    /// Whether it waits for its stamp, and is neither in the mailbox nor on the network.
    pub(super) lacks_stamp: bool,
    /// Whether it came off the stem while the mailbox had no room: it is on the network.
    pub(super) was_on_stem: bool,
    pub(super) shard: Shard,
}

impl Pending {
    pub(super) fn from_record(record: &OutboxRecord, network: &NetworkDescriptor) -> Self {
        let Ok(header) = own_header(&record.envelope) else { return Self::unreadable(record) };
        let commits = (0..header.slots)
            .filter_map(|slot| header.ack_commit(&record.envelope.content, slot))
            .collect();
        Self {
            identity: record.identity,
            sealed_to: record.sealed_to.map(Box::new),
            carries: Carries::of(record),
            commits,
            acked: 0,
            readers: record.readers.as_slice().into(),
            is_stored: false,
            arrival: None,
            order: 0,
            expiry: header.expiry,
            is_foreign: match record.is_control {
                // What is not for one person, as a handle's claim, has a shard of its own.
                true => header.network != network.tag(),
                false => !is_addressed_in(network, &header, &addressee(record)),
            },
            in_doubt: record.in_doubt,
            lacks_stamp: !stamp::check(&record.id, record.envelope.nonce, network.stamp_bits),
            was_on_stem: false,
            shard: header.shard,
        }
    }

    /// An envelope that this build can't read: of another version of the wire format. What it carries is
    /// sent again.
    fn unreadable(record: &OutboxRecord) -> Self {
        Self {
            identity: record.identity,
            carries: Carries::of(record),
            commits: Box::default(),
            acked: 0,
            readers: Box::default(),
            is_stored: false,
            arrival: None,
            order: 0,
            expiry: ExpiryHour(u32::MAX),
            is_foreign: true,
            in_doubt: false,
            sealed_to: None,
            lacks_stamp: false,
            was_on_stem: false,
            shard: Shard(0),
        }
    }

    /// Takes an ack, if it proves something; whether all its slots are acknowledged now.
    pub(super) fn acknowledge(&mut self, ack: &Ack) -> Option<Acknowledged> {
        let slot = usize::from(ack.slot);
        if self.commits.get(slot) != Some(&ack.secret.commit()) {
            return None;
        }
        self.acked |= 1 << ack.slot;
        let is_whole = usize::try_from(self.acked.count_ones()).unwrap_or(0) >= self.commits.len();
        Some(Acknowledged { by: self.readers.get(slot).copied(), is_whole })
    }

    /// Whom it is for.
    pub(crate) fn recipient(&self) -> &IdentityId {
        &self.identity
    }

    /// Whether it carries what is of use for minutes.
    pub(crate) fn is_control(&self) -> bool {
        self.carries == Carries::Control
    }

    /// Whether it carries a part of a file: its keys are of no session, so it stays as it is when a session begins anew.
    pub(crate) fn is_part(&self) -> bool {
        matches!(self.carries, Carries::Part(..))
    }

    /// Whether it is of a session of the user's: a message, or the key of one. `own` is the user: what is for a new device of
    /// theirs is sealed to it alone, before there is a session.
    pub(crate) fn is_of_session(&self, own: &IdentityId) -> bool {
        match self.carries {
            Carries::Message(_) => true,
            Carries::Key => self.identity != *own || self.sealed_to.is_some(),
            Carries::Part(..) | Carries::Control => false,
        }
    }

    /// Of a session key: whose prekey it is sealed to.
    pub(crate) fn sealed_to(&self) -> Option<SealedTo> {
        self.sealed_to.as_deref().copied()
    }

    /// Whether others would refuse it at `now`, as it is addressed: in another network, in another version's
    /// format, or by a clock that was wrong.
    pub(crate) fn is_misaddressed(&self, now: UnixMillis) -> bool {
        self.is_foreign
            || self.expiry > ExpiryHour::latest_accepted(now)
            || self.in_doubt && self.expiry.is_past(now)
    }
}

/// In whose shard an own envelope is: the key of a room's session goes to its members' devices.
fn addressee(record: &OutboxRecord) -> IdentityId {
    record.sealed_to.and_then(|sealed_to| sealed_to.of).unwrap_or(record.identity)
}

/// Whether an own envelope for `identity` is addressed as `network` has it.
pub(crate) fn is_addressed_in(
    network: &NetworkDescriptor,
    header: &Header,
    identity: &IdentityId,
) -> bool {
    header.network == network.tag() && header.shard == Shard::of(identity, network.shard_bits)
}

pub(crate) fn own_header(envelope: &Envelope) -> Result<Header, StoreError> {
    Header::parse(&envelope.content).map_err(|_| StoreError::Record { table: OUTBOX.name() })
}
