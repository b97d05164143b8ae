//! Rooms that the user is in, or was: their operations, and who was heard there.
//!
//! A room stands in outbox, sessions and timeline where otherwise a person does, by its id ([`line`]): no room has the id of a
//! person.

mod forgotten;
mod notes;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use martlet_protocol::limits::ROOM_OP_PREVIOUS_MAX;
use martlet_protocol::message::in_room::HEAD_BYTES;
use martlet_protocol::message::{Content, Heads, Message, room_op, room_recall};
use martlet_protocol::nearest::nearest;
use martlet_protocol::room::{Inserted, Misfit, Operation, Person, Presence, Room};
use martlet_protocol::{DeviceId, IdentityId, OpId, RoomId, UnixMillis};
use martlet_store::records::{
    AskedRecord, ROOM_OPS, ROOMS, RoomOpRecord, RoomRecallRecord, RoomRecord, UntoldMember,
};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

use super::RoomError;
use super::lately::Lately;
use crate::conversation::Author;
use crate::limits::ID_DIGITS_MIN;
use forgotten::Forgotten;

/// Rooms that the user is in, or was.
pub(crate) struct Rooms {
    own: IdentityId,
    rooms: BTreeMap<RoomId, Known>,
    /// Whether a key of a room came, since the start or before it, that nobody could use then.
    has_left_out: bool,
    answered: Lately,
    asked: Lately,
    /// Of which rooms who is to be asked, once it is done with what made that needed.
    to_ask: Vec<(RoomId, Author)>,
    forgotten: Forgotten,
    /// What members said that they know, of rooms of which they were asked.
    said: BTreeMap<RoomId, Heads>,
}

/// A room.
pub(crate) struct Known {
    pub(crate) room: Room,
    record: RoomRecord,
    /// The number of its last operation in the vault.
    ops: u64,
}

/// How a room stands where otherwise a person does.
pub(crate) fn line(room: &RoomId) -> IdentityId {
    IdentityId(room.0)
}

impl Rooms {
    pub(super) fn load(records: &VaultTxn, own: IdentityId) -> Result<Self, StoreError> {
        let mut rooms = BTreeMap::new();
        for record in records.scan(&ROOMS)? {
            let damaged = || StoreError::Record { table: ROOM_OPS.name() };
            let scope = Some(&record.room.0[..]);
            let (mut room, mut last) = (None::<Room>, 0);
            for (number, kept) in records.range(&ROOM_OPS, scope, 0..=u64::MAX, usize::MAX)? {
                let RoomOpRecord { op } = kept;
                let op = Operation::from_record(&op).map_err(|_| damaged())?;
                match &mut room {
                    None => room = Room::new(op),
                    // It fitted when it was written.
                    Some(room) => drop(room.insert(op, UnixMillis(0)).map_err(|_| damaged())?),
                }
                last = number;
            }
            let room = room.ok_or_else(damaged)?;
            rooms.insert(record.room, Known { room, record, ops: last });
        }
        Ok(Self {
            own,
            rooms,
            has_left_out: true,
            answered: Lately::default(),
            asked: Lately::default(),
            to_ask: Vec::new(),
            forgotten: Forgotten::load(records)?,
            said: BTreeMap::new(),
        })
    }

    /// A room.
    pub(crate) fn get(&self, room: &RoomId) -> Option<&Known> {
        self.rooms.get(room)
    }

    /// The room that stands there.
    pub(crate) fn of_line(&self, line: &IdentityId) -> Option<&Known> {
        self.get(&RoomId(line.0))
    }

    /// Whether a room stands there.
    pub(crate) fn is_line(&self, line: &IdentityId) -> bool {
        self.of_line(line).is_some()
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Known> {
        self.rooms.values()
    }

    /// Takes a room that was not known.
    pub(crate) fn add(
        &mut self,
        records: &mut VaultTxn,
        room: Room,
        (since, brought_by): (UnixMillis, Option<IdentityId>),
    ) -> Result<RoomId, StoreError> {
        let id = room.id();
        let record = RoomRecord {
            room: id,
            since,
            heard: Vec::new(),
            brought_by,
            was_in: false,
            came: Vec::new(),
            recalls: Vec::new(),
            unreached: Vec::new(),
            forgotten: self.forgotten.take(records, &id)?,
            came_numbers: Vec::new(),
            untold: Vec::new(),
            asked: None,
            told: 0,
        };
        records.put(&ROOMS, Key::Named(&id.0), &record)?;
        let mut known = Known { room, record, ops: 0 };
        let ops: Vec<OpId> = known.room.set().iter().map(Operation::id).collect();
        for op in ops {
            known.keep(records, &op)?;
        }
        self.rooms.insert(id, known);
        Ok(id)
    }

    /// Takes an operation on a room that is known.
    pub(crate) fn insert(
        &mut self,
        records: &mut VaultTxn,
        id: &RoomId,
        op: Operation,
        now: UnixMillis,
    ) -> Result<Result<Inserted, Misfit>, StoreError> {
        let Some(known) = self.rooms.get_mut(id) else { return Ok(Err(Misfit::OtherRoom)) };
        let inserted = known.room.insert(op, now);
        if let Ok(Inserted::New(news)) = &inserted {
            for op in &news.ops {
                known.keep(records, op)?;
            }
        }
        Ok(inserted)
    }

    /// Forgets operations that waited too long for others.
    pub(crate) fn forget_waiting(&mut self, now: UnixMillis) {
        for known in self.rooms.values_mut() {
            known.room.forget_waiting(now);
        }
    }

    /// The rooms in which the user is together with someone.
    pub(crate) fn shared_with(&self, who: &IdentityId) -> impl Iterator<Item = RoomId> {
        let is_shared = |known: &&Known| known.has(&self.own) && known.has(who);
        self.rooms.values().filter(is_shared).map(|known| known.room.id())
    }

    /// A key of a room came that nobody can use now: it stays in the mailbox.
    pub(crate) fn leave_out(&mut self) {
        self.has_left_out = true;
    }

    /// Whether there may be such a key; asked once.
    pub(crate) fn take_left_out(&mut self) -> bool {
        std::mem::take(&mut self.has_left_out)
    }

    /// Whether it is not too soon to answer a device again. From now on it is, for a while.
    pub(crate) fn may_answer(&mut self, room: RoomId, device: DeviceId, steady: Duration) -> bool {
        self.answered.may((room, device), self.digest(&room), steady)
    }

    /// A device is to be asked of a room, in a moment.
    pub(crate) fn ask_later(&mut self, room: RoomId, author: Author) {
        self.to_ask.push((room, author));
    }

    /// Those that are to be asked now.
    pub(crate) fn take_to_ask(&mut self) -> Vec<(RoomId, Author)> {
        std::mem::take(&mut self.to_ask)
    }

    /// The same of asking it.
    pub(crate) fn may_ask(&mut self, room: RoomId, device: DeviceId, steady: Duration) -> bool {
        self.asked.may((room, device), self.digest(&room), steady)
    }

    /// A member said what they know of a room; or nobody did, or all of that is known here.
    pub(crate) fn note_said(&mut self, room: RoomId, said: Option<Heads>) {
        match said {
            Some(said) => self.said.insert(room, said),
            None => self.said.remove(&room),
        };
    }

    /// What a member said that they know of a room, if some of that was not known here.
    pub(crate) fn said(&self, room: &RoomId) -> Option<&Heads> {
        self.said.get(room)
    }

    fn digest(&self, room: &RoomId) -> [u8; 32] {
        self.get(room).map(|known| known.room.set().digest()).unwrap_or_default()
    }

    /// Those that the user is in, or was, and has not forgotten.
    pub(crate) fn shown(&self) -> impl Iterator<Item = &Known> {
        self.rooms.values().filter(|known| known.is_shown(&self.own))
    }

    /// How many others brought the user into of those; and how many this one did.
    pub(crate) fn brought(&self, by: &IdentityId) -> (usize, usize) {
        let brought = self.shown().filter_map(|known| known.record.brought_by);
        let brought: Vec<_> = brought.filter(|by| *by != self.own).collect();
        (brought.len(), brought.iter().filter(|it| *it == by).count())
    }

    /// The room with this id, or that is shown so, or that has this name or an id that begins so. Its members name a room: so
    /// what can only be an id is none of a name.
    pub(super) fn find(&self, text: &str) -> Result<RoomId, RoomError> {
        let text = text.trim();
        let digits = text.to_ascii_lowercase();
        if let Some(known) = self.shown().find(|known| known.room.id().to_string() == digits) {
            return Ok(known.room.id());
        }
        let begins = |known: &Known, digits: &str| {
            digits.len() >= ID_DIGITS_MIN && known.room.id().to_string().starts_with(digits)
        };
        // As a name is shown that several have: with the beginning of its id.
        let with_id = digits.strip_suffix(')').and_then(|text| text.rsplit_once(" ("));
        if let Some((name, digits)) = with_id {
            let is_meant = |it: &&Known| begins(it, digits) && is_same_name(it.name(), name);
            if let Some(found) = one(self.shown().filter(is_meant), text)? {
                return Ok(found);
            }
        }
        let is_meant = |it: &&Known| is_same_name(it.name(), text) || begins(it, &digits);
        if let Some(found) = one(self.shown().filter(is_meant), text)? {
            return Ok(found);
        }
        let nearest = nearest(text, self.shown().map(Known::name));
        Err(RoomError::Unknown { name: text.to_owned(), nearest: nearest.map(str::to_owned) })
    }

    /// Whether another room has the same name.
    pub(super) fn has_namesake(&self, known: &Known) -> bool {
        let is_other = |other: &&Known| other.room.id() != known.room.id();
        self.shown().filter(is_other).any(|other| is_same_name(other.name(), known.name()))
    }
}

/// Whether a message, as it is sent, changes the room, or takes something back.
pub(crate) fn is_about_room(message: &Message) -> bool {
    let kind = match &message.content {
        Content::RoomOp(_) | Content::RoomRecall(_) | Content::Recall(_) => return true,
        Content::Unknown { kind, .. } => *kind,
        Content::Text(_)
        | Content::Edit(_)
        | Content::Reaction(_)
        | Content::Read(_)
        | Content::File(_)
        | Content::Timers(_)
        | Content::Profile(_)
        | Content::Sent(_)
        | Content::ReadUpTo(_)
        | Content::Settings(_)
        | Content::Progress(_)
        | Content::FileReceived(_)
        | Content::FileHolders(_) => return false,
    };
    matches!(kind, room_op::KIND | room_recall::KIND)
}

/// Whether two names look the same to who writes them down.
pub(crate) fn is_same_name(one: &str, other: &str) -> bool {
    folded(one).eq(folded(other))
}

fn folded(name: &str) -> impl Iterator<Item = char> {
    name.trim().chars().flat_map(char::to_lowercase)
}

/// Whether a name could be taken for an id, or for a name with the beginning of one.
pub(super) fn is_like_id(name: &str) -> bool {
    let is_hex = name.bytes().all(|byte| byte.is_ascii_hexdigit());
    name.contains('(') || is_hex && name.len() >= ID_DIGITS_MIN
}

/// The one that there is, if there are not several.
fn one<'a>(
    mut found: impl Iterator<Item = &'a Known>,
    name: &str,
) -> Result<Option<RoomId>, RoomError> {
    match (found.next(), found.next()) {
        (found, None) => Ok(found.map(|known| known.room.id())),
        (_, Some(_)) => Err(RoomError::Ambiguous { name: name.to_owned() }),
    }
}

impl Known {
    /// What it is called by those in it.
    pub(crate) fn name(&self) -> &str {
        &self.room.state().settings().name
    }

    /// When it was made here, or first heard of.
    pub(crate) fn since(&self) -> UnixMillis {
        self.record.since
    }

    /// Someone who is in it, or was.
    pub(crate) fn person(&self, who: &IdentityId) -> Option<&Person> {
        self.room.state().person(who)
    }

    /// Whether someone is in it. The user is not by what had brought them in when they forgot it.
    pub(crate) fn has(&self, who: &IdentityId) -> bool {
        self.person(who).is_some_and(|person| {
            person.presence == Presence::In && !self.record.forgotten.contains(&person.admitted_by)
        })
    }

    /// Those who are in it.
    pub(crate) fn members(&self) -> impl Iterator<Item = &IdentityId> {
        self.room.state().members().filter(|who| self.has(who))
    }

    /// Which positions did not go to someone.
    pub(crate) fn unreached_by(&self, who: &IdentityId) -> Vec<u64> {
        let unreached = self.record.unreached.iter().filter(|(_, of)| of == who);
        unreached.map(|(position, _)| *position).collect()
    }

    /// Whether what is in this position went to not everyone in it.
    pub(crate) fn is_unreached(&self, position: u64) -> bool {
        self.record.unreached.iter().any(|(of, _)| *of == position)
    }

    /// Moderators' recalls that wait for operations.
    pub(crate) fn recalls(&self) -> &[RoomRecallRecord] {
        &self.record.recalls
    }

    /// Whether it is shown to its user: they are in it or were, and have not forgotten it. Who was brought in by what was undone
    /// was in it, as far as they could know.
    pub(crate) fn is_shown(&self, own: &IdentityId) -> bool {
        self.record.was_in && self.concerns(own)
    }

    /// Whether someone is in it or was, though all that brought them in may be undone.
    pub(crate) fn concerns(&self, who: &IdentityId) -> bool {
        self.person(who).is_some() || self.room.is_undone(who)
    }

    /// After which position of its conversation what is written there is for someone who is in it.
    pub(crate) fn came_after(&self, who: &IdentityId) -> u64 {
        let came = self.record.came.iter().find(|(came, _)| came == who);
        came.map_or(0, |(_, after)| *after)
    }

    /// Up to which number of this device's messages what is written there is not for someone who is in it.
    pub(crate) fn skips(&self, who: &IdentityId) -> Option<u64> {
        let came = self.record.came_numbers.iter().find(|(came, _)| came == who);
        came.map(|(_, number)| *number).filter(|number| *number > 0)
    }

    /// Members who are to be told anew how the user is found.
    pub(crate) fn untold(&self) -> &[UntoldMember] {
        &self.record.untold
    }

    /// How many messages of before they came the user was told.
    pub(crate) fn told(&self) -> u16 {
        self.record.told
    }

    /// What waits for a member to say what became of it.
    pub(crate) fn asked(&self) -> Option<AskedRecord> {
        self.record.asked
    }

    /// Whether something came from someone since they are in it.
    pub(crate) fn has_heard(&self, who: &IdentityId) -> bool {
        self.record.heard.contains(who)
    }

    /// Whether who knew these operations last knew that it is closed.
    pub(crate) fn is_closed_to(&self, heads: &[[u8; HEAD_BYTES]]) -> bool {
        let (state, set) = (self.room.state(), self.room.set());
        let known = state.closed_by().iter().filter(|op| set.is_in_past_of(op, heads));
        let authors: BTreeSet<_> =
            known.filter_map(|op| set.get(op)).map(Operation::author).collect();
        authors.len() > 1 || authors.contains(&state.creator())
    }

    /// What its writer knew of it who says that. A room is closed to what is not said yet: what waits was written before.
    pub(crate) fn heads_of(&self, message: &Message) -> Vec<OpId> {
        let (state, set) = (self.room.state(), self.room.set());
        let closed = state.closed_by().first().filter(|_| !is_about_room(message));
        match closed.and_then(|closed| set.get(closed)) {
            Some(closed) => closed.previous().to_vec(),
            None => set.heads().copied().collect(),
        }
    }

    /// What is known of it.
    pub(crate) fn heads(&self) -> Heads {
        let set = self.room.set();
        Heads {
            ops: set.heads().take(ROOM_OP_PREVIOUS_MAX).copied().collect(),
            digest: set.digest(),
        }
    }

    fn keep(&mut self, records: &mut VaultTxn, op: &OpId) -> Result<(), StoreError> {
        let Some(op) = self.room.set().get(op) else { return Ok(()) };
        self.ops += 1;
        let record = RoomOpRecord { op: op.as_bytes().to_vec() };
        records.put(&ROOM_OPS, Key::Scoped(&self.record.room.0, self.ops), &record)
    }
}
