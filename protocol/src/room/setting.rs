//! What is set for a room as a whole.
//!
//! | key | setting | value, encoded |
//! | --- | --- | --- |
//! | 0 | name | text, 1 to 64 bytes, no control characters |
//! | 1 | history: messages that who is new is given | u8, 0 to 200 |
//! | 2 | expire | seconds, 1 to 518,400, or null |
//! | 3 | burn | seconds, 1 to 518,400, or null |
//! | 4 | add by: who may add others | u8, 0 moderators, 1 members |
//! | 5 | strict: nothing is shown of who is removed | bool |
//! | 6 | members: how many others are added up to | u16, 2 to 256 |
//!
//! What has another key, or another value, is kept, passed on, and has no effect. It is not refused: a later build may
//! allow it, and whoever refused it would lack all that rests on it.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec;
use crate::identity::statement::is_device_name;
use crate::limits::{ROOM_HISTORY_MAX, ROOM_MEMBERS_DEFAULT, ROOM_MEMBERS_MAX, ROOM_OP_BYTES_MAX};
use crate::message::Timers;

/// Who may add others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AddBy {
    /// Moderators alone.
    #[default]
    Moderators,
    /// All members.
    Members,
}

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// What the room is called.
    Name(String),
    /// How many messages from before they joined a new member is given.
    History(u8),
    /// Seconds from sending after which a message ends.
    Expire(Option<u32>),
    /// Seconds from reading after which a message ends.
    Burn(Option<u32>),
    /// Who may add others.
    AddBy(AddBy),
    /// Whether nothing is shown of who is removed, even if they had not heard of it.
    Strict(bool),
    /// Up to how many members others are added.
    MembersMax(u16),
    /// Of a later build, or with a value that this one doesn't know.
    Unknown {
        /// Its key.
        key: u8,
        /// Its value, encoded.
        value: Vec<u8>,
    },
}

/// All settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What the room is called.
    pub name: String,
    /// How many messages from before they joined a new member is given.
    pub history: u8,
    /// Timers of its messages, where they say nothing else.
    pub timers: Timers,
    /// Who may add others.
    pub add_by: AddBy,
    /// Whether nothing is shown of who is removed, even if they had not heard of it.
    pub strict: bool,
    /// Up to how many members others are added. Where parts of the network added people beside each other there may be more.
    pub members_max: u16,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: String::new(),
            history: 0,
            timers: Timers::OFF,
            add_by: AddBy::Moderators,
            strict: false,
            members_max: ROOM_MEMBERS_DEFAULT,
        }
    }
}

impl AddBy {
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Moderators => 0,
            Self::Members => 1,
        }
    }

    pub(super) fn of(number: u8) -> Option<Self> {
        [Self::Moderators, Self::Members].into_iter().find(|who| who.number() == number)
    }
}

impl Settings {
    pub(super) fn apply(&mut self, setting: &Setting) {
        match setting {
            Setting::Name(name) => self.name.clone_from(name),
            Setting::History(history) => self.history = *history,
            Setting::Expire(seconds) => self.timers.expire_s = *seconds,
            Setting::Burn(seconds) => self.timers.burn_s = *seconds,
            Setting::AddBy(who) => self.add_by = *who,
            Setting::Strict(strict) => self.strict = *strict,
            Setting::MembersMax(members) => self.members_max = *members,
            Setting::Unknown { .. } => {}
        }
    }

    /// Whether a room can have these.
    #[must_use]
    pub fn is_in_bounds(&self) -> bool {
        is_name(&self.name)
            && self.history <= ROOM_HISTORY_MAX
            && self.timers.check().is_ok()
            && is_members_max(self.members_max)
    }
}

impl Setting {
    /// Whether it is one of this build's, with a value that it may have.
    #[must_use]
    pub fn is_in_bounds(&self) -> bool {
        match self {
            Self::Name(name) => is_name(name),
            Self::History(history) => *history <= ROOM_HISTORY_MAX,
            Self::Expire(seconds) | Self::Burn(seconds) => is_timer(*seconds),
            Self::AddBy(_) | Self::Strict(_) => true,
            Self::MembersMax(members) => is_members_max(*members),
            Self::Unknown { .. } => false,
        }
    }

    /// Its key.
    #[must_use]
    pub(super) fn key(&self) -> u8 {
        match self {
            Self::Name(_) => 0,
            Self::History(_) => 1,
            Self::Expire(_) => 2,
            Self::Burn(_) => 3,
            Self::AddBy(_) => 4,
            Self::Strict(_) => 5,
            Self::MembersMax(_) => 6,
            Self::Unknown { key, .. } => *key,
        }
    }

    /// Its key, and its value as it is encoded.
    pub(super) fn encode(&self) -> (u8, Vec<u8>) {
        let value = match self {
            Self::Name(name) => codec::encode(name),
            Self::History(history) => codec::encode(history),
            Self::Expire(seconds) | Self::Burn(seconds) => codec::encode(seconds),
            Self::AddBy(who) => codec::encode(&who.number()),
            Self::Strict(strict) => codec::encode(strict),
            Self::MembersMax(members) => codec::encode(members),
            Self::Unknown { value, .. } => value.clone(),
        };
        (self.key(), value)
    }

    pub(super) fn decode(key: u8, value: &[u8]) -> Self {
        let known = match key {
            0 => read(value).map(Self::Name),
            1 => read(value).map(Self::History),
            2 => read(value).map(Self::Expire),
            3 => read(value).map(Self::Burn),
            4 => read(value).and_then(AddBy::of).map(Self::AddBy),
            5 => read(value).map(Self::Strict),
            6 => read(value).map(Self::MembersMax),
            _ => None,
        };
        let unknown = || Self::Unknown { key, value: value.to_vec() };
        known.filter(Self::is_in_bounds).unwrap_or_else(unknown)
    }
}

fn read<T: Serialize + DeserializeOwned>(value: &[u8]) -> Option<T> {
    codec::decode(value, ROOM_OP_BYTES_MAX).ok()
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && is_device_name(name)
}

fn is_timer(seconds: Option<u32>) -> bool {
    Timers { expire_s: seconds, burn_s: None }.check().is_ok()
}

fn is_members_max(members: u16) -> bool {
    (2..=ROOM_MEMBERS_MAX).contains(&members)
}
