//! Rooms.

use martlet_protocol::RoomId;
use martlet_protocol::control::{
    Room, RoomAddBy, RoomChange, RoomCreate, RoomList, RoomMemberRequest, RoomOperations,
    RoomRemoveQuery, TimerSetting,
};
use martlet_protocol::message::Timers;
use martlet_protocol::room::{Action, AddBy, Setting};

use super::ends::asked;
use super::{Command, CommandError};
use crate::directory::{DirectoryError, RoomError, clean_name};
use crate::engine::Engine;
use crate::error::Fault;
use crate::turn::Turn;
use crate::user::{Undo, User};

/// Makes a room.
#[derive(Debug)]
pub struct CreateRoom {
    /// How it is called.
    pub request: RoomCreate,
}

/// All rooms that the user is in, or was.
#[derive(Debug)]
pub struct ListRooms {}

/// One room.
#[derive(Debug)]
pub struct GetRoom {
    /// Its name, or its id.
    pub room: String,
}

/// What happened to a room.
#[derive(Debug)]
pub struct ListRoomOperations {
    /// Its name, or its id.
    pub room: String,
}

/// Adds a contact to a room, or makes someone a moderator of it.
#[derive(Debug)]
pub struct AddToRoom {
    /// Its name, or its id.
    pub room: String,
    /// Whom.
    pub request: RoomMemberRequest,
    /// Whether as a moderator.
    pub as_moderator: bool,
}

/// Puts someone out of a room.
#[derive(Debug)]
pub struct RemoveFromRoom {
    /// Its name, or its id.
    pub room: String,
    /// Whom.
    pub who: String,
    /// What of their deeds is undone, too.
    pub query: RoomRemoveQuery,
}

/// Forgets a room that the user is in no more.
#[derive(Debug)]
pub struct ForgetRoom {
    /// Its name, or its id.
    pub room: String,
}

/// Makes a moderator of a room a member again.
#[derive(Debug)]
pub struct RemoveModerator {
    /// Its name, or its id.
    pub room: String,
    /// Whom.
    pub who: String,
}

/// Changes how a room is set.
#[derive(Debug)]
pub struct ChangeRoom {
    /// Its name, or its id.
    pub room: String,
    /// What changes.
    pub change: RoomChange,
}

/// Leaves a room.
#[derive(Debug)]
pub struct LeaveRoom {
    /// Its name, or its id.
    pub room: String,
}

/// Ends a room.
#[derive(Debug)]
pub struct CloseRoom {
    /// Its name, or its id.
    pub room: String,
}

fn room_of(user: &User, room: &str) -> Result<RoomId, RoomError> {
    user.directory.room_of(room)
}

impl Command for CreateRoom {
    type Reply = Room;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Room, Fault> {
        let user = engine.user_mut()?;
        let id = user.create_room(turn, &self.request.name)?;
        user.show_room(&id)
    }
}

impl Command for ListRooms {
    type Reply = RoomList;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, _: &mut Turn<'_>) -> Result<RoomList, Fault> {
        Ok(RoomList { rooms: engine.user_mut()?.show_rooms() })
    }
}

impl Command for GetRoom {
    type Reply = Room;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, _: &mut Turn<'_>) -> Result<Room, Fault> {
        let user = engine.user_mut()?;
        let id = room_of(user, &self.room)?;
        user.show_room(&id)
    }
}

impl Command for ListRoomOperations {
    type Reply = RoomOperations;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, _: &mut Turn<'_>) -> Result<RoomOperations, Fault> {
        let user = engine.user_mut()?;
        let id = room_of(user, &self.room)?;
        Ok(RoomOperations { operations: user.show_operations(&id)? })
    }
}

impl Command for AddToRoom {
    type Reply = Room;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Room, Fault> {
        let user = engine.user_mut()?;
        let id = room_of(user, &self.room)?;
        user.bring_in(turn, &id, &self.request.who, self.as_moderator)?;
        user.show_room(&id)
    }
}

impl Command for RemoveFromRoom {
    type Reply = ();

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<(), Fault> {
        let user = engine.user_mut()?;
        let id = room_of(user, &self.room)?;
        let undo = match self.query {
            RoomRemoveQuery { undo_from: Some(from), .. } => Undo::From(from),
            RoomRemoveQuery { undo: true, undo_from: None } => Undo::All,
            RoomRemoveQuery { undo: false, undo_from: None } => Undo::Nothing,
        };
        user.put_out(turn, &id, (&self.who, undo))
    }
}

impl Command for ForgetRoom {
    type Reply = ();

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<(), Fault> {
        let user = engine.user_mut()?;
        let id = room_of(user, &self.room)?;
        user.forget_room(turn, &id)
    }
}

impl Command for RemoveModerator {
    type Reply = ();

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<(), Fault> {
        let user = engine.user_mut()?;
        let id = room_of(user, &self.room)?;
        user.demote(turn, &id, &self.who)
    }
}

impl Command for ChangeRoom {
    type Reply = Room;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Room, Fault> {
        let user = engine.user_mut()?;
        let id = room_of(user, &self.room)?;
        let RoomChange { name, expire_seconds, burn_seconds, add_by, strict, members_max, history } =
            self.change;
        let Timers { expire_s, burn_s } =
            asked(expire_seconds, burn_seconds, Timers::OFF).map_err(CommandError::from)?;
        let is_asked = |asked: &Option<TimerSetting>| asked.is_some();
        let name = name.map(|name| clean_name(&name)).transpose().map_err(DirectoryError::from)?;
        let settings = [
            name.map(Setting::Name),
            is_asked(&expire_seconds).then_some(Setting::Expire(expire_s)),
            is_asked(&burn_seconds).then_some(Setting::Burn(burn_s)),
            add_by.map(|who| Setting::AddBy(who_adds(who))),
            strict.map(Setting::Strict),
            members_max.map(Setting::MembersMax),
            history.map(Setting::History),
        ];
        let settings: Vec<_> = settings.into_iter().flatten().collect();
        // All or none: a problem must be found before anything is changed.
        if !settings.iter().all(Setting::is_in_bounds) {
            return Err(RoomError::Value.into());
        }
        let (mut done, asked) = (0, settings.len());
        for setting in settings {
            match user.act(turn, &id, Action::Set(setting), "") {
                // It is so already: an operation less.
                Err(Fault::Refused(CommandError::Room(RoomError::NoChange))) => {}
                result => {
                    result?;
                    done += 1;
                }
            }
        }
        if asked > 0 && done == 0 {
            return Err(RoomError::NoChange.into());
        }
        user.show_room(&id)
    }
}

impl Command for LeaveRoom {
    type Reply = ();

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<(), Fault> {
        let user = engine.user_mut()?;
        let id = room_of(user, &self.room)?;
        user.act(turn, &id, Action::Leave, "")
    }
}

impl Command for CloseRoom {
    type Reply = Room;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Room, Fault> {
        let user = engine.user_mut()?;
        let id = room_of(user, &self.room)?;
        user.act(turn, &id, Action::Close, "")?;
        user.show_room(&id)
    }
}

fn who_adds(add_by: RoomAddBy) -> AddBy {
    match add_by {
        RoomAddBy::Moderators => AddBy::Moderators,
        RoomAddBy::Members => AddBy::Members,
    }
}
