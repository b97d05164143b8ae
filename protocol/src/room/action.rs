//! What an operation does.
//!
//! | number | action | body |
//! | --- | --- | --- |
//! | 0 | [create](Create) | `{0: version u8, 1: name, 2: salt 16, 3: history u8, 4: expire seconds or null, 5: burn seconds or null, 6: add by u8, 7: strict bool, 8: members u16}` |
//! | 1 | add | `{0: identity 32}` |
//! | 2 | remove | `{0: identity 32}` |
//! | 3 | grant: makes a moderator, and adds them | `{0: identity 32}` |
//! | 4 | revoke | `{0: operation that granted, 32}` |
//! | 5 | [set](Setting) | `{0: key u8, 1: value bytes}` |
//! | 6 | leave | none |
//! | 7 | close | none |
//!
//! Other numbers are kept, passed on, and have no effect: a later build knows them. Nothing is added to a known action, since
//! a build that refused it would also lack all that rests on it.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::operation::OpError;
use super::setting::{AddBy, Setting, Settings};
use crate::codec::{self, CodecError};
use crate::ids::{IdentityId, OpId};
use crate::limits::ROOM_OP_BYTES_MAX;
use crate::message::Timers;

/// The version of the rules by which a room's operations count. What would count otherwise is another version.
pub const ROOM_VERSION: u8 = 1;

/// What an operation does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Creates the room.
    Create(Create),
    /// Makes someone a member.
    Add(IdentityId),
    /// Puts someone out, whatever they were. Nothing counts that they do without having heard of it.
    Remove(IdentityId),
    /// Makes someone a moderator, and a member.
    Grant(IdentityId),
    /// Takes a grant back. Who had it stays a member.
    Revoke(OpId),
    /// Changes a setting.
    Set(Setting),
    /// The author goes.
    Leave,
    /// Ends the room, if the creator says it, or two moderators.
    Close,
    /// Of a later build.
    Unknown {
        /// Its number.
        number: u16,
        /// What it holds.
        body: Vec<u8>,
    },
}

/// How a room begins. Its creator is its first moderator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Create {
    /// Random: no two rooms are one.
    pub salt: [u8; 16],
    /// How it is set at first.
    pub settings: Settings,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateBody {
    version: u8,
    name: String,
    #[serde(with = "serde_bytes")]
    salt: [u8; 16],
    history: u8,
    expire_s: Option<u32>,
    burn_s: Option<u32>,
    add_by: u8,
    strict: bool,
    members_max: u16,
}

/// As little as every later version has.
#[derive(Deserialize)]
struct Head {
    version: u8,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PersonBody {
    who: IdentityId,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RevokeBody {
    grant: OpId,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SetBody {
    key: u8,
    value: ByteBuf,
}

mod number {
    pub(super) const CREATE: u16 = 0;
    pub(super) const ADD: u16 = 1;
    pub(super) const REMOVE: u16 = 2;
    pub(super) const GRANT: u16 = 3;
    pub(super) const REVOKE: u16 = 4;
    pub(super) const SET: u16 = 5;
    pub(super) const LEAVE: u16 = 6;
    pub(super) const CLOSE: u16 = 7;
}

impl Action {
    /// Whether it brings someone in, so that they may act under it.
    #[must_use]
    pub fn admits(&self) -> bool {
        self.admitted().is_some() || matches!(self, Self::Create(_))
    }

    /// Whom it brings in. (Of the creation that is its author.)
    #[must_use]
    pub(super) fn admitted(&self) -> Option<IdentityId> {
        match self {
            Self::Add(who) | Self::Grant(who) => Some(*who),
            Self::Create(_)
            | Self::Remove(_)
            | Self::Revoke(_)
            | Self::Set(_)
            | Self::Leave
            | Self::Close
            | Self::Unknown { .. } => None,
        }
    }

    /// Its number and its body, as they are encoded.
    #[must_use]
    pub(super) fn encode(&self) -> (u16, Vec<u8>) {
        match self {
            Self::Create(create) => (number::CREATE, create.encode()),
            Self::Add(who) => (number::ADD, codec::encode(&PersonBody { who: *who })),
            Self::Remove(who) => (number::REMOVE, codec::encode(&PersonBody { who: *who })),
            Self::Grant(who) => (number::GRANT, codec::encode(&PersonBody { who: *who })),
            Self::Revoke(grant) => (number::REVOKE, codec::encode(&RevokeBody { grant: *grant })),
            Self::Set(setting) => {
                let (key, value) = setting.encode();
                (number::SET, codec::encode(&SetBody { key, value: value.into() }))
            }
            Self::Leave => (number::LEAVE, Vec::new()),
            Self::Close => (number::CLOSE, Vec::new()),
            Self::Unknown { number, body } => (*number, body.clone()),
        }
    }

    /// # Errors
    /// [`OpError`], if the body is not one of that action.
    pub(super) fn decode(number: u16, body: &[u8]) -> Result<Self, OpError> {
        let person = || codec::decode::<PersonBody>(body, ROOM_OP_BYTES_MAX).map(|body| body.who);
        Ok(match number {
            number::CREATE => Self::Create(Create::decode(body)?),
            number::ADD => Self::Add(person()?),
            number::REMOVE => Self::Remove(person()?),
            number::GRANT => Self::Grant(person()?),
            number::REVOKE => {
                Self::Revoke(codec::decode::<RevokeBody>(body, ROOM_OP_BYTES_MAX)?.grant)
            }
            number::SET => {
                let SetBody { key, value } = codec::decode(body, ROOM_OP_BYTES_MAX)?;
                Self::Set(Setting::decode(key, &value))
            }
            number::LEAVE if body.is_empty() => Self::Leave,
            number::CLOSE if body.is_empty() => Self::Close,
            number::LEAVE | number::CLOSE => Err(CodecError::NotCanonical)?,
            number => Self::Unknown { number, body: body.to_vec() },
        })
    }
}

impl Create {
    fn encode(&self) -> Vec<u8> {
        codec::encode(&CreateBody {
            version: ROOM_VERSION,
            name: self.settings.name.clone(),
            salt: self.salt,
            history: self.settings.history,
            expire_s: self.settings.timers.expire_s,
            burn_s: self.settings.timers.burn_s,
            add_by: self.settings.add_by.number(),
            strict: self.settings.strict,
            members_max: self.settings.members_max,
        })
    }

    fn decode(body: &[u8]) -> Result<Self, OpError> {
        let Head { version } = codec::decode_lenient(body, ROOM_OP_BYTES_MAX)?;
        if version != ROOM_VERSION {
            return Err(OpError::Version { found: version });
        }
        let body: CreateBody = codec::decode(body, ROOM_OP_BYTES_MAX)?;
        let settings = Settings {
            name: body.name,
            history: body.history,
            timers: Timers { expire_s: body.expire_s, burn_s: body.burn_s },
            add_by: AddBy::of(body.add_by).ok_or(OpError::Setting)?,
            strict: body.strict,
            members_max: body.members_max,
        };
        if !settings.is_in_bounds() {
            return Err(OpError::Setting);
        }
        Ok(Self { salt: body.salt, settings })
    }
}
